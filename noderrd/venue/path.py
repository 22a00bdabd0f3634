"""The efficient price of a symbol: a Brownian path that is a function of a seed and the time, so that processes which never talk know the same one.

Lévy's construction (1940; Karatzas and Shreve, "Brownian Motion and Stochastic Calculus", section 2.3): straight lines between knots KNOT_NS apart,
and in between midpoints displaced by normal numbers, each half of the interval finer by one level. Every number is a hash of the seed, its level and
its place: any time can be asked for, at the same cost. The knots themselves are independent, so that the path does not leave its neighbourhood: it is
Brownian up to about KNOT_NS, and stationary beyond.
"""

import numpy as np

from core.integer import i64, u64
from core.jit import inlined, kernel

KNOT_NS = 1 << 40  # 18 minutes
LEVELS = 17  # down to 8 ms
ROOT_KNOT_S = (KNOT_NS / 1e9) ** 0.5
IRWIN_HALL = 3.0**0.5  # the sum of four uniform numbers has a variance of 1/3


@inlined
def normal(seed: int, level: int, place: int) -> float:
    """Give the number of standard normal distribution, near enough, that belongs to a place (Irwin and Hall: the sum of four uniform ones)."""
    z = u64(seed) ^ (u64(place) * np.uint64(0x9E3779B97F4A7C15)) ^ (u64(level) << np.uint64(58))
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    total = i64(z & np.uint64(0xFFFF)) + i64((z >> np.uint64(16)) & np.uint64(0xFFFF))
    total += i64((z >> np.uint64(32)) & np.uint64(0xFFFF)) + i64(z >> np.uint64(48))
    return (np.float64(total) / 65535.0 - 2.0) * IRWIN_HALL


@kernel
def brownian(seed: int, now_ns: int) -> float:
    """Give the path at a time, in units of its standard deviation over a second."""
    if now_ns < 0:
        return 0.0
    knot = now_ns // KNOT_NS
    x = np.float64(now_ns - knot * KNOT_NS) / KNOT_NS
    value = 0.5 * ((1.0 - x) * normal(seed, i64(0), knot) + x * normal(seed, i64(0), knot + 1))
    width = i64(KNOT_NS)
    deviation = 0.5
    for level in range(1, LEVELS + 1):
        place = now_ns // width
        x = np.float64(now_ns - place * width) / width
        value += deviation * normal(seed, level, place) * (1.0 - abs(2.0 * x - 1.0))
        width >>= 1
        deviation *= 0.7071067811865476
    return value * ROOT_KNOT_S
