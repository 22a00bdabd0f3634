"""What a policy means: resolved, typed, in exact values. Every block and every field knows where it was written.

`limits_for` is the one place that says which limits bind an order: of every risk block that matches it (default, its symbol, its venue,
its strategy), the tightest. A narrower block can therefore tighten a limit, never loosen it. What is no bound (what the collar is measured from) or
is granted symbol by symbol (locates) is as the narrowest block has it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from rules import catalog
from rules.expression import Apply, Expression, Measured, parts
from rules.span import Span
from rules.units import PRICE, Quantity

NARROWNESS = {"default": 0, "venue": 1, "symbol": 2, "strategy": 3}


@dataclass(frozen=True, slots=True)
class Let:
    """A constant."""

    name: str
    value: Quantity
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What all blocks have. `where` gives the place of each field that was written."""

    kind: str
    name: str
    span: Span
    where: dict[str, Span] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What it is called: `alert slow_tick`."""
        return f"{self.kind} {self.name}".rstrip()


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit. `value`: an int for shares, contracts, orders, orders a second, ns; a Decimal for money and ratios (5% is 0.05).

    `currency` is empty but for money. `then`: what else happens when it breaks; empty: the order is denied. `names`: what was named instead of an
    amount, the symbols that are restricted (`value` is 0) or a word out of the catalogue's choices (`value` is its place among them).
    """

    value: int | Decimal
    quantity: Quantity
    currency: str
    then: str
    span: Span
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk(Block):
    """Limits for a scope (catalog.SCOPES); `of` names the symbol, venue or strategy."""

    scope: str
    of: str
    limits: dict[str, Limit]

    def matches(self, strategy: str, symbol: str, venue: str) -> bool:
        """Whether it binds an order."""
        return self.scope == "default" or self.of == {"symbol": symbol, "venue": venue, "strategy": strategy}[self.scope]


@dataclass(frozen=True, slots=True, kw_only=True)
class Venue(Block):
    """Fees by catalog.FEES, weights by catalog.WEIGHTS, cap as a ratio."""

    fees: dict[str, Quantity]
    weights: dict[str, Decimal]
    cap: Decimal | None

    def fee_mils(self, which: str) -> int | None:
        """Give the maker or taker fee in mils (1e-4 USD a share); None if there is none, or it is a ratio."""
        fee = self.fees.get(which)
        return int(fee.value * 10_000) if fee is not None and fee.dimension == PRICE else None


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter of a strategy. `unit` is ticks, shares, ns, USD, ...; empty for plain numbers and ratios (5% is 0.05)."""

    value: Decimal
    unit: str
    span: Span
    quantity: Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy(Block):
    """A strategy; `file` as it was written."""

    file: str
    symbols: tuple[str, ...]
    params: dict[str, Param]
    budget_ns: int | None
    during: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model(Block):
    """A model; `file` as it was written. No features: all. No symbols: all."""

    file: str
    features: tuple[str, ...]
    symbols: tuple[str, ...]
    act: Expression | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify(Block):
    """Somebody to tell: `how` (a field of catalog's notify), where, and what that takes (`secret`: the name of a credential; `via`, `from`)."""

    how: str
    to: str
    options: dict[str, str]


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that must hold for `for_ns` (0: at once)."""

    when: Expression
    for_ns: int


@dataclass(frozen=True, slots=True)
class Action:
    """What an alert does; `for_ns` is 0 for what does not last."""

    name: str
    arguments: tuple[str, ...]
    for_ns: int

    @property
    def scope(self) -> tuple[str, str]:
        """Give what it is about: node, venue, symbol, strategy or one of catalog.PARTS, and the name of such a venue, symbol or strategy."""
        said = self.arguments[0] if self.arguments else "node"
        kind, _, name = said.partition(" ")
        if name:
            return kind, name
        return ("node", "") if said in {"node", "router"} else (said, "") if said in catalog.PARTS else ("strategy", said)

    @property
    def part(self) -> str:
        """Give the scope as it is shown: router, strategies, venue EDGE."""
        kind, name = self.scope
        return f"{kind} {name}" if name else "router" if kind == "node" else kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert(Block):
    """An alert."""

    severity: str
    when: Condition
    until: Condition | None
    cooldown_ns: int
    actions: tuple[Action, ...]
    blackout: tuple[str, ...]
    group: str = ""
    repeat_ns: int = 0  # 0: never


@dataclass(frozen=True, slots=True)
class Window:
    """Weekly times. Days 0 (Monday) to 6; minutes since midnight; `end` at or before `begin` is on the next day."""

    days: frozenset[int]
    begin: int
    end: int
    zone: str


@dataclass(frozen=True, slots=True)
class Special:
    """Times of one date (YYYY-MM-DD) instead of the weekly ones."""

    date: str
    begin: int
    end: int
    zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar(Block):
    """A schedule or a blackout."""

    windows: tuple[Window, ...]
    specials: tuple[Special, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """A minute of the week, or an interval (`interval_ns` > 0, and no days)."""

    days: frozenset[int]
    minute: int
    zone: str
    interval_ns: int


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, and its parameters: names, or values in base units."""

    kind: str
    params: dict[str, str | Quantity]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chaos(Block):
    """A fault on a schedule."""

    every: Moment
    blackout: tuple[str, ...]
    faults: tuple[Fault, ...]
    steady: Condition
    recover_ns: int
    abort: Expression | None


@dataclass(frozen=True, slots=True)
class Tier:
    """Nodes whose score satisfies `when`; None for all that are in no other tier."""

    name: str
    when: Expression | None
    weight: Decimal
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Reputation(Block):
    """How much other nodes count."""

    half_life_ns: int
    tiers: tuple[Tier, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss(Block):
    """What becomes of trading when the daemon is lost (`then`, of catalog.LOSSES), `after_ns` after its last sign of life."""

    then: str
    after_ns: int


@dataclass(frozen=True, slots=True)
class Policy:
    """All of it, in the order that it was written in."""

    files: tuple[str, ...] = ()
    lets: dict[str, Let] = field(default_factory=dict)
    risks: tuple[Risk, ...] = ()
    venues: tuple[Venue, ...] = ()
    strategies: tuple[Strategy, ...] = ()
    models: tuple[Model, ...] = ()
    notifies: tuple[Notify, ...] = ()
    alerts: tuple[Alert, ...] = ()
    calendars: tuple[Calendar, ...] = ()
    chaos: tuple[Chaos, ...] = ()
    reputation: Reputation | None = None
    loss: Loss | None = None

    @property
    def blocks(self) -> Iterator[Block]:
        """Give every block."""
        for group in (self.risks, self.venues, self.strategies, self.models, self.notifies, self.alerts, self.calendars, self.chaos):
            yield from group
        if self.reputation is not None:
            yield self.reputation
        if self.loss is not None:
            yield self.loss


def limits_for(policy: Policy, strategy: str, symbol: str, venue: str, currency: str = "USD") -> dict[str, tuple[int | Decimal, Span]]:
    """Give the limits that bind orders of a strategy in a symbol at a venue: name to value and the place of the rule that binds.

    The tightest value over all risk blocks that match, or the narrowest block's, as the catalogue has it (a strategy is narrower than a symbol, a
    symbol than a venue); of equal ones the first written. Limits in money bind only where the symbol trades in that `currency`. A name that is
    missing has no limit.
    """
    found: dict[str, tuple[int | Decimal, Span]] = {}
    strength: dict[str, int | Decimal] = {}
    for risk in policy.risks:
        if not risk.matches(strategy, symbol, venue):
            continue
        for name, limit in risk.limits.items():
            spec = catalog.RISK[name]
            if limit.currency not in {"", currency} or (limit.names and not spec.choices and symbol not in limit.names):
                continue
            strong = {"least": -limit.value, "most": limit.value, "narrowest": NARROWNESS[risk.scope]}[spec.binds]
            if name not in found or strong > strength[name]:
                found[name], strength[name] = (limit.value, limit.span), strong
    return found


def inactive(policy: Policy) -> list[str]:
    """Name what is declared and that noderrd does not act on yet: `schedule day`, `venue NSDQ: weight, cap`, `alert a: rejects by venue`."""
    found = []
    for block in policy.blocks:
        if isinstance(block, Loss):
            continue
        spec = catalog.BLOCKS[block.kind]
        if not spec.active:
            found.append(block.title)
            continue
        idle = [name for name in block.where if name in spec.fields and not spec.fields[name].active]
        if isinstance(block, Venue) and any(fee.dimension != PRICE for fee in block.fees.values()):
            idle.append("fee as a ratio")
        if isinstance(block, Alert):
            idle += _unacted(block)
        if idle:
            found.append(f"{block.title}: {', '.join(idle)}")
    return found


def _unacted(alert: Alert) -> list[str]:
    """Name what an alert asks for and no node measures, and what it would take out of service and nothing does."""
    found = [f"circuit_break({part})" for action in alert.actions for part in action.arguments if part in catalog.IDLE_PARTS]
    waiting = [condition.when for condition in (alert.until, alert.when) if condition is not None]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Measured):
            spec = catalog.METRICS[one.name]
            lacking = [label for label, _, _ in one.labels if spec.by is not None and label not in spec.by]
            if not spec.active or lacking:
                found.append(f"{one.name} by {', '.join(lacking)}" if lacking else one.name)
            continue
        inner = one.arguments if isinstance(one, Apply) else parts(one)
        if isinstance(one, Apply) and one.function in catalog.ORDERED and any(_latency(it) for it in inner):
            found.append(f"{one.function} of a latency")
        waiting += reversed(inner)
    return list(dict.fromkeys(found))


def _latency(e: Expression) -> bool:
    return isinstance(e, Measured) and catalog.METRICS[e.name].together == "all"


def whole(value: Fraction) -> int | None:
    """Give a fraction as an int, if it is one."""
    return value.numerator if value.denominator == 1 else None
