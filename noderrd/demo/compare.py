"""Are the node's books, positions and orders the venues'? Plain values in, differences out.

All three are mappings from what a thing is called to what it is, taken from both sides at the same sequence numbers; whatever stands on one
side only is a difference too.
"""

import dataclasses
import itertools
from collections.abc import Hashable, Mapping
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

Level = tuple[str, int, int]  # price, shares, orders


@dataclasses.dataclass(frozen=True)
class Book:
    """Every level of a symbol at a venue, best first."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]

    @property
    def levels(self) -> int:
        """How many there are, both sides."""
        return len(self.bids) + len(self.asks)


@dataclasses.dataclass(frozen=True)
class OpenOrder:
    """An order that can still fill."""

    symbol: str
    side: str
    px: str
    leaves_qty: int


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """One side's word. Keys: (venue, symbol) for books and positions, (venue, UserRefNum) for orders. A position of 0 is not listed."""

    books: dict[tuple[str, str], Book]
    positions: dict[tuple[str, str], int]
    orders: dict[tuple[str, int], OpenOrder]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What was compared, and the differences in words."""

    books_checked: int
    levels_compared: int
    positions_nonzero: int
    open_orders_compared: int
    books: list[str]
    positions: list[str]
    orders: list[str]


def differences(what: str, ours: Mapping[Key, Value], theirs: Mapping[Key, Value]) -> list[str]:
    """Name every key whose values are not equal."""
    return [
        f"{what} {key}: the node has {ours.get(key, 'nothing')}, the venue {theirs.get(key, 'nothing')}"
        for key in sorted({*ours, *theirs}, key=str)
        if ours.get(key) != theirs.get(key)
    ]


def book_differences(ours: Mapping[tuple[str, str], Book], theirs: Mapping[tuple[str, str], Book]) -> list[str]:
    """Name every book that is not equal, with the first level in which it differs."""
    found = []
    for key in sorted({*ours, *theirs}):
        mine, yours = ours.get(key, Book((), ())), theirs.get(key, Book((), ()))
        if mine == yours and (key in ours) == (key in theirs):
            continue
        where = "is on one side only"
        for side in ("bids", "asks"):
            pairs = enumerate(itertools.zip_longest(getattr(mine, side), getattr(yours, side)))
            first = next(((k, a, b) for k, (a, b) in pairs if a != b), None)
            if first is not None:
                where = f"{side}, level {first[0] + 1}: the node has {first[1] or 'nothing'}, the venue {first[2] or 'nothing'}"
                break
        found.append(f"book {key}: {where}")
    return found


def compare(node: Snapshot, venues: Snapshot) -> Comparison:
    """Compare the node's word with the venues'."""
    return Comparison(
        books_checked=len(venues.books),
        levels_compared=sum(book.levels for book in venues.books.values()),
        positions_nonzero=len(venues.positions),
        open_orders_compared=len(venues.orders),
        books=book_differences(node.books, venues.books),
        positions=differences("position", node.positions, venues.positions),
        orders=differences("order", node.orders, venues.orders),
    )
