"""Widening, said so that both numba and the type checker understand it.

numba widens a uint8 or int32 to 64 bits only when told, and to the type checker np.int64 is not an int: `i64` and `u64` are np.int64 and np.uint64 to
the one and functions from anything to int to the other. No cost: numba resolves the global to the type itself.
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np

i64: Callable[[Any], int] = cast("Any", np.int64)
u64: Callable[[Any], int] = cast("Any", np.uint64)
