"""Every ITCH message type, field by field: against tables written from the specification, hand-decoded messages and real captures."""

import json
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import itch
from core.jit import entry
from core.layout import MESSAGE
from noderrd.feeds import moldudp64, pcap, recording
from noderrd.replay import itch_fields


@entry
def decode(buf: np.ndarray, at: int, size: int, msg: np.ndarray) -> int:
    return itch.decode(buf, at, size, msg)


@entry
def encode(msg: np.ndarray, buf: np.ndarray, at: int) -> int:
    return itch.encode(msg, buf, at)


# Where the kernel keeps each field of the specification: by type where types differ, else by name.
PLACES = {
    "Message Type": "kind", "Stock Locate": "locate", "Tracking Number": "tracking", "Timestamp": "ts_ns", "Order Reference Number": "ref",
    "Original Order Reference Number": "ref", "New Order Reference Number": "new_ref", "Buy/Sell Indicator": "side", "Shares": "qty",
    "Executed Shares": "qty", "Cancelled Shares": "qty", "Stock": "stock", "Price": "px", "Attribution": "text", "Match Number": "match",
    "Printable": "code", "Execution Price": "px", "Event Code": "code", "Trading State": "code", "Reserved": "code2", "Reason": "text",
    "Reg SHO Action": "code", "MPID": "text", "Level 1": "px", "Level 2": "px2", "Level 3": "px3", "Breached Level": "code",
    "IPO Quotation Release Time": "lot", "IPO Quotation Release Qualifier": "code", "IPO Price": "px", "Auction Collar Reference Price": "px",
    "Upper Auction Collar Price": "px2", "Lower Auction Collar Price": "px3", "Auction Collar Extension": "lot", "Market Code": "code2",
    "Operational Halt Action": "code", "Cross Price": "px", "Cross Type": "code", "Paired Shares": "qty", "Imbalance Shares": "qty2",
    "Imbalance Direction": "code2", "Far Price": "px", "Near Price": "px2", "Current Reference Price": "px3", "Interest Flag": "code",
    "Open Eligibility Status": "code", "Minimum Allowable Price": "px", "Maximum Allowable Price": "px2", "Near Execution Price": "px3",
    "Near Execution Time": "qty", "Lower Price Range Collar": "text", "Upper Price Range Collar": "qty2", "Round Lot Size": "lot",
}  # fmt: skip
ATTRS = {  # fields that lie in `attrs`, as published: (first byte of attrs, first byte of the message)
    "R": (0, 19), "L": (0, 23), "I": (0, 49),
}  # fmt: skip


def unsigned(value, width):
    return int(value) & ((1 << 8 * width) - 1)


def check(message):
    """Decode with the kernel, compare every field with the table's reading, encode and get the bytes back."""
    kind, msg = chr(message[0]), np.zeros(1, MESSAGE)
    buf = np.frombuffer(message, np.uint8)
    assert decode(buf, 0, len(message), msg) == message[0]
    row, at = msg[0], 0
    for name, width, form in (*itch_fields.HEAD, *itch_fields.MESSAGES[kind]):
        raw = message[at : at + width]
        if name in PLACES:
            if name == "Buy/Sell Indicator":
                assert row["side"] == (0 if raw == b"B" else 1)
            else:
                assert unsigned(row[PLACES[name]], width) == int.from_bytes(raw, "big"), (kind, name)
        else:
            first, begins = ATTRS[kind]
            assert bytes(row["attrs"][first + at - begins :][:width]) == raw, (kind, name)
        assert form in {"a", "i", "p4", "p8"}
        at += width
    out = np.zeros(64, np.uint8)
    assert encode(msg, out, 3) == len(message)
    assert bytes(out[3 : 3 + len(message)]) == message


def test_lengths_are_those_of_the_specification():
    assert len(itch.LENGTHS) == 23
    assert itch.LENGTHS == itch_fields.LENGTHS


@pytest.mark.parametrize("kind", itch.LENGTHS)
@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_bytes_of_a_type_decode_and_come_back(kind, data):
    body = bytearray(kind.encode() + data.draw(st.binary(min_size=itch.LENGTHS[kind] - 1, max_size=itch.LENGTHS[kind] - 1)))
    if kind in "AFP":
        body[19] = data.draw(st.sampled_from(b"BS"))
    check(bytes(body))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_what_is_no_message_is_refused_by_reason(message):
    buf = np.frombuffer(message + bytes(64), np.uint8)
    answer = decode(buf, 0, len(message), np.zeros(1, MESSAGE))
    kind = chr(message[0]) if message else ""
    if not message:
        assert answer == itch.WRONG_LENGTH
    elif kind not in itch.LENGTHS:
        assert answer == itch.UNKNOWN_TYPE
    elif itch.LENGTHS[kind] != len(message):
        assert answer == itch.WRONG_LENGTH
    elif kind in "AFP" and message[19] not in b"BS":
        assert answer == itch.BAD_FIELD
    else:
        assert answer == message[0]


def test_hand_decoded_messages(data):
    """Values that people read off the bytes of 2019-12-30."""
    names = {
        "ts": "Timestamp", "locate": "Stock Locate", "tracking": "Tracking Number", "event": "Event Code", "stock": "Stock",
        "round_lot": "Round Lot Size",
        "state": "Trading State", "reason": "Reason", "action": "Reg SHO Action", "mpid": "MPID", "ref": "Order Reference Number",
        "side": "Buy/Sell Indicator", "price": "Price", "match": "Match Number", "old_ref": "Original Order Reference Number",
        "new_ref": "New Order Reference Number", "issue_subtype": "Issue Sub-Type", "luld_tier": "LULD Reference Price Tier",
        "etp_leverage": "ETP Leverage Factor", "market_category": "Market Category", "authenticity": "Authenticity",
    }  # fmt: skip
    rows = json.loads((data / "itch_golden_hex" / "golden_itch50_20191230.json").read_text())
    assert {row["type"] for row in rows} == set("SRHYLAEXDUP")
    for row in rows:
        message = bytes.fromhex(row["hex"])
        check(message)
        shown = itch_fields.read(message)
        for short, value in row["fields"].items():
            name = names.get(short, {"E": "Executed Shares", "X": "Cancelled Shares"}.get(row["type"], "Shares") if short == "shares" else None)
            if row["type"] == "L" and short == "state":
                name = "Market Participant State"
            if name is None:
                continue
            wanted = str(Decimal(value).scaleb(-4)) if short == "price" else value.rstrip() if isinstance(value, str) else value
            assert shown[name] == wanted, (row["type"], short)


def test_real_captures(data):
    """2023-08-22 as Nasdaq sent it, one capture a type."""
    seen = set()
    for file in sorted((data / "omi_pcaps" / "Nasdaq").glob("Nasdaq.Equities.TotalView.Itch*/*.pcap")):
        for packet in pcap.packets(file.read_bytes()):
            for message in moldudp64.read(pcap.segment(packet).payload).messages:
                check(message)
                seen.add(chr(message[0]))
    assert seen >= set("AFECXDUPQILHYJS")


@pytest.mark.parametrize("name", ["itch_ritch_simulated/ex20101224_lenprefixed.itch50.gz", "itch_start_of_day_heads/20190130_first4096bytes.itch50"])
def test_recordings(data, name):
    tape = recording.read(data / name)
    whole, seen = bytes(tape.data), set()
    for at in tape.offsets.tolist():
        message = whole[at : at + int.from_bytes(whole[at - 2 : at], "big")]
        if chr(message[0]) in "SRHYUFCQ" or len(seen) < 400:
            check(message)
            seen.add(message)
    assert len(seen) > 100
