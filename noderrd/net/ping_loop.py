"""The client's loops: messages leave on a fixed schedule whatever comes back, and every answer is timed."""

import numpy as np

from core.integer import i64
from core.jit import entry
from noderrd.lane.syscalls import EAGAIN, EINTR, realtime, recv, send
from noderrd.net.message import BACK, DUE, LEAST, SENT, SEQ, THERE

REORDERED, DUPLICATE, HIGHEST, FAILED = range(4)


@entry
def ping(
    fd_out: int, fd_in: int, data: np.ndarray, inward: np.ndarray, size: int, stream: int, gap_ns: int, wait_ns: int,
    times: np.ndarray, counts: np.ndarray, timespec: np.ndarray,
) -> int:  # fmt: skip
    """Send times.shape[0] messages gap_ns apart and take the answers, until wait_ns after the last; gives how many came back.

    times[seq] becomes due, sent, there, back (of the other clock), came; came stays 0 for a lost one. Sending late counts: a message is due by the
    schedule, not by when there was time for it (no coordinated omission).
    """
    out, words = data.view(np.int64), inward.view(np.int64)
    total, got, sent, have = times.shape[0], i64(0), i64(0), i64(0)
    counts[HIGHEST] = -1
    start = realtime(timespec) + 1_000_000
    last = start + total * gap_ns + wait_ns
    while got < total:
        now = realtime(timespec)
        if now > last:
            break
        if sent < total and now >= start + sent * gap_ns:
            out[SEQ] = sent
            out[DUE] = start + sent * gap_ns
            out[SENT] = now
            gone = i64(0)
            while gone < size:
                m = send(fd_out, data.ctypes.data + gone, size - gone)
                if m > 0:
                    gone += m
                elif not stream or (m != -EAGAIN and m != -EINTR):
                    counts[FAILED] += 1
                    break
            sent += 1
        n = recv(fd_in, inward.ctypes.data + have, (size - have) if stream else inward.shape[0])
        if n <= 0:
            if n == 0 and stream:
                break
            continue
        came = realtime(timespec)
        have = have + n if stream else n
        if stream and have < size:
            continue
        full = have
        have = i64(0)
        seq = words[SEQ]
        if full < LEAST or seq < 0 or seq >= total:
            continue
        if times[seq, 4] != 0:
            counts[DUPLICATE] += 1
            continue
        times[seq, 0], times[seq, 1], times[seq, 2], times[seq, 3], times[seq, 4] = words[DUE], words[SENT], words[THERE], words[BACK], came
        got += 1
        if seq < counts[HIGHEST]:
            counts[REORDERED] += 1
        counts[HIGHEST] = max(counts[HIGHEST], seq)
    return got


@entry
def flood(fd_out: int, data: np.ndarray, size: int, count: int, stream: int, timespec: np.ndarray) -> int:
    """Send `count` messages as fast as they go; gives the nanoseconds that it took."""
    out = data.view(np.int64)
    start = realtime(timespec)
    for k in range(count):
        out[SEQ] = k
        gone = i64(0)
        while gone < size:
            m = send(fd_out, data.ctypes.data + gone, size - gone)
            if m > 0:
                gone += m
            elif m != -EAGAIN and m != -EINTR and (stream or m != -105):  # ENOBUFS: the queue is full, and a datagram is tried again
                return -1
    return realtime(timespec) - start
