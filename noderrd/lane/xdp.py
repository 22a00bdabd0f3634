"""AF_XDP: a feed's datagrams by shared rings, without a system call (kernel Documentation/networking/af_xdp.rst).

The fastest of three ways that works is taken: zero copy where the driver has it, the driver's own XDP with a copy, and the generic one with a copy,
which every interface has (a veth pair in a test too). Memberships are the host's business as before: join groups with an ordinary socket.
One receive queue is served; steer the feed there, or have one queue (`channels = 1` in [host]). What comes to others is in the ordinary socket.
"""

import ctypes
import dataclasses
import errno
import mmap
import os
import socket
import struct
import time
from collections.abc import Sequence

import numpy as np

from noderrd.host import memory
from noderrd.lane import bpf
from noderrd.lane.xdp_ring import DESCRIPTOR_BYTES, FRAME, RING, XSK

AF_XDP, SOL_XDP = 44, 283
MMAP_OFFSETS, RX_RING, UMEM_REG, FILL_RING, COMPLETION_RING, STATISTICS = 1, 2, 4, 5, 6, 7
PAGE_RX, PAGE_FILL = 0, 0x100000000
SHARED_UMEM, COPY, ZEROCOPY = 1, 2, 4  # bind flags
MODES = (("zero copy", ZEROCOPY, bpf.DRV_MODE), ("driver, copied", COPY, bpf.DRV_MODE), ("generic, copied", COPY, bpf.SKB_MODE))
TRIES, PAUSE_S = 10, 0.005  # a lane that was killed a moment ago lets go of its queue a moment later
TAKEN = {errno.EBUSY, errno.EEXIST}
_libc = ctypes.CDLL(None, use_errno=True)


class Unavailable(Exception):
    """AF_XDP cannot be had here; the text says why. The caller receives by recvmmsg then."""


@dataclasses.dataclass(frozen=True)
class Counts:
    """What the kernel could not deliver (linux/if_xdp.h, xdp_statistics), over all sockets."""

    dropped: int
    invalid: int
    ring_full: int
    fill_empty: int


class Queue:
    """One receive queue of an interface, with a socket for each wanted (IPv4 address, port). Raises Unavailable.

    `rings` is XSK[len(wanted)], in that order, as xdp_ring.receive takes them; their memory lives as long as this object.
    `mode` is one of MODES, `pages` what the frames lie on: `hugetlb` (`[host] huge_pages` reserves them), `thp`, `small`.
    """

    def __init__(self, interface: str, wanted: Sequence[tuple[str, int]], queue: int = 0) -> None:
        self._queue, self._wanted = queue, wanted
        self._fds: list[int] = []
        self._sockets: list[socket.socket] = []
        self._maps: list[mmap.mmap] = []
        self.mode = self.pages = ""
        self.rings = np.zeros(len(wanted), XSK)
        try:
            self._index = socket.if_nametoindex(interface)
            for left in reversed(range(TRIES)):
                if self._open(last=left == 0):
                    break
                time.sleep(PAUSE_S)
        except OSError as error:
            self.close()
            said = "another program receives there" if error.errno in TAKEN else error.strerror or str(error)
            raise Unavailable(f"{interface}: {said}") from error

    def _open(self, *, last: bool) -> bool:
        """Take the first way that works; False when somebody else has the queue, unless it is the last try. Raises OSError."""
        map_fd = self._keep(bpf.make_map())
        program_fd = self._keep(bpf.load(bpf.program(self._wanted, self._queue, map_fd)))
        failed: list[OSError] = []
        for name, flags, mode in MODES:
            try:
                link = bpf.attach(program_fd, self._index, mode)
            except OSError as error:
                failed.append(error)
                continue
            try:
                self._bind(flags)
                for k, line in enumerate(self._sockets):
                    bpf.put(map_fd, k, line.fileno())
            except OSError as error:
                os.close(link)
                self._drop()
                failed.append(error)
                continue
            self._keep(link)
            self.mode = name
            return True
        self._let_go()
        taken = [error for error in failed if error.errno in TAKEN]
        if taken and not last:
            return False
        raise (taken or failed)[-1]

    def _keep(self, fd: int) -> int:
        self._fds.append(fd)
        return fd

    def _bind(self, flags: int) -> None:
        """Make the memory, and a socket with a ring of its own for each of the wanted; the first has the fill ring, which the others share."""
        self._memory, self.pages = memory.huge(RING * FRAME)
        memory.touch(self._memory)
        umem = memory.address(self._memory)
        for k in range(len(self._wanted)):
            line = socket.socket(AF_XDP, socket.SOCK_RAW)
            self._sockets.append(line)
            if k == 0:
                line.setsockopt(SOL_XDP, UMEM_REG, struct.pack("=QQIII", umem, RING * FRAME, FRAME, 0, 0) + bytes(4))
            for ring in (FILL_RING, COMPLETION_RING, RX_RING)[0 if k == 0 else 2 :]:
                line.setsockopt(SOL_XDP, ring, struct.pack("=I", RING))
            # Four times producer, consumer, desc, flags: rx, tx, fill, completion.
            offsets = struct.unpack("=16Q", line.getsockopt(SOL_XDP, MMAP_OFFSETS, 128))
            rx, fill = offsets[0:4], offsets[8:12]
            if k == 0:
                fill_at = self._ring(line, fill[2] + RING * 8, PAGE_FILL)
                np.ctypeslib.as_array((ctypes.c_uint64 * RING).from_address(fill_at + fill[2]))[:] = np.arange(RING) * FRAME
                ctypes.c_uint32.from_address(fill_at + fill[0]).value = RING
            rx_at = self._ring(line, rx[2] + RING * DESCRIPTOR_BYTES, PAGE_RX)
            row = self.rings[k]
            row["rx_producer"], row["rx_consumer"], row["descriptors"] = rx_at + rx[0], rx_at + rx[1], rx_at + rx[2]
            row["fill_producer"], row["fill"], row["umem"] = fill_at + fill[0], fill_at + fill[2], umem
            row["taken"], row["fd"], row["socket"] = 0, line.fileno(), -1
            first = self._sockets[0].fileno()
            address = struct.pack("=HHIII", AF_XDP, flags if k == 0 else SHARED_UMEM, self._index, self._queue, 0 if k == 0 else first)
            if _libc.bind(line.fileno(), address, len(address)) != 0:
                code = ctypes.get_errno()
                raise OSError(code, os.strerror(code))

    def _ring(self, line: socket.socket, size: int, page: int) -> int:
        """Map a ring; gives its address."""
        held = mmap.mmap(line.fileno(), size, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE, offset=page)
        self._maps.append(held)
        return ctypes.addressof(ctypes.c_char.from_buffer(held))

    def counts(self) -> Counts:
        """Give what was lost."""
        found = [struct.unpack("=6Q", line.getsockopt(SOL_XDP, STATISTICS, 48)) for line in self._sockets]
        dropped, invalid, _, ring_full, _, _ = (sum(column) for column in zip(*found, strict=True))
        return Counts(dropped, invalid, ring_full, max(row[4] for row in found))

    def _drop(self) -> None:
        for line in self._sockets:
            line.close()
        self._sockets.clear()
        self._maps.clear()

    def _let_go(self) -> None:
        for fd in reversed(self._fds):
            os.close(fd)
        self._fds.clear()

    def close(self) -> None:
        """Detach the program and close the sockets; the interface is as before. Nobody may receive from the rings any more."""
        self._let_go()
        self._drop()
