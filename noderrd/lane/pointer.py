"""Calls and loads by address: how the loop reaches onnxruntime and a user's strategy without recompiling.

An address comes out of an array, never out of the code, so every call site stays cacheable. An address holds in one process only.
"""

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

raw_memmove: Any = cgutils.raw_memmove  # its module has no types
I64 = ir.IntType(64)


@intrinsic
def _call5(_context: Any, _address: Any, a: Any, b: Any, c: Any, d: Any, e: Any) -> Any:
    """Call int64 f(void *, void *, void *, void *, void *)."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function = builder.inttoptr(arguments[0], ir.FunctionType(I64, [I64] * 5).as_pointer())
        pairs = zip(arguments[1:], signature.args[1:], strict=True)
        return builder.call(function, [context.cast(builder, value, kind, types.int64) for value, kind in pairs])

    return types.int64(types.int64, a, b, c, d, e), build


@intrinsic
def _call8(_context: Any, _address: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any) -> Any:
    """Call void *f(8 words): OrtApi::Run."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function = builder.inttoptr(arguments[0], ir.FunctionType(I64, [I64] * 8).as_pointer())
        pairs = zip(arguments[1:], signature.args[1:], strict=True)
        return builder.call(function, [context.cast(builder, value, kind, types.int64) for value, kind in pairs])

    return types.int64(types.int64, a, b, c, d, e, f, g, h), build


@intrinsic
def _load_f32(_context: Any, _address: Any) -> Any:
    """Load a float32."""

    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.load(builder.inttoptr(arguments[0], ir.FloatType().as_pointer()))

    return types.float32(types.int64), build


@intrinsic
def _store_f32(_context: Any, _address: Any, value: Any) -> Any:
    """Store a float32."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        small = context.cast(builder, arguments[1], signature.args[1], types.float32)
        builder.store(small, builder.inttoptr(arguments[0], ir.FloatType().as_pointer()))
        return ir.Constant(I64, 0)

    return types.int64(types.int64, value), build


@intrinsic
def _copy(_context: Any, _to: Any, _source: Any, _size: Any) -> Any:
    """Copy bytes; the two places are the same or do not overlap."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        to, source, size = (context.cast(builder, a, t, types.int64) for a, t in zip(arguments, signature.args, strict=True))
        byte = ir.IntType(8).as_pointer()
        raw_memmove(builder, builder.inttoptr(to, byte), builder.inttoptr(source, byte), size, itemsize=1)
        return ir.Constant(I64, 0)

    return types.int64(_to, _source, _size), build


call5: Callable[[int, int, int, int, int, int], int] = cast("Any", _call5)
call8: Callable[[int, int, int, int, int, int, int, int, int], int] = cast("Any", _call8)
load_f32: Callable[[int], float] = cast("Any", _load_f32)
store_f32: Callable[[int, float], int] = cast("Any", _store_f32)
copy: Callable[[int, int, int], int] = cast("Any", _copy)
