import dataclasses

import pytest

from noderrd.demo.compare import Book, OpenOrder, Snapshot, compare

KEY = ("NSDQ", "AAPL")
SAME = Snapshot(
    books={KEY: Book((("10.0000", 100, 1), ("9.9900", 300, 2)), (("10.0100", 50, 1),))},
    positions={KEY: -40},
    orders={("NSDQ", 7): OpenOrder("AAPL", "buy", "9.9900", 100)},
)


def test_equal_snapshots_have_no_differences_and_are_counted():
    it = compare(SAME, SAME)
    assert (it.books, it.positions, it.orders) == ([], [], [])
    assert (it.books_checked, it.levels_compared, it.positions_nonzero, it.open_orders_compared) == (1, 3, 1, 1)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("books", {KEY: Book((("10.0000", 100, 1), ("9.9900", 299, 2)), (("10.0100", 50, 1),))}),
        ("books", {KEY: Book((("10.0000", 100, 1),), (("10.0100", 50, 1),))}),
        ("books", {}),
        ("books", {**SAME.books, ("NSDQ", "MSFT"): Book((), ())}),
        ("positions", {KEY: -41}),
        ("positions", {}),
        ("positions", {**SAME.positions, ("EDGE", "AAPL"): 1}),
        ("orders", {}),
        ("orders", {("NSDQ", 8): OpenOrder("AAPL", "buy", "9.9900", 100)}),
        ("orders", {("NSDQ", 7): OpenOrder("AAPL", "buy", "9.9900", 99)}),
        ("orders", {("NSDQ", 7): OpenOrder("AAPL", "sell", "9.9900", 100)}),
    ],
)
@pytest.mark.parametrize("swap", [False, True])
def test_any_difference_is_found_on_either_side(part, value, swap):
    other = dataclasses.replace(SAME, **{part: value})
    it = compare(SAME, other) if swap else compare(other, SAME)
    found = {name: bool(getattr(it, name)) for name in ("books", "positions", "orders")}
    assert found == {name: name == part for name in found}
