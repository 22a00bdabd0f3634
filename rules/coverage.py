"""What scenarios exercised of a policy: blocks that acted, and both branches of every comparison, state and limit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rules import model
from rules.alert import FIRING, Transition
from rules.decide import UNSAID, Denial, Order
from rules.evaluate import Leaf, evaluate, truth
from rules.expression import Apply, Compare, Expression, State, parts, text
from rules.span import Span

Branch = tuple[str, str]  # where, and what was seen there


@dataclass(slots=True)
class Coverage:
    """Notes for one policy. A block is exercised when it acted: an alert fired, a limit denied, a blackout kept quiet, a target was told."""

    policy: model.Policy
    blocks: set[str] = field(default_factory=set)
    branches: set[Branch] = field(default_factory=set)

    def alert(self, alert: model.Alert, values: Mapping[Leaf, float], moved: Sequence[Transition], silent: Sequence[str]) -> None:
        """Note a step of an alert."""
        for where, atom in _atoms(alert):
            seen = truth(evaluate(atom, values))
            if seen is not None:
                self.branches.add((where, str(seen).lower()))
        if any(one.state == FIRING for one in moved):
            self.blocks.add(alert.title)
            self.blocks |= {f"notify {name}" for action in alert.actions if action.name in {"notify", "webhook"} for name in action.arguments}
        self.blocks |= {f"blackout {name}" for name in silent}

    def act(self, title: str, act: Expression, values: Mapping[Leaf, float]) -> None:
        """Note what a model's `act when` was, by its title."""
        for where, atom in _conditions(title, [("act when", act)]):
            seen = truth(evaluate(atom, values))
            if seen is not None:
                self.branches.add((where, str(seen).lower()))
        if truth(evaluate(act, values)) is True:
            self.blocks.add(title)

    def order(self, order: Order, denial: Denial | None) -> None:
        """Note a decision: the limits that let an order through, or the one that did not."""
        for risk in self.policy.risks:
            for name, limit in risk.limits.items() if risk.matches(order.strategy, order.symbol, order.venue) else ():
                if denial is None:
                    self.branches.add((f"{risk.title}: {name}", "passed"))
                elif denial.span == limit.span:
                    self.branches.add((f"{risk.title}: {name}", "denied"))
                    self.blocks.add(risk.title)

    def every_block(self) -> dict[str, Span]:
        """Name the blocks that can act in a scenario."""
        risks = [risk for risk in self.policy.risks if risk.limits.keys() - UNSAID]
        models = [one for one in self.policy.models if one.act is not None]
        acting = [*risks, *models, *self.policy.alerts, *self.policy.notifies, *(c for c in self.policy.calendars if c.kind == "blackout")]
        return {block.title: block.span for block in acting}

    def every_branch(self) -> dict[Branch, Span]:
        """Name all branches."""
        found: dict[Branch, Span] = {}
        for risk in self.policy.risks:
            for name, limit in risk.limits.items():
                if name in UNSAID:
                    continue
                found |= dict.fromkeys(((f"{risk.title}: {name}", "passed"), (f"{risk.title}: {name}", "denied")), limit.span)
        for one in self.policy.models:
            for where, _ in _conditions(one.title, [("act when", one.act)] if one.act is not None else []):
                found |= dict.fromkeys(((where, "true"), (where, "false")), one.where["act"])
        for alert in self.policy.alerts:
            for where, _ in _atoms(alert):
                span = alert.where["until" if where.startswith(f"{alert.title}: until") else "when"]
                found |= dict.fromkeys(((where, "true"), (where, "false")), span)
        return found

    def never(self) -> list[tuple[Span, str]]:
        """Say what was never exercised."""
        blocks = [(span, f"{title} never acted") for title, span in self.every_block().items() if title not in self.blocks]
        branches = [(span, f"{where} was never {what}") for (where, what), span in self.every_branch().items() if (where, what) not in self.branches]
        return blocks + branches


def _atoms(alert: model.Alert) -> list[tuple[str, Expression]]:
    """Give the comparisons and states of an alert's conditions, and how each is called."""
    return _conditions(alert.title, [("when", alert.when.when)] + ([("until", alert.until.when)] if alert.until is not None else []))


def acts(policy: model.Policy) -> list[tuple[str, Expression]]:
    """Give title and `act when` of every model that has one."""
    return [(one.title, one.act) for one in policy.models if one.act is not None]


def _conditions(title: str, conditions: Sequence[tuple[str, Expression]]) -> list[tuple[str, Expression]]:
    """Give the comparisons and states of a block's conditions, and how each is called."""
    found: list[tuple[str, Expression]] = []
    for name, condition in conditions:
        waiting: list[Expression] = [condition]
        while waiting:
            one = waiting.pop()
            if isinstance(one, Compare | State | Apply):
                found.append((f"{title}: {name} {text(one)}", one))
            else:
                waiting += reversed(parts(one))
    return found
