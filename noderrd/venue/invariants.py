"""What must hold after every message, looked at after every message: for debug runs and tests, since it costs more than the market does.

It keeps its own accounts from what was said, the feed order by order and the clients fill by fill, and compares them with the market's arrays: so a
wrong book, a wrong word about it, and two wrongs that agree are told apart.
"""

import struct
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

from core import matching, ouch
from core.codes import Side
from noderrd.venue.record import Effects


class Broken(Exception):
    """An invariant does not hold; the text says which, and where."""


def feed_messages(data: bytes) -> Iterator[bytes]:
    """Give the messages of message blocks."""
    at = 0
    while at < len(data):
        size = data[at] << 8 | data[at + 1]
        yield data[at + 2 : at + 2 + size]
        at += 2 + size


def client_messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Give stream and message of what clients were told."""
    at = 0
    while at < len(data):
        user, size = struct.unpack_from(">HH", data, at)
        yield user, data[at + 4 : at + 4 + size]
        at += 4 + size


class Invariants:
    """Accounts of one venue. `market`: the arrays of matching.state; `holdings`: tell.HOLDING[user, inst]; `users`: how many streams are clients'."""

    def __init__(self, market: tuple[np.ndarray, ...], holdings: np.ndarray) -> None:
        self._market, self._holdings = market, holdings
        self._shown: dict[int, list[int]] = {}  # reference to locate, side, price, shares: by the feed
        self._open: dict[tuple[int, int], list[int]] = {}  # user and UserRefNum to shares, executed, side, instrument: by what clients were told
        self._position: defaultdict[tuple[int, int], int] = defaultdict(int)
        self._cash: defaultdict[tuple[int, int], int] = defaultdict(int)
        self._printed: dict[int, int] = {}  # match number to shares, of the feed's executions outside auctions
        self._sides: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])  # match number to shares bought and sold by clients
        self._fills: dict[tuple[int, int, int], tuple[int, int, int, int]] = {}
        self._crosses: dict[int, int] = {}
        self._volume = 0
        self._inst = {int(security["stock"]).to_bytes(8, "big"): k for k, security in enumerate(market[1])}
        self._locate = {int(security["locate"]): k for k, security in enumerate(market[1])}

    def after(self, effects: Effects) -> None:
        """Take in what was said and look at everything. Raises Broken."""
        matches: set[int] = set()
        for message in feed_messages(effects.feed):
            self._heard(message, matches)
        for user, message in client_messages(effects.private):
            if user < len(self._holdings):
                self._told(user, message, matches)
        for match in matches:
            self._traded(match)
        for inst, security in enumerate(self._market[1]):
            for which in range(2):
                self._queues(inst, which)
            if security["state"] == matching.TRADING:
                self._uncrossed(inst)
        self._books()
        self._clients()

    @staticmethod
    def _hold(good: Any, text: str) -> None:
        if not good:
            raise Broken(text)

    # What the feed said.

    def _heard(self, m: bytes, matches: set[int]) -> None:
        kind, ref = m[:1], int.from_bytes(m[11:19], "big")
        if kind in b"AF":
            self._hold(ref not in self._shown, f"order {ref} was added twice")
            side, qty, _, px = struct.unpack_from(">cI8sI", m, 19)
            self._shown[ref] = [self._locate[int.from_bytes(m[1:3], "big")], 0 if side == b"B" else 1, px, qty]
        elif kind in b"ECXD":
            self._hold(ref in self._shown, f"{kind.decode()} of order {ref}, which the feed does not know")
            qty = self._shown[ref][3] if kind == b"D" else int.from_bytes(m[19:23], "big")
            self._hold(0 < qty <= self._shown[ref][3], f"{kind.decode()} takes {qty} of the {self._shown[ref][3]} shares of order {ref}")
            self._shown[ref][3] -= qty
            if self._shown[ref][3] == 0:
                del self._shown[ref]
            if kind == b"E":
                self._print(int.from_bytes(m[23:31], "big"), qty, matches)
        elif kind == b"U":
            self._hold(ref in self._shown, f"U of order {ref}, which the feed does not know")
            inst, side_index, _, _ = self._shown.pop(ref)
            new, qty, px = struct.unpack_from(">QII", m, 19)
            self._shown[new] = [inst, side_index, px, qty]
        elif kind == b"P":
            self._print(int.from_bytes(m[36:44], "big"), int.from_bytes(m[20:24], "big"), matches)
        elif kind == b"Q":
            self._crosses[int.from_bytes(m[31:39], "big")] = int.from_bytes(m[11:19], "big")
            matches.add(int.from_bytes(m[31:39], "big"))

    def _print(self, match: int, qty: int, matches: set[int]) -> None:
        self._hold(match not in self._printed, f"match {match} was published twice")
        self._printed[match] = qty
        self._volume += qty
        matches.add(match)

    # What clients were told.

    def _told(self, user: int, m: bytes, matches: set[int]) -> None:
        kind = m[0]
        if kind in {ouch.SYSTEM_EVENT, ouch.ACCOUNT_QUERY_RESPONSE}:
            return
        ref = int.from_bytes(m[9:13], "big")
        if kind == ouch.ACCEPTED:
            self._hold((user, ref) not in self._open, f"UserRefNum {ref} of user {user} was accepted twice")
            self._open[user, ref] = [int.from_bytes(m[14:18], "big"), 0, 0 if m[13] == ouch.BUY else 1, self._inst[m[18:26]]]
        elif kind == ouch.REPLACED:
            was = self._open.pop((user, ref))
            self._open[user, int.from_bytes(m[13:17], "big")] = [int.from_bytes(m[18:22], "big"), was[1], was[2], was[3]]
        elif kind == ouch.EXECUTED:
            self._fill(user, ref, m, matches)
        elif kind in {ouch.CANCELED, ouch.AIQ_CANCELED}:
            self._less(user, ref, int.from_bytes(m[13:17], "big"))
        elif kind == ouch.MODIFIED:
            self._open[user, ref][0] = int.from_bytes(m[14:18], "big")
        elif kind == ouch.BROKEN_TRADE:
            inst, side, qty, px = self._fills.pop((user, ref, int.from_bytes(m[13:21], "big")))
            self._count(user, inst, 1 - side, qty, px)

    def _fill(self, user: int, ref: int, m: bytes, matches: set[int]) -> None:
        qty, px, _, match = struct.unpack_from(">IQcQ", m, 13)
        _, _, side, inst = self._open[user, ref]
        self._open[user, ref][1] += qty
        self._less(user, ref, qty)
        self._count(user, inst, side, qty, px)
        self._hold((user, ref, match) not in self._fills, f"match {match} was told twice to UserRefNum {ref} of user {user}")
        self._fills[user, ref, match] = (inst, side, qty, px)
        self._sides[match][side] += qty
        matches.add(match)

    def _less(self, user: int, ref: int, qty: int) -> None:
        self._hold((user, ref) in self._open and qty <= self._open[user, ref][0], f"user {user} loses {qty} shares of {ref} that it has not")
        self._open[user, ref][0] -= qty

    def _count(self, user: int, inst: int, side: int, qty: int, px: int) -> None:
        sign = 1 if side == Side.BUY else -1
        self._position[user, inst] += sign * qty
        self._cash[user, inst] -= sign * qty * px

    def _traded(self, match: int) -> None:
        """Each share once: what clients bought and sold of a match is what the feed printed, or less where nobody's orders took part."""
        bought, sold = self._sides[match]
        printed = self._printed.get(match, self._crosses.get(match))
        if printed is None:  # an auction prints when all its executions are told
            return
        self._hold(max(bought, sold) <= printed, f"match {match}: {bought} bought and {sold} sold of {printed} shares")

    # What the market has.

    def _queues(self, inst: int, which: int) -> None:
        """Prices in order; at each, what is displayed and what is not, by time of arrival; sums that agree."""
        side, orders = self._market[2][inst, which], self._market[3]
        n, sign = int(side["n"]), 1 if which == Side.BUY else -1
        prices = sign * side["px"][:n]
        self._hold(bool(np.all(prices[1:] > prices[:-1])), f"instrument {inst}, side {which}: prices are not in order")
        for k in range(n):
            level = side["levels"][side["level"][k]]
            where = f"instrument {inst}, side {which}, price {side['px'][k]}"
            self._hold(level["px"] == side["px"][k], f"{where}: its level has the price {level['px']}")
            for head, count, dark in (("head", "count", False), ("dark_head", "dark_count", True)):
                slot, before, found, shares, last = int(level[head]), -1, 0, 0, -1
                while slot >= 0:
                    order = orders[slot]
                    self._hold(order["live"] and order["prev"] == before and order["px"] == level["px"], f"{where}: the queue is torn at slot {slot}")
                    self._hold(order["ref"] > last, f"{where}: order {order['ref']} stands behind the younger {last}")
                    self._hold(
                        (order["shown"] == 0) == dark and 0 <= order["shown"] <= order["qty"] > 0, f"{where}: order {order['ref']} shows too much"
                    )
                    found, shares, last = found + 1, shares + int(order["shown"]), int(order["ref"])
                    before, slot = slot, int(order["next"])
                self._hold(found == level[count], f"{where}: {found} orders, counted {level[count]}")
                self._hold(dark or shares == level["qty"], f"{where}: {shares} shares, counted {level['qty']}")

    def _uncrossed(self, inst: int) -> None:
        """Nobody who could trade waits; an order with a minimum quantity may."""
        best = []
        for which in range(2):
            side, orders = self._market[2][inst, which], self._market[3]
            for k in range(int(side["n"]) - 1, -1, -1):
                level = side["levels"][side["level"][k]]
                slots, slot = int(level["head"]) >= 0, int(level["dark_head"])
                while not slots and slot >= 0:
                    slots, slot = orders[slot]["min_qty"] == 0, int(orders[slot]["next"])
                if slots:
                    best.append(int(side["px"][k]))
                    break
        self._hold(len(best) < 2 or best[0] < best[1], f"instrument {inst}: crossed, {best}")

    def _books(self) -> None:
        """What is displayed is what the feed said."""
        said: defaultdict[tuple[int, int, int], int] = defaultdict(int)
        for inst, which, px, qty in self._shown.values():
            said[inst, which, px] += qty
        for inst in range(len(self._market[1])):
            for which in range(2):
                side = self._market[2][inst, which]
                for k in range(int(side["n"])):
                    level, px = side["levels"][side["level"][k]], int(side["px"][k])
                    heard = said.pop((inst, which, px), 0)
                    self._hold(heard == level["qty"], f"instrument {inst}, side {which}, price {px}: {level['qty']} shares, published {heard}")
        self._hold(not said, f"published and not on the book: {dict(said)}")
        self._hold(self._volume == self._market[0][0]["volume"], f"{self._market[0][0]['volume']} shares traded, published {self._volume}")

    def _clients(self) -> None:
        """Every client's orders and holdings are what it was told."""
        told = {key: shares for key, shares in self._open.items() if shares[0] > 0}
        orders = self._market[3][: int(self._market[0][0]["high"])]
        for order in orders[(orders["live"] != 0) & (orders["user"] >= 0)]:
            user, ref = int(order["user"]), int(order["user_ref"])
            shares = told.pop((user, ref), [0, 0])
            self._hold(
                shares[0] == order["qty"] and shares[1] == order["executed"],
                f"user {user}, {ref}: {order['qty']} open, {order['executed']} done, told {shares}",
            )
        self._hold(not told, f"told and not there: {told}")
        for user in range(len(self._holdings)):
            for inst in range(len(self._market[1])):
                held = self._holdings[user, inst]
                good = held["position"] == self._position[user, inst] and held["cash"] == self._cash[user, inst]
                self._hold(good, f"user {user}, instrument {inst}: {held['position']} shares and {held['cash']}, told {self._position[user, inst]}")
