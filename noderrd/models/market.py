"""A simulated market to learn from: three exchanges of `noderrd.venue` and the lane's own books and features, without sockets or a clock.

What a model is trained on is what it will be run on: the same ITCH messages, decoded by the same kernels, into the same rows.
"""

import functools
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np

from core import book, features, itch
from core import layout as at
from core.bigendian import get_u16
from core.jit import entry
from noderrd.venue import config, control
from noderrd.venue.exchange import Exchange
from noderrd.venue.record import Cause, Effects, Kind, Record

RATES = (1_400.0, 900.0, 600.0)  # events a second of each venue, all symbols
SYMBOLS = {"AAPL": 190, "MSFT": 410, "GOOG": 175, "AMZN": 180}
STEP_NS = 2_000_000
OPEN_NS = 34_200_000_000_000  # 09:30
LATER_NS = 977_000_000_000  # from seed to seed: what drives prices depends on the time of day and not on the seed
DAY_NS = 23_400_000_000_000
LEVELS, TABLE = 512, 1 << 15
NOWHERE = "127.0.0.1:9"


@entry
def take(
    data: np.ndarray, venue: int, locates: np.ndarray, insts: np.ndarray, px: np.ndarray, qty: np.ndarray, cnt: np.ndarray, head: np.ndarray,
    table: np.ndarray, products: np.ndarray, live: np.ndarray, message: np.ndarray, changed: np.ndarray,
) -> int:  # fmt: skip
    """Take a venue's message blocks: books, running state, and a row for each message's product. Gives how many could not be applied."""
    at_byte, lost = 0, 0
    while at_byte + 2 <= data.shape[0]:
        size = get_u16(data, at_byte)
        if itch.decode(data, at_byte + 2, size, message) > 0:
            inst = book.apply(message, venue, locates, insts, px, qty, cnt, head, table, changed)
            if inst >= 0:
                now_ns = message[0]["ts_ns"]
                live[inst] = 1 if insts[inst]["state"] == 0 else 0
                product = insts[inst]["product"]
                features.update(products, product, inst, insts, px, qty, changed, now_ns)
                features.row(products, product, insts, px, qty, cnt, live, now_ns)
            elif inst < book.NOT_OURS:
                lost += 1
        at_byte += 2 + size
    return lost


class Market:
    """The exchanges and what a lane would know of them."""

    def __init__(self, seed: int) -> None:
        self._open_ns = OPEN_NS + seed * LATER_NS % DAY_NS
        self.exchanges = [self._exchange(k, seed, rate) for k, rate in enumerate(RATES)]
        n = len(RATES) * len(SYMBOLS)
        self.products = np.zeros(len(SYMBOLS), at.PRODUCT)
        self.products["tick"], self.products["inst"] = 100, -1
        self._insts = np.zeros(n, at.INSTRUMENT)
        for k in range(n):
            venue, product = divmod(k, len(SYMBOLS))
            row = self._insts[k]
            row["venue"], row["product"], row["stock"], row["tick"] = venue, product, itch.stock(list(SYMBOLS)[product]), 100
            self.products[product]["inst"][venue] = k
        self._px, self._qty, self._cnt = (np.zeros((n, 2, LEVELS), np.int64) for _ in range(3))
        self._locates = np.full((len(RATES), at.LOCATES), -1, np.int32)
        self._head, self._table = np.zeros(1, at.TABLE_HEAD), np.zeros(TABLE, at.ORDER_REF)
        self._head["hashed"] = 1
        self._live = np.zeros(n, np.int32)
        self._message, self._changed = np.zeros(1, at.MESSAGE), np.zeros(1, at.CHANGED)
        for venue, exchange in enumerate(self.exchanges):
            exchange.feed_listeners.append(functools.partial(self._listen, venue))
            exchange.open(f"SIM{venue:07}", 0, self._open_ns)

    @staticmethod
    def _exchange(venue: int, seed: int, rate: float) -> Exchange:
        listing = tuple(config.Instrument(symbol, Decimal(price)) for symbol, price in SYMBOLS.items())
        doors = (config.Itch(NOWHERE, NOWHERE, NOWHERE), config.Ouch(NOWHERE, ()), config.Admin(Path()))
        return Exchange(
            config.Config(f"SIM{venue}", *doors, listing, seed=seed * 10 + venue, flow=config.Flow("zero", rate=rate)), Record(None), control.act
        )

    def _listen(self, venue: int, _first: int, effects: Effects) -> None:
        data = np.frombuffer(effects.feed, np.uint8)
        lost = take(
            data, venue, self._locates, self._insts, self._px, self._qty, self._cnt, self._head, self._table, self.products, self._live,
            self._message, self._changed,
        )  # fmt: skip
        assert lost == 0, "a book that the exchange's own messages do not fit"

    def run(self, seconds: float, every_ns: int) -> Iterator[int]:
        """Let the market run; gives the time since the opening every `every_ns`."""
        now_ns = 0
        while now_ns < seconds * 1e9:
            now_ns += STEP_NS
            until_ns = self._open_ns + now_ns
            for exchange in self.exchanges:
                while exchange.do(Cause(Kind.FLOW, until_ns, argument=until_ns)) != 0:
                    pass
            if now_ns % every_ns == 0:
                yield now_ns
