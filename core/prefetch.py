"""Ask the CPU for a cache line before it is needed. It changes nothing but time."""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from core.jit import lowered

READ_AND_WRITE, KEEP, DATA = 1, 3, 1  # arguments of llvm.prefetch


def _nothing(_address: int) -> int:
    """Where numba is switched off there is nothing to ask for."""
    return 0


@lowered(_nothing)
@intrinsic
def prefetch(_context: Any, _address: Any) -> tuple[Any, Callable[..., Any]]:
    """Bring the line of an address into the first cache; an address that is none is ignored."""

    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        i32, pointer = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, i32, i32, i32])
        function = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
        builder.call(function, [builder.inttoptr(arguments[0], pointer), *(ir.Constant(i32, k) for k in (READ_AND_WRITE, KEEP, DATA))])
        return ir.Constant(ir.IntType(64), 0)

    return types.int64(types.int64), build
