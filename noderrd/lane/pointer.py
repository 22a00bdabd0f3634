"""Calls and loads by address: how the loop reaches onnxruntime and a user's strategy without recompiling.

An address comes out of an array, never out of the code, so every call site stays cacheable. An address holds in one process only.
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import arrayobj

tools: Any = cgutils  # its module has no types, nor has the next
arrays: Any = arrayobj
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
def _pointer(_context: Any, _address: Any) -> Any:
    """Make a pointer of an address, for numba.carray."""

    def build(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), build


@intrinsic
def _floats(_context: Any, _address: Any, shape: Any) -> Any:
    """Make an array of the floats at an address; numba.carray gives none where `_nrt=False`."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        made = arrays.make_array(signature.return_type)(context, builder)
        sizes, strides = tools.unpack_tuple(builder, arguments[1]), [I64(4)]
        for size in sizes[:0:-1]:
            strides.insert(0, builder.mul(strides[0], size))
        data = builder.inttoptr(arguments[0], ir.FloatType().as_pointer())
        arrays.populate_array(made, data=data, shape=sizes, strides=strides, itemsize=I64(4), meminfo=None)
        return made._getvalue()  # noqa: SLF001 - it has no other name

    return types.Array(types.float32, len(shape), "C")(types.int64, shape), build


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
        tools.raw_memmove(builder, builder.inttoptr(to, byte), builder.inttoptr(source, byte), size, itemsize=1)
        return ir.Constant(I64, 0)

    return types.int64(_to, _source, _size), build


call5: Callable[[int, int, int, int, int, int], int] = cast("Any", _call5)
pointer: Callable[[int], Any] = cast("Any", _pointer)
floats: Callable[[int, tuple[int, ...]], np.ndarray] = cast("Any", _floats)
load_f32: Callable[[int], float] = cast("Any", _load_f32)
store_f32: Callable[[int, float], int] = cast("Any", _store_f32)
copy: Callable[[int, int, int], int] = cast("Any", _copy)
