"""From what an expression says to what it means: names looked up, units checked, constants computed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from rules import catalog, syntax
from rules.diagnostic import did_you_mean
from rules.expression import (
    MAX_HELD,
    TRUTH,
    Apply,
    Arithmetic,
    Compare,
    Constant,
    Expression,
    Logic,
    Measured,
    Not,
    State,
    conjuncts,
    contradiction,
    dimension,
    held,
    range_text,
    settled,
    text,
)
from rules.units import NUMBER, RATIO, TIME, UNKNOWN, Dimension, Quantity, describe, product, same, unit_name

Report = Callable[[syntax.Node, str, str, str, str], None]  # node, severity, code, message, hint
MAX_VALUE = 10**36  # of a computed constant, and 1 / that: bounds its digits
MAX_WINDOW = catalog.DAY


@dataclass(frozen=True, slots=True)
class Resolver:
    """Resolves expressions against the constants declared. Faults go to `report`; a faulty expression is None, and told of once."""

    lets: Mapping[str, Quantity | None]  # None: declared, but its value was faulty
    report: Report
    later: frozenset[str] = frozenset()  # constants that are declared below, and cannot be used yet
    strategies: Sequence[str] | None = None  # those declared, if it is known
    known: Sequence[str] | None = None  # the metrics that may be asked, at once and without labels, where not all may

    def condition(self, node: syntax.Expression) -> Expression | None:
        """Resolve what must be true or false, and tell of what can be only one of the two."""
        found = self.expression(node)
        if found is None:
            return None
        if dimension(found) != TRUTH:
            self._error(node, "condition", f"a condition is wanted here, this is {describe(dimension(found))}", "compare it with something: > 5ms")
            return None
        if held(found) > MAX_HELD:
            self._error(node, "bound", f"this nests too deep: {held(found)} values at once, {MAX_HELD} are allowed", "")
            return None
        for part in conjuncts(found):
            if (isinstance(part, Compare) and settled(part) is not None) or (isinstance(part, Not) and isinstance(part.operand, Compare)):
                return found  # told of where the comparison stands
        name = contradiction(found)
        if name:
            self.report(node, "warning", "never", f"this can never be true: no value of {name} satisfies all of it", "")
        return found

    def constant(self, node: syntax.Expression) -> Quantity | None:
        """Resolve what must be known before anything is measured."""
        found = self.expression(node)
        if found is None:
            return None
        if not isinstance(found, Constant):
            self._error(node, "constant", f"a constant is wanted here; {text(found)} is measured while the node runs", "")
            return None
        return found.quantity

    def expression(self, node: syntax.Expression) -> Expression | None:
        """Resolve any expression."""
        if isinstance(node, syntax.Number):
            return Constant(node.quantity) if node.quantity.dimension != UNKNOWN else None
        if isinstance(node, syntax.Metric):
            return self._name(node)
        if isinstance(node, syntax.Call):
            return self._call(node)
        if isinstance(node, syntax.Unary):
            return self._unary(node)
        if isinstance(node, syntax.Is):
            return self._state(node)
        left, right = self.expression(node.left), self.expression(node.right)
        if left is None or right is None:
            return None
        if node.sign in {"and", "or"}:
            return self._logic(node, left, right)
        if node.sign in {"+", "-", "*", "/"}:
            return self._arithmetic(node, left, right)
        return self._compare(node, left, right)

    def _name(self, node: syntax.Metric) -> Expression | None:
        if node.name in self.lets:
            if node.labels:
                self._error(node, "label", f"'{node.name}' is a constant, and has no labels", "")
            value = self.lets[node.name]
            return None if value is None else Constant(value)
        metric = catalog.METRICS.get(node.name)
        if metric is None:
            if node.name in catalog.FUNCTIONS:
                hint = f"'{node.name}' is a function: {node.name}(...) over 10s"
            elif node.name in catalog.STATES:
                hint = f"ask for its state: {node.name} is {catalog.STATES[node.name][0][0]}"
            elif node.name in self.later:
                hint = "it is declared below; a constant uses only those above it"
            else:
                hint = did_you_mean(node.name, [*self.lets, *catalog.METRICS])
            self._error(node, "name", f"unknown constant or metric '{node.name}'", hint)
            return None
        if self.known is not None and node.name not in self.known:
            self._error(node, "known", f"'{node.name}' is not known the moment that a model has scored", f"known are {', '.join(self.known)}")
            return None
        if self.known is not None and node.labels:
            self._error(node, "label", "this is asked of the symbol that was scored, and has no labels", "")
            return None
        labels = self._labels(node, metric.labels)
        return None if labels is None else Measured(node.name, labels, metric.dimension, metric.low, metric.high)

    def _labels(self, node: syntax.Metric, known: tuple[str, ...]) -> tuple[tuple[str, bool, str], ...] | None:
        for label in node.labels:
            if label.name.text not in known:
                hint = did_you_mean(label.name.text, known) or (f"known are {', '.join(known)}" if known else "it has none")
                self._error(label.name, "label", f"'{node.name}' has no label '{label.name.text}'", hint)
                return None
            if label.name.text == "strategy" and self.strategies is not None and label.value.text not in self.strategies:
                hint = did_you_mean(label.value.text, self.strategies)
                self.report(label.value, "warning", "unused", f"there is no strategy '{label.value.text}'", hint)
        return tuple(sorted((label.name.text, label.equal, label.value.text) for label in node.labels))

    def _state(self, node: syntax.Is) -> Expression | None:
        subject = node.subject
        if self.known is not None:
            self._error(node, "known", "no state is known the moment that a model has scored", f"known are {', '.join(self.known)}")
            return None
        if not isinstance(subject, syntax.Metric) or subject.name not in catalog.STATES:
            name = subject.name if isinstance(subject, syntax.Metric) else ""
            hint = did_you_mean(name, catalog.STATES) or f"known are {', '.join(catalog.STATES)}"
            self._error(subject, "state", "only these have states to ask for with 'is'", hint)
            return None
        states, known = catalog.STATES[subject.name]
        labels = self._labels(subject, known)
        if node.state.text not in states:
            hint = did_you_mean(node.state.text, states) or f"known are {', '.join(states)}"
            self._error(node.state, "state", f"a {subject.name} is never '{node.state.text}'", hint)
            return None
        return None if labels is None else State(subject.name, labels, node.negated, node.state.text)

    def _unary(self, node: syntax.Unary) -> Expression | None:
        operand = self.expression(node.operand)
        if operand is None:
            return None
        found = dimension(operand)
        if (node.sign == "not") != (found == TRUTH):
            wanted = "a condition" if node.sign == "not" else "a number"
            self._error(node.operand, "unit", f"'{node.sign}' wants {wanted}, {text(operand)} is {_kind(found)}", "")
            return None
        if node.sign == "not":
            return Not(operand)
        if isinstance(operand, Constant):
            return Constant(Quantity(-operand.quantity.value, found))
        return Arithmetic("*", operand, Constant(Quantity(Fraction(-1))), found)

    def _logic(self, node: syntax.Binary, left: Expression, right: Expression) -> Expression | None:
        for side, written in ((left, node.left), (right, node.right)):
            if dimension(side) != TRUTH:
                self._error(written, "unit", f"'{node.sign}' joins conditions, {text(side)} is {_kind(dimension(side))}", "compare it with something")
                return None
        return Logic(node.sign, left, right)

    def _sides(self, node: syntax.Binary, doing: str, left: Expression, right: Expression) -> bool:
        """Check that two sides are of one kind; tell both if not."""
        a, b = dimension(left), dimension(right)
        if same(a, b) and a != TRUTH:
            return True
        message = f"cannot {doing}: {text(left)} is {_kind(a)}, {text(right)} is {_kind(b)}"
        self._error(node, "unit", message, "")
        return False

    def _compare(self, node: syntax.Binary, left: Expression, right: Expression) -> Expression | None:
        if not self._sides(node, "compare", left, right):
            return None
        found = Compare(node.sign, left, right)
        always = settled(found)
        if always is not None:
            side = right if isinstance(left, Constant) else left
            self.report(node, "warning", "always" if always else "never", f"this is {'always' if always else 'never'} true: {range_text(side)}", "")
        return found

    def _arithmetic(self, node: syntax.Binary, left: Expression, right: Expression) -> Expression | None:
        a, b = dimension(left), dimension(right)
        if node.sign in {"+", "-"}:
            if not self._sides(node, "add" if node.sign == "+" else "subtract", left, right):
                return None
            result = RATIO if RATIO in {a, b} else a
        else:
            if TRUTH in {a, b}:
                self._error(node, "unit", f"'{node.sign}' wants numbers on both sides", "")
                return None
            result = product(a, b, 1 if node.sign == "*" else -1)
        if isinstance(right, Constant) and node.sign == "/" and right.quantity.value == 0:
            self._error(node.right, "zero", "division by zero", "")
            return None
        if isinstance(left, Constant) and isinstance(right, Constant):
            return self._computed(node, left.quantity.value, right.quantity.value, result)
        return Arithmetic(node.sign, left, right, result)

    def _computed(self, node: syntax.Binary, left: Fraction, right: Fraction, result: Dimension) -> Expression | None:
        if node.sign == "+":
            value = left + right
        elif node.sign == "-":
            value = left - right
        elif node.sign == "*":
            value = left * right
        else:
            value = left / right
        if abs(value.numerator) > MAX_VALUE or value.denominator > MAX_VALUE:
            self._error(node, "bound", "the result has too many digits", "")
            return None
        return Constant(Quantity(value, result))

    def _call(self, node: syntax.Call) -> Expression | None:
        function = catalog.FUNCTIONS.get(node.name.text)
        if function is None:
            self._error(node.name, "name", f"unknown function '{node.name.text}'", did_you_mean(node.name.text, catalog.FUNCTIONS))
            return None
        arguments = [found for found in (self.expression(a) for a in node.arguments) if found is not None]
        if len(arguments) < len(node.arguments):
            return None
        name = node.name.text
        if name in {"max", "min"} and len(arguments) > 1 and node.window is None:
            return self._greatest(node, arguments)
        if len(arguments) != 1:
            self._error(node, "arguments", f"{name} takes one argument, {len(arguments)} are given", "")
            return None
        if not isinstance(arguments[0], Measured):
            self._error(node.arguments[0], "arguments", f"{name} wants a metric, {text(arguments[0])} is none", "")
            return None
        if self.known is not None:
            self._error(node, "window", "nothing is looked back on the moment that a model has scored", f"known are {', '.join(self.known)}")
            return None
        window = self._window(node)
        if window is None:
            return None
        same_kind = dimension(arguments[0])
        rate = product(same_kind, TIME, -1)
        return Apply(name, tuple(arguments), window, {"same": same_kind, "number": NUMBER, "truth": TRUTH, "rate": rate}[function.gives])

    def _greatest(self, node: syntax.Call, arguments: list[Expression]) -> Expression | None:
        first = dimension(arguments[0])
        for other in arguments[1:]:
            if not same(first, dimension(other)) or first == TRUTH:
                message = f"cannot compare: {text(arguments[0])} is {_kind(first)}, {text(other)} is {_kind(dimension(other))}"
                self._error(node, "unit", message, "")
                return None
        return Apply(node.name.text, tuple(arguments), 0, first)

    def _window(self, node: syntax.Call) -> int | None:
        if node.window is None:
            self._error(node, "window", f"{node.name.text} needs a window", f"{node.name.text}(...) over 10s")
            return None
        return self.duration(node.window, 1, MAX_WINDOW)

    def duration(self, node: syntax.Expression, low: int, high: int) -> int | None:
        """Resolve a constant duration of `low` to `high` nanoseconds."""
        found = self.constant(node)
        if found is None:
            return None
        if found.dimension != TIME:
            self._error(node, "unit", f"a duration is wanted here, {found} is {_kind(found.dimension)}", "units are ns, us, ms, s, min, h, d")
            return None
        if not low <= found.value <= high or found.value.denominator != 1:
            least, most = Quantity(Fraction(low), TIME), Quantity(Fraction(high), TIME)
            self._error(node, "bound", f"a duration of {least} to {most} is wanted here, this is {found}", "")
            return None
        return int(found.value)

    def _error(self, node: syntax.Node, code: str, message: str, hint: str) -> None:
        self.report(node, "error", code, message, hint)


def _kind(found: Dimension) -> str:
    if found == TRUTH:
        return "a condition"
    return f"in {describe(found)}" if describe(found) == unit_name(found) else describe(found)
