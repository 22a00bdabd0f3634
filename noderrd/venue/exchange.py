"""The exchange itself: a market, its clients, and the streams of what it said.

No sockets here and no clock: a cause comes in with its time, its effects are recorded, and then those who listen are told.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from core import itch, matching, ouch
from noderrd.venue import engine, flow, hawkes, recording, tell, zero
from noderrd.venue.config import UNIT, USER_MAX, Config
from noderrd.venue.desk import USER
from noderrd.venue.invariants import Invariants
from noderrd.venue.record import Cause, Effects, Kind, Record, Unusable

OWN_REFS = 1 << 40  # our first reference number beside a recording's
DROPPED = {ouch.EXECUTED, ouch.CANCELED, ouch.AIQ_CANCELED, ouch.BROKEN_TRADE}  # what a drop copy carries
POOL = 1 << 18  # orders alive at a time
FLOW_EVENTS = 512  # of the flow, a step
TAPE_MESSAGES = 2048  # of a recording, a step
REQUEST_MAX = 4096  # bytes of an OUCH message
BREAKER_UNIT = 10**8  # price units of the circuit breaker's levels a point
BREAKER_DOWN = (7, 13, 20)  # percent
START_OF_MESSAGES, START_OF_HOURS, START_OF_MARKET = "OSQ"  # ITCH 5.0 section 1.1
# ITCH 5.0 section 1.2.1, from market category to inverse indicator: Nasdaq Global Select, normal, common stock, live, LULD tier 1.
ATTRIBUTES = b"QN\0\0\0\0NCZ PNN1N\0\0\0\0N"
SELF_MATCH = {
    "allow": matching.ALLOW, "cancel_incoming": matching.CANCEL_INCOMING, "cancel_resting": matching.CANCEL_RESTING, "decrement": matching.DECREMENT
}  # fmt: skip
WORDS = {ord("T"): "trading", ord("H"): "halted", ord("P"): "paused", ord("Q"): "quotation"}


Operator = Callable[["Exchange", bytes, int, Callable[[], None]], None]  # carries out an operator's order: noderrd.venue.control.act


class Exchange:
    """A market that continues the record it is given, or opens a new session.

    Raises Unusable when the record was made by another configuration or another version, OSError or ValueError for an unreadable recording;
    whatever it does, invariants.Broken when they are looked at and one does not hold.
    """

    def __init__(self, config: Config, record: Record, operator: Operator) -> None:
        self.config, self.record, self._operator = config, record, operator
        self.session, self.midnight_ns, self.opened_ns = "", 0, 0
        self.feed_listeners: list[Callable[[int, Effects], None]] = []
        self.private_listeners: list[Callable[[int], None]] = []
        self.closed = 0
        self.phase = ord(START_OF_MESSAGES)
        self.flow_on = config.flow.kind != "none"
        accounts = sorted({user.account for user in config.drop.users}) if config.drop else []
        self._accounts = {account: len(config.ouch.users) + k for k, account in enumerate(accounts)}  # to the stream of its drop copies
        self._symbols = {one.symbol: k for k, one in enumerate(config.instruments)}
        self._index = {user.user: k for k, user in enumerate(config.ouch.users)}
        n = len(config.instruments)
        self._market = matching.state(n, POOL)
        securities = self._market[1]
        for k, one in enumerate(config.instruments):
            security = securities[k]
            security["stock"] = itch.stock(one.symbol)
            security["tick"], security["reference"], security["lot"] = int(one.tick * UNIT), int(one.reference * UNIT), one.lot
        self._users = np.zeros(len(config.ouch.users), USER)
        self._users["next_ref"], self._users["enabled"] = 1, 1
        groups = sorted({user.account for user in config.ouch.users})
        for k, user in enumerate(config.ouch.users):
            self._market[0]["self_match"][0, k] = SELF_MATCH[user.self_match]
            self._market[0]["account"][0, k] = groups.index(user.account)
        self._holdings = np.zeros((len(config.ouch.users), n), tell.HOLDING)
        self._told = np.zeros(1, tell.DESK)
        self._told["maker_mils"], self._told["taker_mils"] = config.fees.maker_mils, config.fees.taker_mils
        self._told["cross_mils"] = config.fees.cross_mils
        self._out = np.zeros(1, tell.OUT)
        self._feed, self._private = np.zeros(tell.FEED_BYTES, np.uint8), np.zeros(tell.PRIVATE_BYTES, np.uint8)
        self._asked, self._buf = np.zeros(1, ouch.OUCH_IN), np.zeros(REQUEST_MAX, np.uint8)
        self._flows = flow.state(0, config.seed, config.flow.rate, 0)
        self._parameters = hawkes.read(config.flow.parameters or hawkes.SHIPPED) if config.flow.kind == "hawkes" else {}
        self._tape = recording.read(config.flow.file) if config.flow.file is not None else np.zeros(0, np.uint8)
        self._tape_state, self._known = recording.state()
        self._invariants = Invariants(self._market, self._holdings) if config.debug.invariants else None
        self._state = (*self._market, self._users, self._holdings, self._told, self._out, self._feed, self._private)
        self._restore()

    # Causes and effects.

    def do(self, cause: Cause) -> int:
        """Let a cause happen: record it with its effects, then tell. Gives DONE, or MORE when a step of flow or tape is not yet at its end."""
        first = self.record.feed_next
        done, effects = self._run(cause)
        self.record.append(cause, effects)
        if effects.count:
            for feed_listener in self.feed_listeners:
                feed_listener(first, effects)
        at, users = 0, set()
        private = effects.private
        while at < len(private):
            users.add(private[at] << 8 | private[at + 1])
            at += 4 + (private[at + 2] << 8 | private[at + 3])
        for user in users:
            for private_listener in self.private_listeners:
                private_listener(user)
        return done

    def _run(self, cause: Cause) -> tuple[int, Effects]:
        """Let a cause happen and gather what was said: the same every time for the same causes."""
        feed: list[bytes] = []
        private: list[bytes] = []
        count = 0

        def gather() -> None:
            nonlocal count
            out = self._out[0]
            feed.append(self._feed[: out["feed_size"]].tobytes())
            private.append(self._private[: out["private_size"]].tobytes())
            count += int(out["feed_count"])
            self._out[:] = 0

        done = self._step(cause, gather)
        gather()
        said = b"".join(private)
        effects = Effects(b"".join(feed), count, said + self._copies(said))
        if self._invariants is not None:
            self._invariants.after(effects)
        return done, effects

    def _copies(self, private: bytes) -> bytes:
        """Give the drop copies of clients' messages: for the stream of the user's account, the user's name and the message."""
        if not self._accounts:
            return b""
        found, at = [], 0
        while at < len(private):
            user, size = private[at] << 8 | private[at + 1], private[at + 2] << 8 | private[at + 3]
            message = private[at + 4 : at + 4 + size]
            stream = self._accounts.get(self.config.ouch.users[user].account)
            if stream is not None and message[0] in DROPPED:
                copy = self.config.ouch.users[user].user.ljust(USER_MAX).encode() + message
                found.append(stream.to_bytes(2, "big") + len(copy).to_bytes(2, "big") + copy)
            at += 4 + size
        return b"".join(found)

    def _engine_step(self, what: int, user: int, now_ns: int, size: int = 0) -> int:
        step: Any = engine.step  # the type checker cannot count what `*state` holds
        return int(step(*self._state, self._flows, self._asked, self._buf, what, user, now_ns, size, self.closed))

    def operate(
        self, what: int, now_ns: int, *, slot: int = 0, qty: int = 0, px: int = 0, user: int = -1, firm: int = -1, inst: int = -1, tif: int = -1,
        until_ns: int = -1,
    ) -> int:  # fmt: skip
        """Call engine.operate."""
        operate: Any = engine.operate
        return int(operate(*self._state, what, now_ns, slot, qty, px, user, firm, inst, tif, until_ns))

    def replay(self, tape: np.ndarray, state: np.ndarray, known: np.ndarray, until_ns: int) -> int:
        """Call recording.play."""
        replay: Any = recording.play
        (market, securities, sides, orders, table, events, _, *rest) = self._state
        return int(replay(market, securities, sides, orders, table, events, *rest, tape, state, known, until_ns, TAPE_MESSAGES))

    def cancel(self, now_ns: int, gather: Callable[[], None], reason: int, **which: int) -> None:
        """Cancel the clients' orders that fit (matching.cancel_where)."""
        while self.operate(engine.CANCEL_WHERE, now_ns, px=reason, **which) == engine.MORE:
            gather()

    def _step(self, cause: Cause, gather: Callable[[], None]) -> int:
        """Call the engine."""
        if cause.kind == Kind.REQUEST:
            size = len(cause.payload)
            self._buf[:size] = np.frombuffer(cause.payload, np.uint8)
            done = self._engine_step(engine.REQUEST, cause.user, cause.now_ns, size)
            while done == engine.MORE:
                gather()
                done = self._engine_step(engine.RESUME, cause.user, cause.now_ns)
            return done
        if cause.kind == Kind.FLOW:
            return self._engine_step(engine.FLOW, 0, cause.argument, FLOW_EVENTS if self._invariants is None else 1)
        if cause.kind == Kind.TAPE:
            return self.replay(self._tape, self._tape_state, self._known, cause.argument)
        if cause.kind == Kind.CANCEL_ALL:
            self.cancel(cause.now_ns, gather, cause.argument, user=cause.user)
        elif cause.kind == Kind.EXPIRE:
            self.cancel(cause.now_ns, gather, ouch.CANCEL_TIMEOUT, until_ns=cause.now_ns)
        elif cause.kind == Kind.CONTROL:
            self._operator(self, cause.payload, cause.now_ns, gather)
        elif cause.kind == Kind.FLOW_ON:
            self.flow_on = True
            self._flows["on"] = 1
            self._flows["next_ns"] = np.maximum(self._flows["next_ns"], cause.now_ns)
        elif cause.kind == Kind.FLOW_OFF:
            self.flow_on = False
            self._flows["on"] = 0
        elif cause.kind == Kind.OPEN:
            self._open(cause, gather)
        return engine.DONE

    # The day.

    def open(self, session: str, midnight_ns: int, now_ns: int) -> None:
        """Begin a session, if the record does not continue one."""
        if not self.session:
            facts = {"session": session, "midnight_ns": midnight_ns, "venue": self._facts()}
            self.do(Cause(Kind.OPEN, now_ns, payload=json.dumps(facts).encode()))

    def _open(self, cause: Cause, gather: Callable[[], None]) -> None:
        """Say what a venue says at the start of a day. A recording says it itself."""
        facts = json.loads(cause.payload)
        self.session, self.midnight_ns, self.opened_ns = facts["session"], facts["midnight_ns"], cause.now_ns
        now_ns, kind = cause.now_ns, self.config.flow.kind
        for user in range(len(self._users)):
            engine.system_event(self._out, self._private, user, now_ns, ouch.START_OF_DAY)
        if kind == "replay":
            self._market[0]["next_ref"] = self._market[0]["next_match"] = OWN_REFS
            return
        self.say(itch.S, now_ns, code=ord(START_OF_MESSAGES))
        self.say(itch.S, now_ns, code=ord(START_OF_HOURS))
        securities = self._market[1]
        if self.config.session is not None:  # trading begins with the opening cross
            securities["state"] = matching.QUOTATION
        self._say_directory(now_ns, gather)
        if self.config.session is None:
            self.say(itch.S, now_ns, code=ord(START_OF_MARKET))
        if kind in {"zero", "hawkes"}:
            self._begin_flow(now_ns, gather)

    def _begin_flow(self, now_ns: int, gather: Callable[[], None]) -> None:
        """Let the flow make its first books."""
        securities, seed, asked = self._market[1], self.config.seed, self.config.flow
        self._market[0]["now_ns"] = now_ns
        if asked.kind == "zero":
            self._flows = zero.state(securities, seed, asked.rate, now_ns)
        else:
            about: dict[str, Any] = {"path": asked.path, "lag_ns": int(asked.lag_ms * 1e6), "volatility": asked.volatility}
            self._flows = hawkes.state(securities, seed, asked.rate, now_ns, self._parameters, **about)
        for k in range(len(securities)):
            n = zero.FIRST_ORDERS if asked.kind == "zero" else hawkes.first_orders(self._flows, k)
            self._engine_step(engine.FIRST_BOOK, k, now_ns, n)
            gather()

    def _say_directory(self, now_ns: int, gather: Callable[[], None]) -> None:
        """Publish every symbol and its state."""
        for security in self._market[1]:
            about = {"locate": security["locate"], "stock": security["stock"]}
            self.say(itch.R, now_ns, **about, lot=security["lot"], attrs=np.frombuffer(ATTRIBUTES, np.uint8))
            self.say(itch.H, now_ns, **about, code=security["state"], code2=32, text=security["halt_reason"])
            self.say(itch.Y, now_ns, **about, code=security["short_sale"])
            gather()
        for user in range(len(self._users)):
            self.say_participant(user, now_ns, "A" if self._users[user]["enabled"] else "S", gather)
        breaker = self.config.circuit_breaker
        if breaker is not None:
            levels = [int(breaker.reference * BREAKER_UNIT * (100 - down) / 100) for down in BREAKER_DOWN]
            self.say(itch.V, now_ns, **dict(zip(("px", "px2", "px3"), levels, strict=True)))
            gather()

    def say_participant(self, user: int, now_ns: int, state: str, gather: Callable[[], None]) -> None:
        """Publish a market maker's position in every symbol (ITCH 5.0 section 1.2.4): A active, S suspended."""
        mpid = self.config.ouch.users[user].mpid
        for security in self._market[1] if mpid else ():
            about = {"locate": security["locate"], "stock": security["stock"]}
            said = np.frombuffer(f"NN{state}".encode().ljust(20, b"\0"), np.uint8)
            self.say(itch.L, now_ns, **about, text=int.from_bytes((mpid or "").ljust(4).encode(), "big"), attrs=said)
            gather()

    def snapshot(self) -> tuple[bytes, int]:
        """Give message blocks that say the market's state, and the sequence number of the feed's first message that they do not contain."""
        now_ns, blocks = self.now_ns, []

        def gather() -> None:
            blocks.append(self._feed[: self._out[0]["feed_size"]].tobytes())
            self._out[:] = 0

        self.say(itch.S, now_ns, code=self.phase if self.config.flow.kind != "replay" else int(self._tape_state[0]["phase"]) or self.phase)
        self._say_directory(now_ns, gather)
        market, securities, sides, orders, *_ = self._market
        room = np.zeros(int(market[0]["live"]) * (2 + itch.LENGTHS["A"]), np.uint8)
        engine.standing(securities, sides, orders, self._told, self._out, room, now_ns)
        blocks.append(room[: self._out[0]["feed_size"]].tobytes())
        self._out[:] = 0
        return b"".join(blocks), self.record.feed_next

    def say(self, kind: int, now_ns: int, **fields: Any) -> None:
        """Publish a message of the feed."""
        msg = self._told[0]["msg"]
        msg[:] = 0
        msg["kind"], msg["ts_ns"] = kind, now_ns
        if kind == itch.S:
            self.phase = fields["code"]
        for name, value in fields.items():
            msg[name] = value
        engine.publish(self._told, self._out, self._feed)

    # What an operator's orders are made of.

    @property
    def securities(self) -> np.ndarray:
        """Give matching.SECURITY[instrument]."""
        return self._market[1]

    @property
    def orders(self) -> np.ndarray:
        """Give matching.RESTING[slot]."""
        return self._market[3]

    def instrument(self, symbol: object) -> int | None:
        """Give the index of a symbol; None when it is not listed."""
        return self._symbols.get(symbol) if isinstance(symbol, str) else None

    def about(self, inst: int) -> dict[str, Any]:
        """Give the fields of a feed message that name an instrument."""
        return {"locate": self.securities[inst]["locate"], "stock": self.securities[inst]["stock"]}

    def live_orders(self, inst: int) -> list[tuple[int, Any]]:
        """Give slot and order of everything that stands, or is parked, in an instrument."""
        used = self.orders[: int(self._market[0][0]["high"])]
        return [(int(slot), used[slot]) for slot in np.flatnonzero((used["live"] != 0) & (used["inst"] == inst))]

    def take_match(self) -> int:
        """Give the next match number."""
        match = int(self._market[0][0]["next_match"])
        self._market[0]["next_match"] += 1
        return match

    def allow(self, user: int, on: bool) -> None:
        """Take a user's orders, or refuse them."""
        self._users[user]["enabled"] = int(on)

    def trades_of(self, match: int) -> list[int]:
        """Give the kept trades of a match number, as indexes; empty when there is none, or it was broken."""
        trades = self._told[0]["trades"][: min(int(self._told[0]["n_trades"]), tell.TRADES)]
        return [int(k) for k in np.flatnonzero(trades["match"] == match)] if match > 0 else []

    def break_trade(self, k: int, now_ns: int) -> None:
        """Break a kept trade: Broken Trade for its clients, and out of their holdings."""
        trade = self._told[0]["trades"][k]
        for n, (user, ref) in enumerate(((trade["taker"], trade["taker_ref"]), (trade["maker"], trade["maker_ref"]))):
            found = self.cl_ord_ids(int(user), {int(ref)}) if user >= 0 else {}
            self._told[0]["ids"][n, :14] = np.frombuffer(found.get(int(ref), b" " * 14), np.uint8)
        self.operate(engine.BREAK, now_ns, slot=k)

    def cl_ord_ids(self, user: int, refs: set[int]) -> dict[int, bytes]:
        """Find the ClOrdIDs of UserRefNums in what their user was told, newest first (OUCH 5.0 sections 3.2, 3.3)."""
        found: dict[int, bytes] = {}
        for number in range(self.record.private_next(user) - 1, 0, -1):
            if len(found) == len(refs):
                break
            (message,) = self.record.private_messages(user, number, 1)
            if message[0] in {ouch.ACCEPTED, ouch.REPLACED}:
                at = 9 if message[0] == ouch.ACCEPTED else 13
                ref = int.from_bytes(message[at : at + 4], "big")
                if ref in refs:
                    found.setdefault(ref, message[at + 39 : at + 53])
        return found

    def end_of_day(self, now_ns: int) -> None:
        """No more orders; every user is told."""
        self.closed, self.flow_on = 1, False
        self._flows["on"] = 0
        for user in range(len(self._users)):
            engine.system_event(self._out, self._private, user, now_ns, ouch.END_OF_DAY)

    # The record.

    def _facts(self) -> dict[str, Any]:
        """Give what the effects depend on, besides the causes."""
        config = self.config
        return {
            "name": config.name,
            "seed": config.seed,
            "users": [[user.user, user.account] for user in config.ouch.users],
            "instruments": [[i.symbol, str(i.tick), i.lot, str(i.reference)] for i in config.instruments],
            "flow": [config.flow.kind, config.flow.rate if config.flow.kind in {"zero", "hawkes"} else 0],
            "agents": [self._parameters, config.flow.path, config.flow.lag_ms, config.flow.volatility] if self._parameters else [],
            "tape": hashlib.sha256(self._tape.tobytes()).hexdigest(),
            "fees": dataclasses.astuple(config.fees),
            "self_match": [user.self_match for user in config.ouch.users],
            "drop": sorted(self._accounts),
            "step": 1 if self._invariants else FLOW_EVENTS,
            "session": [config.session.open, config.session.close] if config.session else [],
            "mpids": [user.mpid for user in config.ouch.users],
            "circuit_breaker": str(config.circuit_breaker.reference) if config.circuit_breaker else "",
        }

    def _restore(self) -> None:
        """Run the causes of the record again and insist on their effects. Raises Unusable."""
        for cause, effects in self.record.entries():
            if cause.kind == Kind.OPEN:
                self._same_venue(json.loads(cause.payload)["venue"])
            if self._run(cause)[1] != effects:
                message = f"{self.record.path}: made by another version: the same causes have other effects now. Move it away to begin anew"
                raise Unusable(message)

    def _same_venue(self, facts: dict[str, Any]) -> None:
        ours = json.loads(json.dumps(self._facts()))
        other = [name for name in ours if facts.get(name) != ours[name]]
        if other:
            message = f"{self.record.path}: made with other settings ({', '.join(other)}). Move it away to begin anew"
            raise Unusable(message)

    # Questions.

    def user_index(self, name: object) -> int | None:
        """Give the index of a user; None for nobody's name."""
        return self._index.get(name) if isinstance(name, str) else None

    def drop_stream(self, account: str) -> int:
        """Give the stream of an account's drop copies."""
        return self._accounts[account]

    def next_due(self) -> int | None:
        """Give the venue time of the next event of flow or recording; None when there is none."""
        if self.config.flow.kind == "replay":
            return self.next_due_on_tape() if self.flow_on else None
        due = engine.next_flow(self._flows)
        return due if due >= 0 else None

    def next_due_on_tape(self) -> int | None:
        """Give the time of the recording's next message; None at its end."""
        at = int(self._tape_state[0]["at"])
        return recording.first_ns(self._tape[at:]) if at < len(self._tape) else None

    def next_expiry(self) -> int | None:
        """Give the venue time when the next order expires; None when none does."""
        market, _, _, orders, *_ = self._market
        due = engine.first_expiry(market, orders)
        return due if due >= 0 else None

    @property
    def now_ns(self) -> int:
        """Venue time of the last thing that happened."""
        return int(self._market[0][0]["now_ns"])

    def book(self, inst: int) -> tuple[str, list[tuple[int, int, int]], list[tuple[int, int, int]]]:
        """Give trading state, bids and asks of an instrument: (price, shares, orders), best first."""
        _, securities, sides, *_ = self._market
        both = []
        for side in sides[inst]:
            n = int(side["n"])
            levels = side["levels"][side["level"][:n][::-1]]
            levels = levels[levels["count"] > 0]  # what is displayed
            both.append(list(zip(levels["px"].tolist(), levels["qty"].tolist(), levels["count"].tolist(), strict=True)))
        return WORDS.get(int(securities[inst]["state"]), "closed"), both[0], both[1]

    def holdings(self, user: int) -> np.ndarray:
        """Give tell.HOLDING[inst] of a user."""
        return self._holdings[user]

    def open_orders(self, user: int) -> np.ndarray:
        """Give matching.RESTING[n], the live orders of a user in the order of their reference numbers."""
        market, _, _, orders, *_ = self._market
        used = orders[: int(market[0]["high"])]
        live = used[(used["live"] != 0) & (used["user"] == user)]
        return live[np.argsort(live["ref"])]

    def counts(self) -> dict[str, int]:
        """Give what has been counted since the session began."""
        market, users, tape = self._market[0][0], self._users, self._tape_state[0]
        found = {name: int(users[name].sum()) for name in ("entered", "silent", "malformed")}
        found |= {"messages": self.record.feed_next - 1, "orders_alive": int(market["live"]), "shares": int(market["volume"])}
        if self.config.flow.kind in {"zero", "hawkes"}:
            found["flow_events"] = int(self._flows["events"].sum())
        if self.config.flow.kind == "replay":
            found |= {f"tape_{name}": int(tape[name]) for name in ("messages", "synthetic", "unknown", "full", "unread", "clamped", "altered")}
        return found
