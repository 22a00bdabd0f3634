"""A lane that has no sockets and no clock of its own, and does what a journal tells: what a replay and a restoration have in common.

The kernels are the lane's own (noderrd.lane.again). The arrays lie in a file of their own, made for the spec.
"""

import numpy as np

from core.codes import Command, Scope, Session
from noderrd.journal import decode
from noderrd.lane import cold, work
from noderrd.lane.again import Step, step
from noderrd.lane.memory import Shared


class Follower:
    """Takes records that change orders, positions and sessions. `take_step` may be extended by what is to be looked at after each step."""

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.desk = work.make()

    def take_step(self, what: Step, a: int, b: int, c: int, now_ns: int) -> int:
        """Take one Step at a time; nothing that it journals is kept."""
        it = self.shared
        control = it.control[0]
        control["journal_tail"] = control["journal_head"]
        return int(
            step(
                it.lane, self.desk, it.halt_symbol, it.insts, it.px, it.qty, it.cnt, it.table, it.locates, it.products, it.positions, it.limits,
                it.states, int(what), a, b, c, now_ns,
            )
        )  # fmt: skip

    def received(self, row: np.void) -> None:
        """A venue's message."""
        v, message = int(row["venue"]), decode.data_of(row)
        venue = self.shared.venues[v]
        venue["rx"][: len(message)] = np.frombuffer(message, np.uint8)
        venue["order_seq"] = row["ref"]
        self.take_step(Step.RECEIVED, v, len(message), 0, int(row["ts_ns"]))

    def login(self, row: np.void) -> None:
        """A session goes on; its replay ends with the answer to as many account queries as are out and one."""
        venue, (out, first, last) = self.shared.venues[int(row["venue"])], decode.words(row)[:3]
        venue["order_session"] = np.frombuffer(first.to_bytes(8, "big") + last.to_bytes(2, "big"), np.uint8)
        venue["have_order_session"], venue["order_seq"], venue["session_state"] = 1, row["ref"], Session.REPLAYING
        venue["replay_left"], venue["queries_out"], venue["asked_at_ns"] = out + 1, 2 * out + 1, 0

    def down(self, row: np.void) -> None:
        """A session is lost."""
        it, v = self.shared, int(row["venue"])
        it.control["base_ns"] = row["ts_ns"]
        it.venues[v]["session_state"] = Session.DOWN
        cold.lost(it.lane, self.desk, it.insts, it.products, it.positions, v)

    def command(self, row: np.void) -> None:
        """What a resume clears besides a halt's word."""
        verb, scope, index, status = decode.words(row)[:4]
        if verb in (Command.RESUME, Command.RELEASE) and status == 0:
            cold.afresh(self.shared, Scope(scope), index)

    def accepted(self, row: np.void) -> None:
        """A person settled an order whose fate was not known; of a venue, what changed comes with its next login."""
        it = self.shared
        it.control["base_ns"] = row["ts_ns"]
        for slot in np.flatnonzero((it.orders["cl_ord_id"] == row["ref"]) & (row["ref"] != 0)):
            cold.settle_order(it, self.desk, int(slot))

    def adjusted(self, row: np.void) -> None:
        """A person changed a position."""
        it, data = self.shared, decode.data_of(row)
        px = int.from_bytes(data[:8], "little")
        cold.adjust(it.lane, it.insts, it.products, it.positions, it.limits, int(row["strat"]), int(row["inst"]), px, int(row["ref"]))

    def day(self, row: np.void) -> None:
        """A day was over."""
        self.shared.control["roll_ns"] = row["ref"]
        self.take_step(Step.DAY, 0, 0, 0, int(row["ts_ns"]))
