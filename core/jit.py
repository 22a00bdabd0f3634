"""How kernels are compiled: the one place that knows numba's flags.

Three kinds. A `kernel` is called from other kernels only: it gets no Python and no C wrapper and no reference counting
(`_nrt=False`: an allocation inside fails to compile), which makes it faster to call and the whole lane a third faster
to compile. An `inlined` kernel is copied into its callers: an array is passed as seven words and more, which costs more than a small kernel
does. An `entry` is a kernel with a wrapper, so that Python can call it.

`_nrt` is private to numba; the version is pinned in pyproject.toml for that reason. `error_model="numpy"` drops the
branch that raises on division by zero: integer division by zero then gives 0, so kernels check their divisors.
`cache=True` does not see edits in other files: noderrd.lane.cache keys the cache directory by a hash of all of them.
"""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba
from numba import types

njit: Any = numba.njit  # its stubs do not know the private flags
CONFIG: Any = numba.config  # nor the settings

P = ParamSpec("P")
R = TypeVar("R")


def widened(compiled: Any) -> Any:
    """Let a kernel be compiled once for all whole numbers: a constant, an enum's member and an int32 are passed as int64.

    numba would compile it anew for each of them: the lane, which passes codes and fields of records, half a hundred times over.
    """
    if CONFIG.DISABLE_JIT:
        return compiled
    compile_for = compiled.compile

    def compile_wide(signature: Any) -> Any:
        return compile_for(tuple(wide(kind) for kind in signature) if isinstance(signature, tuple) else signature)

    compiled.compile = compile_wide
    return compiled


def wide(kind: Any) -> Any:
    """Give the type that a kernel takes for an argument of that type."""
    whole = isinstance(kind, types.IntegerLiteral | types.IntEnumMember) or (isinstance(kind, types.Integer) and kind in types.signed_domain)
    return types.int64 if whole else kind


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile for calls from other kernels."""
    compiled = njit(nogil=True, _nrt=False, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, cache=True)(function)
    return cast("Callable[P, R]", widened(compiled))


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """Compile into the kernels that call it: for what is small, or called in one place. LLVM does it (its `alwaysinline`), not numba's `inline`."""
    compiled = njit(
        nogil=True, _nrt=False, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True, cache=True
    )(function)  # fmt: skip
    return cast("Callable[P, R]", widened(compiled))


def entry(function: Callable[P, R]) -> Callable[P, R]:
    """Compile for calls from Python, without the interpreter's lock held."""
    return cast("Callable[P, R]", njit(nogil=True, _nrt=False, error_model="numpy", cache=True)(function))


def lowered(meaning: Callable[P, R]) -> Callable[[Any], Callable[P, R]]:
    """Pair an intrinsic (what LLVM is told) with the Python function that says what it means, which runs where numba is switched off."""

    def choose(intrinsic: Any) -> Callable[P, R]:
        return meaning if CONFIG.DISABLE_JIT else cast("Callable[P, R]", intrinsic)

    return choose


def exposed(function: Callable[P, R], *, boundscheck: bool = True) -> Callable[P, R]:
    """Give a kernel's source its own wrapper, with bounds checked by default: for tests and for checking users' code."""
    source: Any = getattr(function, "py_func", function)
    return cast("Callable[P, R]", njit(nogil=True, error_model="numpy", boundscheck=boundscheck)(source))
