"""Bring a lane from its spec to READY: state filled or recovered, sockets open, strategies and models loaded, every path warm.

What survives in the shared file is what the venue cannot give again cheaply or at all: own orders, positions, session and sequence numbers,
halts, counters. Books are always built anew from the feed, from message 1.
"""

import dataclasses
import hashlib
import math
import os
import socket
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from core import itch
from core import layout as at
from core.codes import BookState, Halt, Mode, Session
from core.feature import NAMES
from noderrd.feeds import multicast
from noderrd.host import sockets
from noderrd.lane import cold, day, limits, ort, stamp, xdp
from noderrd.lane.memory import Shared, Sizes
from noderrd.lane.spec import LaneSpec
from noderrd.lane.work import NONE, RING
from noderrd.strategies import compile as strategies

IDS_FROM = 1_704_067_200  # 1 January 2024
SLOWER = "a system call for each batch of datagrams, and the kernel's network stack before it"
IDLE = {"spin": 0, "yield": 1, "sleep": 2}
ModelKey = tuple[str, bytes, tuple[str, ...]]  # file, SHA-256 of its content, features


def sizes(spec: LaneSpec) -> Sizes:
    """Give the sizes of a lane's shared file."""
    return Sizes(len(spec.venues), len(spec.instruments), len(spec.products), at.MAX_STRATEGIES, spec.levels, spec.table)


def fill_control(spec: LaneSpec, shared: Shared) -> None:
    """Take the state up: a new epoch, ids that no earlier one gave.

    A ClOrdID has 56 bits: the lane's number, then the second of its start and 20 bits that count on: unique over restarts, also when the state was
    lost, as long as the clock rises and a lane gives fewer than a million ids a second on average.
    """
    control = shared.control[0]
    control["epoch"] += 1
    control["ready"] = 0
    control["pid"] = os.getpid()
    control["n_venues"], control["n_insts"] = len(spec.venues), len(spec.instruments)
    control["n_products"], control["n_strategies"] = len(spec.products), len(spec.strategies)
    control["levels"], control["idle"] = spec.levels, IDLE[spec.idle]
    fresh = ((spec.lane_id & 0xFF) << 48) | ((int(time.time()) - IDS_FROM) & 0xFFFFFFF) << 20
    control["next_id"] = fresh if control["next_id"] >> 48 != spec.lane_id & 0xFF else max(int(control["next_id"]), fresh)
    control["place"], control["n_lanes"] = spec.place, spec.lanes
    now_ns = time.time_ns()
    if not 0 < control["roll_ns"] <= now_ns:  # else a day was over while nobody was here: the loop finds that
        control["roll_ns"] = day.end_after(spec.day_end, now_ns)
    if spec.killed:
        control["halt_node"] = Halt.KILLED
    control["paused"] = 0


def fill_books(spec: LaneSpec, shared: Shared) -> None:
    """Empty every book; a symbol whose trading state was never published is HALTED (ITCH 5.0 section 1.2.2).

    What positions were last valued at stays: a restart is no profit and no loss.
    """
    marks, last = shared.insts["mark"].copy(), shared.insts["last_px"].copy()
    for block in (
        shared.px,
        shared.qty,
        shared.cnt,
        shared.table.view(np.uint8),
        shared.insts.view(np.uint8),
        shared.products.view(np.uint8),
    ):
        block[...] = 0
    shared.insts["mark"], shared.insts["last_px"] = marks, last
    shared.lane[0]["table_head"] = 0
    shared.locates[...] = -1
    for product in range(len(spec.products)):
        row = shared.products[product]
        row["inst"] = -1
        row["model"] = -1
        members = [i for i in spec.instruments if i.symbol == spec.products[product]]
        row["n_inst"], row["stock"] = len(members), itch.stock(spec.products[product])
        row["exposure_row"] = spec.exposure_rows[product] if spec.exposure else product
        row["tick"], row["lot"] = math.gcd(*(i.tick for i in members)), math.gcd(*(i.lot for i in members))
    for k, it in enumerate(spec.instruments):
        row, product = shared.insts[k], spec.products.index(it.symbol)
        row["venue"], row["product"], row["locate"], row["stock"] = it.venue, product, -1, itch.stock(it.venue_symbol)
        row["tick"], row["tick_table"], row["unit"], row["multiplier"] = it.tick, it.tick_table, it.unit, it.multiplier
        row["lot"] = row["own_lot"] = it.lot
        row["worth_num"], row["worth_den"] = (it.worth * at.MONEY).as_integer_ratio()
        row["reference"], row["state"] = it.reference, BookState.HALTED
        shared.products[product]["inst"][it.venue] = k


def fill_ticks(spec: LaneSpec, shared: Shared) -> None:
    """Put the tick tables in their places."""
    for row, bands in zip(shared.tick_tables, spec.tick_tables, strict=False):
        row["n"] = len(bands)
        for k, (px, tick) in enumerate(bands):
            row["px"][k], row["tick"][k] = px, tick


def at_rest(shared: Shared) -> set[int]:
    """Give the venues whose order session a dead lane left between two messages: nothing half received, nothing half sent."""
    rows = shared.venues[: int(shared.control[0]["n_venues"])]
    return {v for v, row in enumerate(rows) if row["session_state"] == Session.UP and row["rx_len"] == 0 and row["tx_len"] == 0}


def open_line(spec: LaneSpec, v: int, k: int, row: np.void) -> socket.socket | None:
    """Open feed line k of a venue, if it has one. Raises OSError."""
    address, interface, sources = spec.venues[v].lines()[k]
    if not address:
        return None
    line = multicast.open_line(address, interface, multicast.sources_of(sources))
    options = sockets.feed(line, spec.sockets.feeds, spec.core)
    sockets.tell(spec.options, f"{spec.venues[v].name} feed {'b' if k else 'a'}", options)
    row["buffer"][k] = multicast.granted(line)
    if spec.stamps:
        stamp.ask_for(line)
    return line


def fill_venues(spec: LaneSpec, shared: Shared) -> list[socket.socket]:
    """Start every feed anew and open its sockets; order sessions keep their numbers. Gives the sockets, to be kept alive."""
    opened: list[socket.socket] = []
    for v, venue in enumerate(spec.venues):
        row = shared.venues[v]
        row["session"], row["have_session"], row["next_seq"], row["high_seq"] = 0, 0, 1, 1
        row["asked_seq"] = row["asked_ns"] = row["ended"] = row["phase"] = 0
        row["feed_ns"], row["line_ns"], row["received"] = 0, 0, 0
        for name in ("line_seq", "lost", "duplicate", "out_of_order", "holes", "hole_at", "skew_ns", "lead_seq", "recovered", "rebuild", "resync"):
            row[name] = 0
        for name in ("held", "stamp", "kernel_drops", "waited_ns", "buffer", "late", "breaker", "breached", "scheduled", "shut"):
            row[name] = 0
        row["snapshot_ns"] = row["moved_ns"] = 0
        row["state"] = BookState.CLOSED
        row["session_state"], row["fd_order"] = Session.DOWN, -1
        row["rx_len"] = row["tx_len"] = row["tx_at"] = row["failures"] = row["connect_at_ns"] = 0
        row["next_ref"], row["order_seq"] = max(int(row["next_ref"]), 1), max(int(row["order_seq"]), 1)
        set_mode(spec, shared, v, start=True)
        row["maker_mils"], row["taker_mils"] = venue.maker_mils, venue.taker_mils
        row["fd_a"] = row["fd_b"] = row["fd_request"] = -1
        for k, field in enumerate(("fd_a", "fd_b")):
            if (line := open_line(spec, v, k, row)) is not None:
                opened.append(line)
                row[field] = line.fileno()
        servers = [address.strip() for address in venue.rerequest.split(",") if address.strip()][: at.MAX_SERVERS]
        row["n_servers"], row["server"], row["servers"] = len(servers), 0, -1
        for k, address in enumerate(servers):
            opened.append(multicast.open_request(address))
            row["servers"][k] = opened[-1].fileno()
        row["fd_request"] = row["servers"][0]
        row["has_snapshot"] = int(bool(venue.glimpse))
    return opened


def tell_buffers(spec: LaneSpec, shared: Shared, log: Any) -> None:
    """Log the lines whose receive buffer is smaller than was asked for."""
    for v, venue in enumerate(spec.venues):
        for k, (address, _, _) in enumerate(venue.lines()):
            got = int(shared.venues[v]["buffer"][k])
            if address and got < spec.sockets.feeds.receive_buffer:
                cost = "bursts are lost earlier; net.core.rmem_max limits it"
                log.warning("receive buffer", venue=venue.name, address=address, asked=spec.sockets.feeds.receive_buffer, granted=got, cost=cost)


def interface_of(interface: str, address: str) -> str:
    """Give the name of the interface that a feed line comes in by: that of the configured address, or of the line's own. Raises xdp.Unavailable."""
    wanted = {interface, multicast.split(address)[0]} - {""}
    for name, addresses in psutil.net_if_addrs().items():
        if any(it.family == socket.AF_INET and it.address in wanted for it in addresses):
            return name
    raise xdp.Unavailable(f"no interface has the address {' or '.join(sorted(wanted))}")


def by_rings(spec: LaneSpec, shared: Shared, work: np.ndarray, log: Any) -> list[xdp.Queue]:
    """Let the feed lines come by AF_XDP, interface by interface, where the spec asks for it and it is to be had. Gives what must be kept open.

    The ordinary sockets stay: they hold the memberships, and take what the XDP program passes on.
    """
    if spec.receive != "af_xdp":
        return []
    lines: dict[str, list[tuple[int, str, str]]] = {}
    for v, venue in enumerate(spec.venues):
        for field, (address, interface, _) in zip(("fd_a", "fd_b"), venue.lines(), strict=True):
            if not address:
                continue
            try:
                lines.setdefault(interface_of(interface, address), []).append((v, field, address))
            except xdp.Unavailable as why:
                log.warning("received by recvmmsg", venue=venue.name, address=address, reason=str(why), cost=SLOWER)
    queues: list[xdp.Queue] = []
    used = 0
    for name, found in lines.items():
        try:
            queue = xdp.Queue(name, [multicast.split(address) for _, _, address in found])
        except xdp.Unavailable as why:
            log.warning("received by recvmmsg", interface=name, reason=str(why), cost=SLOWER)
            continue
        log.info("received by AF_XDP", interface=name, mode=queue.mode, pages=queue.pages, lines=[address for _, _, address in found])
        queues.append(queue)
        for k, (v, field, _) in enumerate(found):
            queue.rings[k]["socket"] = shared.venues[v][field]
            work[0]["rings"][used] = queue.rings[k]
            shared.venues[v][field] = RING - used
            used += 1
    return queues


def set_mode(spec: LaneSpec, shared: Shared, v: int, *, start: bool) -> bool:
    """Put a venue into the mode that the spec asks for; True when orders that are open there are to be canceled.

    Paper and the real thing never mix: what was on paper is over when a venue is armed; a venue that was armed is OFF afterwards, and is on paper
    again only from a start at which it holds nothing real.
    """
    row, venue = shared.venues[v], spec.venues[v]
    was = int(row["mode"])
    real = was in {Mode.ARMED, Mode.OFF} or row["have_order_session"] != 0
    wanted = Mode.ARMED if venue.armed else Mode.SHADOW if venue.shadow else Mode.PAPER
    if wanted == Mode.ARMED:
        row["armed_until_ns"] = venue.until_ns or at.NO_LIMIT
        if not real:
            cold.forget_paper(shared.lane, shared.insts, shared.products, shared.positions, shared.limits, v)
            row["have_order_session"], row["order_seq"], row["queries_out"] = 0, 1, 0
            row["session_state"], row["rx_len"], row["connect_at_ns"] = Session.DOWN, 0, 0
        row["mode"] = Mode.ARMED
        return False
    if real and not (start and _flat(shared, v)):
        row["mode"] = Mode.OFF
        return was == Mode.ARMED
    row["mode"], row["session_state"], row["fd_order"], row["rx_len"], row["tx_len"] = wanted, Session.UP, -1, 0, 0
    return False


def _flat(shared: Shared, v: int) -> bool:
    """Tell whether a venue holds nothing: no position, nothing open."""
    held = shared.positions.reshape(at.MAX_STRATEGIES, -1)[:, shared.insts["venue"] == v]
    return not any(np.any(held[name]) for name in ("position", "open_buy", "open_sell"))


def fill_limits(ready: "Ready", shared: Shared) -> None:
    """Put every limit and every `act when` in its place. What was staged is in it, or is older: it is forgotten."""
    limits.put(ready.limits, shared.limits)
    limits.fill_acts(ready.spec, shared.acts[int(shared.staged[0]["bound"])])
    staged = shared.staged[0]
    staged["done"], staged["running"] = staged["seq"], ready.terms


def share_exposure(spec: LaneSpec, shared: Shared) -> np.ndarray:
    """Point the lane at the exposure that its limits are about, its own or the one that lanes share; the array must be kept."""
    array = shared.exposure
    if spec.exposure:
        array = np.memmap(spec.exposure, at.EXPOSURE, "r+").reshape(-1, at.MAX_LANES)
    shared.control[0]["exposure"], shared.control[0]["money_row"] = array.ctypes.data, len(array) - at.MONEY_ROWS
    return array


def fill_polls(shared: Shared, work: np.ndarray) -> None:
    """List the descriptors that an idle lane sleeps on."""
    for v in range(int(shared.control[0]["n_venues"])):
        for k, field in enumerate(("fd_order", "fd_a", "fd_b", "fd_request")):
            fd = int(shared.venues[v][field])
            work[0]["polls"][4 * v + k] = (fd if fd >= NONE else work[0]["rings"][RING - fd]["fd"], 1, 0)


@dataclasses.dataclass(frozen=True)
class Ready:
    """What a spec names, loaded, and in no slot yet; `models` by file, content and features."""

    spec: LaneSpec
    models: dict[ModelKey, ort.Model]
    order: list[ModelKey]  # slot to model
    strategies: list[strategies.Compiled]
    params: list[np.ndarray]
    limits: np.ndarray  # LIMITS[strategies x instruments]
    told: bytes  # what the journal is told
    terms: int

    @property
    def slots(self) -> list[ort.Model]:
        """Give the model of each slot."""
        return [self.models[key] for key in self.order]


class Loaded:
    """What a lane runs besides its own code: kept alive here, because the loop knows only addresses."""

    def __init__(self, spec: LaneSpec, shared: Shared, work: np.ndarray, log: Any) -> None:
        self._shared, self._work, self._log = shared, work, log
        self.spec = spec
        self._models: dict[ModelKey, ort.Model] = {}
        self.models: list[ort.Model] = []
        self.strategies: list[strategies.Compiled] = []

    def ready(self, spec: LaneSpec) -> Ready:
        """Load what a spec names and is not loaded yet; the lane runs what it ran, and may run meanwhile.

        Raises ort.ModelError, strategies.StrategyError, OSError.
        """
        models: dict[ModelKey, ort.Model] = {}
        order: list[ModelKey] = []
        for it in spec.models:
            key = (it.file, hashlib.sha256(Path(it.file).read_bytes()).digest(), tuple(it.features))
            models[key] = models.get(key) or self._models.get(key) or ort.Model(Path(it.file), it.features)
            order.append(key)
        compiled = [strategies.load(Path(s.file)) for s in spec.strategies]
        blocks = [c.params(s.params) for c, s in zip(compiled, spec.strategies, strict=True)]
        rows = np.zeros(len(self._shared.positions), at.LIMITS)
        limits.fill(spec, rows)
        return Ready(spec, models, order, compiled, blocks, rows, spec.told(), spec.terms())

    def put(self, ready: Ready) -> None:
        """Put what is ready in its slots, all at once, and the limits in their places."""
        spec = ready.spec
        fill_limits(ready, self._shared)
        fresh = self.spec.strategies if self.strategies else []
        self._shared.products["model"] = -1
        for k, model in enumerate(ready.slots):
            self._place_model(k, model, spec)
        for k, (it, block) in enumerate(zip(ready.strategies, ready.params, strict=True)):
            known = k < len(fresh) and fresh[k].file == spec.strategies[k].file and self.strategies[k].address == it.address
            self._place_strategy(k, it, block, spec, known=known)
        self._shared.strategies[len(ready.strategies) :]["address"] = 0
        self._shared.control[0]["n_strategies"] = len(ready.strategies)
        self._models, self.models, self.strategies, self.spec = ready.models, ready.slots, ready.strategies, spec

    def load(self, spec: LaneSpec) -> None:
        """Load models and strategies, then put them in their slots. Raises as `ready`, before anything was changed."""
        self.put(self.ready(spec))

    def _place_model(self, k: int, model: ort.Model, spec: LaneSpec) -> None:
        desk = self._work[0]
        desk["models"][k][: len(model.call)] = model.call
        desk["model_in"][k], desk["model_out"][k] = model.input.ctypes.data, model.output.ctypes.data
        names = spec.models[k].features
        desk["model_n"][k] = len(names)
        desk["model_feature"][k][: len(names)] = [NAMES.index(name) for name in names]
        for p, symbol in enumerate(spec.products):
            if not spec.models[k].symbols or symbol in spec.models[k].symbols:
                self._shared.products[p]["model"] = k

    def _place_strategy(self, k: int, it: strategies.Compiled, block: np.ndarray, spec: LaneSpec, *, known: bool) -> None:
        row, said = self._shared.strategies[k], spec.strategies[k]
        self._shared.params[k].view(np.uint8)[: block.nbytes] = block.view(np.uint8)
        row["timer_ns"], row["budget_ns"] = it.timer_ns, said.budget_ns
        row["product_mask"] = sum(1 << p for p, symbol in enumerate(spec.products) if symbol in said.symbols)
        if known:
            row["fresh"] = 2
            return
        self._shared.states[k] = 0
        row["address"], row["fresh"], row["over_budget"], row["fault"] = it.address, 1, 0, 0
        row["halted"] = self._shared.control[0]["halt_strategy"][k]
        row["next_timer_ns"], row["seed"] = 0, said.seed

    def reload(self, ready: Ready) -> None:
        """Run by a new spec: what it names, its limits, its modes."""
        self.put(ready)
        for v in range(len(ready.spec.venues)):
            if set_mode(ready.spec, self._shared, v, start=False):
                cold.cancel_matching(self._shared.lane, self._shared.insts, self._shared.limits, v, -1, -1)


def take_up(spec: LaneSpec, shared: Shared) -> int:
    """Fill or recover the shared state; gives how many orders may still be open from before."""
    first = int(shared.control[0]["epoch"]) == 0
    fill_control(spec, shared)
    fill_books(spec, shared)
    fill_ticks(spec, shared)
    if first:
        shared.ref_slots[...] = -1
    limits.fill(spec, shared.limits)  # what is counted anew is held against them
    opened = cold.recover(shared.lane, shared.insts, shared.products, shared.positions, shared.limits)
    for v in range(len(spec.venues)):
        shared.venues[v]["fd_order"] = -1
    return int(opened)


def pin(core: int, log: Any) -> None:
    """Bind this process to a core; a core that is not to be had is said, not hidden."""
    if core < 0:
        return
    try:
        os.sched_setaffinity(0, {core})
    except OSError as error:
        log.warning("not pinned", core=core, reason=error.strerror, cost="migrations")


__all__ = ["Loaded", "Ready", "at_rest", "by_rings", "fill_polls", "fill_venues", "pin", "share_exposure", "sizes", "take_up"]
