"""TotalView-ITCH 5.0 by the names of its specification (section 1): every message type, every field."""

from typing import Any

from noderrd.replay import fields

HEAD: tuple[fields.Field, ...] = (("Message Type", 1, "a"), ("Stock Locate", 2, "i"), ("Tracking Number", 2, "i"), ("Timestamp", 6, "i"))
ORDER: tuple[fields.Field, ...] = (
    ("Order Reference Number", 8, "i"), ("Buy/Sell Indicator", 1, "a"), ("Shares", 4, "i"), ("Stock", 8, "a"), ("Price", 4, "p4"),
)  # fmt: skip

MESSAGES: dict[str, tuple[fields.Field, ...]] = {
    "S": (("Event Code", 1, "a"),),
    "R": (
        ("Stock", 8, "a"), ("Market Category", 1, "a"), ("Financial Status Indicator", 1, "a"), ("Round Lot Size", 4, "i"),
        ("Round Lots Only", 1, "a"), ("Issue Classification", 1, "a"), ("Issue Sub-Type", 2, "a"), ("Authenticity", 1, "a"),
        ("Short Sale Threshold Indicator", 1, "a"), ("IPO Flag", 1, "a"), ("LULD Reference Price Tier", 1, "a"), ("ETP Flag", 1, "a"),
        ("ETP Leverage Factor", 4, "i"), ("Inverse Indicator", 1, "a"),
    ),
    "H": (("Stock", 8, "a"), ("Trading State", 1, "a"), ("Reserved", 1, "a"), ("Reason", 4, "a")),
    "Y": (("Stock", 8, "a"), ("Reg SHO Action", 1, "a")),
    "L": (("MPID", 4, "a"), ("Stock", 8, "a"), ("Primary Market Maker", 1, "a"), ("Market Maker Mode", 1, "a"), ("Market Participant State", 1, "a")),
    "V": (("Level 1", 8, "p8"), ("Level 2", 8, "p8"), ("Level 3", 8, "p8")),
    "W": (("Breached Level", 1, "a"),),
    "K": (("Stock", 8, "a"), ("IPO Quotation Release Time", 4, "i"), ("IPO Quotation Release Qualifier", 1, "a"), ("IPO Price", 4, "p4")),
    "J": (
        ("Stock", 8, "a"), ("Auction Collar Reference Price", 4, "p4"), ("Upper Auction Collar Price", 4, "p4"),
        ("Lower Auction Collar Price", 4, "p4"), ("Auction Collar Extension", 4, "i"),
    ),
    "h": (("Stock", 8, "a"), ("Market Code", 1, "a"), ("Operational Halt Action", 1, "a")),
    "A": ORDER,
    "F": (*ORDER, ("Attribution", 4, "a")),
    "E": (("Order Reference Number", 8, "i"), ("Executed Shares", 4, "i"), ("Match Number", 8, "i")),
    "C": (
        ("Order Reference Number", 8, "i"), ("Executed Shares", 4, "i"), ("Match Number", 8, "i"), ("Printable", 1, "a"),
        ("Execution Price", 4, "p4"),
    ),
    "X": (("Order Reference Number", 8, "i"), ("Cancelled Shares", 4, "i")),
    "D": (("Order Reference Number", 8, "i"),),
    "U": (("Original Order Reference Number", 8, "i"), ("New Order Reference Number", 8, "i"), ("Shares", 4, "i"), ("Price", 4, "p4")),
    "P": (*ORDER, ("Match Number", 8, "i")),
    "Q": (("Shares", 8, "i"), ("Stock", 8, "a"), ("Cross Price", 4, "p4"), ("Match Number", 8, "i"), ("Cross Type", 1, "a")),
    "B": (("Match Number", 8, "i"),),
    "I": (
        ("Paired Shares", 8, "i"), ("Imbalance Shares", 8, "i"), ("Imbalance Direction", 1, "a"), ("Stock", 8, "a"), ("Far Price", 4, "p4"),
        ("Near Price", 4, "p4"), ("Current Reference Price", 4, "p4"), ("Cross Type", 1, "a"), ("Price Variation Indicator", 1, "a"),
    ),
    "N": (("Stock", 8, "a"), ("Interest Flag", 1, "a")),
    "O": (
        ("Stock", 8, "a"), ("Open Eligibility Status", 1, "a"), ("Minimum Allowable Price", 4, "p4"), ("Maximum Allowable Price", 4, "p4"),
        ("Near Execution Price", 4, "p4"), ("Near Execution Time", 8, "i"), ("Lower Price Range Collar", 4, "p4"),
        ("Upper Price Range Collar", 4, "p4"),
    ),
}  # fmt: skip
LENGTHS = {kind: fields.width(HEAD) + fields.width(rest) for kind, rest in MESSAGES.items()}


def read(message: bytes) -> dict[str, Any] | None:
    """Give every field of a message; None when its type or length is not in the specification."""
    kind = chr(message[0]) if message else ""
    if LENGTHS.get(kind) != len(message):
        return None
    return fields.read((*HEAD, *MESSAGES[kind]), message)
