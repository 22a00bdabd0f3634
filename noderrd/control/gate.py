"""The gate before a venue is armed: whatever is not as it must be is a line, and one line is enough for no.

The positions file is what another system (clearing, the back office, the evening before) says is held: CSV, a line `venue,symbol,position` each with
these names in its first line; what it does not name is 0. It is the start of a day: once a venue was armed after the file was written, trading has
moved on, and it is not held against the node again.
"""

import csv
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from core import layout as at
from core.codes import Halt, OrdStatus, Session, Writer
from noderrd.control.dropcopy import Comparison
from noderrd.control.lanes import Lane
from noderrd.telemetry import clock

DISK_LEAST = 512 << 20  # 50 segments of the journal
COLUMNS = ["venue", "symbol", "position"]
NEEDED = ("MAX_POSITION",)  # without it nothing bounds what a strategy can come to hold
SIZED = ("MAX_ORDER_QTY", "MAX_ORDER_VALUE")


def failures(lane: Lane, venue: str, folder: Path, positions: Path | None, armed_ns: int, clock_ns: int) -> list[str]:
    """Give what keeps `venue` from being armed; [] when nothing does.

    `folder`: the node's state; `positions`: the file, if there is one; `armed_ns`: when it was armed last; `clock_ns`: how good the clock must be
    (0: not asked).
    """
    v = [one.name for one in lane.spec.venues].index(venue)
    found = [*_limits(lane, v), *_session(lane, v), *_journal(lane, folder)]
    if positions is not None:
        found += _positions(lane, v, positions, armed_ns)
    return found + (clock.read().faults(clock_ns) if clock_ns else [])


def _limits(lane: Lane, v: int) -> Iterator[str]:
    """Name what can be traded there without a bound."""
    spec = lane.spec
    known = {(it.strategy, it.instrument): it.limits for it in spec.limits}
    for s, strategy in enumerate(spec.strategies):
        for k, it in enumerate(spec.instruments):
            if it.venue != v or it.symbol not in strategy.symbols:
                continue
            has = known.get((s, k), {})
            missing = [name for name in NEEDED if name not in has] + ([] if any(name in has for name in SIZED) else [" or ".join(SIZED)])
            if missing:
                yield f"limits: strategy {strategy.name} has no {', no '.join(missing).lower()} in {it.symbol}"


def _session(lane: Lane, v: int) -> Iterator[str]:
    """Name what is not settled with the venue."""
    shared, spec = lane.shared, lane.spec
    if int(shared.venues[v]["session_state"]) == Session.REFUSED:
        yield "sequence: the venue's session or number is not the one that the node knows, or it refuses the login"
    if int(shared.control[0]["halt_venue"][v]) == Halt.RECONCILE or int(shared.control[0]["halt_node"]) == Halt.RECONCILE:
        yield "reconcile: halted until somebody has looked (noderrctl reconcile)"
    for k, it in enumerate(spec.instruments):
        if it.venue == v and int(shared.halt_symbol[k]) == Halt.RECONCILE:
            yield f"reconcile: {it.symbol} is halted until somebody has looked (noderrctl reconcile)"
    unknown = np.count_nonzero((shared.orders["venue"] == v) & (shared.orders["ord_status"] == OrdStatus.UNKNOWN))
    if unknown:
        yield f"orders: the fate of {unknown} is not known"


def drop_copy(it: Comparison) -> Iterator[str]:
    """Name what of a venue's drop copy is not as it must be."""
    if not it.logged_in:
        yield "drop copy: not logged in"
    for one in it.differences:
        yield f"drop copy: {one.symbol or 'of no known symbol'}: {one.what}"


def _journal(lane: Lane, folder: Path) -> Iterator[str]:
    """Name what keeps the journal from being written."""
    control = lane.shared.control[0]
    if int(control["writer_state"]) != Writer.WRITING:
        why = os.strerror(int(control["writer_errno"])) if int(control["writer_errno"]) else "no writer runs"
        yield f"journal: {why}"
    free = shutil.disk_usage(folder).free
    if free < DISK_LEAST:
        yield f"disk: {free >> 20} MiB free in {folder}, less than {DISK_LEAST >> 20}"


def _positions(lane: Lane, v: int, path: Path, armed_ns: int) -> list[str]:
    """Name where the file and the node differ."""
    name = lane.spec.venues[v].name
    try:
        if path.stat().st_mtime_ns <= armed_ns:
            return []
        theirs = read(path)
    except (OSError, ValueError) as why:
        return [f"positions: {path}: {why.strerror if isinstance(why, OSError) else why}"]
    rows = lane.shared.positions.reshape(at.MAX_STRATEGIES, -1)["position"].sum(axis=0)
    ours = {it.symbol: int(rows[k]) for k, it in enumerate(lane.spec.instruments) if it.venue == v}
    said = {symbol: n for (venue, symbol), n in theirs.items() if venue == name}
    return [
        f"positions: {symbol}: {said.get(symbol, 0)} in {path.name}, {ours.get(symbol, 0)} here"
        for symbol in sorted({*said, *ours})
        if said.get(symbol, 0) != ours.get(symbol, 0)
    ]


def read(path: Path) -> dict[tuple[str, str], int]:
    """Read a positions file: {(venue, symbol): position}. Raises OSError, ValueError with the line that is wrong."""
    found: dict[tuple[str, str], int] = {}
    with path.open(newline="", encoding="utf-8") as file:
        lines = csv.reader(file)
        if next(lines, None) != COLUMNS:
            message = f"line 1: expected {','.join(COLUMNS)}"
            raise ValueError(message)
        for row in lines:
            if len(row) != len(COLUMNS) or not row[2].removeprefix("-").isdecimal() or (row[0], row[1]) in found:
                message = f"line {lines.line_num}: expected venue, symbol and a whole number, each pair once"
                raise ValueError(message)
            found[row[0], row[1]] = int(row[2])
    return found
