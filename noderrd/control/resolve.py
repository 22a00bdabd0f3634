"""Configuration and policy become what a lane is told: names become indexes, prices px, money px x shares, every limit the rule that said it.

What a lane numbers keeps its number: the table of rules only grows, so that a denial of yesterday's policy still finds its file and line, and a
strategy keeps its slot, where its positions are. One that the policy names no more is retired: the slot stays its own, and nothing is called there.
"""

import dataclasses
import hashlib
import json
import math
import zlib
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from core.codes import Known
from core.feature import NAMES
from core.layout import MAX_MODELS, MAX_STRATEGIES, MONEY
from noderrd import rulefiles
from noderrd.config import Config, Instrument, bands
from noderrd.lane import hours
from noderrd.lane.spec import ActSpec, InstrumentSpec, LaneSpec, LimitSpec, ModelSpec, StrategySpec, VenueSpec
from noderrd.strategies.source import Parameter, StrategyError, read
from rules import model
from rules.compile import compile_condition
from rules.diagnostic import Diagnostic
from rules.evaluate import Leaf
from rules.expression import Measured, text
from rules.span import Span
from rules.units import NUMBER, RATIO, UNITS, Quantity

PPM = 1_000_000
# A limit of the language: the lane's name for it, and what one of it is there: "" as it is, "px" money in px x shares, "money" in 1e-4 of the
# currency, "ratio" in parts per million.
LIMITS: dict[str, tuple[str, str]] = {
    "max_order_size": ("MAX_ORDER_QTY", ""),
    "max_order_value": ("MAX_ORDER_VALUE", "px"),
    "price_collar": ("PRICE_COLLAR", "ratio"),
    "collar_reference": ("COLLAR_REFERENCE", ""),
    "collar_missing": ("COLLAR_MISSING", ""),
    "max_position": ("MAX_POSITION", ""),
    "max_long": ("MAX_LONG", ""),
    "max_short": ("MAX_SHORT", ""),
    "max_total_position": ("MAX_TOTAL_POSITION", ""),
    "max_open_orders": ("MAX_OPEN_ORDERS", ""),
    "max_gross_exposure": ("MAX_GROSS_EXPOSURE", "money"),
    "max_net_exposure": ("MAX_NET_EXPOSURE", "money"),
    "capital": ("CAPITAL", "money"),
    "max_leverage": ("MAX_LEVERAGE", "ratio"),
    "margin": ("MARGIN", "ratio"),
    "max_daily_loss": ("MAX_DAILY_LOSS", "money"),
    "max_drawdown": ("MAX_DRAWDOWN", "money"),
    "max_order_rate": ("MAX_ORDER_RATE", ""),
    "max_message_rate": ("MAX_MESSAGE_RATE", ""),
    "min_interval": ("MIN_INTERVAL", ""),
    "duplicate_window": ("DUPLICATE_WINDOW", ""),
    "max_executions": ("MAX_EXECUTIONS", ""),
    "execution_window": ("EXECUTION_WINDOW", ""),
    "restricted": ("RESTRICTED", ""),
    "locate": ("LOCATE", ""),
}
DEFAULT_BUDGET_NS = 50_000
RETIRED = Path(__file__).with_name("retired.py")


class Unresolved(Exception):
    """The policy does not fit this node; `found` says where and why, one diagnostic each."""

    def __init__(self, found: list[Diagnostic]) -> None:
        super().__init__("\n".join(f"{d.span}: {d.severity}[{d.code}]: {d.message}" for d in found))
        self.found = found


@dataclasses.dataclass(frozen=True)
class Places:
    """Where a lane's files are."""

    name: str
    shared: Path
    stop: Path
    options: Path  # what the kernel took of its sockets' options


class Rules:
    """The table of rules, file:line each."""

    def __init__(self, known: Sequence[str] = ()) -> None:
        self.names = list(known)
        self._index = {name: k for k, name in enumerate(self.names)}

    def index(self, span: Span) -> int:
        """Give the index of a rule, entering it when it is new."""
        name = f"{span.file}:{span.line}"
        if name not in self._index:
            self._index[name] = len(self.names)
            self.names.append(name)
        return self._index[name]


def lane_spec(config: Config, policy: model.Policy, places: Places, last: LaneSpec | None = None) -> LaneSpec:
    """Give a lane's spec; `last` is what it ran by before. Raises Unresolved; OSError when a credential cannot be read."""
    found: list[Diagnostic] = []
    names = list(config.venues)
    venues = [_venue(config, policy, name, found) for name in names]
    products = list(dict.fromkeys(it.symbol for it in config.instruments))
    tables: list[list[tuple[int, int]]] = []
    instruments = [_instrument(config, names, it, tables) for it in config.instruments]
    strategies = slots([_strategy(it, products, found) for it in policy.strategies], last.strategies if last is not None else [])
    if len(strategies) > MAX_STRATEGIES:
        retired = ", ".join(it.name for it in strategies if it.file == str(RETIRED))
        found.append(_fault(policy.strategies[-1], "file", f"a lane has {MAX_STRATEGIES} strategies at most, retired ones too ({retired or 'none'})"))
    rules = Rules(last.rules if last is not None else ())
    found += _without_rate(config, policy)
    models = [_model(it, products, rules, found) for it in policy.models]
    if len(models) > MAX_MODELS:
        found.append(_fault(policy.models[MAX_MODELS], "file", f"a lane has {MAX_MODELS} models at most"))
    limits = [
        LimitSpec(s, k, _limits(config, policy, rules, strategy.name, it), _limits(config, policy, rules, "", it))
        for s, strategy in enumerate(strategies)
        for k, it in enumerate(instruments)
    ]
    found += _scopes(policy, {"venue": names, "symbol": products})
    if found:
        raise Unresolved(found)
    table = 1 << (config.lane.orders - 1).bit_length()
    return LaneSpec(
        name=places.name, shared=str(places.shared), stop=str(places.stop), venues=venues, instruments=instruments, products=products,
        strategies=strategies, limits=limits, models=models, rules=rules.names, idle=config.lane.idle,
        receive=config.lane.receive, stamps=config.lane.stamps, tick_tables=tables,
        huge_pages=config.lane.huge_pages, core=config.lane.core, levels=config.lane.levels, table=table,
        sockets=config.sockets, options=str(places.options), realtime=config.host.realtime, day_end=config.day.end,
    )  # fmt: skip


def _scopes(policy: model.Policy, known: dict[str, list[str]]) -> list[Diagnostic]:
    """Name the venues and symbols that alerts would act on and this node does not have."""
    found = []
    for alert in policy.alerts:
        for action in alert.actions:
            kind, name = action.scope if action.name not in {"notify", "webhook"} else ("", "")
            if kind in known and name not in known[kind]:
                found.append(_fault(alert, "do", f"no {kind} {name} is configured", f"configured are {', '.join(known[kind])}"))
    return found


def slots(wanted: list[StrategySpec], before: list[StrategySpec]) -> list[StrategySpec]:
    """Put strategies where their names were before, new ones behind them."""
    named = {it.name: it for it in wanted}
    kept = [named.pop(it.name, StrategySpec(it.name, str(RETIRED), [], {})) for it in before]
    return [*kept, *named.values()]


def _instrument(config: Config, names: list[str], it: Instrument, tables: list[list[tuple[int, int]]]) -> InstrumentSpec:
    """Give an instrument; its tick table is entered when it is new."""
    tick, table = it.px(it.tick), 0
    if it.ticks:
        rows = [(it.px(price), it.px(one)) for price, one in bands(config.ticks[it.ticks])]
        if rows not in tables:
            tables.append(rows)
        tick, table = math.gcd(*(one for _, one in rows)), tables.index(rows) + 1
    return InstrumentSpec(
        it.symbol, names.index(it.venue), it.code, tick, it.lot, it.currency, it.px_unit, it.multiplier, it.px(it.reference),
        str(config.rate(it.currency)), table,
    )  # fmt: skip


def _venue(config: Config, policy: model.Policy, name: str, found: list[Diagnostic]) -> VenueSpec:
    it = config.venues[name]
    said = next((v for v in policy.venues if v.name == name), None)
    maker, taker = ((said.fee_mils(which) or 0) if said else 0 for which in ("maker", "taker"))
    return VenueSpec(
        name, it.itch_a, it.itch_b, it.interface, it.rerequest, it.ouch, it.user, it.secret(), maker, taker, it.armed,
        cancel_on_disconnect=it.cancel_on_disconnect, glimpse=it.glimpse, interface_b=it.interface_b, source_a=it.source_a, source_b=it.source_b,
        hours=_hours(policy, name, it.calendar, found),
    )  # fmt: skip


def _without_rate(config: Config, policy: model.Policy) -> list[Diagnostic]:
    """Find limits on sums of money in a currency of which nobody said what it is worth: they could not bind."""
    return [
        Diagnostic(
            limit.span, "error", "rate", f"'{name}' is in {limit.currency}, and noderrd.toml does not say what one is worth in {config.currency}",
            f"add [rates] {limit.currency} = ... there",
        )
        for risk in policy.risks
        for name, limit in risk.limits.items()
        if LIMITS[name][1] == "money" and config.rate(limit.currency) is None
    ]  # fmt: skip


def _bound(config: Config, policy: model.Policy, strategy: str, it: InstrumentSpec) -> dict[str, tuple[int | Decimal, Span]]:
    """Give what binds a strategy in an instrument: sums of money, in whatever currency, as they are in the node's; the tightest."""
    venue = list(config.venues)[it.venue]
    found: dict[str, tuple[int | Decimal, Span]] = {}
    for currency in dict.fromkeys((it.currency, config.currency, *config.rates)):
        rate = config.rate(currency) or 1
        for name, (value, span) in model.limits_for(policy, strategy, it.symbol, venue, currency).items():
            summed = LIMITS[name][1] == "money"
            bound = value * rate if summed else value
            if (summed or currency == it.currency) and (name not in found or bound < found[name][0]):
                found[name] = bound, span
    return found


def _hours(policy: model.Policy, venue: str, name: str, found: list[Diagnostic]) -> dict[str, Any]:
    """Give a venue's calendar; {} where it has none."""
    if not name:
        return {}
    for it in policy.calendars:
        if it.name == name and it.kind == "schedule":
            return hours.told(it)
    there = ", ".join(it.name for it in policy.calendars if it.kind == "schedule") or "none"
    message = f"venue {venue} goes by the schedule '{name}', and the policy has no such"
    found.append(Diagnostic(Span("noderrd.toml", 1, 1, 1), "error", "calendar", message, f"schedules: {there}"))
    return {}


def _limits(config: Config, policy: model.Policy, rules: Rules, strategy: str, it: InstrumentSpec) -> dict[str, tuple[int, int]]:
    """Give the limits of a strategy in an instrument; of all strategies together for strategy ""."""
    found: dict[str, tuple[int, int]] = {}
    for name, (value, span) in _bound(config, policy, strategy, it).items():
        ours, kind = LIMITS[name]
        scale = {"px": it.unit, "money": MONEY, "ratio": PPM, "": 1}[kind]
        found[ours] = (int(Decimal(value) * scale), rules.index(span))
        if _halts(policy, span):
            found["LOSS_HALTS"] = (1, rules.index(span))
    return found


def _halts(policy: model.Policy, span: Span) -> bool:
    return any(limit.span == span and limit.then == "halt" for risk in policy.risks for limit in risk.limits.values())


def _fault(block: model.Block, field: str, message: str, hint: str = "") -> Diagnostic:
    return Diagnostic(block.where.get(field, block.span), "error", field, message, hint)


def _symbols(block: model.Strategy | model.Model, products: list[str], found: list[Diagnostic]) -> list[str]:
    unknown = [symbol for symbol in block.symbols if symbol not in products]
    if unknown:
        found.append(_fault(block, "symbols", f"no instrument is configured for {', '.join(unknown)}", f"configured are {', '.join(products)}"))
    return list(block.symbols)


def _file(block: model.Strategy | model.Model, found: list[Diagnostic]) -> Path | None:
    path = rulefiles.locate(block.file, block.span.file)
    if path is None:
        found.append(_fault(block, "file", f"{block.file} is not there"))
    return path


def _strategy(block: model.Strategy, products: list[str], found: list[Diagnostic]) -> StrategySpec:
    symbols, path = _symbols(block, products, found), _file(block, found)
    params: dict[str, float] = {}
    if path is not None:
        try:
            declared = {it.name: it for it in read(path).parameters}
        except (StrategyError, OSError) as why:
            found.append(_fault(block, "file", str(why)))
            declared = {}
        else:
            for name, said in block.params.items():
                params |= _param(name, said, declared, found)
    seed = zlib.crc32(block.name.encode())
    digest = _sha256(path) if path is not None else ""
    return StrategySpec(block.name, str(path or ""), symbols, params, block.budget_ns or DEFAULT_BUDGET_NS, seed, digest)


def _param(name: str, said: model.Param, declared: dict[str, Parameter], found: list[Diagnostic]) -> dict[str, float]:
    """Give a parameter in the unit that the strategy declares."""
    wanted = declared.get(name)
    if wanted is None:
        hint = f"it has {', '.join(declared)}" if declared else "it has none"
        found.append(Diagnostic(said.span, "error", "set", f"the strategy has no parameter '{name}'", hint))
        return {}
    value = in_unit(said.quantity, wanted.unit)
    if value is None:
        found.append(Diagnostic(said.span, "error", "unit", f"'{name}' is in {wanted.unit or 'plain numbers'}, this is {said.quantity}"))
        return {}
    if not wanted.low <= value <= wanted.high or (wanted.whole and value != int(value)):
        kind = "a whole number" if wanted.whole else "a number"
        message = f"'{name}' is {kind} from {wanted.low:g} to {wanted.high:g} {wanted.unit}".rstrip()
        found.append(Diagnostic(said.span, "error", "bound", f"{message}, this is {said.quantity}"))
        return {}
    return {name: float(value)}


def in_unit(quantity: Quantity, unit: str) -> Decimal | None:
    """Give a quantity as a number of a unit; None where they do not go together. A unit that the language lacks is a plain number to it."""
    dimension, one = UNITS.get(unit, (NUMBER, Fraction(1)))
    if quantity.dimension != dimension and (dimension, quantity.dimension) != (NUMBER, RATIO):
        return None
    value = quantity.value / one
    return Decimal(value.numerator) / Decimal(value.denominator)


def _model(block: model.Model, products: list[str], rules: Rules, found: list[Diagnostic]) -> ModelSpec:
    symbols, path = _symbols(block, products, found), _file(block, found)
    unknown = [name for name in block.features if name not in NAMES]
    if unknown:
        found.append(_fault(block, "features", f"no such feature: {', '.join(unknown)}", f"there are {', '.join(NAMES)}"))
    if path is None:
        return ModelSpec(block.name, "", list(block.features) or NAMES, symbols)
    return ModelSpec(block.name, str(path), list(block.features) or NAMES, symbols, _sha256(path), _move(path), _act(block, rules))


def _sha256(path: Path) -> str:
    """Give the SHA-256 of a file; it was there a moment ago."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _move(model: Path) -> float:
    """Give by how many ticks the mid moved, on average, when a model's class came true: its making left that beside it (models.make); 0 if not."""
    try:
        return float(json.loads(model.with_suffix(".json").read_text())["held_out"]["mean_move_ticks"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0


def _act(block: model.Model, rules: Rules) -> ActSpec | None:
    """Compile when a model's score may be acted on."""
    if block.act is None:
        return None
    program = compile_condition(block.act, _known)
    code = [word for pair in program.code for word in pair]
    return ActSpec(code, program.constants, text(block.act), rules.index(block.where["act"]))


def _known(leaf: Leaf) -> int:
    """Give where the lane has what a condition asks; the checker lets nothing else pass."""
    assert isinstance(leaf, Measured)
    return Known[leaf.name.upper()]
