"""An AF_XDP socket: a feed's datagrams by shared rings, without a system call (kernel Documentation/networking/af_xdp.rst).

The fastest of three ways that works is taken: zero copy where the driver has it, the driver's own XDP with a copy, and the generic one with a copy,
which every interface has (a veth pair in a test too). Memberships are the host's business as before: join groups with an ordinary socket.
The socket serves one receive queue; steer the feed there, or have one queue (`channels = 1` in [host]).
"""

import ctypes
import dataclasses
import mmap
import os
import socket
import struct
from collections.abc import Sequence

import numpy as np

from noderrd.net import bpf
from noderrd.net.xdp_ring import DESCRIPTOR, FRAME, RING, XSK

AF_XDP, SOL_XDP = 44, 283
MMAP_OFFSETS, RX_RING, UMEM_REG, FILL_RING, COMPLETION_RING, STATISTICS = 1, 2, 4, 5, 6, 7
PAGE_RX, PAGE_FILL = 0, 0x100000000
COPY, ZEROCOPY = 2, 4  # bind flags
MODES = (("zero copy", ZEROCOPY, bpf.DRV_MODE), ("driver, copied", COPY, bpf.DRV_MODE), ("generic, copied", COPY, bpf.SKB_MODE))
_libc = ctypes.CDLL(None, use_errno=True)


class Unavailable(Exception):
    """AF_XDP cannot be had here; the text says why. The caller receives by recvmmsg then."""


@dataclasses.dataclass(frozen=True)
class Counts:
    """What the kernel could not deliver (linux/if_xdp.h, xdp_statistics)."""

    dropped: int
    invalid: int
    ring_full: int
    fill_empty: int


class Socket:
    """One queue of one interface. `state` and `umem` are what xdp_ring.receive takes; both live as long as this object. Raises Unavailable."""

    def __init__(self, interface: str, wanted: Sequence[tuple[str, int]], queue: int = 0) -> None:
        self._fds: list[int] = []
        self._maps: list[mmap.mmap] = []
        self.mode = ""
        try:
            self._index = socket.if_nametoindex(interface)
            self._open(wanted, queue)
        except OSError as error:
            self.close()
            raise Unavailable(f"{interface}: {error.strerror or error}") from error

    def _open(self, wanted: Sequence[tuple[str, int]], queue: int) -> None:
        map_fd = self._keep(bpf.make_map())
        program_fd = self._keep(bpf.load(bpf.program(wanted, map_fd)))
        last: OSError | None = None
        for name, flags, mode in MODES:
            try:
                link = bpf.attach(program_fd, self._index, mode)
            except OSError as error:
                last = error
                continue
            try:
                self._bind(queue, flags)
                bpf.put(map_fd, queue, self.fd)
            except OSError as error:
                os.close(link)
                self._drop()
                last = error
                continue
            self._keep(link)
            self.mode = name
            return
        assert last is not None
        raise last

    def _keep(self, fd: int) -> int:
        self._fds.append(fd)
        return fd

    def _bind(self, queue: int, flags: int) -> None:
        """Make the socket, its memory and its rings, and bind it to the queue."""
        self._socket = socket.socket(AF_XDP, socket.SOCK_RAW)
        self.fd = self._socket.fileno()
        self._memory = mmap.mmap(-1, RING * FRAME, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)
        self.umem = np.frombuffer(self._memory, np.uint8)
        base = self.umem.ctypes.data
        self._socket.setsockopt(SOL_XDP, UMEM_REG, struct.pack("=QQIII", base, RING * FRAME, FRAME, 0, 0) + bytes(4))
        for ring in (FILL_RING, COMPLETION_RING, RX_RING):
            self._socket.setsockopt(SOL_XDP, ring, struct.pack("=I", RING))
        # Four times producer, consumer, desc, flags: rx, tx, fill, completion.
        offsets = struct.unpack("=16Q", self._socket.getsockopt(SOL_XDP, MMAP_OFFSETS, 128))
        rx, fill = offsets[0:4], offsets[8:12]
        rx_at = self._ring(rx[2] + RING * DESCRIPTOR.itemsize, PAGE_RX)
        fill_at = self._ring(fill[2] + RING * 8, PAGE_FILL)
        state = np.zeros(1, XSK)
        state[0]["rx_producer"], state[0]["rx_consumer"], state[0]["fill_producer"] = rx_at + rx[0], rx_at + rx[1], fill_at + fill[0]
        self.state = state
        self.descriptors = _view(rx_at + rx[2], RING * DESCRIPTOR.itemsize).view(DESCRIPTOR)
        self.fill = _view(fill_at + fill[2], RING * 8).view(np.uint64)
        self.fill[:] = np.arange(RING, dtype=np.uint64) * np.uint64(FRAME)
        ctypes.c_uint32.from_address(fill_at + fill[0]).value = RING
        state[0]["filled"] = RING
        address = struct.pack("=HHIII", AF_XDP, flags, self._index, queue, 0)
        if _libc.bind(self.fd, address, len(address)) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))

    def _ring(self, size: int, page: int) -> int:
        """Map a ring; gives its address."""
        held = mmap.mmap(self.fd, size, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE, offset=page)
        self._maps.append(held)
        return ctypes.addressof(ctypes.c_char.from_buffer(held))

    def counts(self) -> Counts:
        """Give what was lost."""
        dropped, invalid, _, ring_full, fill_empty, _ = struct.unpack("=6Q", self._socket.getsockopt(SOL_XDP, STATISTICS, 48))
        return Counts(dropped, invalid, ring_full, fill_empty)

    def _drop(self) -> None:
        self._socket.close()
        self._maps.clear()  # the arrays over them keep what they need

    def close(self) -> None:
        """Detach the program and close the socket; the interface is as before."""
        for fd in reversed(self._fds):
            os.close(fd)
        self._fds.clear()
        if hasattr(self, "_socket"):
            self._drop()


def _view(address: int, size: int) -> np.ndarray:
    return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))
