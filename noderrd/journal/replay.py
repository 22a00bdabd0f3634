"""Take a node's decisions again from its journal, with the lane's own kernels, and compare every intent and verdict byte for byte.

What comes from the journal: the datagrams, the messages of the venues, the time of each step, the scores, the state of each channel and
session, and halts (a denial for one of these is taken as said). What is made again: books, features, order states, positions, what the strategy sees,
what it asks for, and what risk says. A journal that begins in the middle of a lane's life, or with records missing, cannot be replayed past there.
"""

import contextlib
import dataclasses
import hashlib
import json
import socket
import sys
import tempfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from core import layout as at
from core.codes import Denial, EventKind, Halt, IntentKind, JournalKind, Session
from noderrd import logs
from noderrd.journal import decode
from noderrd.journal.checkpoints import Untold
from noderrd.journal.follow import Follower
from noderrd.journal.read import records
from noderrd.journal.restore import rebuild
from noderrd.journal.segment import places
from noderrd.lane import prepare, snapshot
from noderrd.lane.again import Step
from noderrd.lane.memory import Shared
from noderrd.lane.spec import LaneSpec

SESSION = b"AGAIN     "
VERDICTS = (JournalKind.SENT, JournalKind.DENIED)
MADE = (JournalKind.INTENT, *VERDICTS)
OURS = (JournalKind.FEATURES, JournalKind.MORE, JournalKind.STOP)  # they follow from others, or say nothing
HALTS = {Denial.HALT_NODE, Denial.HALT_VENUE, Denial.HALT_SYMBOL, Denial.HALT_STRATEGY, Denial.KILLED}


class Different(Exception):
    """What was made again is not what the journal says; or it cannot be. `said` and `made` are records by names, `reason` words."""

    def __init__(self, reason: str, said: dict[str, Any] | None = None, made: dict[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.facts = {"reason": reason, "journal": said, "replay": made}


@dataclasses.dataclass
class Counts:
    """How much was compared."""

    intents: int = 0
    verdicts: int = 0


def replay(folder: Path, strategy: Path | None = None) -> dict[str, Any]:
    """Replay a journal's folder; `strategy` runs in place of every one that the journal names. Gives the closing object.

    Raises segment.Damaged, strategies.StrategyError, OSError.
    """
    counts = Counts()
    first: dict[str, Any] | None = None
    for chain in by_lane(folder):
        with (
            tempfile.TemporaryDirectory(dir="/dev/shm", prefix="noderrd-replay-") as place,
            contextlib.closing(Again(Path(place), strategy, counts, folder)) as again,
        ):
            try:
                again.run(chain)
            except Different as found:
                first = found.facts
                break
    return {"intents": counts.intents, "verdicts": counts.verdicts, "equal": first is None, "first_difference": first}


def by_lane(folder: Path) -> Iterator[Iterator[np.void]]:
    """Give the records of one lane after the other."""
    for name in places(folder):
        yield (row for block in records(folder, name) for row in block)


class Again:
    """One lane's life, taken again."""

    def __init__(self, place: Path, strategy: Path | None, counts: Counts, folder: Path) -> None:
        self._place, self._strategy, self._counts, self._folder = place, strategy, counts, folder
        self._names = decode.Names()
        self._follower: Follower | None = None
        self._loaded: prepare.Loaded | None = None
        self._keep: list[Any] = []
        self._venue_ends: dict[int, socket.socket] = {}
        self._sockets: list[socket.socket] = []
        self._starting = 0  # epoch of a START whose SPEC is still being read
        self._restored = 0  # records before a START whose state was made from them; 0: the lane had its own
        self._next_id = 0  # that it began to number its orders from
        self._seen = 0  # cursor in our own ring
        self._made: deque[np.void] = deque()  # what our lane did by itself and the journal has not yet told

    def close(self) -> None:
        """Let the sockets go that stood for the venues'."""
        for line in self._sockets:
            line.close()

    # The journal, record by record.

    def run(self, rows: Iterator[np.void]) -> None:
        """Take every record. Raises Different at the first that does not come out."""
        ahead = Ahead(rows)
        steps = {
            JournalKind.FEED: self._feed, JournalKind.TICK: self._tick, JournalKind.CALL: self._call, JournalKind.RECEIVED: self._received,
            JournalKind.SENT: self._unprompted, JournalKind.DENIED: self._unprompted, JournalKind.LOGIN: self._login, JournalKind.DOWN: self._down,
            JournalKind.HALT: self._command, JournalKind.RESUME: self._command, JournalKind.COMMAND: self._command,
            JournalKind.ACCEPTED: self._accepted, JournalKind.EMPTIED: self._emptied, JournalKind.IMAGE: self._image,
            JournalKind.ADJUSTED: self._adjusted, JournalKind.DAY: self._new_day,
        }  # fmt: skip
        while (row := ahead.take()) is not None:
            kind = int(row["kind"])
            if kind == JournalKind.START:
                self._start(row, ahead.taken - 1)
            elif kind == JournalKind.SPEC:
                self._spec(row)
            elif kind == JournalKind.GAP:
                raise Different(f"{decode.words(row)[0]} records are missing here", decode.told(row, self._names))
            elif kind in steps:
                if self._follower is None:
                    raise Different("the journal begins in the middle of a lane's life", decode.told(row, self._names))
                steps[JournalKind(kind)](row, ahead)

    def _start(self, row: np.void, before: int) -> None:
        self._starting, self._next_id = int(row["ref"]), decode.words(row)[1]
        self._restored = before if decode.words(row)[2] else 0
        have = 0 if self._follower is None else int(self._lane().control[0]["epoch"])
        if self._starting != have + 1:
            raise Different(f"the journal goes on at epoch {self._starting}, after {have}", decode.told(row, self._names))

    def _spec(self, row: np.void) -> None:
        if not self._names.learn(row):
            return
        told = dict(self._names.spec)
        told["venues"] = [{**v, "password": "", "itch_a": "", "itch_b": "", "rerequest": "", "glimpse": "", "hours": {}} for v in told["venues"]]
        told["exposure"], told["shared"] = "", str(self._place / "lane")
        products = told["products"]
        models, told["models"] = told["models"], []  # the scores come from the journal
        for one in told["strategies"]:
            self._check_source(one)
        path = self._place / "SPEC.json"
        path.write_text(json.dumps(told))
        spec = LaneSpec.read(path)
        if self._starting:
            self._take_up(spec)
        else:
            self._again().reload(self._again().ready(spec))
        for k, model in enumerate(models):
            for p, symbol in enumerate(products):
                if not model["symbols"] or symbol in model["symbols"]:
                    self._lane().products[p]["model"] = k
        self._seen = int(self._lane().control[0]["journal_head"])

    def _check_source(self, one: dict[str, Any]) -> None:
        if self._strategy is not None:
            one["file"] = str(self._strategy)
            return
        known = self._names.sha256.get(one["file"])
        if known and hashlib.sha256(Path(one["file"]).read_bytes()).hexdigest() != known:
            print(f"{one['file']} is not the file that ran", file=sys.stderr)

    def _take_up(self, spec: LaneSpec) -> None:
        """As noderrd.lane.process does."""
        if self._follower is None or self._restored:
            path = Path(spec.shared)
            path.unlink(missing_ok=True)
            self._follower = Follower(Shared(path, spec.sizes(), create=True))
        shared = self._lane()
        if self._restored:
            try:
                rebuild(shared, spec, self._folder, self._restored)
            except Untold as why:
                raise Different(f"a state was made from the journal here, and is not to be made again: {why}") from why
        self._keep.append(prepare.share_exposure(spec, shared))
        prepare.take_up(spec, shared)
        self._loaded = prepare.Loaded(spec, shared, self._desk, logs.get("replay"))
        self._loaded.load(spec)
        self._sockets += prepare.fill_venues(spec, shared)
        for v in range(len(spec.venues)):
            ours, theirs = socket.socketpair()
            theirs.setblocking(False)
            self._sockets += [ours, theirs]
            self._venue_ends[v] = theirs
            shared.venues[v]["fd_order"] = ours.fileno()
        shared.control["next_id"] = self._next_id
        shared.control["mult"] = 0  # the clock is base_ns, and stands
        self._desk["notice_tail"] = self._desk["notice_head"] = self._desk["n_touched"] = 0
        self._starting = 0

    # Steps.

    def _its(self) -> Follower:
        assert self._follower is not None
        return self._follower

    def _lane(self) -> Shared:
        return self._its().shared

    @property
    def _desk(self) -> np.ndarray:
        return self._its().desk

    def _again(self) -> prepare.Loaded:
        assert self._loaded is not None
        return self._loaded

    def _step(self, what: Step, a: int, b: int, c: int, now_ns: int) -> int:
        n = self._its().take_step(what, a, b, c, now_ns)
        self._look()
        return n

    def _look(self) -> None:
        """Take from our lane's ring what it did."""
        it = self._lane()
        head = int(it.control[0]["journal_head"])
        for cursor in range(self._seen, head):
            row = it.journal[cursor & (at.JOURNAL_SLOTS - 1)]
            if row["kind"] in MADE:
                self._made.append(row.copy())
                if row["kind"] == JournalKind.SENT:
                    drain(self._venue_ends[int(row["venue"])])
                    it.venues[int(row["venue"])]["tx_len"] = it.venues[int(row["venue"])]["tx_at"] = 0
        self._seen = head

    def _states(self, tail: bytes) -> None:
        """Put the venues into the states that the journal tells: a byte each, then their phases."""
        venues = self._lane().venues
        for v in range(int(self._lane().control[0]["n_venues"])):
            venues[v]["state"], venues[v]["phase"] = tail[v], tail[8 + v]

    def _whole(self, row: np.void, ahead: "Ahead") -> bytes:
        """Give the data of a record with that of the MORE after it."""
        parts, left = [decode.data_of(row)], int(row["size"]) - at.JOURNAL_DATA
        while left > 0:
            more = ahead.take()
            if more is None or more["kind"] != JournalKind.MORE:
                raise Different("the rest of a datagram is missing", decode.told(row, self._names))
            parts.append(decode.data_of(more))
            left -= at.JOURNAL_DATA
        return b"".join(parts)

    def _emptied(self, row: np.void, _ahead: "Ahead") -> None:
        """Another feed session began, or a snapshot follows."""
        it, v = self._lane(), int(row["venue"])
        snapshot.empty(it.lane, it.insts, it.table, it.locates, v)
        it.venues[v]["phase"], it.venues[v]["ended"] = 0, 0
        it.venues[v]["next_seq"] = it.venues[v]["high_seq"] = max(int(row["ref"]), 1)

    def _image(self, row: np.void, ahead: "Ahead") -> None:
        """A piece of a snapshot; the last one says where the feed goes on."""
        it, v, packets = self._lane(), int(row["venue"]), self._whole(row, ahead)
        data, done = np.frombuffer(bytearray(packets + bytes(8)), np.uint8), 0
        while done < len(packets):
            it.control[0]["journal_tail"] = it.control[0]["journal_head"]
            done = snapshot.restore(
                it.lane, self._desk, it.insts, it.px, it.qty, it.cnt, it.table, it.locates, v, data, done, len(packets), len(packets)
            )  # fmt: skip
            self._grow()
        self._seen = int(it.control[0]["journal_head"])
        if row["ref"]:
            it.venues[v]["next_seq"] = it.venues[v]["high_seq"] = row["ref"]
            it.insts["seq_num"][it.insts["venue"] == v] = row["ref"] - 1

    def _grow(self) -> None:
        """Give the table of the feed's orders room, as the lane does."""
        it = self._lane()
        if snapshot.wants(it.table_head, it.table):
            snapshot.grow(it, logs.get("replay"))

    def _feed(self, row: np.void, ahead: "Ahead") -> None:
        blocks = self._whole(row, ahead)
        n, place = 0, 0
        while place + 2 <= len(blocks):
            place, n = place + 2 + int.from_bytes(blocks[place : place + 2], "big"), n + 1
        packet = SESSION + int(row["ref"]).to_bytes(8, "big") + n.to_bytes(2, "big") + blocks
        self._desk[0]["data"][: len(packet)] = np.frombuffer(packet, np.uint8)
        self._step(Step.FEED, int(row["venue"]), len(packet), 0, int(row["ts_ns"]))
        self._grow()

    def _tick(self, row: np.void, _ahead: "Ahead") -> None:
        data, inst = decode.data_of(row), int(row["inst"])
        self._states(data[32:48])
        product = self._lane().products[int(self._lane().insts[inst]["product"])]
        self._step(Step.TICK, inst, int.from_bytes(data[28:32], "little"), 0, int(row["ts_ns"]))
        scores = np.frombuffer(data[16:28], np.float32)
        product["score"] = scores
        if not np.all(np.isfinite(scores)):
            product["score_ns"] = 0

    def _received(self, row: np.void, _ahead: "Ahead") -> None:
        self._its().received(row)
        self._look()

    def _login(self, row: np.void, _ahead: "Ahead") -> None:
        self._its().login(row)

    def _down(self, row: np.void, _ahead: "Ahead") -> None:
        self._its().down(row)

    def _command(self, row: np.void, _ahead: "Ahead") -> None:
        """Halts come with each verdict."""
        self._its().command(row)

    def _accepted(self, row: np.void, _ahead: "Ahead") -> None:
        self._its().accepted(row)

    def _adjusted(self, row: np.void, _ahead: "Ahead") -> None:
        self._its().adjusted(row)

    def _new_day(self, row: np.void, _ahead: "Ahead") -> None:
        self._its().day(row)

    def _unprompted(self, row: np.void, _ahead: "Ahead") -> None:
        """A message that no intent asked for: our lane sent it by itself, too, or an operator had it sent."""
        now_ns, v = int(row["ts_ns"]), int(row["venue"])
        if self._made:
            self._match(row)
            return
        kind = bytes(row["data"][:1])
        if row["kind"] == JournalKind.DENIED or kind == b"O":
            self._step(Step.FLATTEN, int(row["strat"]), int(row["inst"]), 0, now_ns)
        elif kind == b"Q":
            self._step(Step.QUERY, v, 0, 0, now_ns)
        elif kind == b"X":
            ref = int.from_bytes(bytes(row["data"][1:5]), "big")
            self._step(Step.CANCEL, int(self._lane().ref_slots[v][ref & (at.REF_SLOTS - 1)]), 0, 0, now_ns)
        if not self._made:
            raise Different("our lane has no reason for this", decode.told(row, self._names))
        self._match(row)

    # Decisions.

    def _call(self, row: np.void, ahead: "Ahead") -> None:
        strat, product, data = int(row["strat"]), int(row["inst"]), decode.data_of(row)
        event = decode.event_of(row)
        self._states(data[at.EVENT.itemsize :])
        self._desk[0]["event"][0] = event
        self._desk["rx_ns"] = event["rx_ns"]
        n = self._step(Step.CALL, strat, product, 0, int(row["ts_ns"]))
        after = ahead.peek()
        if after is not None and after["kind"] == JournalKind.FAULT and after["strat"] == strat:
            what, detail = decode.words(after)[:2]
            if what in (Halt.OVER_BUDGET, Halt.STRATEGY_FAULT):  # how long it took is the machine's
                self._step(Step.FAULT, strat, what, detail, int(after["ts_ns"]))
                return
        if event["kind"] == EventKind.STOP:
            return
        while after is not None and after["kind"] in OURS:
            ahead.take()
            after = ahead.peek()
        for j in range(max(n, 0)):
            self._intent(strat, product, j, ahead, row)
        after = ahead.peek()
        if after is not None and after["kind"] == JournalKind.INTENT and after["ref"] == row["ref"]:
            raise Different("the strategy did not ask for this", decode.told(after, self._names))

    def _intent(self, strat: int, product: int, j: int, ahead: "Ahead", call: np.void) -> None:
        """Act on one intent at the time and under the halts that the journal tells, and compare what comes of it."""
        intent = ahead.peek()
        if intent is None or intent["kind"] != JournalKind.INTENT:
            made = self._desk[0]["intents"][j]
            asks = {"intent": int(made["kind"]), "venue": int(made["venue"]), "px": int(made["px"]), "qty": int(made["qty"])}
            raise Different("the strategy asks for more than it did", decode.told(call, self._names), asks)
        ahead.take()
        verdict = ahead.peek()
        told = verdict is not None and verdict["kind"] in VERDICTS
        now_ns = int(verdict["ts_ns"]) if verdict is not None and told else int(intent["ts_ns"])
        kind = int(self._desk[0]["intents"][j]["kind"])
        if kind in (IntentKind.NEW, IntentKind.REPLACE) and verdict is not None and told:
            self._circumstances(verdict)
        self._step(Step.ACT, strat, product, j, now_ns)
        self._match(intent)
        while self._made and (verdict := ahead.peek()) is not None and verdict["kind"] in VERDICTS:
            ahead.take()
            self._match(verdict)
        if self._made:
            raise Different("our lane does more than was done", decode.told(intent, self._names), decode.told(self._made[0], self._names))
        venue = self._lane().venues
        venue["session_state"][venue["session_state"] == Session.CONNECTING] = Session.UP

    def _circumstances(self, verdict: np.void) -> None:
        """Put up the halts and hold-ups that the verdict names, and take down all others."""
        it, v, inst, strat = self._lane(), int(verdict["venue"]), int(verdict["inst"]), int(verdict["strat"])
        code = decode.words(verdict)[0] if verdict["kind"] == JournalKind.DENIED else Denial.PASS
        control = it.control[0]
        control["halt_node"] = control["halt_venue"][v] = control["halt_strategy"][strat] = Halt.NONE
        it.halt_symbol[inst] = Halt.NONE
        if code in (Denial.HALT_NODE, Denial.KILLED):
            control["halt_node"] = Halt.KILLED if code == Denial.KILLED else Halt.OPERATOR
        elif code == Denial.HALT_VENUE:
            control["halt_venue"][v] = Halt.OPERATOR
        elif code == Denial.HALT_SYMBOL:
            it.halt_symbol[inst] = Halt.OPERATOR
        elif code == Denial.HALT_STRATEGY:
            control["halt_strategy"][strat] = Halt.OPERATOR
        elif code == Denial.VENUE_DOWN and it.venues[v]["session_state"] == Session.UP:
            it.venues[v]["session_state"] = Session.CONNECTING

    def _match(self, said: np.void) -> None:
        """Compare the next thing that our lane did with what the journal says. Raises Different."""
        made = self._made.popleft()
        same = ("kind", "venue", "strat", "inst", "size", "ref")
        if any(made[name] != said[name] for name in same) or decode.data_of(made) != decode.data_of(said):
            raise Different("not what was decided", decode.told(said, self._names), decode.told(made, self._names))
        if said["kind"] == JournalKind.INTENT:
            self._counts.intents += 1
        else:
            self._counts.verdicts += 1


class Ahead:
    """An iterator that can be looked into by one."""

    def __init__(self, rows: Iterator[np.void]) -> None:
        self._rows, self._next = rows, next(rows, None)
        self.taken = 0

    def peek(self) -> np.void | None:
        """Give the next row without taking it; None at the end."""
        return self._next

    def take(self) -> np.void | None:
        """Give the next row; None at the end."""
        row, self._next = self._next, next(self._rows, None)
        self.taken += 1
        return row


def drain(line: socket.socket) -> None:
    """Throw away what was sent."""
    try:
        while line.recv(1 << 16):
            pass
    except BlockingIOError:
        return
