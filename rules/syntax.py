"""What was written: a frozen dataclass for each rule of the grammar. Nothing here is checked; names are still names.

Every node knows the offsets [at, end) of its text; a Block also knows its Source, for offsets mean something only there.
"""

from dataclasses import dataclass

from rules.span import Source
from rules.units import Quantity


@dataclass(frozen=True, slots=True)
class Node:
    """Anything that was written somewhere."""

    at: int
    end: int


@dataclass(frozen=True, slots=True)
class Word(Node):
    """A name, a string, a day, a date, a time or a zone: `text` is what it says."""

    text: str


# Expressions.


@dataclass(frozen=True, slots=True)
class Number(Node):
    """A literal with its unit."""

    quantity: Quantity


@dataclass(frozen=True, slots=True)
class Label(Node):
    """`symbol = GOOG` in the brackets after a metric."""

    name: Word
    equal: bool
    value: Word


@dataclass(frozen=True, slots=True)
class Metric(Node):
    """A name in an expression: a constant or a metric of the catalogue."""

    name: str
    labels: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`p99(tick_to_trade) over 10s`."""

    name: Word
    arguments: tuple["Expression", ...]
    window: "Expression | None"


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`-x`, `not x`."""

    sign: str
    operand: "Expression"


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """Arithmetic (+ - * /), comparison (< <= > >= == !=) and logic (and, or)."""

    sign: str
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True)
class Is(Node):
    """`book[symbol = GOOG] is not stale`."""

    subject: "Expression"
    negated: bool
    state: Word


Expression = Number | Metric | Call | Unary | Binary | Is


# Fields. `word` is the field's first word; a calendar's windows have none, and `word` is their first day.


@dataclass(frozen=True, slots=True)
class Field(Node):
    """A line of a block."""

    word: Word


@dataclass(frozen=True, slots=True)
class Amount(Field):
    """`max_position 10_000 shares`, `max_daily_loss desk_loss then halt`, `recover within 2s`."""

    value: Expression
    then: Word | None


@dataclass(frozen=True, slots=True)
class Named(Node):
    """A value with a name: an entry of `fee`, `weight`, `set`, or of a fault's parameters."""

    name: Word
    value: Expression | Word


@dataclass(frozen=True, slots=True)
class Entries(Field):
    """`fee -20 mils maker, 30 mils taker`; `weight latency 0.4`; `set clip = 100 shares`."""

    entries: tuple[Named, ...]


@dataclass(frozen=True, slots=True)
class Text(Field):
    """`file "models/alpha.onnx"`."""

    value: Word


@dataclass(frozen=True, slots=True)
class Target(Field):
    """`webhook "https://alerts.example/hook" secret "ops-hook"`."""

    value: Word
    options: tuple[Named, ...]


@dataclass(frozen=True, slots=True)
class Names(Field):
    """`symbols GOOG, AAPL`."""

    names: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Condition(Field):
    """`when x > 5 for 2s`, `act when x > 5`."""

    value: Expression
    lasting: Expression | None


@dataclass(frozen=True, slots=True)
class Action(Node):
    """`circuit_break(router) for 60s`; an argument of two words is one Word with a space: `halt(venue EDGE)`."""

    name: Word
    arguments: tuple[Word, ...]
    lasting: Expression | None


@dataclass(frozen=True, slots=True)
class Actions(Field):
    """`do log, webhook("ops")`."""

    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class Moment(Field):
    """`every Sun 03:00 Etc/UTC`."""

    days: tuple[Word, ...]
    clock: Word
    zone: Word


@dataclass(frozen=True, slots=True)
class Window(Field):
    """`Mon-Fri 09:30-16:00 America/New_York`."""

    days: tuple[Word, ...]
    clock: Word
    zone: Word


@dataclass(frozen=True, slots=True)
class Dates(Field):
    """`except 2026-12-25`, `on 2026-11-27 09:30-13:00 America/New_York`."""

    dates: tuple[Word, ...]
    clock: Word | None
    zone: Word | None


@dataclass(frozen=True, slots=True)
class Fault(Field):
    """`inject network.delay { on eth1  delay 5ms }`."""

    kind: Word
    params: tuple[Named, ...]


@dataclass(frozen=True, slots=True)
class Tier(Field):
    """`tier trusted when score >= 0.7 weight 1.0`; `when` is None for `otherwise`."""

    name: Word
    when: Expression | None
    weight: Expression


@dataclass(frozen=True, slots=True)
class Given(Field):
    """`given spread = 3 ticks every 100ms from 2s to 8s`, `given orders rising 100/s`, `given book is stale`: `how` is =, rising or is."""

    metric: Metric
    how: str
    value: Expression | Word
    every: Expression | None
    begin: Expression | None
    end_at: Expression | None


@dataclass(frozen=True, slots=True)
class Expectation(Field):
    """`expect slow_tick is not firing at 5s`."""

    alert: Word
    negated: bool
    state: Word
    moment: Expression


@dataclass(frozen=True, slots=True)
class Trial(Field):
    """`order buy 600 shares GOOG for 175 USD on NSDQ by quotes at 2s is denied max_order_size`."""

    side: Word
    quantity: Expression
    symbol: Word
    price: Expression
    venue: Word
    strategy: Word
    moment: Expression
    verdict: Word
    limit: Word | None


# Statements.


@dataclass(frozen=True, slots=True)
class Statement(Node):
    """What stands at the top of a file."""

    source: Source


@dataclass(frozen=True, slots=True)
class Include(Statement):
    """`include "rules.d/*.rules"`."""

    pattern: Word


@dataclass(frozen=True, slots=True)
class Let(Statement):
    """`let desk_loss = 50_000 USD`."""

    name: Word
    value: Expression


@dataclass(frozen=True, slots=True)
class Loss(Statement):
    """`on daemon_loss cancel after 10s`; `after`: that word, and the time."""

    what: Word
    then: Word
    after: tuple[Word, Expression] | None


@dataclass(frozen=True, slots=True)
class Block(Statement):
    """`risk symbol GOOG { ... }`: its kind, the words before the brace, its fields. `head` ends before the brace."""

    kind: str
    head: int
    words: tuple[Word, ...]
    fields: tuple[Field, ...]

    @property
    def title(self) -> str:
        """What the block is called: `risk symbol GOOG`."""
        return " ".join((self.kind, *(word.text for word in self.words)))
