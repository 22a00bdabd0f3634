"""What an expression is worth, plainly: the twin of the compiled program, and the meaning that it is held to.

Values are doubles in base units; truth is 1, 0, or NaN for unknown. NaN is a missing value and spreads: arithmetic with it is missing, a
division by zero is missing, a comparison with it is unknown. `and`, `or` and `not` are Kleene's ("Introduction to Metamathematics", 1952,
section 64): unknown and false is false, unknown or true is true, all else with unknown is unknown.

A leaf is what has to be measured: a metric, a function of a metric over a window, a state. Who measures gives their values.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from rules.expression import Apply, Arithmetic, Compare, Constant, Expression, Logic, Measured, Not, State, dimension, parts, text
from rules.units import Dimension

Leaf = Measured | Apply | State
MISSING = math.nan
TRUE, FALSE = 1.0, 0.0


@dataclass(frozen=True, slots=True)
class Step:
    """A part of an expression and what it came to, for `explain`."""

    part: Expression
    value: float

    @property
    def dimension(self) -> Dimension:
        """What the value is in."""
        return dimension(self.part)

    def __str__(self) -> str:
        return text(self.part)


def leaves(e: Expression) -> tuple[Leaf, ...]:
    """Give what has to be measured, each once, in the order written."""
    found: dict[Leaf, None] = {}
    waiting = [e]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Measured | State) or (isinstance(one, Apply) and one.window_ns):
            found[one] = None
        else:
            waiting += reversed(parts(one))
    return tuple(found)


def evaluate(e: Expression, values: Mapping[Leaf, float]) -> float:
    """Give the value of an expression; a leaf that `values` lacks is missing."""
    if isinstance(e, Constant):
        return float(e.quantity.value)
    if isinstance(e, Measured | State):
        return values.get(e, MISSING)
    if isinstance(e, Apply):
        return values.get(e, MISSING) if e.window_ns else _greatest(e.function, [evaluate(a, values) for a in e.arguments])
    if isinstance(e, Not):
        return TRUE - evaluate(e.operand, values)
    left, right = evaluate(e.left, values), evaluate(e.right, values)
    if isinstance(e, Logic):
        return _logic(e.sign, left, right)
    return _arithmetic(e.sign, left, right) if isinstance(e, Arithmetic) else _compare(e.sign, left, right)


def trace(e: Expression, values: Mapping[Leaf, float]) -> list[Step]:
    """Give every part that is not a constant with its value, inner parts first."""
    steps: dict[Expression, float] = {}
    waiting: list[tuple[Expression, bool]] = [(e, False)]
    while waiting:
        one, seen = waiting.pop()
        if isinstance(one, Constant):
            continue
        inner = () if isinstance(one, Apply) and one.window_ns else parts(one)
        if seen or not inner:
            steps[one] = evaluate(one, values)
        else:
            waiting.append((one, True))
            waiting += ((part, False) for part in reversed(inner))
    return [Step(part, value) for part, value in steps.items()]


def headline(e: Expression, values: Mapping[Leaf, float]) -> tuple[float, float]:
    """Give value and threshold of an expression's first comparison that decides: one that is true if any is, else the first. NaN if none."""
    compares = _compares(e)
    chosen = next((one for one in compares if evaluate(one, values) == TRUE), compares[0] if compares else None)
    return (MISSING, MISSING) if chosen is None else (evaluate(chosen.left, values), evaluate(chosen.right, values))


def _compares(e: Expression) -> list[Compare]:
    found: list[Compare] = []
    waiting = [e]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Compare):
            found.append(one)
        else:
            waiting += reversed(parts(one))
    return found


def truth(value: float) -> bool | None:
    """Give a condition's value as true, false or unknown."""
    return None if math.isnan(value) else value != FALSE


def _greatest(function: str, values: list[float]) -> float:
    if any(math.isnan(v) for v in values):
        return MISSING
    return max(values) if function == "max" else min(values)


def _logic(sign: str, left: float, right: float) -> float:
    decided = FALSE if sign == "and" else TRUE
    if decided in {left, right}:
        return decided
    return MISSING if math.isnan(left) or math.isnan(right) else TRUE - decided


def _arithmetic(sign: str, left: float, right: float) -> float:
    if sign == "+":
        return left + right
    if sign == "-":
        return left - right
    if sign == "*":
        return left * right
    return left / right if right != 0 else MISSING


def _compare(sign: str, left: float, right: float) -> float:
    if math.isnan(left) or math.isnan(right):
        return MISSING
    holds = {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right, "==": left == right, "!=": left != right}
    return TRUE if holds[sign] else FALSE
