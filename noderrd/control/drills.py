"""A drill: that the guard, cancel-on-disconnect and the kill switch do what they are for, proved on the running node and its real sessions.

New orders are held back, the guard shuts the order sessions down as if the lane were gone, the venues cancel what was open there, the lane logs in
again, a kill cancels what is left, and all is lifted again. Each part is timed. Where nothing was open a part proves that it runs, and no more.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import trio

from core import layout as at
from core.codes import Command, Halt, Mode, OrdStatus, Scope, Session
from noderrd import schedule
from noderrd.control import lanes, wallclock
from noderrd.control.node import Node

GUARD_S = 3.0
BACK_S = 30.0
SETTLE_S = 10.0
POLL_S = 0.002
SECOND = 1_000_000_000
Check = dict[str, Any]


async def run(node: Node, alarm: Callable[[str, str, str], None]) -> None:
    """Drill whenever [day] drill says so, until cancelled; one that fails, or cannot be held, is an alarm."""
    while True:
        await wallclock.until(schedule.after(node.config.day.drill, time.time_ns()))
        if node.latches.kills:
            alarm("drill", "not held: something is killed already", "[day] drill")
            continue
        try:
            failed = [f"{it['name']} {it['why']}".strip() for it in await drill(node, "schedule") if not it["ok"]]
        except lanes.NoAnswer as why:
            failed = [str(why)]
        if failed:
            alarm("drill", f"failed: {'; '.join(failed)}", "[day] drill")


async def drill(node: Node, who: str) -> list[Check]:
    """Take every part; gives a line each. What was halted before stays so. Raises lanes.NoAnswer."""
    lane = node.lane
    halted = int(lane.shared.control[0]["halt_node"])
    checks: list[Check] = []
    lane.halt(Scope.NODE, 0, Halt.KILLED)
    try:
        checks += await _guard(lane, guarded=node.guarded())
        checks.append(await _kill(lane))
    finally:
        with trio.CancelScope(shield=True):
            await lane.command(Command.RELEASE)
            if halted:
                lane.halt(Scope.NODE, 0, Halt(halted))
    good = all(it["ok"] for it in checks)
    tell = node.log.info if good else node.log.error
    tell("drill", ok=good, by=who, checks=checks)
    said = ", ".join(f"{it['name']} {'ok' if it['ok'] else 'FAILED'} {it['ns'] // 1_000_000} ms" for it in checks)
    await lane.command(Command.TELL, text=f"drill by {who}: {said}")
    return checks


async def _guard(lane: lanes.Lane, *, guarded: bool) -> list[Check]:
    """The guard cuts the sessions, the venues cancel by themselves, the lane comes back."""
    control, spec = lane.shared.control[0], lane.spec
    armed = [v for v in range(len(spec.venues)) if lane.shared.venues[v]["mode"] in (Mode.ARMED, Mode.OFF)]
    up = [v for v in armed if lane.shared.venues[v]["session_state"] == Session.UP]
    cancels = {v for v in up if spec.venues[v].cancel_on_disconnect}
    before, began = _open(lane, cancels), trio.current_time()
    cuts = int(control["guard_cuts"])
    if not guarded:
        return [_check("guard", began, ok=False, before=len(before), after=len(before), why="it does not show itself")]
    control["drill_asked"] += 1
    with trio.move_on_after(GUARD_S):
        while control["drill_done"] != control["drill_asked"]:  # noqa: ASYNC110 - another process raises it, and tells nobody
            await trio.sleep(POLL_S)
    acted = control["drill_done"] == control["drill_asked"] and (not up or int(control["guard_cuts"]) > cuts)
    guard = _check("guard", began, ok=acted, before=len(up), after=0, why="" if acted else "it shut nothing down")
    came_ns = time.time_ns()
    with trio.move_on_after(BACK_S):
        while not all(_back(lane, v, came_ns) for v in up):  # noqa: ASYNC110 - as above
            await trio.sleep(POLL_S)
    missing = [spec.venues[v].name for v in up if not _back(lane, v, came_ns)]
    left = _open(lane, cancels) & before
    found = [guard, _check("sessions", began, ok=not missing, before=len(up), after=len(up) - len(missing), why=", ".join(missing))]
    if cancels:
        found.append(_check("cancel_on_disconnect", began, ok=not left, before=len(before), after=len(left), why=""))
    return found


def _back(lane: lanes.Lane, v: int, since_ns: int) -> bool:
    """Tell whether a session is up, and heard something since."""
    row = lane.shared.venues[v]
    return bool(row["session_state"] == Session.UP and row["order_rx_ns"] > since_ns)


async def _kill(lane: lanes.Lane) -> Check:
    """A kill cancels what is open."""
    began, before = trio.current_time(), lane.open_orders()
    await lane.command(Command.KILL)
    left = await lane.emptied(SETTLE_S)
    return _check("kill", began, ok=left == 0, before=before, after=left, why="")


def _open(lane: lanes.Lane, venues: set[int]) -> set[int]:
    """Give the ClOrdIDs of the orders that are open at some venues."""
    shared = lane.shared
    live = shared.orders[shared.lane[0]["live"][: min(int(shared.lane[0]["n_live"]), at.LIVE_SLOTS)]]
    open_there = np.isin(live["venue"], list(venues)) & ~np.isin(live["ord_status"], (OrdStatus.CANCELED, OrdStatus.FILLED, OrdStatus.REJECTED))
    return {int(n) for n in live["cl_ord_id"][open_there]}


def _check(name: str, began: float, *, ok: bool, before: int, after: int, why: str) -> Check:
    return {
        "name": name, "ok": ok, "open_before": before, "open_after": after, "ns": int((trio.current_time() - began) * SECOND), "why": why,
    }  # fmt: skip
