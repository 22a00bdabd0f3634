"""Feeds line by line, and instruments, from shared memory to the objects that noderrctl prints."""

import time
from collections.abc import Iterable
from typing import Any

import numpy as np

from core.book import ROUND_LOTS_ONLY
from core.codes import Phase, Stamp
from noderrd.control.answers import money, states
from noderrd.control.lanes import Lane
from noderrd.feeds import drops

TRADING = {0: "never published", ord("H"): "halted", ord("P"): "paused", ord("Q"): "quotation only", ord("T"): "trading"}


def lines(lanes: Iterable[Lane]) -> dict[str, Any]:
    """Give what every line received, lost, sent twice or late; `recovered` is the venue's, over all of its lines.

    Counts are messages but for `received` and `kernel_drops`, which are datagrams (null: not to be had, as for a line that
    comes by AF_XDP). `stamp` is who says when a datagram came: `lane`, `kernel` or `hardware`; `waited_ns`, how long it lay until the lane had it, a
    running average (null where only the lane says). `buffer` is what the kernel granted, in bytes.
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
                stamp, told = Stamp(int(row["stamp"][k])), int(row["kernel_drops"][k])
                drop = dropped[descriptors[name]]
                found.append(
                    {
                        "venue": venue.name, "line": name, "received": int(row["received"][k]), "lost": int(row["lost"][k]),
                        "duplicate": int(row["duplicate"][k]), "out_of_order": int(row["out_of_order"][k]), "late": int(row["late"][k]),
                        "recovered": int(row["recovered"]),
                        "kernel_drops": max(drop, told) if drop is not None else told if descriptors[name] >= 0 else None,
                        "stamp": stamp.name.lower(), "waited_ns": int(row["waited_ns"][k]) if stamp else None, "buffer": int(row["buffer"][k]),
                        "receive": "recvmmsg" if descriptors[name] >= 0 else "af_xdp", "skew_ns": int(row["skew_ns"][k]),
                        "next_seq_num": int(row["line_seq"][k]), "silent_ns": now - int(row["line_ns"][k]) if row["line_ns"][k] else None,
                        "state": states(int(row["state"])), "address": address,
                    }
                )  # fmt: skip
    return {"lines": found}


def _code(value: int) -> str | None:
    """Give a character that the venue published; None for none."""
    return chr(value).strip() or None if value else None


def directory(row: np.void, unit: int) -> dict[str, Any]:
    """Give what a venue published of a symbol, by the names of ITCH 5.0; what it did not is null."""
    said = bytes(row["directory"])
    names = {
        "market_category": said[0:1], "financial_status": said[1:2], "issue_classification": said[7:8], "issue_sub_type": said[8:10],
        "authenticity": said[10:11], "short_sale_threshold": said[11:12], "ipo_flag": said[12:13], "luld_tier": said[13:14], "etp_flag": said[14:15],
        "inverse_indicator": said[19:20],
    }  # fmt: skip
    known = any(said)
    upper, lower = int(row["collar"][1]), int(row["collar"][2])
    return {
        "round_lot": int(row["round_lot"]) if known else None,
        "round_lots_only": said[ROUND_LOTS_ONLY : ROUND_LOTS_ONLY + 1] == b"Y" if known else None,
        **{name: value.decode("ascii", "replace").strip("\0 ") or None for name, value in names.items()},
        "etp_leverage_factor": int.from_bytes(said[15:19], "big") if known else None,
        "operational_halt": _code(int(row["operational"])), "reg_sho_action": _code(int(row["short_sale"])),
        "auction_collar": {"reference": money(int(row["collar"][0]), unit), "upper": money(upper, unit), "lower": money(lower, unit)}
        if row["collar"].any() else None,
    }  # fmt: skip


def _ticks(lane: Lane, table: int, tick: int, unit: int) -> list[list[str]]:
    """Give an instrument's ticks: from which price on, which."""
    bands = lane.spec.tick_tables[table - 1] if table else [(0, tick)]
    return [[money(px, unit), money(one, unit)] for px, one in bands]


def _session(venue: np.void, calendar: str) -> dict[str, Any] | None:
    """Give the present or next stretch of a venue's trading hours by its calendar; null where it has none."""
    if not venue["scheduled"]:
        return None
    now_ns = time.time_ns()
    ahead = [(int(begin), int(end)) for begin, end in venue["hours"] if end > now_ns]
    begin, end = ahead[0] if ahead else (None, None)
    return {"calendar": calendar, "open": not venue["shut"], "opens": begin, "closes": end}


def conflict(row: np.void) -> str:
    """Say where configuration and the venue's directory do not agree; "" where they do."""
    own, lot = int(row["own_lot"]), int(row["lot"])
    return f"the lot is {lot}, not {own}: the venue takes round lots only" if lot != own else ""


def instruments(lanes: Iterable[Lane]) -> dict[str, Any]:
    """Give every instrument: what it trades in, what its venue says of it, and where its day stands. `lot` is what binds."""
    found = []
    for lane in lanes:
        for k, it in enumerate(lane.spec.instruments):
            row, venue = lane.shared.insts[k].copy(), lane.shared.venues[it.venue]
            found.append(
                {
                    "symbol": it.symbol, "venue": lane.spec.venues[it.venue].name, "venue_symbol": it.venue_symbol, "currency": it.currency,
                    "tick": money(it.tick, it.unit), "ticks": _ticks(lane, it.tick_table, it.tick, it.unit), "lot": int(row["lot"]),
                    "multiplier": it.multiplier, "px_unit": it.unit,
                    "locate": int(row["locate"]) if row["locate"] >= 0 else None, "trading": TRADING.get(int(row["trading"]), "unknown"),
                    "phase": Phase(int(venue["phase"])).name, "state": states(int(row["state"]) | int(venue["state"])),
                    "volume": int(row["volume"]), "last": money(int(row["last_px"]), it.unit) if row["last_px"] else None,
                    "session": _session(venue, lane.spec.venues[it.venue].hours.get("name", "")), "breaker": int(venue["breached"]) or None,
                    "conflict": conflict(row) or None, "directory": directory(row, it.unit),
                }
            )  # fmt: skip
    return {"instruments": found}
