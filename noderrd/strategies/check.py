"""`strategy check`: a strategy is compiled as the lane would, then run over made-up events, first as plain Python with every index checked.

The events are what a lane can hand over and seldom does: empty, locked and crossed books, venues that are not LIVE, prices and positions at their
bounds, orders in every state, parameters at both ends. What plain Python does is compared with what the compiled function does, so that an overflow
or an index out of range shows, which machine code does not notice. Only a text that passed in Python is run as machine code.
"""

import ctypes
import dataclasses
import signal
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from core import layout as at
from core.codes import BookState, Denial, EventKind, IntentKind, OrderFlag, OrdStatus, Phase, Side, TimeInForce
from noderrd import strategies
from noderrd.strategies import Strategy
from noderrd.strategies.compile import Compiled, load
from noderrd.strategies.source import StrategyError
from rules.diagnostic import Diagnostic
from rules.span import Span

SEED = 20_240_607
WALK = 200  # events of the ordinary market, a set of parameters
START_NS = 1_700_000_000_000_000_000
HANG_S = 5  # for one call in plain Python: a loop that does not end
SLOW_NS = 50_000  # the budget that the rules give when they say nothing
REPEATS = 3
PX_MOST, QTY_MOST = 1_999_999_900 // 100, 2**31 - 1  # OUCH's highest price, in ticks; shares
PX_HIGH = PX_MOST - 10_000  # of a made-up book, so that there is room to quote above it
MASK = 2**64 - 1
LIVING = (OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED, OrdStatus.PENDING_CANCEL, OrdStatus.UNKNOWN)


def _wide(dtype: np.dtype) -> np.dtype:
    """Give a record type with all numbers at 64 bits: numba computes so, numpy's scalars would not."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return np.dtype((_wide(base), shape))
    if dtype.names is None:
        return np.dtype(f"{dtype.kind}8")
    return np.dtype([(name, _wide(dtype[name])) for name in dtype.names])


EVENT, VIEW, INTENT = (_wide(dtype) for dtype in (at.EVENT, at.VIEW, at.INTENT))


def _uniform(view: Any) -> float:
    """Draw as strategies.uniform does, in Python's integers."""
    state = (int(view[0]["seed"]) + 0x9E3779B97F4A7C15) & MASK
    view[0]["seed"] = state
    z = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    z ^= z >> 31
    return ((z >> 11) + 0.5) / 2.0**53


@dataclasses.dataclass(frozen=True)
class Moment:
    """One made-up call, and how to speak of it."""

    event: np.ndarray
    view: np.ndarray
    said: str


class Checked(Exception):
    """Enough was found."""


class Check:
    """One run over one file. `calls` counts what was tried, `found` is what came of it."""

    def __init__(self, path: Path) -> None:
        self.path, self.found, self.calls = path, list[Diagnostic](), 0

    def run(self) -> list[Diagnostic]:
        """Check everything. Raises OSError when the file cannot be read."""
        try:
            compiled = load(self.path)
        except StrategyError as error:
            return error.found
        plain = _Plain(compiled)
        for words, params in _parameter_sets(compiled):
            moments = list(_moments(np.random.default_rng(SEED)))
            try:
                expected = self._in_python(compiled, plain, params, moments, words)
            except Checked:
                break
            self._as_machine_code(compiled, params, moments, expected, words)
        return self.found

    def say(self, line: int, code: str, message: str, severity: str = "error") -> None:
        """Note a finding, each place and kind once."""
        if not any(d.span.line == line and d.code == code for d in self.found):
            self.found.append(Diagnostic(Span(str(self.path), line, 1, 2), severity, code, message))

    def _in_python(self, compiled: Compiled, plain: "_Plain", params: np.ndarray, moments: list[Moment], words: str) -> list[tuple[int, np.ndarray]]:
        state, expected = np.zeros(1, compiled.state_dtype), []
        for moment in moments:
            event, view, out = moment.event.astype(EVENT), moment.view.astype(VIEW), np.zeros(at.MAX_INTENTS, INTENT)
            before = (event.copy(), view.copy(), params.copy())
            self.calls += 1
            try:
                n = plain.call(event, view, params, state, out)
            except Exception as error:  # noqa: BLE001 - whatever the user's code does
                line, code, message = plain.explain(error)
                self.say(line, code, f"{message}: {moment.said}, {words}")
                raise Checked from None
            for name in ("seed", "n_notes", "note_code", "note_value"):
                before[1][name] = view[name]
            for name, was, now in zip(("event", "view", "params"), before, (event, view, params), strict=True):
                if was.tobytes() != now.tobytes():
                    self.say(compiled.text.line, "read-only", f"it writes into {name}: {moment.said}")
            self._answer(compiled.text.line, n, out, moment, words)
            expected.append((n, out[: max(n, 0)].copy()))
        return expected

    def _answer(self, line: int, n: int, out: np.ndarray, moment: Moment, words: str) -> None:
        """What came back: a number of intents that make sense."""
        if n > at.MAX_INTENTS:
            self.say(line, "intents", f"it says that it wrote {n} intents, {at.MAX_INTENTS} is the most: {moment.said}, {words}")
            raise Checked
        if n < 0:
            self.say(line, "fault", f"it tells a fault ({n}), which would halt it: {moment.said}, {words}", "warning")
        own = {int(order["order_id"]) for order in moment.view[0]["orders"][: moment.view[0]["n_orders"]]}
        for k in range(max(n, 0)):
            wrong = _wrong(out[k], int(moment.view[0]["n_venues"]), own)
            if wrong:
                self.say(line, "intent", f"risk would refuse what it asks, {wrong}: {moment.said}, {words}", "warning")

    def _as_machine_code(
        self, compiled: Compiled, params: np.ndarray, moments: list[Moment], expected: list[tuple[int, np.ndarray]], words: str
    ) -> None:
        function = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 5)(compiled.address)
        state = np.zeros(1, compiled.state_dtype)
        for moment, (n, intents) in zip(moments, expected, strict=True):
            out, took = np.zeros(at.MAX_INTENTS, at.INTENT), []
            for again in range(REPEATS):
                event, view = moment.event.copy(), moment.view.copy()
                kept = state if again == REPEATS - 1 else state.copy()
                began = time.perf_counter_ns()
                got = function(*(a.ctypes.data for a in (event, view, params, kept, out)))
                took.append(time.perf_counter_ns() - began)
            if got != n or out[: max(n, 0)].astype(INTENT).tobytes() != intents.tobytes():
                message = f"compiled it does otherwise than in Python ({got} intents, {n} in Python), as after an overflow: {moment.said}, {words}"
                self.say(compiled.text.line, "differs", message)
                return
            if min(took) > SLOW_NS:
                self.say(compiled.text.line, "slow", f"a call takes {min(took) / 1000:.0f} us, more than 50 us: {moment.said}", "warning")


class _Plain:
    """The user's functions as Python runs them."""

    def __init__(self, compiled: Compiled) -> None:
        self.file, self.line = compiled.file, compiled.text.line
        names: dict[str, Any] = {"__name__": "checked", "__file__": self.file}
        exec(compile(compiled.text.source.text, self.file, "exec"), names)  # noqa: S102 - the same text that was loaded above
        for name, value in list(names.items()):
            if value is strategies.uniform:
                names[name] = _uniform
            elif hasattr(value, "py_func"):
                names[name] = value.py_func
        marked: Strategy = names[compiled.text.function]
        self.function = marked.function

    def call(self, *arguments: np.ndarray) -> int:
        """Call it; a number that is none raises TypeError, a call that does not end TimeoutError."""
        signal.signal(signal.SIGALRM, _hangs)
        signal.setitimer(signal.ITIMER_REAL, HANG_S)
        try:
            with np.errstate(divide="raise", over="raise", invalid="raise"):
                return int(self.function(*arguments))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def explain(self, error: Exception) -> tuple[int, str, str]:
        """Give line, code and words for what Python said."""
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == self.file and frame.lineno]
        line = lines[-1] if lines else self.line
        if isinstance(error, IndexError):
            return line, "bounds", f"{error}"
        if isinstance(error, ZeroDivisionError) or "divide" in str(error):
            return line, "division", "a division by zero, which the lane answers with 0 or infinity"
        if isinstance(error, FloatingPointError | OverflowError):
            return line, "overflow", f"{error}"
        if isinstance(error, TimeoutError):
            return line, "hangs", f"not done after {HANG_S} s"
        return line, "python", f"{type(error).__name__}: {error}"


def _hangs(_number: int, _frame: FrameType | None) -> None:
    raise TimeoutError


def _parameter_sets(compiled: Compiled) -> Iterator[tuple[str, np.ndarray]]:
    """Give parameters as declared, and at both ends."""
    yield "default parameters", compiled.params({})
    if compiled.parameters:
        yield "parameters at their least", compiled.params({it.name: it.low for it in compiled.parameters})
        yield "parameters at their most", compiled.params({it.name: it.high for it in compiled.parameters})


def _wrong(intent: np.ndarray, n_venues: int, own: set[int]) -> str:
    """Say what is wrong with an intent; "" when nothing is."""
    kind = int(intent["kind"])
    if kind not in set(IntentKind):
        return f"kind {kind}"
    if kind in {IntentKind.REPLACE, IntentKind.CANCEL} and int(intent["order_id"]) not in own:
        return f"an order {int(intent['order_id'])} that is not its own"
    if kind in {IntentKind.NEW, IntentKind.REPLACE} and not (0 < intent["px"] <= PX_MOST and 0 < intent["qty"] <= QTY_MOST):
        return f"{int(intent['qty'])} shares at {int(intent['px'])} ticks"
    if kind != IntentKind.NEW:
        return ""
    good = 0 <= intent["venue"] < n_venues and intent["side"] in {0, 1} and intent["time_in_force"] in set(TimeInForce)
    return "" if good and 0 <= intent["flags"] <= OrderFlag.POST_ONLY else "a venue, side, time in force or flag that there is not"


# ---- made-up events


def _book(view: np.ndarray, v: int, bid: int, ask: int, qty: int, depth: int, state: int = 0) -> None:
    """Put a book of `depth` levels a side, one tick apart; a price of 0 leaves that side empty."""
    seen = view[0]["venues"][v]
    seen["state"], seen["phase"], seen["age_ns"] = state, Phase.START_OF_MARKET_HOURS, 1_000
    seen["n_bid"], seen["n_ask"] = (depth if bid else 0), (depth if ask else 0)
    for k in range(depth):
        seen["bid_px"][k], seen["bid_qty"][k] = max(bid - k, 1), qty
        seen["ask_px"][k], seen["ask_qty"][k] = ask + k, qty
    best = view[0]
    if state == 0 and bid and (best["best_bid_venue"] < 0 or bid > best["best_bid"]):
        best["best_bid"], best["best_bid_qty"], best["best_bid_venue"] = bid, qty, v
    if state == 0 and ask and (best["best_ask_venue"] < 0 or ask < best["best_ask"]):
        best["best_ask"], best["best_ask_qty"], best["best_ask_venue"] = ask, qty, v


def _view(n_venues: int) -> np.ndarray:
    view = np.zeros(1, at.VIEW)
    view["n_venues"], view["tick"], view["lot"], view["unit"], view["seed"] = n_venues, 100, 1, 10_000, 7
    view["best_bid_venue"] = view["best_ask_venue"] = -1
    return view


def _orders(view: np.ndarray, rng: np.random.Generator, n: int, px: int, status: int | None = None) -> None:
    """Put n own orders."""
    view["n_orders"] = n
    for k in range(n):
        own = view[0]["orders"][k]
        own["order_id"], own["venue"], own["side"] = 1_000 + k, rng.integers(view[0]["n_venues"]), k % 2
        own["px"], own["leaves_qty"], own["cum_qty"] = max(px - 5 + 10 * (k % 2), 1), 100, rng.integers(0, 50)
        own["ord_status"] = status if status is not None else rng.choice(LIVING)
        own["queue_ahead"] = rng.integers(-1, 1_000)
        view["open_sell" if own["side"] == Side.SELL else "open_buy"] += own["leaves_qty"]


def _event(kind: int, now_ns: int, **fields: int) -> np.ndarray:
    event = np.zeros(1, at.EVENT)
    event["kind"], event["now_ns"], event["rx_ns"], event["venue"] = kind, now_ns, now_ns - 1_000, -1
    for name, value in fields.items():
        event[name] = value
    return event


def _moments(rng: np.random.Generator) -> Iterator[Moment]:
    """Give the calls, in an order in which they could come."""
    now_ns = START_NS
    for n_venues in (1, 3, at.MAX_VENUES):
        for kind in (EventKind.START, EventKind.TIMER, EventKind.PARAMS, EventKind.BOOK, EventKind.STATUS):
            yield Moment(_event(kind, now_ns), _view(n_venues), f"{kind.name} with empty books at {n_venues} venues")
    for moment in _edges(rng, now_ns):
        now_ns += 1_000_000_000
        moment.event["now_ns"] = now_ns
        yield moment
    for k, moment in enumerate(_walk(rng)):
        moment.event["now_ns"] = now_ns + k * 1_000_000
        yield moment
    yield Moment(_event(EventKind.STOP, now_ns + 10**12), _view(3), "STOP")


def _edges(rng: np.random.Generator, now_ns: int) -> Iterator[Moment]:
    """Books, positions, orders and scores at their bounds."""
    pairs = {"ordinary": (10_000, 10_001), "locked": (10_000, 10_000), "crossed": (10_005, 10_000)}
    pairs |= {"without asks": (10_000, 0), "without bids": (0, 10_000)}
    pairs |= {"at the lowest price": (1, 2), "at the highest price": (PX_HIGH - 1, PX_HIGH), "as wide as can be": (1, PX_HIGH)}
    for words, (bid, ask) in pairs.items():
        for qty in (1, 100, QTY_MOST):
            for kind in (EventKind.BOOK, EventKind.TRADE, EventKind.TIMER):
                view = _view(2)
                _book(view, 0, bid, ask, qty, at.VIEW_DEPTH)
                _book(view, 1, bid, ask, qty, 1)
                view["score_on"], view["score"] = 1, (0.1, 0.1, 0.8)
                event = _event(kind, now_ns, venue=0, last_px=max(bid, 1), last_qty=qty)
                yield Moment(event, view, f"{kind.name}, a book {words} with {qty} shares a level")
    for state in BookState:
        view = _view(2)
        _book(view, 0, 10_000, 10_001, 100, 3, int(state))
        _book(view, 1, 10_000, 10_001, 100, 3)
        _orders(view, rng, 4, 10_000)
        yield Moment(_event(EventKind.STATUS, now_ns, venue=0), view, f"STATUS, a venue that is {state.name}")
    for position in (-(10**9), -1, 1, 10**9):
        for score in ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (-1e30, 0.0, 1e30)):
            view = _view(1)
            _book(view, 0, 10_000, 10_001, 100, 5)
            view["position"], view["avg_px"], view["score_on"], view["score"] = position, 10_000.5, 1, score
            view["features"] = 1e6 if position > 0 else -1e6
            yield Moment(_event(EventKind.BOOK, now_ns, venue=0), view, f"BOOK, a position of {position} and a score of {score}")
    for status in OrdStatus:
        for reason in (0, int(Denial.PRICE_COLLAR)):
            view = _view(2)
            _book(view, 0, 10_000, 10_001, 100, 3)
            _orders(view, rng, at.VIEW_ORDERS, 10_000, int(status))
            filled = {"last_px": 10_000, "last_qty": 1, "leaves_qty": 99}
            event = _event(EventKind.ORDER, now_ns, venue=1, order_id=1_000, ord_status=int(status), reason=reason, **filled)
            yield Moment(event, view, f"ORDER {status.name} with {at.VIEW_ORDERS} own orders")


def _walk(rng: np.random.Generator) -> Iterator[Moment]:
    """Three venues that move about."""
    middle = 10_000
    kinds = [EventKind.BOOK, EventKind.BOOK, EventKind.BOOK, EventKind.TRADE, EventKind.TIMER]
    for k in range(WALK):
        middle += int(rng.integers(-2, 3))
        view = _view(3)
        for v in range(3):
            away = int(rng.integers(0, 3))
            _book(view, v, middle - 1 - away, middle + 1 + away, int(rng.integers(1, 1_000)), int(rng.integers(1, at.VIEW_DEPTH + 1)))
        _orders(view, rng, int(rng.integers(0, 7)), middle)
        view["position"], view["features"] = int(rng.integers(-500, 501)), rng.normal(0, 2, at.FEATURES)
        up = rng.dirichlet((1.0, 1.0, 1.0))
        view["score_on"], view["score"], view["score_age_ns"] = 1, up, int(rng.integers(0, 10**8))
        kind = kinds[k % len(kinds)]
        venue = -1 if kind == EventKind.TIMER else int(rng.integers(3))
        trade = {"last_px": middle, "last_qty": 10, "side": int(rng.integers(2))} if kind == EventKind.TRADE else {}
        yield Moment(_event(kind, 0, venue=venue, **trade), view, f"{kind.name} in an ordinary market")
