"""The life of a lane: start, turn, the cold side, stop."""

import ctypes
import gc
import mmap
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from core.codes import Counter, JournalKind, OrdStatus, Reason
from noderrd import logs
from noderrd.host import cpu, memory
from noderrd.lane import cold, hand, hours, prepare, terms
from noderrd.lane.clock import calibrate
from noderrd.lane.loader import FAULTS, Loader
from noderrd.lane.loop import settle
from noderrd.lane.memory import Shared
from noderrd.lane.rehearse import rehearse, turn
from noderrd.lane.snapshot import Snapshots, grow
from noderrd.lane.spec import LaneSpec
from noderrd.lane.work import make

STOP_TURNS_NS = 5_000_000_000
COLD_NS = 30_000_000_000  # longer than anything cold takes: a reload may compile. The guard waits meanwhile, as long as this process lives
SOON_NS = 100_000_000  # until the loop's first heartbeat
HEIR_S = 0.05  # the guard looks every 5 ms
MCL_CURRENT, MCL_FUTURE = 1, 2


class StopWord:
    """An int64 in a file of its own that any of SIGTERM and SIGINT makes non-zero, without Python running.

    Python's C-level handler writes a byte to the wake-up descriptor: here, into the file that the loop looks at. Every signal moves the offset on, so
    the word is the file's only content and what follows it is ignored.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        os.ftruncate(self._fd, 0)
        os.ftruncate(self._fd, 8)
        self._map = mmap.mmap(self._fd, 8)
        self.word = np.frombuffer(self._map, np.int64)
        signal.set_wakeup_fd(self._fd, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)


def lock_memory(log: Any) -> None:
    """Keep every page in memory; without the right to it the node runs, and says so once."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(MCL_CURRENT | MCL_FUTURE) != 0:
        log.warning("memory not locked", reason=os.strerror(ctypes.get_errno()), cost="a page may be reclaimed under pressure")


def arrange(spec: LaneSpec, shared: Shared, log: Any) -> None:
    """Have the state on huge pages, on the core's node and in memory, as far as that is to be had; `noderrctl status` shows what came of it."""
    if spec.huge_pages and (why := shared.huge()):
        log.warning("no huge pages", reason=why, cost="some 20 ns for a miss of the TLB")
    if spec.core >= 0 and (why := shared.bind(memory.node_of_core(spec.core))):
        log.warning("state not bound to the core's node", reason=why, cost="some 100 ns for each miss where there are several nodes")
    if why := shared.prefault():
        log.warning("state not there yet", reason=why, cost="some 500 ns for the first use of each page")


def hasten(spec: LaneSpec, log: Any) -> None:
    """Run before everybody else on the core, where the host's configuration says so and the right to it is there."""
    if not spec.realtime:
        return
    if why := cpu.realtime(os.getpid()):
        log.warning("not real-time", reason=why, cost="other processes may run on the lane's core")
    elif cpu.throttled():
        log.warning("real-time, and throttled", reason=cpu.THROTTLE, cost="50 ms of each second while the lane spins")


def wind_down(shared: Shared, work: np.ndarray, stop: StopWord, links: cold.Connections, log: Any) -> None:
    """Stop strategies, cancel what is open, wait for the venues' word, log out."""
    cold.all_stop(
        shared.lane, work, shared.halt_symbol, shared.insts, shared.px, shared.qty, shared.products, shared.positions, shared.limits,
        shared.states,
    )  # fmt: skip
    shared.control[0]["paused"] = 1
    end = time.time_ns() + STOP_TURNS_NS
    while shared.lane[0]["n_live"] > 0 and time.time_ns() < end:
        cold.cancel_matching(shared.lane, shared.insts, shared.limits, -1, -1, -1)
        stop.word[0] = 0
        if turn(shared, work, stop.word, 2000) in (Reason.DISCONNECTED, Reason.LOGIN_REJECTED):
            links.down(int(work[0]["why"]), "while stopping")
    if shared.lane[0]["n_live"] > 0:
        log.warning("orders left open", n=int(shared.lane[0]["n_live"]))
    for v in range(int(shared.control[0]["n_venues"])):
        links.logout(v)
        links.close(v)


ALARMS = (
    Counter.IMPOSSIBLE, Counter.UNKNOWN_REF, Counter.DROP_OUCH, Counter.OVERFILLS, Counter.STRATEGY_FAULTS, Counter.STRATEGY_OVER_BUDGET,
    Counter.AUDIT_BREACHES,
)  # fmt: skip


def tell(shared: Shared, before: np.ndarray, log: Any) -> np.ndarray:
    """Log what must not happen and did since `before`; the journal's FAULT records say which order it was. Gives the counters as they are."""
    now_is = shared.control[0]["counters"].copy()
    rose = {counter.name.lower(): int(now_is[counter] - before[counter]) for counter in ALARMS if now_is[counter] > before[counter]}
    latched = [k for k, account in enumerate(shared.accounts) if account["latched"] != 0]
    log.error("alarm", **rose, loss_limits_broken=latched, unknown_orders=int(np.count_nonzero(shared.orders["ord_status"] == OrdStatus.UNKNOWN)))
    return now_is


def settled(shared: Shared, work: np.ndarray) -> None:
    """Let the order sessions have their say for a millisecond."""
    settle(
        shared.lane, work, shared.halt_symbol, shared.insts, shared.px, shared.qty, shared.products, shared.positions, shared.limits,
        shared.states, 50,
    )  # fmt: skip
    time.sleep(0.001)


def reload(shared: Shared, loaded: prepare.Loaded, loader: Loader, path: Path, log: Any) -> int:
    """Run by what the spec says now, and journal it: 0; or 1 with the reason in the log, and what runs keeps running."""
    try:
        ready = loader.take(path)
    except FAULTS as why:
        log.error("reload refused", reason=str(why))
        return 1
    loaded.reload(ready)
    hours.fill_all(ready.spec, shared)
    terms.journal(shared, ready.told)
    return 0


def wait_for_lock(spec: LaneSpec, shared: Shared, log: Any) -> None:
    """Sleep until the lane is gone, and hold its state then. Signals have their usual effect: a spare has nothing to put in order."""
    shared.control[0]["spare_pid"] = os.getpid()
    log.info("spare", lane=spec.name)
    place(spec, log)  # a process that sleeps takes nothing of the core
    shared.inherit()
    control = shared.control[0]
    control["leave_until_ns"] = time.time_ns() + COLD_NS  # the guard knows from here on that somebody is there
    control["spare_pid"], control["ready"], control["pid"] = 0, 0, os.getpid()


def run(path: Path, spare: bool = False) -> int:
    """Be the lane that the spec at `path` describes; a spare has everything loaded and warm first, and is it once the one that runs is gone."""
    spec = LaneSpec.read(path)
    log = logs.get(spec.name)
    cores = os.sched_getaffinity(0)
    if not spare:
        place(spec, log)
    shared = Shared(Path(spec.shared), prepare.sizes(spec), create=True)
    if not spare and not shared.own():
        log.error("another lane holds this state", file=spec.shared)
        return 1
    stop = None if spare else StopWord(Path(spec.stop))
    work = make()
    began = time.monotonic()
    log.info("warming", cache=os.environ.get("NUMBA_CACHE_DIR", ""))
    rehearse(spec, log)
    loaded = prepare.Loaded(spec, shared, work, log)
    ready = loaded.ready(spec)
    if not spare:
        calibrate(shared.control)
    loader = Loader(shared, loaded, cores - {spec.core} or cores, log)
    arrange(spec, shared, log)
    lock_memory(log)
    gc.collect()
    gc.freeze()
    gc.disable()
    resting: set[int] = set()
    given: dict[int, socket.socket] = {}
    if spare:
        wait_for_lock(spec, shared, log)
        began = time.monotonic()
        resting = prepare.at_rest(shared)
        given = hand.ask(Path(spec.shared), len(resting), HEIR_S) if resting else {}
        if (now := LaneSpec.read(path)) != spec:  # the lane had taken another one since
            spec, ready = now, loaded.ready(now)
    stop = stop or StopWord(Path(spec.stop))
    exposure = prepare.share_exposure(spec, shared)
    still_open = prepare.take_up(spec, shared)
    loaded.put(ready)
    feeds = prepare.fill_venues(spec, shared)
    prepare.tell_buffers(spec, shared, log)
    hours.fill_all(spec, shared)
    rings = prepare.by_rings(spec, shared, work, log)
    links = cold.Connections(spec, shared, work, log)
    snapshots = Snapshots(spec, shared, work, log)
    cold.journal_words(
        shared.lane, JournalKind.START, -1, -1, -1, int(shared.control[0]["epoch"]), still_open, int(shared.control[0]["next_id"]),
        int(shared.control[0]["restored"]), 0,
    )  # fmt: skip
    terms.journal(shared, ready.told)
    cold.journal_state(shared)
    shared.control[0]["restored"] = 0
    for v, line in given.items():
        if v in resting:
            links.resume(v, line)
        else:
            line.close()
    hasten(spec, log)
    shared.control[0]["heartbeat_ns"] = time.time_ns()
    shared.control[0]["ready"] = 1
    log.info("ready", epoch=int(shared.control[0]["epoch"]), open_orders=still_open, seconds=round(time.monotonic() - began, 4), spare=spare)
    idle = int(shared.control[0]["idle"])
    told = shared.control[0]["counters"].copy()
    work[0]["alarms"] = shared.control[0]["alarms"]
    while True:
        prepare.fill_polls(shared, work)
        shared.control[0]["leave_until_ns"] = time.time_ns() + SOON_NS
        reason = turn(shared, work, stop.word, 0, idle)
        left_ns = time.time_ns()
        shared.control[0]["leave_until_ns"] = left_ns + COLD_NS
        v = int(work[0]["why"])
        if reason == Reason.STOP:
            break
        if reason == Reason.COMMAND:
            cold.obey(
                shared, work, lambda: loader.ask(path), lambda: reload(shared, loaded, loader, path, log), lambda: settled(shared, work), log
            )  # fmt: skip
            links.hand_over()
            shared.staged[0]["pause_ns"] = max(int(shared.staged[0]["pause_ns"]), time.time_ns() - left_ns)
        elif reason == Reason.ALARM:
            told = tell(shared, told, log)
        elif reason == Reason.CONNECT:
            links.connect(v)
        elif reason == Reason.LOGIN_REJECTED:
            links.refused(v)
        elif reason == Reason.DISCONNECTED:
            links.down(v, "closed, silent or out of protocol")
        elif reason == Reason.WISH:
            cold.fulfil(shared, log)
        elif reason == Reason.REBUILD:
            snapshots.step(v)
        elif reason == Reason.HOURS:
            hours.fill(shared.venues[v], loaded.spec.venues[v].hours, time.time_ns())
        elif reason == Reason.GROW:
            grow(shared, log)
    shared.control[0]["ready"] = 0
    wind_down(shared, work, stop, links, log)
    cold.journal_words(shared.lane, JournalKind.STOP, -1, -1, -1, int(shared.control[0]["epoch"]), 0, 0, 0, 0)
    for queue in rings:
        queue.close()
    for line in feeds:
        line.close()
    shared.control[0]["exposure"] = 0
    del exposure
    log.info("stopped")
    sys.stderr.flush()
    return 0


def place(spec: LaneSpec, log: Any) -> None:
    """Go to the lane's core, and keep memory near it."""
    if spec.core >= 0 and cpu.PLACE.exists() and (why := cpu.place(os.getpid())):
        log.warning("not moved to the isolated cores", reason=why, cost="other processes may run on the lane's core")
    prepare.pin(spec.core, log)
    if spec.core >= 0 and (why := memory.prefer(memory.node_of_core(spec.core))):
        log.warning("memory not bound to the core's node", reason=why, cost="some 100 ns for each miss where there are several nodes")
