"""Expressions as they are meant: names resolved, constants folded, every part with its dimension, and the range it can be in.

What an expression means when a value is missing or NaN: a comparison with it is unknown; `and`, `or` and `not` follow Kleene's three
values (unknown and false is false, unknown or true is true); a condition that is unknown does not hold, and restarts its `for`.
`absent(x)` is how to ask for missing values.
"""

from dataclasses import dataclass
from fractions import Fraction

from rules.units import Dimension, Quantity, show, unit_name

TRUTH: Dimension = (("truth", 1),)
Range = tuple[Fraction | None, Fraction | None]  # None: no bound


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that is known."""

    quantity: Quantity


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric; labels as (name, must be equal, value), sorted. `low` and `high` bound it, in base units."""

    name: str
    labels: tuple[tuple[str, bool, str], ...]
    dimension: Dimension
    low: Fraction | None
    high: Fraction | None


@dataclass(frozen=True, slots=True)
class Apply:
    """A function; over a window of `window_ns`, or 0 for max and min of several arguments."""

    function: str
    arguments: tuple["Expression", ...]
    window_ns: int
    dimension: Dimension


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """+ - * /."""

    sign: str
    left: "Expression"
    right: "Expression"
    dimension: Dimension


@dataclass(frozen=True, slots=True)
class Compare:
    """< <= > >= == !=."""

    sign: str
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True)
class Logic:
    """`and`, `or`."""

    sign: str
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True)
class Not:
    """`not`."""

    operand: "Expression"


@dataclass(frozen=True, slots=True)
class State:
    """`book[symbol = GOOG] is stale`."""

    subject: str
    labels: tuple[tuple[str, bool, str], ...]
    negated: bool
    state: str


Expression = Constant | Measured | Apply | Arithmetic | Compare | Logic | Not | State

MAX_HELD = 64  # values held at once while a condition is computed: core.program.STACK
_RANK = {"or": 1, "and": 2, "not": 3, "compare": 4, "+": 5, "-": 5, "*": 6, "/": 6}


def dimension(e: Expression) -> Dimension:
    """Give the dimension of a resolved expression; TRUTH for conditions."""
    if isinstance(e, Constant):
        return e.quantity.dimension
    if isinstance(e, Measured | Apply | Arithmetic):
        return e.dimension
    return TRUTH


def text(e: Expression) -> str:
    """Write an expression in one way only, with no bracket that is not needed."""
    return _text(e)[0]


def _text(e: Expression) -> tuple[str, int]:
    """Give the text and how tightly its outermost operator binds."""
    if isinstance(e, Constant):
        return show(e.quantity), 9
    if isinstance(e, Measured):
        return e.name + labels_text(e.labels), 9
    if isinstance(e, State):
        return f"{e.subject}{labels_text(e.labels)} is {'not ' if e.negated else ''}{e.state}", _RANK["compare"]
    if isinstance(e, Apply):
        window = f" over {show(Quantity(Fraction(e.window_ns), (('time', 1),)))}" if e.window_ns else ""
        return f"{e.function}({', '.join(text(a) for a in e.arguments)}){window}", 9
    if isinstance(e, Not):
        return f"not {_inside(e.operand, _RANK['not'] + 1)}", _RANK["not"]
    rank = _RANK["compare"] if isinstance(e, Compare) else _RANK[e.sign]
    right = rank if isinstance(e, Logic) else rank + 1
    return f"{_inside(e.left, rank + isinstance(e, Compare))} {e.sign} {_inside(e.right, right)}", rank


def _inside(e: Expression, rank: int) -> str:
    written, binds = _text(e)
    return f"({written})" if binds < rank else written


def labels_text(labels: tuple[tuple[str, bool, str], ...]) -> str:
    """Write labels: `[symbol = GOOG]`, or nothing."""
    inner = ", ".join(f"{name} {'=' if equal else '!='} {value}" for name, equal, value in labels)
    return f"[{inner}]" if inner else ""


def parts(e: Expression) -> tuple[Expression, ...]:
    """Give the operands of an expression, from left to right."""
    if isinstance(e, Apply):
        return e.arguments
    if isinstance(e, Arithmetic | Compare | Logic):
        return e.left, e.right
    return (e.operand,) if isinstance(e, Not) else ()


def held(e: Expression) -> int:
    """Say how many values are held at once while an expression is computed, operand by operand."""
    if isinstance(e, Apply) and e.window_ns:
        return 1
    return max((held(part) + (k > 0) for k, part in enumerate(parts(e))), default=1)


def bounds(e: Expression) -> Range:
    """Give the range that a number can be in, by interval arithmetic over what the catalogue says of its metrics."""
    if isinstance(e, Constant):
        return e.quantity.value, e.quantity.value
    if isinstance(e, Measured):
        return e.low, e.high
    if isinstance(e, Apply):
        return _apply_bounds(e)
    if isinstance(e, Arithmetic):
        return _arithmetic_bounds(e.sign, bounds(e.left), bounds(e.right))
    return None, None


def _apply_bounds(e: Apply) -> Range:
    if e.function == "count":
        return Fraction(0), None
    if e.function in {"rate", "delta"}:
        return None, None
    ranges = [bounds(a) for a in e.arguments]
    lows, highs = [low for low, _ in ranges], [high for _, high in ranges]
    if e.function == "sum":
        return (Fraction(0) if lows[0] is not None and lows[0] >= 0 else None), None
    if len(ranges) == 1:
        return ranges[0]
    known_lows, known_highs = [x for x in lows if x is not None], [x for x in highs if x is not None]
    if e.function == "max":
        return max(known_lows, default=None), (max(known_highs) if len(known_highs) == len(highs) else None)
    return (min(known_lows) if len(known_lows) == len(lows) else None), min(known_highs, default=None)


def _arithmetic_bounds(sign: str, left: Range, right: Range) -> Range:
    if sign == "-":
        right = (None if right[1] is None else -right[1], None if right[0] is None else -right[0])
    if sign in {"+", "-"}:
        low = None if left[0] is None or right[0] is None else left[0] + right[0]
        return low, (None if left[1] is None or right[1] is None else left[1] + right[1])
    if right[0] is None or right[0] != right[1] or (sign == "/" and right[0] == 0):
        return (Fraction(0) if _natural(left) and _natural(right) else None), None
    factor = right[0] if sign == "*" else 1 / right[0]
    low, high = (None if x is None else x * factor for x in left)
    return (low, high) if factor >= 0 else (high, low)


def _natural(r: Range) -> bool:
    return r[0] is not None and r[0] >= 0


def settled(e: Compare) -> bool | None:
    """Say whether a comparison is always true or always false by the ranges of its sides; None if it depends."""
    (low, high), (other_low, other_high) = bounds(e.left), bounds(e.right)
    below = high is not None and other_low is not None and high < other_low
    not_above = high is not None and other_low is not None and high <= other_low
    above = low is not None and other_high is not None and low > other_high
    not_below = low is not None and other_high is not None and low >= other_high
    always, never = {
        "<": (below, not_below),
        "<=": (not_above, above),
        ">": (above, not_above),
        ">=": (not_below, below),
        "==": (not_above and not_below, below or above),
        "!=": (below or above, not_above and not_below),
    }[e.sign]
    return True if always else False if never else None


def range_text(e: Expression) -> str:
    """Say what range a number is in, for a diagnostic: `uncertainty is between 0 and 1`."""
    low, high = bounds(e)
    unit = dimension(e)
    shown = [None if x is None else show(Quantity(x, unit)) for x in (low, high)]
    if shown[0] is not None and shown[0] == shown[1]:
        return f"{text(e)} is constant"
    if shown[0] is not None and shown[1] is not None:
        return f"{text(e)} is between {shown[0]} and {shown[1]}"
    if shown[0] is not None:
        return f"{text(e)} is never below {shown[0]}"
    return f"{text(e)} is never above {shown[1]}"


def conjuncts(e: Expression) -> list[Expression]:
    """Give the parts of an `and`, from left to right."""
    found: list[Expression] = []
    waiting = [e]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Logic) and one.sign == "and":
            waiting += [one.right, one.left]
        else:
            found.append(one)
    return found


def contradiction(e: Expression) -> str:
    """Say which number an `and` confines to an empty range, such as `edge > 5 ticks and edge < 3 ticks`; empty if none."""
    lows: dict[str, tuple[Fraction, bool]] = {}
    highs: dict[str, tuple[Fraction, bool]] = {}
    together = conjuncts(e)
    for part in together if len(together) > 1 else ():
        if not isinstance(part, Compare) or not isinstance(part.right, Constant) or isinstance(part.left, Constant) or part.sign == "!=":
            continue
        name, value = text(part.left), part.right.quantity.value
        open_end = part.sign in {"<", ">"}
        if part.sign in {">", ">=", "=="}:
            lows[name] = max(lows.get(name, (value, open_end)), (value, open_end))
        if part.sign in {"<", "<=", "=="}:
            highs[name] = min(highs.get(name, (value, not open_end)), (value, not open_end))
    for name, (low, low_open) in lows.items():
        if name in highs:
            high, high_closed = highs[name]
            if low > high or (low == high and (low_open or not high_closed)):
                return name
    return ""


def unit_of(e: Expression) -> str:
    """Give the base unit that an expression's value is in, such as ns or USD; empty for plain numbers."""
    return unit_name(dimension(e))
