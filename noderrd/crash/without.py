"""A node with one step of its recovery left out, to see whether the judge finds it: `python -P -m noderrd.crash.without STEP PROGRAM ARGUMENTS`.

`skip-replay`: the lane logs in at the exchange's newest message in place of the next one it needs. `skip-unknown`: a lane that takes a dead one's
state up forgets the orders that no answer had come to. `skip-journal`: a writer that takes a dead one's journal up drops what the ring still holds.

PROGRAM is "daemon" (which starts the others through here), "lane" or "writer". Nothing of this is in the product.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

NAME = "noderrd.crash.without"
STEPS = ("skip-replay", "skip-unknown", "skip-journal")


def daemon(step: str, arguments: list[str]) -> int:
    """Run a node whose lane and writer are started through here."""
    from noderrd.control import node, supervise
    from noderrd.main import main

    start = supervise.Worker

    class Through(start):  # type: ignore[valid-type, misc]
        """A worker that leaves the step out."""

        def __init__(self, name: str, command: list[str], *more: Any) -> None:
            programs = {"noderrd.lane": "lane", "noderrd.journal": "writer"}
            place = next((k for k, word in enumerate(command) if word in programs), None)
            if place is not None:
                command = [*command[:place], NAME, step, programs[command[place]], *command[place + 1 :]]
            super().__init__(name, command, *more)

    vars(node)["Worker"] = Through
    sys.argv = ["noderrd", *arguments]
    return main()


def lane(step: str, arguments: list[str]) -> int:
    """Run a lane."""
    from noderrd.lane import cache

    cache.prepare()
    from core.codes import OrdStatus
    from noderrd.lane import cold, prepare, process

    if step == "skip-replay":
        login: Callable[..., None] = cold.Connections._login  # noqa: SLF001 - the step to leave out is in there

        def newest(self: Any, v: int) -> None:
            row = self._shared.venues[v]
            row["have_order_session"], row["order_session"], row["order_seq"] = 1, ord(" "), 0  # SoupBinTCP: 0 asks for the newest
            login(self, v)
            row["have_order_session"] = 0

        cold.Connections._login = newest  # type: ignore[method-assign]  # noqa: SLF001
    if step == "skip-unknown":
        take_up = prepare.take_up

        def forget(spec: Any, shared: Any) -> int:
            waits = (OrdStatus.PENDING_NEW, OrdStatus.UNKNOWN)
            for row in shared.orders:
                if row["ord_status"] in waits:
                    row["ord_status"], row["leaves_qty"], row["user_ref"] = OrdStatus.REJECTED, 0, 0
            return take_up(spec, shared)

        prepare.take_up = forget
    return process.run(Path(arguments[0]), spare=arguments[1:] == ["spare"])


def writer(step: str, arguments: list[str]) -> int:
    """Run a writer."""
    from noderrd.journal import __main__ as program
    from noderrd.journal.writer import Writer

    if step == "skip-journal":
        resume: Callable[..., None] = Writer._resume  # noqa: SLF001 - as above

        def drop(self: Any, now_ns: int) -> None:
            self._control["journal_tail"] = self._control["journal_head"]
            self._control["journal_id"] = 0
            resume(self, now_ns)

        Writer._resume = drop  # type: ignore[method-assign]  # noqa: SLF001
    sys.argv = ["noderrd.journal", *arguments]
    return program.main()


if __name__ == "__main__":
    sys.exit({"daemon": daemon, "lane": lane, "writer": writer}[sys.argv[2]](sys.argv[1], sys.argv[3:]))
