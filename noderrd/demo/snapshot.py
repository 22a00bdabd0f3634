"""The two sides' words, from what they answer to what `compare` takes."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from noderrd.demo.compare import Book, Level, OpenOrder, Snapshot

CENT_OF_CENT = Decimal("0.0001")
SIDES = {"B": "buy", "S": "sell", "BUY": "buy", "SELL": "sell"}
OVER = {"FILLED", "CANCELED", "REPLACED", "REJECTED", "EXPIRED", "DENIED", "NONE"}
PENDING = {"PENDING_NEW", "PENDING_CANCEL", "PENDING_REPLACE"}


def price(text: str) -> str:
    """Write a price in one way: four decimals."""
    return str(Decimal(text).quantize(CENT_OF_CENT))


def levels(rows: Iterable[Iterable[Any]]) -> tuple[Level, ...]:
    """Read a side of a book: [price, shares, orders] each, best first."""
    return tuple((price(px), int(qty), int(orders)) for px, qty, orders in rows)


def of_node(books: dict[str, Any], positions: dict[str, Any], orders: dict[str, Any]) -> Snapshot:
    """Read the answers of `noderrctl books`, `positions` and `orders`; positions are summed over strategies."""
    held: dict[tuple[str, str], int] = {}
    for row in positions["positions"]:
        key = (row["venue"], row["symbol"])
        held[key] = held.get(key, 0) + int(row["position"])
    return Snapshot(
        books={(row["venue"], row["symbol"]): Book(levels(row["bids"]), levels(row["asks"])) for row in books["books"]},
        positions={key: n for key, n in held.items() if n != 0},
        orders={
            (row["venue"], int(row["user_ref_num"])): OpenOrder(row["symbol"], SIDES[row["side"].upper()], price(row["px"]), int(row["leaves_qty"]))
            for row in orders["orders"]
            if row["ord_status"].upper() not in OVER
        },
    )


def waits(orders: dict[str, Any]) -> int:
    """Count the node's orders whose request the venue has not answered yet."""
    return sum(row["ord_status"].upper() in PENDING for row in orders["orders"])


def of_venues(answers: Mapping[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]) -> Snapshot:
    """Read the admin answers `books`, `positions` and `orders` of each venue."""
    books, held, orders = {}, {}, {}
    for venue, (said_books, said_positions, said_orders) in answers.items():
        for symbol, book in said_books["books"].items():
            books[venue, symbol] = Book(levels(book["bids"]), levels(book["asks"]))
        for symbol, row in said_positions["positions"].items():
            if int(row["position"]) != 0:
                held[venue, symbol] = int(row["position"])
        for row in said_orders["orders"]:
            orders[venue, int(row["user_ref_num"])] = OpenOrder(row["symbol"], SIDES[row["side"].upper()], price(row["px"]), int(row["leaves_qty"]))
    return Snapshot(books, held, orders)
