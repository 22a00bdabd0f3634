"""Feeds line by line, and instruments, from shared memory to the objects that noderrctl prints."""

import time
from collections.abc import Iterable
from typing import Any

from core.codes import Phase
from noderrd.control.answers import money, states
from noderrd.control.lanes import Lane
from noderrd.feeds import drops

TRADING = {0: "never published", ord("H"): "halted", ord("P"): "paused", ord("Q"): "quotation only", ord("T"): "trading"}
STAMP = "lane"  # receive times are read by the lane when it has the datagram, not by the kernel or the card


def lines(lanes: Iterable[Lane]) -> dict[str, Any]:
    """Give what every line received, lost, sent twice or late; `recovered` is the venue's, over all of its lines.

    Counts are messages but for `received` and `kernel_drops`, which are datagrams (null: not to be had, as for a line that
    comes by AF_XDP).
    """
    found = []
    for lane in lanes:
        now = time.time_ns()
        for v, venue in enumerate(lane.spec.venues):
            row = lane.shared.venues[v].copy()
            descriptors = {"a": int(row["fd_a"]), "b": int(row["fd_b"])}
            dropped = drops.of(lane.pid, descriptors.values())
            for k, (name, address) in enumerate((("a", venue.itch_a), ("b", venue.itch_b))):
                if not address:
                    continue
                found.append(
                    {
                        "venue": venue.name, "line": name, "received": int(row["received"][k]), "lost": int(row["lost"][k]),
                        "duplicate": int(row["duplicate"][k]), "out_of_order": int(row["out_of_order"][k]), "recovered": int(row["recovered"]),
                        "kernel_drops": dropped[descriptors[name]], "stamp": STAMP,
                        "receive": "recvmmsg" if descriptors[name] >= 0 else "af_xdp", "skew_ns": int(row["skew_ns"][k]),
                        "next_seq_num": int(row["line_seq"][k]), "silent_ns": now - int(row["line_ns"][k]) if row["line_ns"][k] else None,
                        "state": states(int(row["state"])), "address": address,
                    }
                )  # fmt: skip
    return {"lines": found}


def instruments(lanes: Iterable[Lane]) -> dict[str, Any]:
    """Give every instrument: what it trades in, and where its day stands."""
    found = []
    for lane in lanes:
        for k, it in enumerate(lane.spec.instruments):
            row, venue = lane.shared.insts[k].copy(), lane.shared.venues[it.venue]
            found.append(
                {
                    "symbol": it.symbol, "venue": lane.spec.venues[it.venue].name, "venue_symbol": it.venue_symbol, "currency": it.currency,
                    "tick": money(it.tick, it.unit), "lot": it.lot, "multiplier": it.multiplier, "px_unit": it.unit,
                    "locate": int(row["locate"]) if row["locate"] >= 0 else None, "trading": TRADING.get(int(row["trading"]), "unknown"),
                    "phase": Phase(int(venue["phase"])).name, "state": states(int(row["state"]) | int(venue["state"])),
                    "volume": int(row["volume"]), "last": money(int(row["last_px"]), it.unit) if row["last_px"] else None,
                }
            )  # fmt: skip
    return {"instruments": found}
