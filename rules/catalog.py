"""The names a rule may use: blocks and their fields, metrics, functions, states, actions, faults. With units, bounds and meaning.

The checker knows what stands here and nothing else; the tables of docs/rules.md are written from it.
`active=False` marks what is parsed, checked and kept, and that nothing in noderrd acts on yet: `model.inactive` reports it by name.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from core.codes import Known
from rules.units import (
    BANDWIDTH,
    BYTES,
    CONTRACTS,
    CURRENCIES,
    NUMBER,
    PRICE,
    RATE,
    RATIO,
    SHARES,
    TICKS,
    TIME,
    USD,
    Dimension,
)

MONEY: tuple[Dimension, ...] = tuple(((currency, 1),) for currency in CURRENCIES)
NS, SECOND, MINUTE, HOUR, DAY = 1, 10**9, 60 * 10**9, 3600 * 10**9, 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A field of a block. `shape` is its terminal in grammar.lark; `dimensions`, `low` and `high` (base units) bound an amount.

    `whole`: the value must be a whole number of its base unit (of 1/s for rates, of 1e-4 for money), or of `step` where there is one.
    Of a limit: `binds` says which of several that match an order holds (BINDS), `scopes` where it may stand, `choices` the words it may be.
    """

    shape: str
    meaning: str
    dimensions: tuple[Dimension, ...] = ()
    low: Fraction | None = None
    high: Fraction | None = None
    whole: bool = False
    required: bool = False
    many: bool = False
    active: bool = True
    then: tuple[str, ...] = ()  # what may follow `then`
    step: Fraction | None = None
    binds: str = "least"
    scopes: tuple[str, ...] = ()  # all, where none is named
    choices: tuple[str, ...] = ()
    options: dict[str, str] = field(default_factory=dict)  # of a target: what may follow it, and how that looks


@dataclass(frozen=True, slots=True)
class BlockSpec:
    """A kind of block: what its head looks like, in words, and its fields."""

    head: str
    meaning: str
    fields: dict[str, FieldSpec]
    active: bool = True


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """A measured value. `low` and `high` bound what it can ever be; None is no bound.

    `together`: what it is when its labels select several series: their "sum", "max", "min", or "all" values as one series (latencies).
    `by`: the labels that a node measures it by, all if None; a back-test and a scenario know them all. `active`: a node measures it.
    """

    dimension: Dimension
    meaning: str
    labels: tuple[str, ...] = ()
    low: Fraction | None = None
    high: Fraction | None = None
    together: str = "max"
    by: tuple[str, ...] | None = None
    active: bool = True


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """A function of a metric's values over a window. `gives`: same, number, rate or truth."""

    meaning: str
    gives: str = "same"
    window: bool = True


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """Something an alert can do: the kind of its argument ("" for none), and whether it lasts (`for 60s`)."""

    meaning: str
    argument: str = ""
    lasts: bool = False


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """A fault that chaos injects, and its parameters. A parameter of dimension None is a name; `optional` ones may be left out."""

    meaning: str
    params: dict[str, Dimension | None] = field(default_factory=dict)
    optional: tuple[str, ...] = ()


def _amount(meaning: str, *dimensions: Dimension, low: int | Fraction = 0, high: int | Fraction | None = None, **more: Any) -> FieldSpec:
    return FieldSpec("AMOUNT", meaning, dimensions, Fraction(low), None if high is None else Fraction(high), **more)


def _choice(meaning: str, *choices: str) -> FieldSpec:
    return FieldSpec("NAMES", meaning, binds="narrowest", choices=choices)


MOST = 10**15  # a bound for counts and money that keeps price x shares inside 64 bits
MOST_EXECUTIONS = 1024  # core.layout.EXECUTIONS: so many are remembered
SCOPES = ("default", "symbol", "venue", "strategy")
SEVERITIES = ("info", "warning", "critical")
THEN = ("halt",)
LOSSES = {  # what `on daemon_loss` may say
    "trade_on": "nothing: what runs goes on",
    "reduce_only": "what is open is canceled, and only orders that reduce a position go out until a daemon is back",
    "cancel": "what is open is canceled, and the node is halted until a person resumes it",
}
WEIGHTS = ("latency", "cost", "liquidity", "reliability")
FEES = ("maker", "taker")
ACT = tuple(known.name.lower() for known in Known)  # what a lane knows the moment that it has a score
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

# Which of several values binds: the tightest, which is the least or the most; or, of what is no bound, the one said for less.
BINDS = ("least", "most", "narrowest")
SUMS = ("default", "strategy")  # where limits on sums over all symbols and venues may stand
ALL = ("default", "symbol", "venue")  # where limits that bind all strategies together may stand

RISK = {
    "max_order_size": _amount("quantity of one order", SHARES, CONTRACTS, high=MOST, whole=True),
    "max_order_value": _amount("price times quantity of one order", *MONEY, high=MOST, whole=True),
    "price_collar": _amount("distance of an order's price from the reference price, as a share of that", RATIO, high=10, whole=True),
    "collar_reference": _choice(
        "what the collar is measured from: `mid` of the book, else as `last`; `last` trade, else as `fixed`; `fixed` is what is configured",
        "mid", "last", "fixed",
    ),
    "collar_missing": _choice("what becomes of an order when there is no reference price", "deny", "pass"),
    "max_position": _amount("absolute position if every open order filled", SHARES, CONTRACTS, high=MOST, whole=True),
    "max_long": _amount("long position if every open order to buy filled", SHARES, CONTRACTS, high=MOST, whole=True),
    "max_short": _amount("short position, as a positive number, if every open order to sell filled", SHARES, CONTRACTS, high=MOST, whole=True),
    "max_total_position": _amount(
        "absolute position in a symbol over all venues, strategies and lanes", SHARES, CONTRACTS, high=MOST, whole=True, scopes=ALL
    ),
    "max_open_orders": _amount("orders open at once", NUMBER, high=10**6, whole=True),
    "max_gross_exposure": _amount("sum of all positions' values, each at its worst", *MONEY, high=MOST, whole=True, scopes=SUMS),
    "max_net_exposure": _amount(
        "value of longs less shorts, or the reverse, if every open order that raises it filled", *MONEY, high=MOST, whole=True, scopes=SUMS
    ),
    "capital": _amount("what equity is without profit; leverage and margin are measured by it", *MONEY, high=MOST, whole=True, scopes=SUMS),
    "max_leverage": _amount("gross exposure over equity", NUMBER, high=1_000, whole=True, step=Fraction(1, 10**6), scopes=SUMS),
    "margin": _amount("share of gross exposure that equity must cover", RATIO, high=10, whole=True, binds="most", scopes=SUMS),
    "max_daily_loss": _amount(
        "loss since midnight UTC, realised and unrealised, fees included; `then halt`: new orders are halted too",
        *MONEY, high=MOST, whole=True, then=THEN, scopes=SUMS,
    ),
    "max_drawdown": _amount("fall of profit from the day's best; `then` as of max_daily_loss", *MONEY, high=MOST, whole=True, then=THEN, scopes=SUMS),
    "max_order_rate": _amount("new orders and replaces a second, with one second's worth of burst", RATE, high=Fraction(1, 1_000), whole=True),
    "max_message_rate": _amount(
        "messages of any kind a second to a venue, cancels too", RATE, high=Fraction(1, 1_000), whole=True, scopes=("default", "venue")
    ),
    "min_interval": _amount("least time between two orders of a strategy in a symbol at a venue", TIME, high=DAY, whole=True, binds="most"),
    "duplicate_window": _amount("how long the same order is not sent again while the first is open", TIME, high=DAY, whole=True, binds="most"),
    "max_executions": _amount(
        "executions in `execution_window`; with the last of them a strategy stops until a person resumes it",
        NUMBER, low=1, high=MOST_EXECUTIONS, whole=True, scopes=SUMS,
    ),
    "execution_window": _amount(
        "the time that max_executions is about; all since it was resumed, if left out", TIME, low=NS, high=DAY, whole=True, binds="most", scopes=SUMS
    ),
    "restricted": FieldSpec("NAMES", "symbols in which positions may only be reduced"),
    "locate": _amount(
        "shares that may be sold short over all lanes; no bound if left out", SHARES, CONTRACTS, high=MOST, whole=True, binds="narrowest", scopes=ALL
    ),
}  # fmt: skip
_CALENDAR = {
    "on": FieldSpec("DATES", "dates with times of their own, such as half days", many=True),
    "except": FieldSpec("DATES", "dates on which nothing happens", many=True),
}

BLOCKS: dict[str, BlockSpec] = {
    "risk": BlockSpec("default | symbol NAME | venue NAME | strategy NAME", "limits; of all that match an order, the tightest binds", RISK),
    "venue": BlockSpec(
        "NAME",
        "what a venue costs and how much of the flow it may have",
        {
            "fee": FieldSpec("CHARGES", "maker and taker fee; negative is a rebate", (PRICE, RATIO)),
            "weight": FieldSpec("SHARES", f"what its score is made of ({', '.join(WEIGHTS)}); sums to 1"),
            "cap": _amount("largest share of the flow", RATIO, high=1, active=False),
        },
    ),
    "strategy": BlockSpec(
        "NAME",
        "a strategy that runs",
        {
            "file": FieldSpec("TEXT", "its Python file", required=True),
            "symbols": FieldSpec("NAMES", "what it trades", required=True),
            "set": FieldSpec("SETTINGS", "its parameters, by the names that it declares", many=True),
            "budget": _amount("time one call may take before it counts as over budget", TIME, low=NS, high=SECOND, whole=True),
            "during": FieldSpec("NAMES", "schedules outside of which it is not called", active=False),
        },
    ),
    "model": BlockSpec(
        "NAME",
        "an ONNX model that scores symbols",
        {
            "file": FieldSpec("TEXT", "its ONNX file", required=True),
            "features": FieldSpec("NAMES", "its inputs, in order; all 32 if left out"),
            "symbols": FieldSpec("NAMES", "what it scores; all if left out"),
            "act": FieldSpec("GUARD", f"when its score may be acted on; asked of every score, of {', '.join(ACT)} of the symbol alone"),
        },
    ),
    "notify": BlockSpec(
        "NAME",
        "somebody to tell, by one of these",
        {
            "webhook": FieldSpec(
                "TARGET",
                "an http(s) URL that takes a POST of JSON; signed (HMAC-SHA256) with the credential named `secret`, if one is",
                options={"secret": "NAME"},
            ),
            "alertmanager": FieldSpec("TARGET", "the base URL of an Alertmanager (API v2)"),
            "mail": FieldSpec(
                "TARGET", "a mail address, by the SMTP server `via`, `from` an address", options={"via": "HOST:PORT", "from": "ADDRESS"}
            ),
            "command": FieldSpec(
                "TARGET", "the absolute path of a program that gets the message as JSON on its standard input; no shell, no arguments"
            ),
        },
    ),
    "alert": BlockSpec(
        "NAME info | warning | critical",
        "a condition that is watched, and what happens when it holds",
        {
            "when": FieldSpec("CONDITION", "fires when this holds, `for` so long if said", required=True),
            "until": FieldSpec("CONDITION", "once firing, goes on until this holds (hysteresis); else until `when` no longer does"),
            "cooldown": _amount("least time between two firings", TIME, high=7 * DAY, whole=True),
            "do": FieldSpec("ACTIONS", "what is done when it fires", required=True),
            "group": FieldSpec("NAMES", "what it belongs to: told together, and while a critical alert of it fires, the others tell nobody"),
            "repeat": _amount(
                "how often its targets are told again while it goes on firing; never if left out", TIME, low=10 * SECOND, high=7 * DAY, whole=True
            ),
            "blackout": FieldSpec("NAMES", "calendars during which it stays quiet"),
        },
    ),
    "schedule": BlockSpec(
        "NAME", "times at which something runs: weekly windows, dates with times of their own, dates left out", _CALENDAR, active=False
    ),
    "blackout": BlockSpec("NAME", "times at which something does not run", _CALENDAR),
    "chaos": BlockSpec(
        "NAME",
        "a fault injected on purpose, and what must hold meanwhile",
        {
            "every": FieldSpec("MOMENT", "when: a weekday and time, or an interval", (TIME,), Fraction(MINUTE), Fraction(366 * DAY), required=True),
            "blackout": FieldSpec("NAMES", "calendars during which it does not run"),
            "inject": FieldSpec("FAULT", "the fault", required=True, many=True),
            "steady": FieldSpec("CONDITION", "what must hold before, and again after", required=True),
            "recover": FieldSpec(
                "DEADLINE", "how soon after the fault `steady` must hold again", (TIME,), Fraction(1), Fraction(HOUR), whole=True, required=True
            ),
            "abort": FieldSpec("GUARD", "ends the fault at once"),
        },
        active=False,
    ),
    "reputation": BlockSpec(
        "",
        "how much another node's word counts",
        {
            "half_life": _amount("age at which evidence counts half", TIME, low=MINUTE, high=3660 * DAY, whole=True, required=True),
            "tier": FieldSpec("TIER", "nodes by score; tiers cover every score from 0 to 1 once", many=True, required=True),
        },
        active=False,
    ),
}

# Blocks of scenario files (noderrctl rules test), which are no policy.
SCENARIO: dict[str, BlockSpec] = {
    "scenario": BlockSpec(
        "NAME",
        "what is measured and asked, and what must come of it",
        {
            "policy": FieldSpec("TEXT", "the policy under test: a file or a pattern, relative to this file", required=True, many=True),
            "start": FieldSpec("DATES", "wall clock at 0s; 2026-01-05 12:00 Etc/UTC, a Monday, if left out"),
            "given": FieldSpec("GIVEN", "a metric's value, or a state: from 0s to the end, every 1s, if not said otherwise", many=True),
            "order": FieldSpec("TRIAL", "an order, and what risk must say of it: passed, or denied and by which limit", many=True),
            "expect": FieldSpec("EXPECTATION", "the state of an alert at a time", many=True),
        },
    )
}
KINDS = BLOCKS | SCENARIO

_ZERO, _ONE = Fraction(0), Fraction(1)


def _latency(meaning: str) -> MetricSpec:
    return MetricSpec(TIME, meaning, ("strategy", "symbol", "venue"), _ZERO, together="all", by=())


def _count(meaning: str, *labels: str, by: tuple[str, ...] | None = ()) -> MetricSpec:
    return MetricSpec(NUMBER, meaning, labels, _ZERO, together="sum", by=by)


METRICS: dict[str, MetricSpec] = {
    "kernel": _latency("the kernel's receive stamp of a datagram to the lane's, of those that an order came of"),
    "decode": _latency("datagram to decoded message"),
    "book": _latency("message to changed book"),
    "features": _latency("book to feature row"),
    "model": _latency("feature row to score"),
    "strategy": _latency("a strategy's call"),
    "risk": _latency("a risk check"),
    "route": _latency("a passed risk check to the message's first byte: the parts of a sale, number, place in the send buffer"),
    "encode": _latency("order to wire format"),
    "send": _latency("the send call"),
    "tick_to_trade": _latency("receive time of a datagram (the kernel's, where it stamps them) to its order's send"),
    "ack": _latency("send to the venue's answer"),
    "fill": _latency("send to a fill"),
    "feed_age": MetricSpec(TIME, "time since a feed was last heard, heartbeats too", ("venue", "line"), _ZERO),
    "messages": _count("feed messages applied", "venue", "symbol"),
    "lost": _count("feed messages that a line lost; the other line or a retransmission may have brought them", "venue", "line", by=None),
    "gaps": _count("gaps in a feed's sequence numbers", "venue", "line"),
    "orders": _count("orders sent", "strategy", "symbol", "venue"),
    "fills": _count("executions", "strategy", "symbol", "venue", by=None),
    "rejects": _count("orders that a venue rejected", "strategy", "symbol", "venue"),
    "denials": _count("intents that risk refused", "strategy", "symbol", "venue"),
    "open_orders": _count("own orders that can still fill", "strategy", "symbol", "venue", by=None),
    "lane_restarts": _count("starts of a lane after its first"),
    "position": MetricSpec(SHARES, "shares held; negative is short", ("strategy", "symbol", "venue"), together="sum"),
    "pnl": MetricSpec(
        USD, "profit since midnight UTC, realised and unrealised, after fees", ("strategy", "symbol", "venue"), together="sum", by=("strategy",)
    ),
    "daily_loss": MetricSpec(
        USD, "loss since midnight UTC; 0 while there is a profit", ("strategy", "symbol", "venue"), _ZERO, together="sum", by=("strategy",)
    ),
    "spread": MetricSpec(TICKS, "best ask minus best bid", ("symbol", "venue")),
    "mid": MetricSpec(USD, "middle of best bid and best ask", ("symbol", "venue"), _ZERO),
    "edge": MetricSpec(TICKS, "what a model expects the mid to move: the difference of its chances times its mean move", ("symbol",)),
    "uncertainty": MetricSpec(NUMBER, "1 minus the largest class probability of a model's score, scaled to 0..1", ("symbol",), _ZERO, _ONE),
    "imbalance": MetricSpec(NUMBER, "(bid - ask) / (bid + ask) quantity at the best prices", ("symbol", "venue"), -_ONE, _ONE),
    "fill_ratio": MetricSpec(RATIO, "filled over ordered shares of the day's ended orders", ("strategy", "symbol", "venue"), _ZERO, _ONE, "min"),
    "venue_score": MetricSpec(
        NUMBER, "what a venue's distance, cost, liquidity and reliability are worth by its `weight`", ("venue",), _ZERO, _ONE, "min"
    ),
    "score": MetricSpec(NUMBER, "a node's reputation", ("node",), _ZERO, _ONE, "min", active=False),
    "bandwidth": MetricSpec(BANDWIDTH, "bytes received on an interface", ("interface",), _ZERO, together="sum"),
    "clock_offset": MetricSpec(TIME, "how far the wall clock is off, as chrony or the kernel estimates it; without sign", (), _ZERO),
    "clock_error": MetricSpec(TIME, "most that the wall clock can be off", (), _ZERO),
    "memory": MetricSpec(BYTES, "resident memory of a process", ("process",), _ZERO, together="sum"),
}
LABELS = frozenset(label for metric in METRICS.values() for label in metric.labels)

FUNCTIONS: dict[str, FunctionSpec] = {
    "rate": FunctionSpec("increase over the window, a second", "rate"),
    "avg": FunctionSpec("mean"),
    "max": FunctionSpec("greatest value; with two or more arguments and no window, the greatest of them"),
    "min": FunctionSpec("least value; with two or more arguments and no window, the least of them"),
    "sum": FunctionSpec("sum of the values"),
    "count": FunctionSpec("number of values", "number"),
    "delta": FunctionSpec("last value minus first"),
    "ewma": FunctionSpec("exponentially weighted mean whose half-life is the window"),
    "absent": FunctionSpec("true if there was no value", "truth"),
}
ORDERED = ("delta", "ewma")  # ask for values in their order: a node counts latencies, and keeps no order of them
PERCENTILES = {name: FunctionSpec(f"the value that {share} of all values are not above") for name, share in
               (("p50", "half"), ("p75", "75 %"), ("p90", "90 %"), ("p95", "95 %"), ("p99", "99 %"), ("p999", "99.9 %"))}  # fmt: skip
FUNCTIONS |= PERCENTILES

STATES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # subject: its states, its labels
    "book": (("live", "stale", "gap", "recovering", "crossed", "halted", "auction", "closed", "absent"), ("symbol", "venue")),
    "venue": (("up", "down", "replaying", "refused", "halted"), ("venue",)),
    "node": (("ready", "halted", "starting", "stopping"), ()),
    "lane": (("ready", "down", "halted"), ()),
    "clock": (("kept", "unkept"), ()),
}

ACTIONS: dict[str, ActionSpec] = {
    "log": ActionSpec("write a line to the log"),
    "notify": ActionSpec("tell a notify target, when it fires and when it is resolved", "notify"),
    "webhook": ActionSpec("the same, for a target that is a webhook", "notify"),
    "halt": ActionSpec("halt new orders until a person resumes: of the node, or of the scope", "scope?"),
    "reduce_only": ActionSpec("let only what reduces a position pass until a person resumes: of the node, or of the scope", "scope?"),
    "cancel_all": ActionSpec("cancel every open order: of the node, or of the scope", "scope?"),
    "flatten": ActionSpec("cancel, then close every position: of the node, or of the scope", "scope?"),
    "circuit_break": ActionSpec("take a part or a scope out of service, then let only what reduces a position pass, then close", "part", lasts=True),
}
SCOPED = ("venue", "symbol", "strategy")  # before a name in brackets: halt(venue EDGE); a name alone is a strategy's
PARTS = ("router", "model", "strategies", "mesh")
IDLE_PARTS = ("model", "mesh")  # nothing takes them out of service yet

FAULTS: dict[str, FaultSpec] = {
    "network.delay": FaultSpec("packets leave later", {"on": None, "delay": TIME, "jitter": TIME, "for": TIME}, ("jitter",)),
    "network.loss": FaultSpec("packets are lost", {"on": None, "loss": RATIO, "for": TIME}),
    "network.duplicate": FaultSpec("packets come twice", {"on": None, "share": RATIO, "for": TIME}),
    "network.partition": FaultSpec("nothing passes", {"on": None, "for": TIME}),
    "feed.gap": FaultSpec("messages of a feed are dropped", {"on": None, "messages": NUMBER}),
    "process.kill": FaultSpec("SIGKILL to a process", {"on": None}),
    "process.pause": FaultSpec("a process is stopped and continued", {"on": None, "for": TIME}),
    "clock.step": FaultSpec("the wall clock jumps", {"by": TIME, "for": TIME}),
}
