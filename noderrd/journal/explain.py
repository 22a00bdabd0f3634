"""Why is there this order, and what became of it: from the tick to the last message about it, out of the journal alone."""

from pathlib import Path
from typing import Any

import numpy as np

from core import layout as at
from core.codes import JournalKind
from noderrd.journal import decode
from noderrd.journal.read import records

ENTER, REPLACE = ord("O"), ord("U")


def explain(folder: Path, cl_ord_id: int) -> dict[str, Any]:
    """Give one key a stage, None for a stage that the journal does not hold; {} for an order it does not hold.

    Raises segment.Damaged, OSError.
    """
    found, names, before = _Order(cl_ord_id), decode.Names(), np.zeros(0, at.JOURNAL)
    for block in records(folder):
        for row in block[block["kind"] == JournalKind.SPEC]:
            names.learn(row)
        if not found.begun:
            mine = np.nonzero(np.isin(block["kind"], decode.ABOUT_ORDERS) & (block["ref"] == cl_ord_id))[0]
            if mine.size == 0:
                before = block
                continue
            found.begin(np.concatenate([before, block[: mine[0]]]), names)
            block = block[mine[0] :]  # noqa: PLW2901 - what is left of it is about what became of the order
        found.follow(block, names)
    return found.stages() if found.begun else {}


class _Order:
    """What was found out about one order so far."""

    def __init__(self, cl_ord_id: int) -> None:
        self._id, self.begun = cl_ord_id, False
        self._stages: dict[str, Any] = dict.fromkeys(("tick", "features", "model", "strategy", "risk"))
        self._events: list[dict[str, Any]] = []
        self._venue, self._refs, self._over = -1, set[int](), False

    def begin(self, past: np.ndarray, names: decode.Names) -> None:
        """Look back from the record that first names the order for what led to it."""
        self.begun = True
        intents = np.nonzero(past["kind"] == JournalKind.INTENT)[0]
        if intents.size == 0 or np.any(past[intents[-1] + 1 :]["kind"] != JournalKind.SENT):
            return  # an operator's order: no strategy asked for it
        intent = past[intents[-1]]
        decision, product = int(intent["ref"]), int(intent["inst"])
        self._stages["strategy"] = decode.told(intent, names)
        same = past[(past["ref"] == decision) & (past["inst"] == product)]
        calls, rows = same[same["kind"] == JournalKind.CALL], same[same["kind"] == JournalKind.FEATURES]
        if rows.size == 2:
            self._stages["features"] = features(rows)
        if calls.size:
            self._stages["strategy"] |= {"called": decode.told(calls[-1], names)}
        ticks = past[past["kind"] == JournalKind.TICK]
        at_venue = ticks[ticks["inst"] == names.instrument(int(calls[-1]["venue"]), product)] if calls.size else ticks[:0]
        ticks = at_venue if at_venue.size else ticks[np.isin(ticks["inst"], [names.instrument(v, product) for v in range(at.MAX_VENUES)])]
        if ticks.size:
            tick = decode.told(ticks[-1], names)
            scores, held = tick.pop("scores"), tick.pop("held")
            self._stages["tick"] = tick
            models = [m["name"] for m in names.spec.get("models", []) if not m["symbols"] or names.product(product) in m["symbols"]]
            told = dict(zip(("down", "flat", "up"), scores, strict=True))
            self._stages["model"] = {"models": models, "scores": told, "held": held} if models else None

    def follow(self, block: np.ndarray, names: decode.Names) -> None:
        """Collect what a block of records says about the order."""
        if self._over:
            return
        for row in block[np.isin(block["kind"], (*decode.ABOUT_ORDERS, JournalKind.RECEIVED))]:
            if row["kind"] == JournalKind.RECEIVED:
                if row["venue"] == self._venue and self._is_mine(row["data"]):
                    self._events.append(decode.told(row, names))
            elif row["ref"] == self._id:
                self._mine(row, names)
            elif row["kind"] == JournalKind.SENT and row["venue"] == self._venue and row["data"][0] == ENTER and number(row["data"], 1) in self._refs:
                self._over = True  # a later session numbers its orders from 1 again
                return

    def _mine(self, row: np.void, names: decode.Names) -> None:
        if row["kind"] == JournalKind.DENIED:
            self._stages["risk"] = decode.told(row, names)
            return
        if self._stages["risk"] is None:
            self._stages["risk"] = {"code": "PASS", "ts_ns": int(row["ts_ns"])}
        self._venue = int(row["venue"])
        self._refs.add(number(row["data"], 5 if row["data"][0] == REPLACE else 1))
        self._events.append(decode.told(row, names))

    def _is_mine(self, message: np.ndarray) -> bool:
        return message[0] not in b"SQ" and number(message, 9) in self._refs

    def stages(self) -> dict[str, Any]:
        """Give what was found."""
        return {"cl_ord_id": f"{self._id:014X}", **self._stages, "events": self._events}


def number(data: np.ndarray, start: int) -> int:
    """Read four bytes, big-endian."""
    return int.from_bytes(bytes(data[start : start + 4]), "big")


def features(rows: np.ndarray) -> dict[str, float]:
    """Give features by name from their two records."""
    from noderrd.lane import cache

    cache.prepare()
    from core.feature import NAMES

    values = np.frombuffer(b"".join(decode.data_of(row) for row in rows), np.float32)
    return {name: float(value) for name, value in zip(NAMES, values, strict=False)}
