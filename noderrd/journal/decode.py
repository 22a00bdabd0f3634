"""What a record says, by names: for people, JSON and tables. Names come out of the journal itself, from the SPEC records before."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from core import layout as at
from core.codes import BookState, Change, Command, Denial, EventKind, Halt, IntentKind, JournalKind, OrdStatus, Scope, Side, TimeInForce
from noderrd.journal.read import records
from noderrd.lane import checkpoint
from noderrd.replay import ouch_fields

UNIT = 10_000  # of prices while no SPEC was read


def nothing(_: Any) -> str:
    """Name nothing."""
    return ""


class Names:
    """What the numbers of venues, instruments and strategies mean; learns from SPEC records in passing."""

    def __init__(self) -> None:
        self.spec: dict[str, Any] = {}
        self.sha256: dict[str, str] = {}
        self._parts: list[bytes] = []

    def learn(self, row: np.void) -> bool:
        """Take a piece of a SPEC; True when it was the last one and the names are new."""
        if row["ref"] == row["size"]:
            self._parts = []
        self._parts.append(data_of(row))
        if row["size"] > at.JOURNAL_DATA:
            return False
        text = b"".join(self._parts)
        self._parts = []
        if len(text) != row["ref"]:
            return False  # its beginning is in a segment that was deleted
        told = json.loads(text)
        self.spec, self.sha256 = told["spec"], told["sha256"]
        return True

    def _of(self, block: str, k: int, field: str) -> str:
        rows = self.spec.get(block, [])
        return str(rows[k][field]) if 0 <= k < len(rows) else ""

    def venue(self, k: int) -> str:
        """Name a venue; "" for none."""
        return self._of("venues", k, "name")

    def symbol(self, inst: int) -> str:
        """Name an instrument's symbol."""
        return self._of("instruments", inst, "symbol")

    def strategy(self, k: int) -> str:
        """Name a strategy."""
        return self._of("strategies", k, "name")

    def product(self, k: int) -> str:
        """Name a product."""
        found = self.spec.get("products", [])
        return str(found[k]) if 0 <= k < len(found) else ""

    def rule(self, k: int) -> str:
        """Give file:line of a rule."""
        found = self.spec.get("rules", [])
        return str(found[k]) if 0 <= k < len(found) else ""

    def instrument(self, venue: int, product: int) -> int:
        """Give the index of a product's instrument at a venue; -1 when it is not listed there."""
        for k, it in enumerate(self.spec.get("instruments", [])):
            if it["venue"] == venue and it["symbol"] == self.product(product):
                return k
        return -1

    def tick(self, product: int) -> int:
        """Give px a tick of a product: the greatest common divisor over its venues."""
        ticks = [it["tick"] for it in self.spec.get("instruments", []) if it["symbol"] == self.product(product)]
        return int(np.gcd.reduce(ticks)) if ticks else 1

    def unit(self, inst: int) -> int:
        """Give px a currency unit of an instrument."""
        rows = self.spec.get("instruments", [])
        return int(rows[inst]["unit"]) if 0 <= inst < len(rows) else UNIT

    def times(self, inst: int) -> float:
        """Give what a share at a price of one is worth in the account's currency: multiplier and rate of an instrument."""
        rows = self.spec.get("instruments", [])
        return rows[inst].get("multiplier", 1) * float(rows[inst].get("rate", 1)) if 0 <= inst < len(rows) else 1.0


def data_of(row: np.void) -> bytes:
    """Give a record's data, as far as it was kept."""
    return bytes(row["data"][: max(0, min(int(row["size"]), at.JOURNAL_DATA))])


def words(row: np.void) -> list[int]:
    """Give a record's data as int64."""
    data = data_of(row)
    return [int(w) for w in np.frombuffer(data[: len(data) // 8 * 8], np.int64)]


def price(px: int, unit: int) -> str:
    """Write px in the currency; "" for none."""
    return str(Decimal(px) / unit) if px else ""


def event_of(row: np.void) -> np.void:
    """Give the EVENT of a CALL."""
    found: np.void = np.frombuffer(data_of(row)[: at.EVENT.itemsize], at.EVENT)[0]
    return found


def intent_of(row: np.void) -> np.void:
    """Give the INTENT of an INTENT record."""
    found: np.void = np.frombuffer(data_of(row)[: at.INTENT.itemsize], at.INTENT)[0]
    return found


def _name(group: Any, value: int) -> str:
    return group(value).name if value in group.__members__.values() else str(value)


def _start(row: np.void, _: Names) -> dict[str, Any]:
    return {"epoch": int(row["ref"]), "open_orders": words(row)[0]}


def _tick(row: np.void, names: Names) -> dict[str, Any]:
    bid, ask = words(row)[:2]
    unit = names.unit(int(row["inst"]))
    return {
        "bid": price(bid, unit),
        "ask": price(ask, unit),
        "scores": [float(s) for s in np.frombuffer(data_of(row)[16:28], np.float32)],
        "held": bool(words(row)[3] >> 32 & Change.HELD),
    }


def _call(row: np.void, names: Names) -> dict[str, Any]:
    event, product = event_of(row), int(row["inst"])
    tail = data_of(row)[at.EVENT.itemsize :]
    states = {names.venue(v): [s.name for s in BookState if tail[v] & s] for v in range(len(names.spec.get("venues", [])))}
    said: dict[str, Any] = {"event": _name(EventKind, int(event["kind"])), "product": names.product(product), "states": states}
    if event["kind"] == EventKind.ORDER:
        said |= {"order_id": f"{int(event['order_id']):014X}", "ord_status": _name(OrdStatus, int(event["ord_status"]))}
    if event["last_qty"]:
        said |= {"last_px": price(int(event["last_px"]) * names.tick(product), UNIT), "last_qty": int(event["last_qty"])}
    return said


def _intent(row: np.void, names: Names) -> dict[str, Any]:
    it, product = intent_of(row), int(row["inst"])
    said: dict[str, Any] = {"intent": _name(IntentKind, int(it["kind"])), "product": names.product(product)}
    if it["kind"] in (IntentKind.NEW, IntentKind.REPLACE):
        said |= {"px": price(int(it["px"]) * names.tick(product), UNIT), "qty": int(it["qty"])}
    if it["kind"] == IntentKind.NEW:
        said |= {"side": _name(Side, int(it["side"])), "time_in_force": _name(TimeInForce, int(it["time_in_force"]))}
    if it["kind"] in (IntentKind.REPLACE, IntentKind.CANCEL):
        said["order_id"] = f"{int(it['order_id']):014X}"
    return said


def _denied(row: np.void, names: Names) -> dict[str, Any]:
    code, limit, value, rule = words(row)[:4]
    return {"code": _name(Denial, code), "limit": limit, "value": value, "rule": names.rule(rule)}


def _message(row: np.void, *, from_client: bool) -> dict[str, Any]:
    data = data_of(row)
    read = ouch_fields.read(data, from_client=from_client)
    return {"message": read if read is not None else data.hex()}


def _command(row: np.void, _: Names) -> dict[str, Any]:
    verb, scope, index, status = words(row)[:4]
    return {"verb": _name(Command, verb), "scope": _name(Scope, scope), "index": index, "status": status}


def _said(row: np.void) -> dict[str, Any]:
    return {"said": _text(row)}


def _fault(row: np.void, _: Names) -> dict[str, Any]:
    what, detail = words(row)[:2]
    return {"what": _name(Halt, what), "detail": detail}


def _login(row: np.void, _: Names) -> dict[str, Any]:
    out, first, last = words(row)[:3]
    session = (first.to_bytes(8, "big") + last.to_bytes(2, "big")).decode("ascii", "replace").strip("\0 ")
    return {"session": session, "next_seq_num": int(row["ref"]), "queries": out}


def _text(row: np.void, start: int = 0) -> str:
    return data_of(row)[start:].rstrip(b"\0").decode("utf-8", "replace")


def _held(told: np.void, *names: str) -> dict[str, Any]:
    """Give some of what a checkpoint's record holds."""
    return {name: int(told[name]) for name in names}


WHAT: dict[int, Any] = {
    JournalKind.START: _start,
    JournalKind.TICK: _tick,
    JournalKind.CALL: _call,
    JournalKind.INTENT: _intent,
    JournalKind.DENIED: _denied,
    JournalKind.SENT: lambda row, _: _message(row, from_client=True),
    JournalKind.RECEIVED: lambda row, _: _message(row, from_client=False),
    JournalKind.HALT: _command,
    JournalKind.RESUME: _command,
    JournalKind.COMMAND: _command,
    JournalKind.FAULT: _fault,
    JournalKind.ACCEPTED: lambda row, _: _said(row),
    JournalKind.TOLD: lambda row, _: _said(row),
    JournalKind.CLOCK: lambda row, _: dict(zip(("offset_ns", "error_ns", "synchronised", "drift_ns"), words(row)[:4], strict=True)),
    JournalKind.LOGIN: _login,
    JournalKind.SEALED: lambda row, _: {"day": int(row["ref"]), "said": _text(row)},
    JournalKind.ADJUSTED: lambda row, names: {
        "qty": int(row["ref"]),
        "px": price(words(row)[0], names.unit(int(row["inst"]))),
        "said": _text(row, 8),
    },
    JournalKind.POSITION: lambda row, _: _held(checkpoint.read(checkpoint.HELD, row), "position", "bought", "sold", "fills"),
    JournalKind.ORDER: lambda row, _: _held(checkpoint.read(checkpoint.OPEN, row), "user_ref", "order_qty", "cum_qty", "leaves_qty"),
    JournalKind.SESSION: lambda row, _: _held(checkpoint.read(checkpoint.SESSION, row), "order_seq", "next_ref"),
    JournalKind.ACCOUNT: lambda row, _: _held(checkpoint.read(checkpoint.ACCOUNT, row), "day_profit", "peak"),
    JournalKind.FEATURES: lambda row, _: {"features": [float(v) for v in np.frombuffer(data_of(row), np.float32)]},
    JournalKind.FEED: lambda row, _: {"bytes": int(row["size"])},
    JournalKind.EMPTIED: lambda row, _: {"next_seq_num": int(row["ref"]) or None},
    JournalKind.IMAGE: lambda row, _: {"bytes": int(row["size"]), "next_seq_num": int(row["ref"]) or None},
    JournalKind.GAP: lambda row, _: {"records": words(row)[0]},
}
ABOUT_ORDERS = (JournalKind.SENT, JournalKind.DENIED, JournalKind.ACCEPTED, JournalKind.ORDER)
ABOUT_PRODUCTS = (JournalKind.CALL, JournalKind.INTENT, JournalKind.FEATURES)  # `inst` is a product there
REFS = {
    JournalKind.RECEIVED: "seq_num", JournalKind.FEED: "seq_num", JournalKind.TICK: "seq_num", JournalKind.CALL: "decision",
    JournalKind.INTENT: "decision", JournalKind.FEATURES: "decision",
}  # fmt: skip


def told(row: np.void, names: Names) -> dict[str, Any]:
    """Give a record by names; what does not apply is left out."""
    kind = int(row["kind"])
    said: dict[str, Any] = {"seq": int(row["seq"]), "ts_ns": int(row["ts_ns"]), "kind": _name(JournalKind, kind)}
    product = kind in ABOUT_PRODUCTS
    pairs = {
        "venue": names.venue(int(row["venue"])) if kind != JournalKind.FEATURES else "",
        "symbol": names.product(int(row["inst"])) if product else names.symbol(int(row["inst"])),
        "strategy": names.strategy(int(row["strat"])),
    }
    said |= {name: value for name, value in pairs.items() if value}
    if kind in ABOUT_ORDERS:
        said["cl_ord_id"] = f"{int(row['ref']):014X}"
    elif kind in REFS:
        said[REFS[JournalKind(kind)]] = int(row["ref"])
    return said | WHAT.get(kind, lambda *_: {})(row, names)


def stream(folder: Path) -> Iterator[dict[str, Any]]:
    """Give every record by names, a lane after the other and the oldest first. Raises segment.Damaged, OSError."""
    names = Names()
    for block in records(folder):
        for row in block:
            if row["kind"] == JournalKind.SPEC:
                names.learn(row)
            else:
                yield told(row, names)
