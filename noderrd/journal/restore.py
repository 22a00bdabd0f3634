"""A lane's state out of its journal alone, for when its shared file is gone with the power.

From the last checkpoint (noderrd.lane.checkpoint) on, what was sent and what the venues said is applied by the lane's own kernels, and prices are
followed as far as profit and loss need them. What the disk had not yet got when the power went is asked of the venues: the lane logs in at the
journaled session and its next number, and they say the rest again.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from core import layout as at
from core.codes import Command, Denial, Halt, JournalKind, Loss, OrderFlag, OrdStatus, Scope, Side
from noderrd.journal import decode
from noderrd.journal.checkpoints import ALL, Untold, begun, following
from noderrd.journal.follow import Follower
from noderrd.lane import checkpoint, cold, prepare
from noderrd.lane.again import Step
from noderrd.lane.memory import Shared
from noderrd.lane.spec import LaneSpec

BUY = ord("B")
SHORT = (ord("T"), ord("E"))
HALTS = (Halt.STRATEGY_FAULT, Halt.OVER_BUDGET, Halt.EXECUTIONS)


class Restoration(Follower):
    """A state being made. Raises Untold."""

    def __init__(self, shared: Shared, spec: LaneSpec) -> None:
        super().__init__(shared)
        self._spec = spec
        self.taken = 0  # records that told something
        prepare.fill_control(spec, shared)
        prepare.fill_books(spec, shared)
        self._exposure = prepare.share_exposure(dataclasses.replace(spec, exposure=""), shared)
        shared.control["mult"] = 0  # the clock is base_ns, and stands
        shared.ref_slots[...] = -1
        shared.venues["fd_order"] = -1
        shared.limits["limit"] = shared.limits["account"] = at.NO_LIMIT  # nothing is decided here
        self._steps: dict[int, Any] = {
            JournalKind.SENT: self._sent, JournalKind.RECEIVED: self._received, JournalKind.TICK: self._tick, JournalKind.LOGIN: self.login,
            JournalKind.DOWN: self.down, JournalKind.HALT: self._halt, JournalKind.RESUME: self._halt, JournalKind.ACCEPTED: self.accepted,
            JournalKind.ADJUSTED: self.adjusted, JournalKind.DAY: self.day, JournalKind.FAULT: self._fault,
        }  # fmt: skip

    # The checkpoint.

    def begin(self, rows: list[np.void]) -> None:
        """Take a checkpoint up."""
        it, control = self.shared, self.shared.control[0]
        control["epoch"] = rows[-1]["ref"]
        slot = 0
        for row in rows:
            v, strat, inst = int(row["venue"]), int(row["strat"]), int(row["inst"])
            if row["kind"] == JournalKind.POSITION:
                self._hold(checkpoint.read(checkpoint.HELD, row), strat, inst)
            elif row["kind"] == JournalKind.ORDER:
                self._place(slot, row, checkpoint.read(checkpoint.OPEN, row))
                slot += 1
            elif row["kind"] == JournalKind.SESSION:
                told = checkpoint.read(checkpoint.SESSION, row)
                for name in (name for name in checkpoint.SESSION.names or () if name != "halted"):
                    it.venues[v][name] = told[name]
                control["halt_venue"][v] = told["halted"]
            else:
                told = checkpoint.read(checkpoint.ACCOUNT, row)
                for name in (checkpoint.ACCOUNT.names or ())[:-2]:
                    it.accounts[strat][name] = told[name]
                if strat == at.MAX_STRATEGIES:
                    control["halt_node"], control["roll_ns"] = told["halted"], told["roll_ns"]
                else:
                    control["halt_strategy"][strat] = told["halted"]
        control["slot_hint"] = slot
        cold.recover(it.lane, it.insts, it.products, it.positions, it.limits)

    def _hold(self, told: np.void, strat: int, inst: int) -> None:
        row = self.shared.positions[strat * len(self.shared.insts) + inst]
        for name in (checkpoint.HELD.names or ())[:-1]:
            row[name] = told[name]
        self.shared.halt_symbol[inst] = told["halted"]

    def _place(self, slot: int, row: np.void, told: np.void) -> None:
        order = self.shared.orders[slot]
        order["cl_ord_id"], order["venue"], order["inst"], order["strat"] = row["ref"], row["venue"], row["inst"], row["strat"]
        order["queue_ahead"] = -1
        for name in checkpoint.ORDER_NAMES:
            order[name] = told[name]

    # Records after it.

    def take(self, rows: np.ndarray) -> None:
        """Take rows of the journal."""
        for row in rows[np.isin(rows["kind"], list(self._steps))]:
            self.taken += 1
            self._steps[int(row["kind"])](row)

    def _sent(self, row: np.void) -> None:
        data, v = decode.data_of(row), int(row["venue"])
        kind, venue = data[:1], self.shared.venues[v]
        if kind == b"O":
            self._enter(row, data)
        elif kind == b"Q":
            venue["asked_at_ns"], venue["asked_ref"] = row["ts_ns"], venue["next_ref"]
            venue["queries_out"] += 1
        elif (slot := self._slot(v, data[1:5])) >= 0:
            order = self.shared.orders[slot]
            order["asked"], order["request_ns"] = 0, row["ts_ns"]
            if kind == b"X":
                order["ord_status"] = OrdStatus.PENDING_CANCEL
            elif kind == b"U":
                ref = int.from_bytes(data[5:9], "big")
                self._number(v, ref, slot)
                order["pending_px"] = int.from_bytes(data[13:21], "big")
                self.take_step(Step.REPLACE, slot, ref, int.from_bytes(data[9:13], "big"), int(row["ts_ns"]))

    def _slot(self, v: int, raw: bytes) -> int:
        """Give the slot of a live order by its UserRefNum; -1 when there is none: a cancel may cross with the order's end."""
        ref = int.from_bytes(raw, "big")
        slot = int(self.shared.ref_slots[v][ref & (at.REF_SLOTS - 1)])
        live = set(self.shared.lane[0]["live"][: int(self.shared.lane[0]["n_live"])])
        return slot if slot in live and ref in (self.shared.orders[slot]["user_ref"], self.shared.orders[slot]["pending_ref"]) else -1

    def _number(self, v: int, ref: int, slot: int) -> None:
        self.shared.ref_slots[v][ref & (at.REF_SLOTS - 1)] = slot
        self.shared.venues[v]["next_ref"] = max(int(self.shared.venues[v]["next_ref"]), ref + 1)

    def _enter(self, row: np.void, data: bytes) -> None:
        """Enter Order (OUCH 5.0 section 2.1)."""
        slot, v = self._free(), int(row["venue"])
        order = self.shared.orders[slot]
        order["queue_ahead"], order["sent"] = -1, 1
        order["cl_ord_id"], order["venue"], order["inst"], order["strat"] = row["ref"], v, row["inst"], row["strat"]
        order["user_ref"] = int.from_bytes(data[1:5], "big")
        order["side"] = Side.BUY if data[5] == BUY else Side.SELL
        order["order_qty"], order["px"] = int.from_bytes(data[6:10], "big"), int.from_bytes(data[18:26], "big")
        order["time_in_force"] = data[26] - ord("0")
        order["flags"] = (OrderFlag.SHORT if data[5] in SHORT else 0) | (OrderFlag.POST_ONLY if any(data[45:47]) else 0)
        order["sent_ns"] = order["request_ns"] = order["last_ns"] = row["ts_ns"]
        self._number(v, int(order["user_ref"]), slot)
        self.take_step(Step.ENTER, slot, 0, 0, int(row["ts_ns"]))

    def _free(self) -> int:
        """Give the slot that the lane would take, empty."""
        control, live = self.shared.control[0], set(self.shared.lane[0]["live"][: int(self.shared.lane[0]["n_live"])])
        for k in range(at.LIVE_SLOTS + 1):
            slot = (int(control["slot_hint"]) + k) % at.ORDER_SLOTS
            if slot not in live:
                control["slot_hint"] = slot + 1
                self.shared.orders[slot] = 0
                return slot
        message = "more orders are open than a lane can have"
        raise Untold(message)

    def _received(self, row: np.void) -> None:
        expected = int(self.shared.venues[int(row["venue"])]["order_seq"])
        if row["ref"] != max(expected, 1):
            message = f"{self._spec.venues[int(row['venue'])].name}: message {expected} should follow, and {int(row['ref'])} does"
            raise Untold(message)
        self.received(row)

    def _tick(self, row: np.void) -> None:
        """Follow what positions are valued at: the best prices of a LIVE book."""
        data, inst = decode.data_of(row), int(row["inst"])
        best = np.frombuffer(data[:16], np.int64)
        it = self.shared.insts[inst]
        if data[32 + int(row["venue"])] == 0:
            it["mark"] = np.where(best > 0, best, it["mark"])
            if it["held"]:
                self.take_step(Step.MARK, inst, 0, 0, int(row["ts_ns"]))

    def _halt(self, row: np.void) -> None:
        verb, scope, index, status = decode.words(row)[:4]
        if status != 0:
            return
        if verb == Command.RELEASE:
            cold.release_kill(self.shared, scope, index)
        else:
            value = {Command.HALT: Halt.OPERATOR, Command.KILL: Halt.KILLED}.get(Command(verb), Halt.NONE)
            cold.set_halt(self.shared, scope, index, value)

    def _fault(self, row: np.void) -> None:
        """What stopped by itself. A venue's or a symbol's halt follows from its messages again."""
        what, detail = decode.words(row)[:2]
        control, strat = self.shared.control[0], int(row["strat"])
        if what in HALTS and strat >= 0:
            control["halt_strategy"][strat] = what
        elif what == Halt.DAEMON_LOST and detail == Loss.CANCEL:
            control["halt_node"] = control["halt_node"] or what
        elif what == Halt.LOSS:
            a = strat if strat >= 0 else at.MAX_STRATEGIES
            account = self.shared.accounts[a]
            account["latched"], account["latched_rule"], account["latched_value"] = Denial.MAX_DAILY_LOSS, -1, detail
            if self._loss_halts(strat):
                cold.set_halt(self.shared, Scope.STRATEGY if strat >= 0 else Scope.NODE, max(strat, 0), Halt.LOSS)

    def _loss_halts(self, strat: int) -> bool:
        found = [it.limits if strat >= 0 else it.account or it.limits for it in self._spec.limits if strat in (-1, it.strategy)]
        return any("LOSS_HALTS" in limits for limits in found)

    def end(self) -> None:
        """Leave what the next lane takes up, and nothing of this process."""
        control = self.shared.control[0]
        self.shared.journal.view(np.uint8)[...] = 0
        for name in ("ready", "pid", "mult", "base_ns", "exposure", "journal_head", "journal_tail", "counters", "undo_phase", "journal_gap"):
            control[name] = 0
        self.shared.limits.view(np.uint8)[...] = 0
        control["restored"] = 1


def rebuild(shared: Shared, spec: LaneSpec, folder: Path, until: int = ALL) -> int:
    """Make a state in an empty shared file; gives how many records told something. Raises Untold, segment.Damaged, OSError."""
    found = begun(folder, spec.name, until)
    it = Restoration(shared, spec)
    it.begin(found.rows)
    for rows in following(folder, spec.name, found.at, until):
        it.take(rows)
    it.end()
    return len(found.rows) + it.taken
