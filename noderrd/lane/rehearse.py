"""Warm-up: every path is taken once before the first real datagram.

The loop runs on scratch state, with datagrams from a socket of its own and the strategies and models of the day. What it does is thrown
away; what stays is compiled code, warm caches and touched pages.
"""

import dataclasses
import socket
import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from core import layout as at
from core import soupbintcp
from core.codes import JournalKind, Session
from noderrd.lane import cache, cold, prepare, snapshot
from noderrd.lane.clock import calibrate
from noderrd.lane.loop import run, settle
from noderrd.lane.memory import Shared
from noderrd.lane.spec import LaneSpec
from noderrd.lane.work import make

SESSION = b"REHEARSAL "
ROUNDS = 200


def _messages(spec: LaneSpec) -> list[bytes]:
    """Give ITCH messages that open one symbol and move its best prices, so that whoever trades has reason to."""
    it = spec.instruments[0]
    name = it.venue_symbol.encode().ljust(8)
    head = struct.Struct(">cHH6s")

    def stamp(kind: bytes, locate: int = 1) -> bytes:
        return head.pack(kind, locate, 0, (34_200 * 10**9).to_bytes(6, "big"))

    directory = (
        stamp(b"R")
        + name
        + b"Q"
        + b"N"
        + struct.pack(">I", it.lot)
        + b"N"
        + b"C"
        + b"Z "
        + b"P"
        + b"N"
        + b"N"
        + b"1"
        + b"N"
        + struct.pack(">I", 0)
        + b"N"
    )
    opening = [stamp(b"S", 0) + b"Q", directory, stamp(b"H") + name + b"T" + b" " + b"    "]
    middle = max(it.reference, 1_000_000) // it.tick * it.tick
    ticks = []
    for k in range(ROUNDS):
        shift = (k % 5 - 2) * it.tick
        for side, price in ((b"B", middle - it.tick + shift), (b"S", middle + 3 * it.tick + shift)):
            ticks.append(stamp(b"A") + struct.pack(">QcI8sI", 2 * k + (side == b"S") + 1, side, 100 * it.lot, name, price))
        if k >= 3:
            ticks.append(stamp(b"E") + struct.pack(">QIQ", 2 * (k - 3) + 1, it.lot, k + 1))
            ticks.append(stamp(b"D") + struct.pack(">Q", 2 * (k - 3) + 1))
            ticks.append(stamp(b"D") + struct.pack(">Q", 2 * (k - 3) + 2))
    return opening + ticks


def rehearse(spec: LaneSpec, log: Any) -> Shared:
    """Run every path on scratch state; gives that state, so that a test can look at what was taken."""
    with cache.compiling("lane", lambda: log.info("waiting for another process to compile")):
        return _rehearse(spec, log)


def _rehearse(spec: LaneSpec, log: Any) -> Shared:
    quiet = [dataclasses.replace(v, armed=True, until_ns=0, itch_a="", itch_b="", rerequest="", glimpse="") for v in spec.venues]
    scratch = dataclasses.replace(spec, venues=quiet, limits=[], exposure="", place=0, lanes=1, killed=False)
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="noderrd-rehearsal-") as folder:
        shared = Shared(Path(folder) / "lane", prepare.sizes(scratch), create=True)
        work = make()
        calibrate(shared.control, 0.02)
        exposure = prepare.share_exposure(scratch, shared)
        prepare.take_up(scratch, shared)
        prepare.fill_venues(scratch, shared)
        loaded = prepare.Loaded(scratch, shared, work, log)
        loaded.load(scratch)
        feed_in, feed_out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        feed_in.bind(("127.0.0.1", 0))
        order_in, order_out = socket.socketpair()
        order_out.setblocking(False)
        row = shared.venues[0]
        for v in range(len(scratch.venues)):
            shared.venues[v]["connect_at_ns"] = at.NO_LIMIT
        row["fd_a"], row["fd_order"], row["session_state"] = feed_in.fileno(), order_in.fileno(), Session.LOGIN_SENT
        order_out.send(soupbintcp.frame(b"A" + SESSION + b"1".rjust(20)))
        order_out.send(soupbintcp.frame(b"SQ" + bytes(8) + (1).to_bytes(4, "big") + bytes(2)))
        stop = np.zeros(1, np.int64)
        messages = _messages(scratch)
        for k, message in enumerate(messages):
            feed_out.sendto(
                SESSION + struct.pack(">QH", k + 1, 1) + struct.pack(">H", len(message)) + message, ("127.0.0.1", feed_in.getsockname()[1])
            )
            turn(shared, work, stop, 2)
            try:
                order_out.recv(1 << 16)
            except BlockingIOError:
                continue
        snapshot.warm(shared, work)
        _cold(shared, work)
        del exposure
        for one in (feed_in, feed_out, order_in, order_out):
            one.close()
    return shared


def _cold(shared: Shared, work: np.ndarray) -> None:
    """Call once what the loop returns to Python for: none of it may wait for the compiler later, while the venues wait for it."""
    state = (shared.lane, work, shared.halt_symbol, shared.insts, shared.px)
    rest = (shared.products, shared.positions, shared.limits)
    cold.cancel_matching(shared.lane, shared.insts, shared.limits, -1, -1, -1)
    cold.flatten(*state, *rest, -1, -1, -1, np.zeros(2, np.int64))
    cold.journal_words(shared.lane, JournalKind.COMMAND, -1, -1, -1, 0, 0, 0, 0, 0)
    cold.lost(shared.lane, work, shared.insts, *rest[:2], 0)
    settle(*state, shared.qty, *rest, shared.states, 1)
    cold.all_stop(*state, shared.qty, *rest, shared.states)
    cold.forget_paper(shared.lane, shared.insts, *rest, 0)


def turn(shared: Shared, work: np.ndarray, stop: np.ndarray, most: int, idle: int = 0) -> int:
    """Call the loop with the arrays of a shared file; gives its Reason."""
    return run(
        shared.lane, work, shared.halt_symbol, shared.insts, shared.px, shared.qty, shared.cnt, shared.table, shared.locates,
        shared.products, shared.positions, shared.tables, shared.states, stop, idle, most,
    )  # fmt: skip


__all__ = ["rehearse", "turn"]
