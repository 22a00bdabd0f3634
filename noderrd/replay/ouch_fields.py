"""OUCH 5.0 by the names of its specification: what a client sends (section 2) and what the exchange answers (section 3), with appendages."""

from typing import Any

from noderrd.replay import fields

TYPE: fields.Field = ("Type", 1, "a")
REF: fields.Field = ("UserRefNum", 4, "i")
TIME: fields.Field = ("Timestamp", 8, "i")
ID: fields.Field = ("ClOrdId", 14, "a")
LENGTH: fields.Field = ("Appendage Length", 2, "i")
SIDE, QUANTITY, SYMBOL, PRICE = ("Side", 1, "a"), ("Quantity", 4, "i"), ("Symbol", 8, "a"), ("Price", 8, "p4")
TIF, DISPLAY, CAPACITY = ("Time In Force", 1, "a"), ("Display", 1, "a"), ("Capacity", 1, "a")
SWEEP, CROSS, ORDER = ("InterMarket Sweep Eligibility", 1, "a"), ("CrossType", 1, "a"), ("Order Reference Number", 8, "i")
STATE: fields.Field = ("Order State", 1, "a")

FROM_CLIENT: dict[str, tuple[fields.Field, ...]] = {
    "O": (REF, SIDE, QUANTITY, SYMBOL, PRICE, TIF, DISPLAY, CAPACITY, SWEEP, CROSS, ID, LENGTH),
    "U": (("OrigUserRefNum", 4, "i"), REF, QUANTITY, PRICE, TIF, DISPLAY, SWEEP, ID, LENGTH),
    "X": (REF, QUANTITY),
    "M": (REF, SIDE, QUANTITY),
    "C": (REF, ("Firm", 4, "a"), SYMBOL),
    "D": (REF, ("Firm", 4, "a")),
    "E": (REF, ("Firm", 4, "a")),
    "Q": (),
}
FROM_EXCHANGE: dict[str, tuple[fields.Field, ...]] = {
    "S": (TIME, ("Event Code", 1, "a")),
    "A": (TIME, REF, SIDE, QUANTITY, SYMBOL, PRICE, TIF, DISPLAY, ORDER, CAPACITY, SWEEP, CROSS, STATE, ID, LENGTH),
    "U": (TIME, ("OrigUserRefNum", 4, "i"), REF, SIDE, QUANTITY, SYMBOL, PRICE, TIF, DISPLAY, ORDER, CAPACITY, SWEEP, CROSS, STATE, ID, LENGTH),
    "C": (TIME, REF, QUANTITY, ("Reason", 1, "a")),
    "D": (
        TIME, REF, ("Decrement Shares", 4, "i"), ("Reason", 1, "a"), ("Quantity Prevented From Trading", 4, "i"), ("Execution Price", 8, "p4"),
        ("Liquidity Flag", 1, "a"), ("AIQ Strategy", 1, "a"),
    ),
    "E": (TIME, REF, QUANTITY, PRICE, ("Liquidity Flag", 1, "a"), ("Match Number", 8, "i"), LENGTH),
    "B": (TIME, REF, ("Match Number", 8, "i"), ("Reason", 1, "a"), ID),
    "J": (TIME, REF, ("Reason", 2, "i"), ID),
    "P": (TIME, REF),
    "I": (TIME, REF),
    "T": (TIME, REF, PRICE, DISPLAY, ORDER),
    "M": (TIME, REF, SIDE, QUANTITY),
    "R": (TIME, REF, ("Reason", 1, "a")),
    "Q": (TIME, ("NextUserRefNum", 4, "i")),
}  # fmt: skip


def read(message: bytes, *, from_client: bool) -> dict[str, Any] | None:
    """Give every field of a message; None when its type or length is not in the specification."""
    kind = chr(message[0]) if message else ""
    table = (FROM_CLIENT if from_client else FROM_EXCHANGE).get(kind)
    if table is None or len(message) < 1 + fields.width(table):
        return None
    values, at = fields.read((TYPE, *table), message), 1 + fields.width(table)
    if LENGTH not in table and len(message) >= at + 2:  # later versions end every message with an appendage
        values |= fields.read((LENGTH,), message[at:])
        at += 2
    if len(message) != at + values.get("Appendage Length", 0):
        return None
    options = []
    while at < len(message):
        size = message[at]
        if size == 0 or at + 1 + size > len(message):
            return None
        options.append({"Option Tag": message[at + 1], "Option Value": message[at + 2 : at + 1 + size].hex()})
        at += 1 + size
    return values | ({"Optional Appendage": options} if options else {})
