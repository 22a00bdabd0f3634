"""A recording through core.itch.decode and core.book.apply, the kernels that the lane runs, with books that grow when they must.

`play` stops where Python has something to do: text to be written out, rows to be kept, a capacity to be doubled, an end. It is called again and
goes on with the message that it had not applied.
"""

from enum import IntEnum

import numpy as np

from core import book, itch, order_table
from core.bigendian import get_i64, get_u16, get_u48
from core.codes import BookState, Change, Phase
from core.integer import i64
from core.jit import entry, kernel
from core.layout import CHANGED, INSTRUMENT, LOCATES, MESSAGE, ORDER_REF, TABLE_HEAD
from noderrd.feeds.binaryfile import Recording
from noderrd.replay.text import put_row

LEVELS = 64  # a side of a book, to begin with
TABLE = 1 << 16  # orders, to begin with
LEVELS_MOST = 1 << 16
TABLE_MOST = 1 << 26


class Stop(IntEnum):
    """Why `play` came back."""

    END = 0  # of the recording
    TIME = 1  # the next message is later than `until_ns`
    TEXT = 2  # the text is nearly full
    ROWS = 3  # a row of tops or trades has no place
    TABLE = 4  # the table of orders is full
    LEVELS = 5  # a side of a book is full


# Best prices after a message that changed them; 0 and 0 for an empty side.
TOP = np.dtype(
    [("msg_index", "i8"), ("ts_ns", "i8"), ("inst", "i4"), ("state", "i4"), ("bid_px", "i8"), ("bid_qty", "i8"), ("ask_px", "i8"), ("ask_qty", "i8")],
    align=True,
)
TRADE = np.dtype(
    [("msg_index", "i8"), ("ts_ns", "i8"), ("inst", "i4"), ("side", "i4"), ("px", "i8"), ("qty", "i8"), ("match", "i8")],
    align=True,
)

# Where a replay stands, and what it counted.
DESK = np.dtype(
    [
        ("next", "i8"),  # message to apply
        ("until_ns", "i8"),
        ("ts_ns", "i8"),  # of the last message applied
        ("phase", "i4"),
        ("pad", "i4"),
        ("text_at", "i8"),
        ("n_tops", "i8"),
        ("n_trades", "i8"),
        ("head", TABLE_HEAD, (1,)),
        ("by_type", "i8", (256,)),
        ("unknown_order", "i8"),  # about an order that is not in the book, or takes more than it has, or has a reference that no table can hold
        ("duplicate", "i8"),  # a reference that is in the book already
        ("msg", MESSAGE, (1,)),
        ("changed", CHANGED, (1,)),
    ],
    align=True,
)


@entry
def survey(data: np.ndarray, offsets: np.ndarray, stocks: np.ndarray) -> int:
    """Note the symbol of every locate code in int64[65536] (0: not seen); gives how many messages are whole and of the specification.

    Stock Directory messages tell it, and where a recording begins after them the first order or trading action that names its symbol.
    """
    for k in range(offsets.shape[0]):
        at = offsets[k]
        size = get_u16(data, at - 2)
        kind = i64(data[at])
        if itch.LENGTH_OF[kind] != size:
            return k
        if (kind == itch.A or kind == itch.F or kind == itch.P) and data[at + 19] != itch.BUY and data[at + 19] != itch.SELL:
            return k
        locate = get_u16(data, at + 1)
        if kind == itch.R:
            stocks[locate] = get_i64(data, at + 11)
        elif stocks[locate] == 0 and (kind == itch.A or kind == itch.F):
            stocks[locate] = get_i64(data, at + 24)
        elif stocks[locate] == 0 and kind == itch.H:
            stocks[locate] = get_i64(data, at + 11)
    return offsets.shape[0]


@kernel
def keep_top(tops: np.ndarray, last: np.ndarray, desk: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, inst: int) -> None:
    """Keep the best prices when they are not the last kept."""
    bids, asks = i64(insts[inst]["n"][0]), i64(insts[inst]["n"][1])
    bid_px = px[inst, 0, bids - 1] if bids > 0 else i64(0)
    bid_qty = qty[inst, 0, bids - 1] if bids > 0 else i64(0)
    ask_px = px[inst, 1, asks - 1] if asks > 0 else i64(0)
    ask_qty = qty[inst, 1, asks - 1] if asks > 0 else i64(0)
    state = insts[inst]["state"]
    if last[inst, 0] == bid_px and last[inst, 1] == bid_qty and last[inst, 2] == ask_px and last[inst, 3] == ask_qty and last[inst, 4] == state:
        return
    last[inst, 0] = bid_px
    last[inst, 1] = bid_qty
    last[inst, 2] = ask_px
    last[inst, 3] = ask_qty
    last[inst, 4] = state
    k = desk[0]["n_tops"]
    tops[k]["msg_index"] = desk[0]["next"]
    tops[k]["ts_ns"] = desk[0]["msg"][0]["ts_ns"]
    tops[k]["inst"] = inst
    tops[k]["state"] = state
    tops[k]["bid_px"] = bid_px
    tops[k]["bid_qty"] = bid_qty
    tops[k]["ask_px"] = ask_px
    tops[k]["ask_qty"] = ask_qty
    desk[0]["n_tops"] = k + 1


@kernel
def keep_trade(trades: np.ndarray, desk: np.ndarray, inst: int) -> None:
    """Keep a trade."""
    changed = desk[0]["changed"][0]
    k = desk[0]["n_trades"]
    trades[k]["msg_index"] = desk[0]["next"]
    trades[k]["ts_ns"] = desk[0]["msg"][0]["ts_ns"]
    trades[k]["inst"] = inst
    trades[k]["side"] = changed["trade_side"]
    trades[k]["px"] = changed["trade_px"]
    trades[k]["qty"] = changed["trade_qty"]
    trades[k]["match"] = desk[0]["msg"][0]["match"]
    desk[0]["n_trades"] = k + 1


@entry
def play(
    data: np.ndarray, offsets: np.ndarray, desk: np.ndarray, locates: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray,
    cnt: np.ndarray, table: np.ndarray, depth: int, text: np.ndarray, row_most: int, tops: np.ndarray, last: np.ndarray, trades: np.ndarray,
) -> int:  # fmt: skip
    """Apply messages from desk["next"] on: a Stop. Text, TOP and TRADE arrays of no length are not written to.

    data uint8[bytes], offsets int64[n] of whole messages of the specification (`survey`); depth levels a row, row_most bytes; last int64[inst, 5].
    """
    msg, changed = desk[0]["msg"], desk[0]["changed"]
    while desk[0]["next"] < offsets.shape[0]:
        at = offsets[desk[0]["next"]]
        if get_u48(data, at + 5) > desk[0]["until_ns"]:
            return Stop.TIME
        if text.shape[0] > 0 and text.shape[0] - desk[0]["text_at"] < row_most:
            return Stop.TEXT
        if (tops.shape[0] > 0 and desk[0]["n_tops"] == tops.shape[0]) or (trades.shape[0] > 0 and desk[0]["n_trades"] == trades.shape[0]):
            return Stop.ROWS
        kind = itch.decode(data, at, get_u16(data, at - 2), msg)
        inst = book.apply(msg, 0, locates, insts, px, qty, cnt, desk[0]["head"], table, changed)
        if inst == book.TABLE_FULL:
            return Stop.TABLE
        if inst == book.LEVELS_FULL:
            return Stop.LEVELS
        desk[0]["by_type"][kind] += 1
        desk[0]["ts_ns"] = msg[0]["ts_ns"]
        if kind == itch.S:
            desk[0]["phase"] = book.phase_after(desk[0]["phase"], msg[0]["code"])
        elif kind == itch.W:
            for halted in range(insts.shape[0]):
                book.break_off(insts, halted)
        elif inst >= 0:
            what = changed[0]["what"]
            if what & Change.BOOK and text.shape[0] > 0:
                desk[0]["text_at"] = put_row(text, desk[0]["text_at"], desk[0]["next"], msg[0]["ts_ns"], insts, px, qty, inst, depth)
            if what != 0 and tops.shape[0] > 0:
                keep_top(tops, last, desk, insts, px, qty, inst)
            if what & Change.TRADE and trades.shape[0] > 0:
                keep_trade(trades, desk, inst)
        elif inst < book.NOT_OURS:  # its book is not the venue's any more
            if inst == book.DUPLICATE:
                desk[0]["duplicate"] += 1
            else:
                desk[0]["unknown_order"] += 1
            known = i64(locates[0, msg[0]["locate"]])
            insts[known]["state"] = insts[known]["state"] | BookState.GAP
        desk[0]["next"] += 1
    return Stop.END


class NoSuchSymbol(ValueError):
    """The recording does not name the symbol that was asked for."""


class TooLarge(MemoryError):
    """A book needs more than LEVELS_MOST levels or TABLE_MOST orders."""


class Replay:
    """Books of a recording: all its symbols, or one. `instruments` INSTRUMENT[n], `px`, `qty`, `cnt` int64[n, Side, level] as in core/layout.py.

    Raises NoSuchSymbol.
    """

    def __init__(self, recording: Recording, symbol: str | None = None) -> None:
        stocks = np.zeros(LOCATES, np.int64)
        whole = int(survey(recording.data, recording.offsets, stocks))
        self.data, self.offsets = recording.data, recording.offsets[:whole]
        self.damaged_at = recording.damaged_at if whole == len(recording.offsets) else int(recording.offsets[whole]) - 2
        held = np.flatnonzero(stocks)
        if symbol is not None:
            held = held[stocks[held] == itch.stock(symbol)]
            if not len(held):
                message = f"the recording does not name {symbol}; it has {', '.join(map(itch.symbol, stocks[stocks != 0][:10])) or 'no symbol'}"
                raise NoSuchSymbol(message)
        n = max(len(held), 1)
        self.locates = np.full((1, LOCATES), -1, np.int32)
        self.locates[0, held] = np.arange(len(held))
        self.instruments = np.zeros(n, INSTRUMENT)
        self.instruments["stock"][: len(held)] = stocks[held]
        self.instruments["locate"][: len(held)] = held
        self.instruments["state"] = BookState.HALTED  # until its trading state is published
        self.px, self.qty, self.cnt = (np.zeros((n, 2, LEVELS), np.int64) for _ in range(3))
        self.table = np.zeros(TABLE, ORDER_REF)
        self.desk = np.zeros(1, DESK)
        self.desk["until_ns"] = np.iinfo(np.int64).max
        self.text = np.zeros(0, np.uint8)
        self.tops, self.trades = np.zeros(0, TOP), np.zeros(0, TRADE)
        self._last = np.full((n, 5), -1, np.int64)
        self._depth, self._row_most = 0, 0

    def write_rows(self, depth: int, row_most: int, size: int = 1 << 22) -> None:
        """Ask for CSV text of the book after each message that touches one."""
        self._depth, self._row_most, self.text = depth, row_most, np.zeros(size, np.uint8)

    def keep(self, *, tops: int = 0, trades: int = 0) -> None:
        """Ask for TOP and TRADE rows, so many at a time."""
        self.tops, self.trades = np.zeros(tops, TOP), np.zeros(trades, TRADE)

    def step(self) -> Stop:
        """Go on until the caller has something to take (TEXT, ROWS) or nothing follows (TIME, END). Raises TooLarge."""
        while True:
            why = Stop(
                play(
                    self.data, self.offsets, self.desk, self.locates, self.instruments, self.px, self.qty, self.cnt, self.table,
                    self._depth, self.text, self._row_most, self.tops, self._last, self.trades,
                )
            )  # fmt: skip
            if why == Stop.TABLE:
                self._grow_table()
            elif why == Stop.LEVELS:
                self._grow_levels()
            else:
                return why

    def _grow_table(self) -> None:
        if len(self.table) >= TABLE_MOST:
            message = f"more than {TABLE_MOST * 7 // 8} live orders"
            raise TooLarge(message)
        larger = np.zeros(2 * len(self.table), ORDER_REF)
        order_table.rehash(self.desk[0]["head"], self.table, larger, 1)
        self.table = larger

    def _grow_levels(self) -> None:
        n, sides, levels = self.px.shape
        if levels >= LEVELS_MOST:
            message = f"more than {LEVELS_MOST} price levels on a side"
            raise TooLarge(message)
        larger = [np.zeros((n, sides, 2 * levels), np.int64) for _ in range(3)]
        for old, new in zip((self.px, self.qty, self.cnt), larger, strict=True):
            new[:, :, :levels] = old
        self.px, self.qty, self.cnt = larger

    def by_type(self) -> dict[str, int]:
        """Give how many messages of each type were applied."""
        return {chr(k): int(n) for k, n in enumerate(self.desk[0]["by_type"]) if n}

    def anomalies(self) -> int:
        """Give how many messages no book could take."""
        return int(self.desk[0]["unknown_order"] + self.desk[0]["duplicate"])

    def state(self, inst: int) -> list[str]:
        """Give the names of a book's state bits; none is LIVE. Outside market hours it is CLOSED, once a phase was published."""
        closed = 0 if self.desk[0]["phase"] in (Phase.UNKNOWN, Phase.START_OF_MARKET_HOURS) else BookState.CLOSED
        bits = int(self.instruments[inst]["state"]) | closed
        return [bit.name for bit in BookState if bits & bit]

    def levels(self, inst: int, side: int, depth: int) -> list[tuple[int, int, int]]:
        """Give (px, shares, orders), best first."""
        n = int(self.instruments[inst]["n"][side])
        return [
            (int(self.px[inst, side, k]), int(self.qty[inst, side, k]), int(self.cnt[inst, side, k])) for k in range(n - 1, max(n - depth, 0) - 1, -1)
        ]
