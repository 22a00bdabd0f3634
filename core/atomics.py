"""Fences between stores that another process reads, and the sequence lock built on them.

On x86-64 aligned 8-byte loads and stores are atomic and stores are seen in order, so a release or acquire fence costs no instruction:
it only forbids the compiler to reorder. That is all a single writer needs. (Intel SDM volume 3, section 9.2.)
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from core.jit import kernel


@intrinsic
def _release(_context: Any) -> Any:
    """Everything stored before is seen before anything stored after."""

    def build(_context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        builder.fence("release")
        return ir.Constant(ir.IntType(64), 0)

    return types.int64(), build


release: Callable[[], int] = cast("Any", _release)


@intrinsic
def _acquire(_context: Any) -> Any:
    """Nothing loaded after is older than what was loaded before."""

    def build(_context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        builder.fence("acquire")
        return ir.Constant(ir.IntType(64), 0)

    return types.int64(), build


acquire: Callable[[], int] = cast("Any", _acquire)


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
