"""What a lane holds, as journal records: so that a journal alone, and not all of it, gives positions, orders and numbers back after a power loss.

Written when a lane has taken its state up, and when a day is sealed. The last record is the account's own: a checkpoint without it is half of one.
Sums, reservations and books are not in it, for they are counted anew. Integers in this machine's byte order.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from core import layout as at
from core.codes import JournalKind, OrdStatus
from noderrd.lane.memory import Shared

HELD = np.dtype(
    [(name, "i8") for name in ("position", "cash", "cash_high", "cost", "realised", "realised_high", "fees", "bought", "sold", "fills")]
    + [("halted", "i8")]  # of the symbol at the venue
)
SMALL = ("side", "ord_status", "time_in_force", "flags", "sent", "asked")
WIDE = ("order_ref", "px", "pending_px", "cum_value", "sent_ns")
SHARES = ("user_ref", "pending_ref", "order_qty", "cum_qty", "leaves_qty", "pending_qty", "reserved_qty", "reason")
OPEN = np.dtype([(name, "i8") for name in WIDE] + [(name, "u4") for name in SHARES] + [(name, "u1") for name in SMALL])
SESSION = np.dtype(
    [("order_session", "u1", (10,)), ("have_order_session", "u1"), ("mode", "u1"), ("halted", "u4")]
    + [(name, "i8") for name in ("order_seq", "next_ref", "venue_next_ref", "queries_out", "armed_until_ns")]
)
ACCOUNT = np.dtype(
    [(name, "i8") for name in ("day_profit", "peak", "latched", "latched_rule", "latched_limit", "latched_value", "halted", "roll_ns")]
)
KINDS = (JournalKind.POSITION, JournalKind.ORDER, JournalKind.SESSION, JournalKind.ACCOUNT)
ORDER_NAMES = (*WIDE, *SHARES, *SMALL)
Record = tuple[JournalKind, int, int, int, int, np.ndarray]  # kind, venue, strategy, instrument, ref, uint8[JOURNAL_DATA]
OVER = (OrdStatus.NONE, OrdStatus.FILLED, OrdStatus.CANCELED, OrdStatus.REPLACED, OrdStatus.REJECTED, OrdStatus.EXPIRED, OrdStatus.DENIED)


def records(shared: Shared) -> Iterator[Record]:
    """Give what is to be journaled, in this order."""
    n = len(shared.insts)
    for index, row in enumerate(shared.positions):
        if row["fills"] or row["position"] or row["cash"] or shared.halt_symbol[index % n]:
            told = _filled(HELD, {name: row[name] for name in HELD.names[:-1]} | {"halted": shared.halt_symbol[index % n]})  # type: ignore[index]
            yield JournalKind.POSITION, int(shared.insts[index % n]["venue"]), index // n, index % n, 0, told
    for row in shared.orders[~np.isin(shared.orders["ord_status"], OVER)]:
        told = _filled(OPEN, {name: row[name] for name in ORDER_NAMES})
        yield JournalKind.ORDER, int(row["venue"]), int(row["strat"]), int(row["inst"]), int(row["cl_ord_id"]), told
    control = shared.control[0]
    for v in range(int(control["n_venues"])):
        row = shared.venues[v]
        values = {name: row[name] for name in SESSION.names if name != "halted"} | {"halted": control["halt_venue"][v]}  # type: ignore[union-attr]
        yield JournalKind.SESSION, v, -1, -1, int(row["order_seq"]), _filled(SESSION, values)
    for a, account in enumerate(shared.accounts):
        values = {name: account[name] for name in ACCOUNT.names[:-2]}  # type: ignore[index]
        halted = control["halt_node"] if a == at.MAX_STRATEGIES else control["halt_strategy"][a]
        yield JournalKind.ACCOUNT, -1, a, -1, int(control["epoch"]), _filled(ACCOUNT, values | {"halted": halted, "roll_ns": control["roll_ns"]})


def _filled(dtype: np.dtype, values: dict[str, Any]) -> np.ndarray:
    """Give a record's bytes."""
    row = np.zeros(1, dtype)
    for name, value in values.items():
        row[name] = value
    data = np.zeros(at.JOURNAL_DATA, np.uint8)
    data[: dtype.itemsize] = row.view(np.uint8)
    return data


def read(dtype: np.dtype, row: np.void) -> np.void:
    """Give what a journal record holds."""
    found: np.void = np.frombuffer(bytes(row["data"])[: dtype.itemsize], dtype)[0]
    return found


def is_last(row: np.void) -> bool:
    """Tell whether a record ends a checkpoint."""
    return bool(row["kind"] == JournalKind.ACCOUNT and row["strat"] == at.MAX_STRATEGIES)
