"""The spinning loop leaves the machine alone: no system call but the sockets', no page fault, one signature a kernel."""

import pickle
import re
import shutil
import subprocess
import time
from collections import Counter as Tally
from pathlib import Path

import pytest
from numba import config, types

SOCKETS = {"recvfrom", "recvmmsg", "sendto", "restart_syscall"}


def trade(desk, seconds):
    """Market data and orders for some time: books move, orders go out, rest, are filled and canceled."""
    end, k = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        k += 1
        desk.venue.add(1, desk.ref + k, b"B", 10, 990_000 + 100 * (k % 7))
        order = desk.send(b"B", 10, 999_900)
        desk.venue.fill(order, 10)
        desk.venue.delete(1, desk.ref + k)
        desk.serve(0.005)


def faults(pid):
    """Minor and major page faults of a process (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[7]), int(fields[9])


def test_no_system_call_but_the_sockets(make, tmp_path):
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    desk = make(idle="spin")
    trade(desk, 0.5)
    seen = tmp_path / "calls"
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-o", seen, "-p", str(desk.lane.process.pid)], stderr=subprocess.PIPE)
    time.sleep(0.3)
    if tracer.poll() is not None:
        pytest.skip(f"strace may not attach here: {tracer.stderr.read().decode()[:200]}")
    before = len(desk.entered())
    trade(desk, 1.5)
    tracer.terminate()
    tracer.communicate()
    assert len(desk.entered()) > before, "it traded meanwhile"
    found = re.findall(r"^(\d+) +(\w+)\(", seen.read_text(), flags=re.MULTILINE)
    calls = Tally(name for thread, name in found if int(thread) == desk.lane.process.pid)
    assert sum(calls.values()) > 100
    assert set(calls) <= SOCKETS, calls
    others = [name for thread, name in found if int(thread) != desk.lane.process.pid]
    assert len(others) <= 1, "the loader sleeps: strace sees the call that it sleeps in, once"


def test_no_page_fault(make):
    desk = make(idle="spin")
    trade(desk, 1.0)
    before = faults(desk.lane.process.pid)
    trade(desk, 1.5)
    assert faults(desk.lane.process.pid) == before


def test_kernels_are_compiled_once_for_all_whole_numbers(make):
    """One for each constant and each enum would be compiled, cached and kept warm for nothing."""
    make()
    seen = 0
    for index in Path(config.CACHE_DIR).rglob("*.nbi"):
        if index.name.startswith(("cold.", "terms.", "test_")):
            continue  # called from Python, with codes as they come: the lane's cold start, and kernels of tests
        with index.open("rb") as file:
            pickle.load(file)
            _, overloads = pickle.loads(file.read())
        for signature, *_ in overloads:
            seen += 1
            arguments = getattr(signature, "args", signature)
            assert not any(isinstance(kind, types.IntegerLiteral | types.IntEnumMember) for kind in arguments), f"{index.name}: {signature}"
    assert seen > 100
