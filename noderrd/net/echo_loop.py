"""The loops of an echo: messages come in, are stamped, and go back, or are counted. A call runs for a while, then Python is asked."""

import numpy as np

from core.integer import i64
from core.jit import entry
from noderrd.lane.syscalls import EAGAIN, EINTR, poll, realtime, recv, send
from noderrd.net.message import BACK, LEAST, SEQ, THERE

CLOSED = -1
COUNTED, FIRST_NS, LAST_NS, HIGHEST, REORDERED, HAVE = range(6)
STATE = 6  # words


@entry
def echo(
    fd_in: int,
    fd_out: int,
    data: np.ndarray,
    size: int,
    stream: int,
    state: np.ndarray,
    polls: np.ndarray,
    timespec: np.ndarray,
    run_ns: int,
    spin: int,
) -> int:
    """Send back what comes for run_ns: messages of `size` of a stream, or datagrams as they are. Gives how many, CLOSED when the stream ended."""
    words = data.view(np.int64)
    base, sent = data.ctypes.data, i64(0)
    end = realtime(timespec) + run_ns
    while True:
        have = state[HAVE]
        n = recv(fd_in, base + have, size - have)
        now = realtime(timespec)
        if n <= 0:
            if (n == 0 and stream) or (n < 0 and n != -EAGAIN and n != -EINTR and stream):
                return CLOSED
            if now > end:
                return sent
            if not spin:
                poll(polls.ctypes.data, 1, 10)
            continue
        have = have + n if stream else n
        if stream and have < size:
            state[HAVE] = have
            continue
        state[HAVE] = 0
        if have >= LEAST:
            words[THERE] = now
            words[BACK] = realtime(timespec)
            gone = i64(0)
            while gone < have:
                m = send(fd_out, base + gone, have - gone)
                if m > 0:
                    gone += m
                elif not stream or (m != -EAGAIN and m != -EINTR):
                    break
            sent += 1


@entry
def sink(
    fd_in: int, data: np.ndarray, size: int, stream: int, state: np.ndarray, polls: np.ndarray, timespec: np.ndarray, run_ns: int, spin: int
) -> int:
    """Count what comes for run_ns into state; as `echo`."""
    words = data.view(np.int64)
    base = data.ctypes.data
    end = realtime(timespec) + run_ns
    while True:
        have = state[HAVE]
        n = recv(fd_in, base + have, size - have)
        now = realtime(timespec)
        if n <= 0:
            if n == 0 and stream:
                return CLOSED
            if now > end:
                return state[COUNTED]
            if not spin:
                poll(polls.ctypes.data, 1, 10)
            continue
        have = have + n if stream else n
        state[HAVE] = have if stream and have < size else 0
        if state[HAVE] != 0 or have < LEAST:
            continue
        if state[COUNTED] == 0:
            state[FIRST_NS] = now
            state[HIGHEST] = -1
        state[LAST_NS] = now
        state[COUNTED] += 1
        if words[SEQ] < state[HIGHEST]:
            state[REORDERED] += 1
        state[HIGHEST] = max(state[HIGHEST], words[SEQ])
