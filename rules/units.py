"""Units are part of a value's type. Values are exact fractions of a base unit; nothing here is a float.

A dimension is a product of bases with exponents: `30 mils` is USD x share^-1, `500/s` is time^-1. A ratio (%, bps) is a number that
says so: it compares and multiplies like a plain number, but a field that wants a ratio takes no bare 5, which could be 5 or 500 %.
"""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

Dimension = tuple[tuple[str, int], ...]

NUMBER: Dimension = ()
UNKNOWN: Dimension = (("unknown", 1),)  # of a number whose unit was told to be wrong: nothing more is said of it
RATIO: Dimension = (("ratio", 1),)
TIME: Dimension = (("time", 1),)
RATE: Dimension = (("time", -1),)
TICKS: Dimension = (("tick", 1),)
SHARES: Dimension = (("share", 1),)
CONTRACTS: Dimension = (("contract", 1),)
BYTES: Dimension = (("byte", 1),)
BANDWIDTH: Dimension = (("byte", 1), ("time", -1))
CURRENCIES = ("USD", "USDT", "BTC")
USD: Dimension = (("USD", 1),)
PRICE: Dimension = (("USD", 1), ("share", -1))

# What is written after a number: its dimension, and what one of it is in the base unit (ns, currency, byte, plain number).
UNITS: dict[str, tuple[Dimension, Fraction]] = {
    "ns": (TIME, Fraction(1)),
    "us": (TIME, Fraction(1_000)),
    "ms": (TIME, Fraction(1_000_000)),
    "s": (TIME, Fraction(1_000_000_000)),
    "min": (TIME, Fraction(60_000_000_000)),
    "h": (TIME, Fraction(3_600_000_000_000)),
    "d": (TIME, Fraction(86_400_000_000_000)),
    "%": (RATIO, Fraction(1, 100)),
    "bps": (RATIO, Fraction(1, 10_000)),
    "mils": (PRICE, Fraction(1, 10_000)),
    "ticks": (TICKS, Fraction(1)),
    "tick": (TICKS, Fraction(1)),
    "shares": (SHARES, Fraction(1)),
    "share": (SHARES, Fraction(1)),
    "contracts": (CONTRACTS, Fraction(1)),
    "contract": (CONTRACTS, Fraction(1)),
    "USD": (USD, Fraction(1)),
    "USDT": ((("USDT", 1),), Fraction(1)),
    "BTC": ((("BTC", 1),), Fraction(1)),
    "Mbps": (BANDWIDTH, Fraction(1, 8_000)),
    "Gbps": (BANDWIDTH, Fraction(1, 8)),
    "KiB": (BYTES, Fraction(1 << 10)),
    "MiB": (BYTES, Fraction(1 << 20)),
    "GiB": (BYTES, Fraction(1 << 30)),
}
# What people write elsewhere, for the hint: folded, and what it is called here.
ALIASES = {
    **dict.fromkeys(("sec", "secs", "second", "seconds"), "s"), **dict.fromkeys(("m", "mins", "minute", "minutes"), "min"),
    **dict.fromkeys(("hr", "hrs", "hour", "hours"), "h"), **dict.fromkeys(("day", "days"), "d"), "msec": "ms", "usec": "us", "nsec": "ns",
    **dict.fromkeys(("pct", "percent"), "%"), **dict.fromkeys(("bp", "bip", "bips"), "bps"), **dict.fromkeys(("dollar", "dollars"), "USD"),
    "hz": "/s", "kb": "KiB", "mb": "MiB", "gb": "GiB", **dict.fromkeys(("shs", "shr"), "shares"), "mbit": "Mbps", "gbit": "Gbps",
}  # fmt: skip
GLUED = frozenset(("%", "ns", "us", "ms", "s", "min", "h", "d"))  # written without a space: 5%, 10ms
TIMES = ("d", "h", "min", "s", "ms", "us", "ns")
SIZES = ("GiB", "MiB", "KiB")
PLURAL = {"share": "shares", "contract": "contracts", "tick": "ticks"}
DIGITS = 30  # of a number, before and after the point together


@dataclass(frozen=True, slots=True)
class Quantity:
    """An exact value in base units (time in ns) and its dimension."""

    value: Fraction
    dimension: Dimension = NUMBER

    def __str__(self) -> str:
        return show(self)


def product(left: Dimension, right: Dimension, sign: int = 1) -> Dimension:
    """Give the dimension of a product (sign 1) or a quotient (-1). A ratio is lost beside anything but a number or a ratio."""
    if not right:
        return left
    if right == RATIO and (left or sign < 0):
        return left
    if left == RATIO:
        return RATIO if right == RATIO else product(NUMBER, right, sign)
    exponents = dict(left)
    for base, exponent in right:
        exponents[base] = exponents.get(base, 0) + sign * exponent
    return tuple(sorted((base, n) for base, n in exponents.items() if n))


def same(left: Dimension, right: Dimension) -> bool:
    """May the two be added and compared? A ratio is a number."""
    return left == right or (left in {NUMBER, RATIO} and right in {NUMBER, RATIO})


def describe(dimension: Dimension) -> str:
    """Give a dimension in words, for a diagnostic."""
    if dimension == NUMBER:
        return "a plain number"
    if dimension == RATIO:
        return "a ratio (%, bps)"
    if dimension == TIME:
        return "a duration (ns, us, ms, s, min, h, d)"
    if dimension == RATE:
        return "a rate (/s)"
    if dimension == BYTES:
        return "a size (KiB, MiB, GiB)"
    if dimension == BANDWIDTH:
        return "a bandwidth (Mbps, Gbps)"
    return unit_name(dimension)


def unit_name(dimension: Dimension) -> str:
    """Give the name of a dimension's base unit, such as `USD/share`; empty for numbers and ratios."""
    words = {"time": "ns", "ratio": "", "byte": "bytes"}
    over = "*".join(_power(words.get(base, PLURAL.get(base, base)), n) for base, n in dimension if n > 0)
    under = "/".join(_power({"time": "ns", "byte": "byte"}.get(base, base), -n) for base, n in dimension if n < 0)
    return over + (f"/{under}" if under else "")


def _power(word: str, exponent: int) -> str:
    return word if exponent == 1 else f"{word}^{exponent}"


def decimal(value: Fraction) -> Decimal:
    """Give an exact decimal; raises ValueError if there is none (a third)."""
    rest, twos, fives = value.denominator, 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1:
        raise ValueError(f"{value} has no exact decimal")
    places = max(twos, fives)
    digits = value.numerator * 10**places // value.denominator
    return Decimal((int(digits < 0), tuple(int(d) for d in str(abs(digits))), -places))


def figure(value: Fraction) -> str:
    """Write a number: digits in groups of three, all decimals; a fraction if it has no end."""
    try:
        return f"{decimal(value):,f}".replace(",", "_")
    except ValueError:
        return f"{value.numerator:_}/{value.denominator:_}"


def show(quantity: Quantity) -> str:
    """Write a quantity in one way only: equal quantities read equal. Durations and sizes take the largest unit that leaves no fraction."""
    value, dimension = quantity.value, quantity.dimension
    if dimension == RATIO:
        return f"{figure(value * 100)}%"
    if dimension == PRICE:
        return f"{figure(value * 10_000)} mils"
    if dimension == RATE:
        return f"{figure(value * 1_000_000_000)}/s"
    if dimension == BANDWIDTH:
        return f"{figure(value * 8_000)} Mbps"
    if dimension == TIME:
        return _largest(value, TIMES, "ns", "")
    if dimension == BYTES:
        return _largest(value, SIZES, "bytes", " ")
    unit = unit_name(dimension)
    return f"{figure(value)} {unit}" if unit else figure(value)


def _largest(value: Fraction, units: tuple[str, ...], base: str, gap: str) -> str:
    for unit in units:
        count = value / UNITS[unit][1]
        if count and count.denominator == 1:
            return f"{figure(count)}{gap}{unit}"
    return f"{figure(value)}{gap}{base}"
