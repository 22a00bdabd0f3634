"""Words behind addresses, and the sequence lock that keeps readers from what is half written."""

import threading

import numpy as np
import pytest
from numba import config

from core import atomics
from core.jit import entry
from core.layout import INSTRUMENT


@entry
def swap(address, value):
    before = atomics.load(address)
    atomics.store(address, value)
    atomics.fence()
    return before


@entry
def begin(records):
    atomics.begin(records, 0)


@entry
def end(records):
    atomics.end(records, 0)


@entry
def write(records, rounds):
    for k in range(rounds):
        atomics.begin(records, 0)
        records[0]["seq_num"] = k
        records[0]["ts_ns"] = -k
        atomics.end(records, 0)


def test_words_behind_an_address():
    words = np.array([7, 8, 9], np.int64)
    assert swap(words.ctypes.data + 8, -(2**63)) == 8
    assert words.tolist() == [7, -(2**63), 9]


def test_the_version_is_odd_inside_and_begin_twice_is_once():
    records = np.zeros(1, INSTRUMENT)
    begin(records)
    begin(records)
    assert records[0]["version"] == 1
    end(records)
    end(records)
    assert records[0]["version"] == 2


@pytest.mark.skipif(config.DISABLE_JIT, reason="needs a thread that runs at the same time")
def test_a_reader_that_looks_at_the_version_never_sees_half_a_record():
    records = np.zeros(1, INSTRUMENT)
    write(records, 1)
    writer = threading.Thread(target=write, args=(records, 20_000_000))
    writer.start()
    whole = 0
    while writer.is_alive():
        before = int(records[0]["version"])
        seq, ts = int(records[0]["seq_num"]), int(records[0]["ts_ns"])
        if before % 2 == 0 and records[0]["version"] == before:
            whole += 1
            assert seq == -ts
    writer.join()
    assert records[0]["seq_num"] == 20_000_000 - 1
