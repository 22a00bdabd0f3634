"""The admin socket: JSON lines over a Unix socket, one answer a question. Where the truth is asked, and where an operator acts.

A question is an object with `do` and the verb's arguments; the answer has `ok`, and `error` when it is false.
"""

import json
import stat
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import trio

from noderrd.venue import control
from noderrd.venue.config import UNIT
from noderrd.venue.faults import Faults, FaultyLine
from noderrd.venue.feed import Feed
from noderrd.venue.orders import Port
from noderrd.venue.service import Service

LINE_MAX = 1 << 16
SIDES = ("B", "S")


class No(Exception):
    """What was asked is not done; the text says why."""


@dataclass(frozen=True)
class Verb:
    """What can be asked: a sentence, the arguments by name (what each is), and what does it."""

    about: str
    arguments: dict[str, str]
    answer: Callable[[dict[str, Any]], dict[str, Any]]


def price(px: int) -> str:
    """Write a price of 1e-4 in dollars."""
    return str(Decimal(px) / UNIT)


def _levels(side: list[tuple[int, int, int]]) -> list[list[Any]]:
    return [[price(px), qty, orders] for px, qty, orders in side]


class Admin:
    """Answers for a venue."""

    def __init__(self, service: Service, feed: Feed, port: Port, lines: dict[str, FaultyLine], log: Any) -> None:
        self._service, self._feed, self._port, self._lines, self._log = service, feed, port, lines, log
        self._exchange = service.exchange
        self._symbols = [i.symbol for i in self._exchange.config.instruments]
        self._verbs = {
            "help": Verb("list what can be asked", {}, self._help),
            "books": Verb("every book at the feed's last sequence number", {}, self._books),
            "positions": Verb("what a user has traded", {"user": "name"}, self._positions),
            "orders": Verb("a user's open orders", {"user": "name"}, self._orders),
            "counts": Verb("what has been counted", {}, self._counts),
            "flow": Verb("let the flow act, or pause it", {"on": "true or false"}, self._flow),
            "advance": Verb("let virtual time pass", {"seconds": "how many"}, self._advance),
            "faults": Verb(
                "what goes wrong on a line of the feed; what is not given is 0",
                {"line": "a or b", "drop": "share", "duplicate": "share", "reorder": "share", "delay_us": "microseconds"},
                self._faults,
            ),
            "hold_acks": Verb("hold a user's answers back, or let them go", {"user": "name", "on": "true or false"}, self._hold),
            "slow": Verb("answer all orders later than configured", {"delay_us": "microseconds"}, self._slow),
            "heartbeats": Verb("let the feed and the order port send heartbeats, or stop them", {"on": "true or false"}, self._heartbeats),
        }
        for do, (about, arguments) in control.VERBS.items():
            self._verbs[do] = Verb(about, arguments, self._operate(do))

    def _operate(self, do: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
        def answer(asked: dict[str, Any]) -> dict[str, Any]:
            try:
                self._service.tell({"do": do, **asked})
            except control.Refused as why:
                raise No(str(why)) from why
            return {"seq_num": self._exchange.record.feed_next - 1}

        return answer

    async def serve(self, path: Path, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Take connections. Raises OSError when the socket cannot be made."""
        if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
            path.unlink()  # of a venue that was killed: a living one holds the record and the ports
        door = trio.socket.socket(trio.socket.AF_UNIX)
        try:
            await door.bind(str(path))
            path.chmod(0o660)
            door.listen()
            task_status.started()
            await trio.serve_listeners(self._talk, [trio.SocketListener(door)])
        finally:
            path.unlink(missing_ok=True)

    async def _talk(self, stream: trio.SocketStream) -> None:
        """Answer one connection's questions."""
        held = bytearray()
        try:
            async with stream:
                while len(held) <= LINE_MAX:
                    data = await stream.receive_some(LINE_MAX)
                    if not data:
                        return
                    held += data
                    *lines, rest = held.split(b"\n")
                    held = bytearray(rest)
                    for line in lines:
                        await stream.send_all(json.dumps(self.answer(bytes(line))).encode() + b"\n")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # it went without waiting for the answer

    def answer(self, line: bytes) -> dict[str, Any]:
        """Answer one line."""
        try:
            asked = json.loads(line)
        except (ValueError, RecursionError) as error:
            return {"ok": False, "error": f"not a question in JSON: {error}"}
        return self.ask(asked) if isinstance(asked, dict) else {"ok": False, "error": "expected an object"}

    def ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Answer one question."""
        do = asked.pop("do", None)
        verb = self._verbs.get(do) if isinstance(do, str) else None
        if verb is None:
            return {"ok": False, "error": f"do: expected one of {', '.join(self._verbs)}"}
        if asked.keys() - verb.arguments.keys():
            return {"ok": False, "error": f"known arguments are: {', '.join(verb.arguments) or 'none'}"}
        try:
            return {"ok": True, **verb.answer(asked)}
        except No as why:
            return {"ok": False, "error": str(why)}

    def _help(self, _asked: dict[str, Any]) -> dict[str, Any]:
        return {"verbs": {name: {"about": verb.about, "arguments": verb.arguments} for name, verb in self._verbs.items()}}

    def _user(self, asked: dict[str, Any]) -> int:
        """Give the user that is asked about. Raises No."""
        name = asked.get("user")
        user = self._exchange.user_index(name) if isinstance(name, str) else None
        if user is None:
            reason = f"user: no such user: {name!r}"
            raise No(reason)
        return user

    def _books(self, _asked: dict[str, Any]) -> dict[str, Any]:
        exchange, books = self._exchange, {}
        for inst, symbol in enumerate(self._symbols):
            state, bids, asks = exchange.book(inst)
            books[symbol] = {"state": state, "bids": _levels(bids), "asks": _levels(asks)}
        return {"session": exchange.session, "seq_num": exchange.record.feed_next - 1, "books": books}

    def _positions(self, asked: dict[str, Any]) -> dict[str, Any]:
        user, rows = self._user(asked), {}
        for symbol, held in zip(self._symbols, self._exchange.holdings(user), strict=True):
            if held["fills"]:
                counts = {name: int(held[name]) for name in ("position", "bought", "sold", "fills")}
                rows[symbol] = {**counts, "cash": price(int(held["cash"])), "fees": price(int(held["fees"]))}
        return {"user": asked["user"], "connected": self._port.logged_in(user), "positions": rows}

    def _orders(self, asked: dict[str, Any]) -> dict[str, Any]:
        user = self._user(asked)
        open_orders = self._exchange.open_orders(user)
        ids = self._exchange.cl_ord_ids(user, set(open_orders["user_ref"].tolist()))
        rows = [
            {
                "user_ref_num": int(order["user_ref"]),
                "symbol": self._symbols[order["inst"]],
                "side": SIDES[order["side"]],
                "px": price(int(order["px"])),
                "leaves_qty": int(order["qty"]),
                "cum_qty": int(order["executed"]),
                "order_ref": int(order["ref"]),
                "cl_ord_id": ids[int(order["user_ref"])].decode("latin-1").rstrip(),
            }
            for order in open_orders
        ]
        return {"user": asked["user"], "orders": rows}

    def _on(self, asked: dict[str, Any]) -> bool:
        """Give a switch's position. Raises No."""
        on = asked.get("on")
        if not isinstance(on, bool):
            reason = "on: expected true or false"
            raise No(reason)
        return on

    def _number(self, asked: dict[str, Any], name: str, most: float) -> float:
        """Give a number of 0 to `most`; 0 when it is not given. Raises No."""
        value = asked.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= most:
            reason = f"{name}: expected 0 to {most:g}"
            raise No(reason)
        return value

    def _flow(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._service.set_flow(on=self._on(asked))
        return {"on": self._exchange.flow_on}

    def _advance(self, asked: dict[str, Any]) -> dict[str, Any]:
        if self._exchange.config.time.kind != "virtual":
            reason = "time is not virtual here"
            raise No(reason)
        until_ns = self._service.clock.now() + int(self._number(asked, "seconds", 86_400.0) * 1e9)
        self._service.advance(until_ns, self.ask)
        return {"now_ns": until_ns, "seq_num": self._exchange.record.feed_next - 1}

    def _faults(self, asked: dict[str, Any]) -> dict[str, Any]:
        line = asked.get("line")
        if not isinstance(line, str) or line not in self._lines:
            reason = f"line: expected one of {', '.join(self._lines)}"
            raise No(reason)
        drop, duplicate, reorder = (self._number(asked, name, 1.0) for name in ("drop", "duplicate", "reorder"))
        self._lines[line].faults = Faults(drop, duplicate, reorder, int(self._number(asked, "delay_us", 10_000_000)))
        return {}

    def _hold(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._port.hold(self._user(asked), on=self._on(asked))
        return {}

    def _slow(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._port.extra_us = int(self._number(asked, "delay_us", 60_000_000))
        return {}

    def _heartbeats(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._feed.beats = self._port.heartbeats = self._on(asked)
        return {}

    def _counts(self, _asked: dict[str, Any]) -> dict[str, Any]:
        counts = {**self._exchange.counts(), "retransmissions": self._feed.answered, "retransmissions_refused": self._feed.refused}
        for name, line in self._lines.items():
            counts |= {f"{name}_dropped": line.dropped, f"{name}_duplicated": line.duplicated, f"{name}_reordered": line.reordered}
        return {"counts": counts}
