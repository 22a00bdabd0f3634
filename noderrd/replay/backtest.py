"""`noderrd replay --strategy`: a strategy on a recording, through the lane itself.

It is the lane's own code from the message on: books, features, model, the compiled strategy, risk, the order table, positions. Its venue is on paper
(noderrd.lane.paper: fills by the place in the queue, takers by what the book shows, no latency, no effect on the market), its clock is the
recording's. Messages of one time stamp are one event, as they would be one datagram. There are no limits: a back-test tells what a strategy would do.
What a recording lacks is taken as trading: without Stock Trading Actions a symbol trades, without System Events the market is open.
"""

import decimal
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core import itch, position
from core.bigendian import get_u16, get_u48
from core.codes import BookState, Counter, Side
from core.feature import NAMES
from core.integer import i64
from core.jit import entry, kernel
from noderrd import logs, strategies
from noderrd.feeds.binaryfile import Recording
from noderrd.lane import decide, feed, ort, paper, prepare, work
from noderrd.lane.memory import Shared
from noderrd.lane.spec import InstrumentSpec, LaneSpec, ModelSpec, StrategySpec, VenueSpec
from noderrd.strategies.compile import StrategyError

LEVELS, TABLE = 4096, 1 << 20
ROUNDS = 16  # of answers and what a strategy asks on them, within one time stamp
NOTICES = 32
SHIPPED = {name: Path(strategies.__file__).with_name(f"{name}.py") for name in ("quotes", "taker")}
ADD, ADD_MPID, TRADING, SYSTEM = b"AFHS"


class Unusable(ValueError):
    """What was asked for cannot be tried on this recording; the text says why."""


@kernel
def answers(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, products: np.ndarray,
    positions: np.ndarray, limits: np.ndarray, states: np.ndarray, now_ns: int,
) -> None:  # fmt: skip
    """Let the paper venue answer and the strategy hear it, until both are silent."""
    for _ in range(ROUNDS):
        if lane[0]["n_live"] > 0:
            paper.answer(lane, work, halt_symbol, insts, px, qty, products, positions, limits, i64(0), now_ns)
        if work[0]["notice_tail"] == work[0]["notice_head"]:
            return
        decide.tell(lane, work, halt_symbol, insts, px, qty, products, positions, limits, states, NOTICES)


@kernel
def wake(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, products: np.ndarray,
    positions: np.ndarray, limits: np.ndarray, states: np.ndarray, until_ns: int,
) -> None:  # fmt: skip
    """Call the strategy at each of its times up to `until_ns`."""
    strategy = lane[0]["strategies"][0]
    while strategy["fresh"] != 0 or (strategy["timer_ns"] > 0 and strategy["next_timer_ns"] <= until_ns and strategy["halted"] == 0):
        at_ns = until_ns if strategy["fresh"] != 0 or strategy["next_timer_ns"] == 0 else strategy["next_timer_ns"]
        lane[0]["control"][0]["base_ns"] = at_ns
        decide.timers(lane, work, halt_symbol, insts, px, qty, products, positions, limits, states, at_ns)
        answers(lane, work, halt_symbol, insts, px, qty, products, positions, limits, states, at_ns)


@entry
def play(
    lane: np.ndarray, work: np.ndarray, halt_symbol: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray,
    table: np.ndarray, locates: np.ndarray, products: np.ndarray, positions: np.ndarray, limits: np.ndarray, states: np.ndarray,
    data: np.ndarray, offsets: np.ndarray, first: int, last: int,
) -> None:  # fmt: skip
    """Play messages `first` to `last` (excluded) of a recording; the clock stands still between them."""
    for k in range(first, last):
        begin = offsets[k]
        size = get_u16(data, begin - 2)
        now_ns = get_u48(data, begin + 5)
        wake(lane, work, halt_symbol, insts, px, qty, products, positions, limits, states, now_ns)
        lane[0]["control"][0]["base_ns"] = now_ns
        for j in range(size):
            work[0]["data"][j] = data[begin + j]
        feed.message(lane, work, insts, px, qty, cnt, table, locates, products, i64(0), i64(0), size, k + 1, now_ns)
        if k + 1 < offsets.shape[0] and get_u48(data, offsets[k + 1] + 5) == now_ns:
            continue
        if work[0]["n_touched"] > 0:
            work[0]["rx_ns"] = now_ns
            answers(lane, work, halt_symbol, insts, px, qty, products, positions, limits, states, now_ns)
            decide.changed(lane, work, halt_symbol, insts, px, qty, cnt, products, positions, limits, states)
            answers(lane, work, halt_symbol, insts, px, qty, products, positions, limits, states, now_ns)
        lane[0]["control"][0]["journal_tail"] = lane[0]["control"][0]["journal_head"]  # nobody reads it


def run(recording: Recording, strategy: str, settings: Mapping[str, float], symbol: str | None = None, model: Path | None = None) -> dict[str, Any]:
    """Try a strategy (a file, or one that ships by its name) on one symbol of a recording; gives the closing object.

    `model` is an ONNX file; a card beside it (its name with .json) may name its features, else it takes all of them. Raises Unusable, StrategyError,
    ort.ModelError, NoSuchSymbol, OSError.
    """
    from noderrd.replay.play import Replay

    counted = Replay(recording, symbol)
    if symbol is None and len(counted.instruments) > 1:
        names = ", ".join(map(itch.symbol, counted.instruments["stock"][:10]))
        message = f"the recording has {len(counted.instruments)} symbols ({names}, ...): name one with --symbol"
        raise Unusable(message)
    stock, locate = int(counted.instruments[0]["stock"]), int(counted.instruments[0]["locate"])
    name = itch.symbol(stock)
    spec = LaneSpec(
        "backtest",
        "",
        "",
        [VenueSpec("PAPER", "", "", "127.0.0.1", "", "", "", "")],
        [InstrumentSpec(name, 0, name, _tick(counted.data, counted.offsets, locate), 1)],
        [name],
        [StrategySpec(name, str(SHIPPED.get(strategy, strategy)), [name], dict(settings))],
        [],
        [] if model is None else [ModelSpec("model", str(model), _features(model), [])],
        [],
        levels=LEVELS,
        table=TABLE,
    )
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="noderrd-backtest-") as folder:
        shared = Shared(Path(folder) / "lane", spec.sizes(), create=True)
        desk = work.make()
        exposure = prepare.share_exposure(spec, shared)
        prepare.take_up(spec, shared)
        prepare.fill_venues(spec, shared)
        loaded = prepare.Loaded(spec, shared, desk, logs.get("backtest"))
        loaded.load(spec)
        shared.control["mult"] = 0  # the clock is base_ns, and stands
        shared.locates[0, locate] = 0
        _assume(counted.data, counted.offsets, locate, shared)
        play(
            shared.lane, desk, shared.halt_symbol, shared.insts, shared.px, shared.qty, shared.cnt, shared.table, shared.locates, shared.products,
            shared.positions, shared.limits, shared.states, counted.data, counted.offsets, 0, len(counted.offsets),
        )  # fmt: skip
        end = closing(shared)
        del exposure, loaded
    kinds, n = np.unique(counted.data[counted.offsets], return_counts=True)
    return {
        "messages": len(counted.offsets),
        "by_type": {chr(kind): int(how_many) for kind, how_many in zip(kinds, n, strict=True)},
        "damaged_at": counted.damaged_at,
        **end,
    }


def _messages(data: np.ndarray, offsets: np.ndarray, locate: int, *kinds: int) -> np.ndarray:
    """Give the offsets of a symbol's messages of some kinds."""
    found = offsets[np.isin(data[offsets], kinds)]
    return found[data[found + 1].astype(np.int64) * 256 + data[found + 2] == locate]


def _tick(data: np.ndarray, offsets: np.ndarray, locate: int) -> int:
    """Give a symbol's tick in 1e-4: a cent, or less where its orders say so."""
    found = _messages(data, offsets, locate, ADD, ADD_MPID)
    prices = data[found[:, None] + np.arange(32, 36)].astype(np.int64) @ np.array([1 << 24, 1 << 16, 1 << 8, 1])
    return int(np.gcd.reduce(prices, initial=100))


def _assume(data: np.ndarray, offsets: np.ndarray, locate: int, shared: Shared) -> None:
    """Take as trading what the recording never speaks of."""
    if not len(_messages(data, offsets, locate, TRADING)):
        shared.insts["trading"], shared.insts["state"] = ord("T"), 0
    if not np.any(data[offsets] == SYSTEM):
        shared.venues[0]["state"] &= ~BookState.CLOSED


def _features(model: Path) -> list[str]:
    """Give the features of a model: those that its card names, else all."""
    card = model.with_suffix(".json")
    named = json.loads(card.read_text()).get("features", NAMES) if card.is_file() else NAMES
    unknown = [name for name in named if name not in NAMES]
    if unknown:
        message = f"{card}: no such feature: {', '.join(map(str, unknown))}"
        raise Unusable(message)
    return list(named)


def closing(shared: Shared) -> dict[str, Any]:
    """Give what came of it: counts, and the profit with the position at the price at which it could be closed."""
    counters, held, inst = shared.control[0]["counters"], shared.positions[0], shared.insts[0]
    side = int(Side.BUY if held["position"] > 0 else Side.SELL)
    n = int(inst["n"][side])
    mark = int(shared.px[0, side, n - 1]) if n else int(inst["last_px"])
    profit = position.wide(held["cash"], held["cash_high"]) + int(held["position"]) * mark - int(held["fees"])
    return {
        "anomalies": int(counters[Counter.UNKNOWN_ORDER] + counters[Counter.BOOK_FULL]),
        "orders": int(counters[Counter.ORDERS]),
        "fills": int(counters[Counter.FILLS]),
        "pnl_usd": str(decimal.Decimal(profit).scaleb(-4)),
        "replaces": int(counters[Counter.REPLACES]),
        "cancels": int(counters[Counter.CANCELS]),
        "denials": int(counters[Counter.DENIALS]),
        "model_runs": int(counters[Counter.MODEL_RUNS]),
        "position": int(held["position"]),
        "halted": int(shared.strategies[0]["halted"]),
    }


__all__ = ["StrategyError", "Unusable", "closing", "ort", "play", "run"]
