"""Fences and word-sized loads and stores that other processes see, and the sequence lock built on them.

On x86-64 aligned 8-byte loads and stores are atomic and stores are seen in order, so a release or acquire fence costs no instruction:
it only forbids the compiler to reorder. That is all a single writer needs. Two that each write and then look at the other's word need `fence`,
the one reordering that the machine does (a load before an earlier store to another word). (Intel SDM volume 3, section 9.2.)

Words behind an address are used where the array belongs to several processes, each of which maps it elsewhere.
"""

import ctypes
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from core.jit import kernel, lowered

I64 = ir.IntType(64)


def _nothing() -> int:
    return 0


def _fence_of(order: str) -> Any:
    """Give an intrinsic that is a fence of that order."""

    @intrinsic
    def build_fence(_context: Any) -> Any:
        def build(_context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
            builder.fence(order)
            return ir.Constant(I64, 0)

        return types.int64(), build

    return build_fence


@intrinsic
def _load(_context: Any, _address: Any) -> Any:
    """Load an int64, as written by whoever shares it."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = context.cast(builder, arguments[0], signature.args[0], types.int64)
        return builder.load_atomic(builder.inttoptr(address, I64.as_pointer()), "acquire", 8)

    return types.int64(_address), build


@intrinsic
def _store(_context: Any, _address: Any, _value: Any) -> Any:
    """Store an int64 for whoever shares it."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, value = (context.cast(builder, a, t, types.int64) for a, t in zip(arguments, signature.args, strict=True))
        builder.store_atomic(value, builder.inttoptr(address, I64.as_pointer()), "release", 8)
        return ir.Constant(I64, 0)

    return types.int64(_address, _value), build


def _load_word(address: int) -> int:
    return ctypes.c_int64.from_address(int(address)).value


def _store_word(address: int, value: int) -> int:
    ctypes.c_int64.from_address(int(address)).value = int(value)
    return 0


release = lowered(_nothing)(_fence_of("release"))  # everything stored before is seen before anything stored after
acquire = lowered(_nothing)(_fence_of("acquire"))  # nothing loaded after is older than what was loaded before
fence = lowered(_nothing)(_fence_of("seq_cst"))  # everything stored before is seen before anything is loaded after
load = lowered(_load_word)(_load)  # (address) -> int64
store = lowered(_store_word)(_store)  # (address, value)


@kernel
def begin(records: np.ndarray, index: int) -> None:
    """Take the sequence lock of a record with a `version` field: it turns odd, and readers turn away."""
    if records[index]["version"] & 1 == 0:
        records[index]["version"] += 1
    release()


@kernel
def end(records: np.ndarray, index: int) -> None:
    """Let the sequence lock go: the version turns even."""
    release()
    if records[index]["version"] & 1 == 1:
        records[index]["version"] += 1
