"""The lane trades with an exchange: acks, fills, cancels, replaces, rejects, and the numbers that come of them."""

from core.codes import Counter


def test_an_order_is_acknowledged_filled_in_two_and_counted(lane, venue):
    lane.ask(b"B", 100, 999_900)
    lane.order_is("NEW", 100, 0)
    order = venue.orders[1]
    assert (order.side, order.qty, order.px, order.tif) == (b"B", 100, 999_900, 0)
    assert int(order.cl_ord_id, 16) == lane.orders()[0]["cl_ord_id"]
    venue.fill(order, 40)
    lane.order_is("PARTIALLY_FILLED", 60, 40)
    assert lane.worst() == (100, -40)
    venue.fill(order, 60)
    lane.order_is("FILLED", 0, 100)
    row = lane.position()
    assert (row["position"], row["cash"]) == (venue.tape.position, venue.tape.cash) == (100, -99_990_000)
    assert (row["open_buy"], row["n_open"], lane.shared.lane[0]["n_live"]) == (0, 0, 0)
    assert (lane.count(Counter.ORDERS), lane.count(Counter.FILLS), lane.count(Counter.BUYS)) == (1, 2, 1 + 1)
