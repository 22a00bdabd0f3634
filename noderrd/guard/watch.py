"""Is the lane alive? Its loop raises `heartbeat_ns` each millisecond; when it has not for QUIET_NS, and nobody has taken its place, the guard acts.

First it shuts the order sockets down, whoever holds them: the venue's cancel-on-disconnect fires now and not after fifteen seconds of silence.
A while later (COD_WAIT_NS, or NO_COD_WAIT_NS where the venue does not cancel by itself), and only if there is still no lane, it logs in and cancels
what the lane had open, and tries again as long as the venue is away. A lane that will be busy says so beforehand (`leave_until_ns`), and is left
alone as long as its process lives.

It also looks at the daemon, whose loss changes nothing by itself: when its last sign of life is older than the policy allows (`on daemon_loss`), the
lane is asked for what the policy wants, again each second until nothing is open. And it shuts the sessions of a lane that lives down when a drill
asks for it.
"""

import contextlib
import os
import socket
from pathlib import Path
from typing import Any

import numpy as np

from core.codes import Loss, Mode, OrdStatus
from noderrd.guard.cancel import Login, NoSession, cancel
from noderrd.lane import hand
from noderrd.lane.memory import Shared
from noderrd.lane.spec import LaneSpec

QUIET_NS = 200_000_000
COD_WAIT_NS = 1_000_000_000
NO_COD_WAIT_NS = 10_000_000_000
AWAY_NS = 5_000_000_000  # until a venue that was away is tried again: a try may take seconds
WISH_NS = 1_000_000_000
LOST_NS = 1_000_000_000  # a daemon that is busy shows itself within that
OVER = (OrdStatus.NONE, OrdStatus.FILLED, OrdStatus.CANCELED, OrdStatus.REPLACED, OrdStatus.REJECTED, OrdStatus.EXPIRED, OrdStatus.DENIED)


class Guard:
    """Watches one lane. `turn` is to be called every few milliseconds."""

    def __init__(self, spec: LaneSpec, shared: Shared, log: Any) -> None:
        self._spec, self._shared, self._log = spec, shared, log
        self._way = hand.listen(hand.address(Path(spec.shared)))
        self._held: dict[int, socket.socket] = {}
        self._cut_ns = 0  # when it acted on the lane that is quiet now; 0: it did not
        self._done: set[int] = set()  # venues where it has canceled since
        self._away: dict[int, int] = {}  # venues that it could not reach, and when they are tried again
        self._wished_ns = 0  # when it last asked the lane for what the policy wants; 0: the daemon is not lost
        shared.control[0]["guard_pid"] = os.getpid()

    @property
    def held(self) -> int:
        """How many sockets it holds."""
        return len(self._held)

    def turn(self, now_ns: int) -> None:
        """Take what is handed over, look at the lane, act when it is time."""
        control = self._shared.control[0]
        control["guard_ns"] = now_ns
        for v, line in hand.taken(self._way):
            if line is None:
                self._pass_on()
                continue
            old = self._held.pop(v, None)
            if old is not None:
                old.close()
            if 0 <= v < len(self._spec.venues):
                self._held[v] = line
            else:
                line.close()
        self._look_at_daemon(now_ns)
        if self._lives(now_ns):
            self._cut_ns = 0
            self._done.clear()
            self._away.clear()
            self._drill(now_ns)
            return
        if self._held:
            self._cut(now_ns)
        if self._cut_ns and control["ready"] != 0:
            self._cancel(now_ns)

    def _look_at_daemon(self, now_ns: int) -> None:
        """Ask the lane for what the policy wants when the daemon is lost."""
        control = self._shared.control[0]
        then, seen_ns = int(control["loss_then"]), int(control["daemon_ns"])
        if then == Loss.TRADE_ON or seen_ns == 0 or now_ns - seen_ns < max(int(control["loss_after_ns"]), LOST_NS):
            self._wished_ns = 0
            return
        if self._wished_ns == 0:
            self._log.error("the daemon is lost", then=Loss(then).name.lower(), quiet_ms=(now_ns - seen_ns) // 1_000_000)
        elif now_ns - self._wished_ns < WISH_NS or then != Loss.CANCEL or self._shared.lane[0]["n_live"] == 0:
            return
        self._wished_ns = now_ns
        control["wish"] = then

    def _drill(self, now_ns: int) -> None:
        """Shut the sessions of a lane that lives, as if it did not: what follows is the venue's part, and the lane's way back."""
        control = self._shared.control[0]
        if control["drill_asked"] == control["drill_done"]:
            return
        if self._held:
            self._cut(now_ns)
            self._cut_ns = 0
        control["drill_done"] = control["drill_asked"]

    def _pass_on(self) -> None:
        """Give the sockets of a dead lane to the one that takes its place, and keep duplicates."""
        for v, line in self._held.items():
            hand.send(hand.heir(Path(self._spec.shared)), v, line)

    def _lives(self, now_ns: int) -> bool:
        control = self._shared.control[0]
        if now_ns - int(control["heartbeat_ns"]) < QUIET_NS:
            return True
        return now_ns < int(control["leave_until_ns"]) and self._shared.owned()

    def _cut(self, now_ns: int) -> None:
        """Shut every socket down, also those that a stopped lane or somebody else still holds."""
        quiet_ms = (now_ns - int(self._shared.control[0]["heartbeat_ns"])) // 1_000_000
        self._shared.control[0]["guard_cuts"] += 1
        for line in self._held.values():
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)  # refused where the venue has closed already
            line.close()
        self._log.error("lane is quiet: its order sessions are shut", quiet_ms=quiet_ms, sessions=len(self._held))
        self._held.clear()
        self._cut_ns = now_ns

    def _cancel(self, now_ns: int) -> None:
        """Cancel at every venue whose time has come; once, and again as long as one is away."""
        for v, venue in enumerate(self._spec.venues):
            wait = COD_WAIT_NS if venue.cancel_on_disconnect else NO_COD_WAIT_NS
            if v in self._done or self._shared.venues[v]["mode"] not in (Mode.ARMED, Mode.OFF) or now_ns - self._cut_ns < wait:
                continue
            if now_ns < self._away.get(v, 0):
                continue
            refs = self._refs(v)
            if not refs:
                self._done.add(v)
                continue
            try:
                left = cancel(self._login(v), refs, self._is_back)
            except (NoSession, OSError) as error:
                if v not in self._away:
                    self._log.error("cannot cancel", venue=venue.name, reason=str(error), open=len(refs))
                self._away[v] = now_ns + AWAY_NS
                continue
            self._done.add(v)
            said = self._log.error if left else self._log.warning
            said("canceled for a lane that is gone", venue=venue.name, asked=len(refs), remain=sorted(left))

    def _login(self, v: int) -> Login:
        """Give the login that goes on where the lane left off."""
        row, venue = self._shared.venues[v], self._spec.venues[v]
        host, _, port = venue.ouch.rpartition(":")
        session = bytes(row["order_session"]).decode("ascii", "replace").strip()
        return Login(host, int(port), venue.user, venue.password, session, int(row["order_seq"]))

    def _is_back(self) -> bool:
        return bool(self._shared.control[0]["ready"] == 0)  # a new lane is warming up

    def _refs(self, v: int) -> list[int]:
        """Give the UserRefNums that the lane may have open at a venue: of orders, and of replaces under way."""
        orders = self._shared.orders
        live = orders[(orders["venue"] == v) & ~np.isin(orders["ord_status"], OVER)]
        return sorted({int(ref) for ref in (*live["user_ref"], *live["pending_ref"]) if ref})

    def close(self) -> None:
        """Let everything go, and leave the sockets as they are."""
        for line in self._held.values():
            line.close()
        self._way.close()
        hand.address(Path(self._spec.shared)).unlink(missing_ok=True)
        self._shared.control[0]["guard_pid"] = 0
