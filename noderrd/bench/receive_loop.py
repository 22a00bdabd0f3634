"""The receiving ends of the receive benchmark: the lane's own recvmmsg and the AF_XDP ring, spun on until a block is there."""

import numpy as np

from core.integer import i64
from core.jit import entry
from noderrd.lane import xdp, xdp_ring
from noderrd.lane.syscalls import IOVEC, MMSGHDR, realtime, recvmmsg

FIRST_NS = 2_000_000_000


@entry
def _recvmmsg(headers: np.ndarray, data: np.ndarray, slot: int, fd: int, out: np.ndarray, timespec: np.ndarray, wait_ns: int) -> int:
    """Take datagrams until `out` is full or none came for wait_ns; gives how many."""
    taken = i64(0)
    last = realtime(timespec) + FIRST_NS
    words = data.view(np.int64)
    while taken < out.shape[0]:
        n = recvmmsg(fd, headers.ctypes.data, headers.shape[0])
        now = realtime(timespec)
        if n <= 0:
            if now > last:
                break
            continue
        for k in range(n):
            if taken < out.shape[0]:
                out[taken] = now - words[k * slot // 8]
                taken += 1
        last = now + wait_ns
    return taken


@entry
def _af_xdp(rings: np.ndarray, headers: np.ndarray, data: np.ndarray, slot: int, out: np.ndarray, timespec: np.ndarray, wait_ns: int) -> int:
    """The same from a ring."""
    taken = i64(0)
    last = realtime(timespec) + FIRST_NS
    words = data.view(np.int64)
    while taken < out.shape[0]:
        n = xdp_ring.receive(rings, 0, headers, data.ctypes.data, slot, headers.shape[0])
        now = realtime(timespec)
        if n <= 0:
            if now > last:
                break
            continue
        for k in range(n):
            if taken < out.shape[0]:
                out[taken] = now - words[k * slot // 8]
                taken += 1
        last = now + wait_ns
    return taken


class Loop:
    """Buffers for `batch` datagrams of `slot` bytes and for the latencies of a block."""

    def __init__(self, batch: int, slot: int, block: int) -> None:
        self._slot, self._out, self._timespec = slot, np.zeros(block, np.int64), np.zeros(2, np.int64)
        self._data = np.zeros(batch * slot, np.uint8)
        self._headers, self._iovecs = np.zeros(batch, MMSGHDR), np.zeros(batch, IOVEC)
        for k in range(batch):
            self._iovecs[k] = (self._data.ctypes.data + k * slot, slot)
            self._headers[k]["iov"] = self._iovecs.ctypes.data + k * IOVEC.itemsize
            self._headers[k]["iovlen"] = 1
        none = np.zeros(0, np.int64)
        _recvmmsg(self._headers, self._data, slot, -1, none, self._timespec, 0)  # compiled now, not in the first block
        _af_xdp(np.zeros(1, xdp_ring.XSK), self._headers, self._data, slot, none, self._timespec, 0)

    def recvmmsg(self, fd: int, wait_ns: int) -> np.ndarray:
        """Give the latencies of a block that comes to a UDP socket."""
        n = _recvmmsg(self._headers, self._data, self._slot, fd, self._out, self._timespec, wait_ns)
        return self._out[:n].copy()

    def af_xdp(self, line: xdp.Queue, wait_ns: int) -> np.ndarray:
        """Give the latencies of a block that comes to an AF_XDP socket."""
        n = _af_xdp(line.rings, self._headers, self._data, self._slot, self._out, self._timespec, wait_ns)
        return self._out[:n].copy()
