"""A lane as the daemon sees it: its shared memory read, its words written, its ring of commands fed. Only `command` waits for the lane."""

import dataclasses
import hashlib
import os
import time
from collections import deque
from collections.abc import Collection
from pathlib import Path

import numpy as np
import trio

from core import layout as at
from core.codes import Command, Halt, Scope
from noderrd.control.resolve import Places
from noderrd.lane.memory import Shared
from noderrd.lane.spec import LaneSpec

SHM = Path("/dev/shm")  # noqa: S108 - the kernel's own, and the files are 0600
ANSWER_S = 5.0
POLL_S = 0.001
RETRIES = 200
UNSEEN = 256  # changes of halt words that the lane has not met yet
ANY_HALT = frozenset(set(Halt) - {Halt.KILLED})


class NoAnswer(Exception):
    """The lane did not carry a command out in time: it is away, or busy for too long."""


@dataclasses.dataclass(frozen=True)
class Done:
    """What came of a command: `status` 0 is done; how much it acted on, and how much it could not."""

    status: int
    acted: int
    failed: int


def places(name: str, state: Path) -> Places:
    """Give where a lane's files are: named by the node's state folder, so that two nodes of a host do not meet and a restart finds them again."""
    folder = hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:12]
    shared = SHM / f"noderrd-{folder}-{name}"
    return Places(name, shared, shared.with_name(f"{shared.name}.stop"), state / "run" / f"{name}.sockets")


class Lane:
    """One lane. Raises ValueError when the file that is there was made for another configuration or version."""

    def __init__(self, spec: LaneSpec) -> None:
        self.spec = spec
        self.shared = Shared(Path(spec.shared), spec.sizes(), create=True)
        self._turn = trio.Lock()  # one command after the other: the ring has one producer
        self._unseen: deque[tuple[int, int]] = deque(maxlen=UNSEEN)

    @property
    def ready(self) -> bool:
        """Whether its loop turns."""
        return bool(self.shared.control[0]["ready"]) and self._owned()

    @property
    def pid(self) -> int:
        """Of the process that holds the file; 0 when none does."""
        return int(self.shared.control[0]["pid"]) if self._owned() else 0

    def _owned(self) -> bool:
        """Tell whether a lane lives; a node that has stopped has put the file away, while others of its tasks still look."""
        try:
            return self.shared.owned()
        except FileNotFoundError:
            return False

    async def command(self, verb: Command, scope: Scope = Scope.NODE, index: int = 0, ref: int = 0, text: str = "") -> Done:
        """Have the lane do something; `ref` and `text` are an order and a person's word about it. Raises NoAnswer."""
        async with self._turn:
            control = self.shared.control[0]
            head = int(control["command_head"])
            row = self.shared.commands[head % at.COMMAND_SLOTS]
            row["verb"], row["scope"], row["index"], row["done"], row["ref"] = verb, scope, index, 0, ref
            said = text.encode()[: at.JOURNAL_DATA]
            row["text"] = 0
            row["text"][: len(said)] = np.frombuffer(said, np.uint8)
            row["seq"] = head + 1
            control["command_head"] = head + 1
            with trio.move_on_after(ANSWER_S):
                while int(control["command_tail"]) <= head:  # noqa: ASYNC110 - another process raises it, and tells nobody
                    await trio.sleep(POLL_S)
                return Done(int(row["status"]), int(row["acted"]), int(row["failed"]))
        message = f"{self.spec.name} did not answer in {ANSWER_S:.0f} s"
        raise NoAnswer(message)

    def halt(self, scope: Scope, index: int, why: Halt) -> None:
        """Raise the halt words of a scope at once, also while no lane runs: new orders look at them, cancels do not. A kill stays a kill."""
        self.turn_words(scope, index, ANY_HALT, why)

    def turn_words(self, scope: Scope, index: int, among: Collection[Halt], after: Halt) -> None:
        """Change those halt words of a scope that say one of `among`; the lane notes in which turn it has seen that."""
        words, where = self._words(scope, index)
        changed = [k for k in where if words[k] != after and Halt(int(words[k])) in among]
        if not changed:
            return
        decided_ns = time.time_ns()
        for k in changed:
            words[k] = after
        seq = int(self.shared.staged[0]["halt_seq"]) + 1
        self.shared.staged[0]["halt_seq"] = seq  # after the words: x86 stores are seen in their order
        if self.shared.control[0]["ready"]:
            self._unseen.append((seq, decided_ns))

    def seen(self) -> list[int]:
        """Give, in ns, how long after a decision each change of halt words was met by the lane's loop, of those that were since the last call.

        Of several within one turn each has its own time; what was changed while the lane was away is not measured.
        """
        row, found = self.shared.staged[0], list[int]()
        while self._unseen and int(row["halt_seen"]) >= self._unseen[0][0]:
            _, decided_ns = self._unseen.popleft()
            found.append(int(row["halt_ns"]) - decided_ns)
        return found

    def _words(self, scope: Scope, index: int) -> tuple[np.ndarray, list[int]]:
        """Give the halt words of a scope: an array, and where in it."""
        if scope == Scope.NODE:
            return self.shared.control["halt_node"], [0]
        if scope == Scope.VENUE:
            return self.shared.control[0]["halt_venue"], [index]
        if scope == Scope.STRATEGY:
            return self.shared.control[0]["halt_strategy"], [index]
        symbol = self.spec.products[index]
        return self.shared.halt_symbol, [k for k, it in enumerate(self.spec.instruments) if it.symbol == symbol]

    def open_orders(self) -> int:
        """Count its orders that can still fill, or may for all it knows."""
        return int(self.shared.lane[0]["n_live"])

    async def emptied(self, seconds: float) -> int:
        """Wait until none of its orders is open, no longer than that; gives how many still are."""
        with trio.move_on_after(seconds):
            while self.open_orders():  # noqa: ASYNC110 - another process lowers it, and tells nobody
                await trio.sleep(POLL_S)
        return self.open_orders()


def book(shared: Shared, inst: int) -> tuple[np.void, list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """Give a copy of an instrument's record and, a side each, prices, shares and orders of its levels, best first, all of one moment.

    The sequence lock is odd while the lane changes them. After RETRIES the copy is given as it is: a lane that died inside a change leaves it odd.
    """
    for attempt in range(RETRIES):
        before = int(shared.insts[inst]["version"])
        row = shared.insts[inst].copy()
        sides = [[table[inst, side, : int(row["n"][side])][::-1].copy() for side in range(2)] for table in (shared.px, shared.qty, shared.cnt)]
        if before & 1 == 0 and int(shared.insts[inst]["version"]) == before:
            break
        if attempt > RETRIES // 2:
            os.sched_yield()
    return row, sides[0], sides[1], sides[2]


def mark(shared: Shared, inst: int, long: bool) -> int:
    """Give the price at which a position is valued: a long at the bid, a short at the ask, of the last LIVE book; else the last trade."""
    row = shared.insts[inst]
    side = 0 if long else 1
    state = int(row["state"]) | int(shared.venues[int(row["venue"])]["state"])
    n = int(row["n"][side])
    if state == 0 and n > 0:
        return int(shared.px[inst, side, n - 1])
    last = int(row["mark"][side])
    return last if last > 0 else int(row["last_px"])
