"""The judge: what the exchanges recorded against what the journal holds and what the node answered. All of it is counted; nothing is weighed."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core.codes import JournalKind
from noderrd.crash.exchange import Told
from noderrd.demo.snapshot import price
from noderrd.journal import decode
from noderrd.journal.read import records
from noderrd.journal.segment import Damaged
from noderrd.journal.verify import verify

Key = tuple[str, str]  # venue, symbol
MOST_WORDS = 20
ABOUT_ORDERS = b"AUCDEJ"  # OUCH 5.0 section 3: what an exchange says of a client's own order


@dataclasses.dataclass
class Findings:
    """What is wrong, counted, and the first of it in words."""

    lost: int = 0  # messages of an exchange, or orders that reached it, that the node's journal does not hold
    doubled: int = 0  # orders that reached an exchange twice, messages that the journal holds twice
    position_mismatches: int = 0
    open_order_mismatches: int = 0
    journal_breaks: int = 0  # bytes that are not what was written, a gap, a message that differs from what the exchange sent
    words: list[str] = dataclasses.field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """Give the five numbers."""
        return {k: v for k, v in dataclasses.asdict(self).items() if k != "words"}

    @property
    def good(self) -> bool:
        """Whether all five are 0."""
        return not any(self.counts.values())

    def say(self, text: str) -> None:
        """Remember the first ones in words."""
        if len(self.words) < MOST_WORDS:
            self.words.append(text)


def snapshot(found: Findings, told: Mapping[str, Told], positions: dict[str, Any], orders: dict[str, Any]) -> None:
    """Compare the node's last word, `noderrctl positions` and `orders`, with what the exchanges' records come to."""
    theirs = {(venue, symbol): n for venue, it in told.items() for symbol, n in it.positions.items() if n != 0}
    ours: dict[Key, int] = {}
    for row in positions["positions"]:
        ours[row["venue"], row["symbol"]] = ours.get((row["venue"], row["symbol"]), 0) + int(row["position"])
    for key in sorted({*theirs, *ours}):
        if theirs.get(key, 0) != ours.get(key, 0):
            found.position_mismatches += 1
            found.say(f"position {key}: the exchange has {theirs.get(key, 0)}, the node {ours.get(key, 0)}")
    open_there = {(venue, ref): (it.side, price(str(it.px / 10_000)), it.leaves_qty) for venue, t in told.items() for ref, it in t.orders.items()}
    over = {"FILLED", "CANCELED", "REPLACED", "REJECTED", "EXPIRED", "DENIED", "NONE"}
    open_here = {
        (row["venue"], int(row["user_ref_num"])): (row["side"].lower(), price(row["px"]), int(row["leaves_qty"]))
        for row in orders["orders"]
        if row["ord_status"] not in over
    }
    for place in sorted({*open_there, *open_here}):
        if open_there.get(place) != open_here.get(place):
            found.open_order_mismatches += 1
            found.say(f"order {place}: the exchange has {open_there.get(place)}, the node {open_here.get(place)}")


@dataclasses.dataclass
class Journaled:
    """What the journal holds of one exchange: (sequence number, message) received, and messages sent, in its order."""

    received: list[tuple[int, bytes]] = dataclasses.field(default_factory=list)
    sent: list[bytes] = dataclasses.field(default_factory=list)
    strangers: int = 0  # messages about orders that the node had forgotten


def journal(found: Findings, folder: Path, told: Mapping[str, Told], by_then: Mapping[str, int]) -> None:
    """Compare the journal with the exchanges' records: each message once, in order, as it was sent; each request that arrived was written before.

    `by_then`: how many messages the node must have; what an exchange says to a client that has logged out waits for its next login.
    """
    verdict = verify(folder)
    if verdict.first_bad is not None:
        found.journal_breaks += 1
        found.say(f"journal: {verdict.first_bad}")
    held = read(found, folder)
    for venue, it in told.items():
        mine = held.get(venue, Journaled())
        _received(found, venue, it.messages, mine.received, by_then[venue])
        _sent(found, venue, it.requests, mine.sent, canceled_by_guard(folder).get(venue, 0))
        if mine.strangers:
            found.lost += mine.strangers
            found.say(f"{venue}: {mine.strangers} messages are about orders that the node did not know any more")


def read(found: Findings, folder: Path) -> dict[str, Journaled]:
    """Sort the journal's messages by exchange."""
    held: dict[str, Journaled] = {}
    names = decode.Names()
    kinds = (JournalKind.SENT, JournalKind.RECEIVED, JournalKind.SPEC)
    try:
        for block in records(folder):
            for row in block[np.isin(block["kind"], kinds)]:
                if row["kind"] == JournalKind.SPEC:
                    names.learn(row)
                    continue
                one = held.setdefault(names.venue(int(row["venue"])), Journaled())
                if row["kind"] == JournalKind.SENT:
                    one.sent.append(decode.data_of(row))
                else:
                    one.received.append((int(row["ref"]), decode.data_of(row)))
                    one.strangers += bool(row["strat"] < 0 and row["data"][0] in ABOUT_ORDERS)
    except Damaged as bad:
        found.journal_breaks += 1
        found.say(f"journal: {bad}")
    return held


def _received(found: Findings, venue: str, messages: list[bytes], held: list[tuple[int, bytes]], by_then: int) -> None:
    expected = 1
    for seq, message in held:
        if seq < expected:
            found.doubled += 1
            found.say(f"{venue}: message {seq} is in the journal again")
            continue
        if seq > expected:
            found.lost += seq - expected
            found.say(f"{venue}: messages {expected} to {seq - 1} are not in the journal")
        expected = seq + 1
        if seq > len(messages):
            found.journal_breaks += 1
            found.say(f"{venue}: message {seq} was never sent by the exchange")
        elif messages[seq - 1] != message:
            found.journal_breaks += 1
            found.say(f"{venue}: message {seq} is not what the exchange sent")
    if expected <= by_then:
        found.lost += by_then - expected + 1
        found.say(f"{venue}: messages {expected} to {by_then} are not in the journal")


def canceled_by_guard(journal_folder: Path) -> dict[str, int]:
    """Give how many cancels the guard says that it sent, a venue: they stand in the guard's log and not in the journal."""
    found: dict[str, int] = {}
    log = journal_folder.parent / "logs" / "guard.jsonl"
    for line in log.read_text(errors="replace").splitlines() if log.exists() else []:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and "asked" in entry:
            found[str(entry.get("venue"))] = found.get(str(entry.get("venue")), 0) + int(entry["asked"])
    return found


def _sent(found: Findings, venue: str, requests: list[bytes], held: list[bytes], by_guard: int) -> None:
    """An exchange may lack the last requests of a connection that broke; what it has, the journal must have in the same order.

    Of cancels that the journal lacks, as many may be the guard's as it says that it sent.
    """
    k, refs = 0, set[bytes]()
    for request in requests:
        kind = request[:1]
        if kind not in b"OUX":
            continue  # account queries are about no order, and are not journaled
        if kind in b"OU":
            ref = request[1:5] if kind == b"O" else request[5:9]
            if ref in refs:
                found.doubled += 1
                found.say(f"{venue}: UserRefNum {int.from_bytes(ref, 'big')} was sent twice")
            refs.add(ref)
        if kind == b"X" and by_guard > 0 and request not in held[k:]:
            by_guard -= 1
            continue
        while k < len(held) and held[k] != request:
            k += 1
        if k == len(held):
            found.lost += 1
            found.say(f"{venue}: a request that arrived is not in the journal: {request.hex()}")
            return
        k += 1
