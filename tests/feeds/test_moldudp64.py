"""MoldUDP64 datagrams and SoupBinTCP streams off the hot path."""

import itertools

import numpy as np
import pytest
from feeds.captures import SOURCE, TARGET, classic, ethernet, udp
from hypothesis import given, settings
from hypothesis import strategies as st

from noderrd.feeds import moldudp64, pcap, recording, soupbintcp

SESSION = b"SESSION  1"


@given(st.integers(1, 2**63), st.lists(st.binary(max_size=40), max_size=9))
def test_a_datagram_comes_back(seq, messages):
    found = moldudp64.read(moldudp64.write(SESSION, seq, tuple(messages)))
    assert found == moldudp64.Datagram(SESSION, seq, tuple(messages))


def test_heartbeat_and_end():
    assert moldudp64.read(moldudp64.write(SESSION, 9)).messages == ()
    assert moldudp64.read(moldudp64.write(SESSION, 9, end=True)).end


@settings(max_examples=300)
@given(st.binary(max_size=70))
def test_bytes_that_are_no_datagram(data):
    found = moldudp64.read(data)
    if found is not None and not found.end:
        assert moldudp64.write(found.session, found.seq, found.messages) == data


def test_a_sample_of_another_exchange(data):
    raw = (data / "moldudp_soupbin" / "moldudp-unwrap_mold.sample.dat").read_bytes()
    sizes = [n for n in range(20, len(raw) + 1) if (found := moldudp64.read(raw[:n])) is not None and len(found.messages) == 15]
    assert len(sizes) == 1


def put(path, *datagrams):
    path.write_bytes(classic([ethernet(udp(one)) for one in datagrams]))
    return recording.read(path)


def texts(tape):
    whole = bytes(tape.data)
    return [whole[at : at + int.from_bytes(whole[at - 2 : at], "big")] for at in tape.offsets.tolist()]


def test_a_capture_is_put_in_sequence(tmp_path):
    """Both lines, one behind and with a loss that the other covers, and another session in between."""
    parts = [moldudp64.write(SESSION, 1 + 2 * k, (b"%d" % (2 * k), b"%d" % (2 * k + 1))) for k in range(4)]
    tape = put(tmp_path / "x.pcap", parts[0], parts[2], moldudp64.write(b"OTHER", 3, (b"no",)), parts[0], parts[1], parts[1], parts[3], parts[2])
    assert texts(tape) == [b"%d" % k for k in range(8)]
    assert tape.damaged_at is None


def test_a_capture_with_a_hole_is_refused_and_says_where(tmp_path):
    with pytest.raises(ValueError, match="lacks messages 2 to 4"):
        put(tmp_path / "x.pcap", moldudp64.write(SESSION, 1, (b"a",)), moldudp64.write(SESSION, 5, (b"e",)))


def segment(payload, seq, flags=0x18):
    return pcap.Segment(0, pcap.TCP, SOURCE, TARGET, payload, 0, seq, flags)


PACKETS = [b"H", b"S" + b"abc", b"Z", b"U" + bytes(30), b"+text"]
STREAM = b"".join(len(one).to_bytes(2, "big") + one for one in PACKETS)


@given(st.lists(st.integers(1, len(STREAM) - 1), max_size=6), st.randoms(use_true_random=False), st.integers(0, 2**32 - 1))
def test_segments_in_any_cut_and_order(cuts, random, first):
    """Cut anywhere, shuffled within reach, sent twice, the numbers wrapping round: the same packets once each."""
    bounds = [0, *sorted(set(cuts)), len(STREAM)]
    pieces = [segment(STREAM[a:b], first + 1 + a & 0xFFFFFFFF) for a, b in itertools.pairwise(bounds)]
    streams = soupbintcp.Streams()
    assert list(streams.add(segment(b"", first, flags=2))) == []
    twice = pieces + pieces[: random.randrange(len(pieces) + 1)]
    random.shuffle(twice)
    found = [packet for piece in twice for packet in streams.add(piece)]
    assert found == PACKETS
    assert streams.broken == 0


def test_another_protocol_is_let_go_once():
    streams = soupbintcp.Streams()
    assert list(streams.add(segment(b"GET / HTTP/1.1", 5))) == []
    assert list(streams.add(segment(STREAM, 19))) == []
    assert streams.broken == 1


def test_segments_that_wait_are_bounded():
    streams = soupbintcp.Streams()
    list(streams.add(segment(STREAM, 1)))
    for k in range(200):
        list(streams.add(segment(b"x", 1000 + 2 * k)))
    assert streams.broken == 1


def test_binaryfile_of_another_project(data):
    tape = recording.read(data / "moldudp_soupbin" / "nassau_binaryfile.dat")
    assert texts(tape)[:2] == [b"foo", b"bar"]
    assert isinstance(tape.offsets, np.ndarray)
