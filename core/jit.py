"""How kernels are compiled: the one place that knows numba's flags.

Two kinds. A `kernel` is called from other kernels only: it gets no Python and no C wrapper and no reference counting
(`_nrt=False`: an allocation inside fails to compile), which makes it faster to call and the whole lane a third faster
to compile. An `entry` is the same with a wrapper, so that Python can call it.

`_nrt` is private to numba; the version is pinned in pyproject.toml for that reason. `error_model="numpy"` drops the
branch that raises on division by zero: integer division by zero then gives 0, so kernels check their divisors.
`cache=True` does not see edits in other files: noderrd.lane.cache keys the cache directory by a hash of all of them.
"""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba

njit: Any = numba.njit  # its stubs do not know the private flags

P = ParamSpec("P")
R = TypeVar("R")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile for calls from other kernels."""
    compiled = njit(nogil=True, _nrt=False, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, cache=True)(function)
    return cast("Callable[P, R]", compiled)


def entry(function: Callable[P, R]) -> Callable[P, R]:
    """Compile for calls from Python, without the interpreter's lock held."""
    return cast("Callable[P, R]", njit(nogil=True, _nrt=False, error_model="numpy", cache=True)(function))


def exposed(function: Callable[P, R], *, boundscheck: bool = True) -> Callable[P, R]:
    """Give a kernel's source its own wrapper, with bounds checked by default: for tests and for checking users' code."""
    source: Any = getattr(function, "py_func", function)
    return cast("Callable[P, R]", njit(nogil=True, error_model="numpy", boundscheck=boundscheck)(source))
