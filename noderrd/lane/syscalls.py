"""The system calls of the hot loop, as kernels: recvmmsg, recv, send, poll, sched_yield, clock_gettime and the cycle counter.

Each is libc's own function, called without the interpreter. Results are as in the manual pages (section 2), with -errno in place of -1.
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from core.integer import i64
from core.jit import kernel

EAGAIN = 11
EINTR = 4
MSG_DONTWAIT = 0x40
MSG_NOSIGNAL = 0x4000
MSG_TRUNC = 0x20
POLLIN = 1
CLOCK_REALTIME = 0

# struct mmsghdr and struct iovec of x86-64 Linux (bits/socket.h, bits/types/struct_iovec.h).
MMSGHDR = np.dtype(
    [
        ("name", "u8"), ("namelen", "u4"), ("pad", "u4"), ("iov", "u8"), ("iovlen", "u8"), ("control", "u8"), ("controllen", "u8"),
        ("flags", "i4"), ("pad2", "i4"), ("len", "u4"), ("pad3", "u4"),
    ],
    align=True,
)  # fmt: skip
IOVEC = np.dtype([("base", "u8"), ("len", "u8")], align=True)
POLLFD = np.dtype([("fd", "i4"), ("events", "i2"), ("revents", "i2")], align=True)

_recvmmsg: Any = types.ExternalFunction("recvmmsg", types.int32(types.int32, types.uintp, types.uint32, types.int32, types.uintp))
_recv: Any = types.ExternalFunction("recv", types.intp(types.int32, types.uintp, types.uintp, types.int32))
_send: Any = types.ExternalFunction("send", types.intp(types.int32, types.uintp, types.uintp, types.int32))
_poll: Any = types.ExternalFunction("poll", types.int32(types.uintp, types.uintp, types.int32))
_sched_yield: Any = types.ExternalFunction("sched_yield", types.int32())
_clock_gettime: Any = types.ExternalFunction("clock_gettime", types.int32(types.int32, types.uintp))
_errno_location: Any = types.ExternalFunction("__errno_location", types.uintp())


@intrinsic
def _cycles(_context: Any) -> Any:
    """Read the time stamp counter."""

    def build(_context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        counter = builder.module.declare_intrinsic("llvm.readcyclecounter", fnty=ir.FunctionType(ir.IntType(64), []))
        return builder.call(counter, [])

    return types.int64(), build


cycles: Callable[[], int] = cast("Any", _cycles)


@intrinsic
def _load_i32_(_context: Any, _address: Any) -> Any:
    """Load an int32 from an address."""

    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.load(builder.inttoptr(arguments[0], ir.IntType(32).as_pointer()))

    return types.int32(types.uintp), build


_load_i32: Callable[[int], int] = cast("Any", _load_i32_)


@kernel
def _failed(result: int) -> int:
    """Give the result, or -errno for -1."""
    return -_load_i32(_errno_location()) if result < 0 else i64(result)


@kernel
def recvmmsg(fd: int, headers: int, n: int) -> int:
    """Take up to n waiting datagrams; `headers` is the address of MMSGHDR[n]."""
    return _failed(_recvmmsg(np.int32(fd), np.uintp(headers), np.uint32(n), np.int32(MSG_DONTWAIT), np.uintp(0)))


@kernel
def recv(fd: int, address: int, size: int) -> int:
    """Take waiting bytes; 0 is the end of the stream."""
    return _failed(_recv(np.int32(fd), np.uintp(address), np.uintp(size), np.int32(MSG_DONTWAIT)))


@kernel
def send(fd: int, address: int, size: int) -> int:
    """Hand over bytes, perhaps not all."""
    return _failed(_send(np.int32(fd), np.uintp(address), np.uintp(size), np.int32(MSG_DONTWAIT | MSG_NOSIGNAL)))


@kernel
def poll(address: int, n: int, timeout_ms: int) -> int:
    """Wait for one of POLLFD[n]."""
    return _failed(_poll(np.uintp(address), np.uintp(n), np.int32(timeout_ms)))


@kernel
def sched_yield() -> int:
    """Let another thread of this core run."""
    return _failed(_sched_yield())


@kernel
def realtime(timespec: np.ndarray) -> int:
    """Wall clock in nanoseconds; `timespec` is int64[2] to work in."""
    _clock_gettime(np.int32(CLOCK_REALTIME), np.uintp(timespec.ctypes.data))
    return timespec[0] * 1_000_000_000 + timespec[1]
