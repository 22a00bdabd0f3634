"""Drop copies held against the lane's own fills, all the time: whatever one of the two has and the other does not halts its symbol.

A venue tells an account's executions a second time, on a port of its own (SoupBinTCP; a message is the user's six characters and the OUCH message as
the user got it). The lane never hears of that port, so that a mistake of its session is not made twice. Executions are told apart by their match
number. How far both sides are settled is on disk: the next daemon goes on there.
"""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from core import layout as at
from core.codes import Halt, Scope, Session
from noderrd import durable
from noderrd.control.lanes import Lane

GRACE_NS = 3_000_000_000  # until both sides must have heard of an execution
KEEP_NS = 1_000_000_000  # how far both sides are settled is written as often
MOST = 256  # differences that are remembered; there are never so many before somebody looks
EXECUTED, BROKEN = ord("E"), ord("B")
EXECUTED_SIZE, BROKEN_SIZE = 34, 21
USER = 6


@dataclasses.dataclass(frozen=True)
class Execution:
    """One execution as the drop copy tells it."""

    match: int
    ref: int  # UserRefNum
    px: int
    qty: int
    seq: int  # of the drop copy's message
    at_ns: int  # when it came


@dataclasses.dataclass(frozen=True)
class Difference:
    """What only one side has, or both have differently. `symbol` is "" where nobody knows it: then the venue is halted."""

    match: int
    symbol: str
    what: str


class Comparison:
    """One venue's. `take` what the drop copy says, and `step` now and then."""

    def __init__(self, lane: Lane, v: int, folder: Path, log: Any) -> None:
        self._lane, self._v, self._log = lane, v, log
        self.venue = lane.spec.venues[v].name
        self._file = folder / "drop" / f"{self.venue}.json"
        self.session, self.seq = "", 1  # of the next message
        self.differences: list[Difference] = []
        self._theirs: dict[int, Execution] = {}  # that we have not
        self._ours: dict[int, tuple[int, int]] = {}  # match number to where it is in `fills`, and since when; that they have not
        self._broken: dict[int, tuple[int, int]] = {}  # match number to the message that broke it, and since when
        self._early: set[int] = set()  # theirs, compared before `step` came to ours
        self._next = 0  # in `fills`
        self._up_ns = 0  # since when the drop copy's session is up; 0: it is not
        self._kept, self._kept_ns = "", 0
        self._load()

    # What is on disk.

    def _load(self) -> None:
        head = int(self._lane.shared.control[0]["fill_head"])
        if not self._file.exists():
            self._next = max(0, head - at.FILL_SLOTS)
            return
        said = json.loads(self._file.read_text())
        self.session, self.seq, self._next = said["session"], said["seq"], said["fills"]
        self.differences = [Difference(**one) for one in said["differences"]]
        if not head - at.FILL_SLOTS <= self._next <= head:  # another life's number, or more than is remembered
            self._next = head

    def _keep(self) -> None:
        """Note how far both sides are settled: before whatever still waits for the other."""
        waiting = [it.seq for it in self._theirs.values()] + [seq for seq, _ in self._broken.values()]
        fills = min([self._next, *(place for place, _ in self._ours.values())])
        said = {
            "session": self.session, "seq": min([self.seq, *waiting]), "fills": fills,
            "differences": [dataclasses.asdict(one) for one in self.differences],
        }  # fmt: skip
        text = json.dumps(said)
        if text != self._kept:
            self._file.parent.mkdir(exist_ok=True)
            durable.write(self._file, text)
            self._kept = text

    # What the drop copy says.

    @property
    def logged_in(self) -> bool:
        """Whether the drop copy's session is up."""
        return self._up_ns > 0

    def up(self, session: str, seq: int, now_ns: int) -> None:
        """A session is logged in, and goes on at `seq`."""
        if session != self.session:
            self._theirs.clear()
            self._broken.clear()
        self.session, self.seq, self._up_ns = session, seq, now_ns

    def down(self) -> None:
        """The session is lost."""
        self._up_ns = 0

    def take(self, message: bytes, now_ns: int) -> None:
        """Take a sequenced message."""
        seq, self.seq = self.seq, self.seq + 1
        user, body = message[:USER].decode("ascii", "replace").strip(), message[USER:]
        if user != self._lane.spec.venues[self._v].user or not body:
            return  # another user of the account
        if body[0] == EXECUTED and len(body) >= EXECUTED_SIZE:
            ref, qty, px = (int.from_bytes(body[a:b], "big") for a, b in ((9, 13), (13, 17), (17, 25)))
            self._executed(Execution(int.from_bytes(body[26:34], "big"), ref, px, qty, seq, now_ns))
        elif body[0] == BROKEN and len(body) >= BROKEN_SIZE:
            self._broken[int.from_bytes(body[13:21], "big")] = (seq, now_ns)

    def _executed(self, it: Execution) -> None:
        place = self._find(it.match)
        if place < 0:
            self._theirs[it.match] = it
            return
        if self._ours.pop(it.match, None) is None and place >= self._next:
            self._early.add(it.match)
        self._compare(it, place)

    def _find(self, match: int) -> int:
        """Give where in `fills` an execution of ours is; -1 when it is not there."""
        fills, head = self._lane.shared.fills, int(self._lane.shared.control[0]["fill_head"])
        for slot in np.flatnonzero((fills["match"] == match) & (fills["venue"] == self._v)):
            place = head - 1 - ((head - 1 - int(slot)) % at.FILL_SLOTS)
            if place >= 0:
                return place
        return -1

    def _compare(self, it: Execution, place: int) -> None:
        row = self._lane.shared.fills[place % at.FILL_SLOTS]
        if (int(row["px"]), int(row["qty"])) != (it.px, it.qty):
            ours, theirs = f"{int(row['qty'])} at {int(row['px'])}", f"{it.qty} at {it.px}"
            self._differs(it.match, int(row["index"]), f"execution {it.match}: {ours} here, {theirs} in the drop copy")

    # Now and then.

    def step(self, now_ns: int) -> None:
        """Take the lane's new fills, and tell what one side has had to itself for too long. Raises OSError when the disk does not take it."""
        shared = self._lane.shared
        head = int(shared.control[0]["fill_head"])
        for place in range(max(self._next, head - at.FILL_SLOTS), head):
            self._take_ours(place, now_ns)
        self._next = head
        row = shared.venues[self._v]
        settled_ns = now_ns - GRACE_NS
        if row["session_state"] == Session.UP and self._up_ns and self._up_ns < settled_ns and shared.control[0]["heartbeat_ns"] > settled_ns:
            self._tell(settled_ns)
        if now_ns - self._kept_ns >= KEEP_NS:
            self._kept_ns = now_ns
            self._keep()

    def _take_ours(self, place: int, now_ns: int) -> None:
        row = self._lane.shared.fills[place % at.FILL_SLOTS]
        match = int(row["match"])
        if int(row["venue"]) != self._v or match <= 0:  # on paper match numbers are negative
            return
        if match in self._early:
            self._early.discard(match)
        elif match in self._theirs:
            self._compare(self._theirs.pop(match), place)
        else:
            self._ours[match] = (place, now_ns)

    def _tell(self, settled_ns: int) -> None:
        for it in [it for it in self._theirs.values() if it.at_ns < settled_ns]:
            del self._theirs[it.match]
            self._differs(it.match, self._index_of(it.ref), f"execution {it.match}: {it.qty} at {it.px} in the drop copy, nothing here")
        for match, (place, _) in [(match, one) for match, one in self._ours.items() if one[1] < settled_ns]:
            del self._ours[match]
            row = self._lane.shared.fills[place % at.FILL_SLOTS]
            what = f"execution {match}: {int(row['qty'])} at {int(row['px'])} here, nothing in the drop copy"
            self._differs(match, int(row["index"]), what)
        for match in [match for match, (_, since_ns) in self._broken.items() if since_ns < settled_ns]:
            del self._broken[match]
            place = self._find(match)
            row = self._lane.shared.fills[place % at.FILL_SLOTS]
            if place >= 0 and row["busted"] == 0:
                self._differs(match, int(row["index"]), f"execution {match}: broken in the drop copy, not here")

    def _index_of(self, ref: int) -> int:
        """Give the index of the position that an order is about, by its UserRefNum; -1 when we do not hold it."""
        slot = int(self._lane.shared.ref_slots[self._v][ref & (at.REF_SLOTS - 1)])
        if not 0 <= slot < at.ORDER_SLOTS:
            return -1
        row = self._lane.shared.orders[slot]
        known = int(row["venue"]) == self._v and ref in (int(row["user_ref"]), int(row["pending_ref"]))
        return int(row["strat"]) * len(self._lane.spec.instruments) + int(row["inst"]) if known else -1

    def _differs(self, match: int, index: int, what: str) -> None:
        """Halt the symbol, or the venue where nobody knows it, and say why."""
        spec = self._lane.spec
        symbol = spec.instruments[index % len(spec.instruments)].symbol if index >= 0 else ""
        if symbol:
            self._lane.halt(Scope.SYMBOL, spec.products.index(symbol), Halt.RECONCILE)
        else:
            self._lane.halt(Scope.VENUE, self._v, Halt.RECONCILE)
        if len(self.differences) < MOST:
            self.differences.append(Difference(match, symbol, what))
        self._kept_ns = 0
        self._log.error("drop copy differs", venue=self.venue, symbol=symbol, what=what)

    def accept(self, symbol: str) -> int:
        """Forget the differences of a symbol (or those of none, for ""), because a person says so; gives how many. Raises OSError."""
        rest = [one for one in self.differences if one.symbol != symbol]
        gone, self.differences = len(self.differences) - len(rest), rest
        self._keep()
        return gone

    def rows(self) -> Iterator[dict[str, Any]]:
        """Give what a person has to look into."""
        for one in self.differences:
            yield {"venue": self.venue, "symbol": one.symbol, "cl_ord_id": "", "what": f"drop copy: {one.what}"}
