"""Fields of wire messages by their name in a specification: tables of (name, width, kind), read without regard to what a kernel needs.

Kinds: "a" text, padding taken off; "i" unsigned integer; "p4", "p8" price with so many decimals. Given as text, int and decimal string.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

Field = tuple[str, int, str]


def width(fields: Sequence[Field]) -> int:
    """Give how many bytes the fields take."""
    return sum(size for _, size, _ in fields)


def read(fields: Sequence[Field], message: bytes) -> dict[str, Any]:
    """Read the fields that stand one behind the other from the beginning of a message that is long enough."""
    values, at = dict[str, Any](), 0
    for name, size, kind in fields:
        raw = message[at : at + size]
        at += size
        if kind == "a":
            values[name] = raw.decode("ascii", "replace").rstrip()
        elif kind == "i":
            values[name] = int.from_bytes(raw, "big")
        else:
            values[name] = str(Decimal(int.from_bytes(raw, "big")).scaleb(-int(kind[1])))
    return values
