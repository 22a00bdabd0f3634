"""The lane trades with an exchange: acks, fills, cancels, replaces, rejects, and the numbers that come of them."""

from lane.rig import Lane

from core.codes import Counter, Denial, JournalKind, Limit, OrdStatus


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
    assert (lane.count(Counter.ORDERS), lane.count(Counter.FILLS), lane.count(Counter.BUYS)) == (1, 2, 2)
    kinds = list(lane.records()["kind"])
    for kind, least in ((JournalKind.INTENT, 1), (JournalKind.SENT, 1), (JournalKind.RECEIVED, 4)):
        assert kinds.count(kind) >= least
    assert kinds.index(JournalKind.INTENT) < kinds.index(JournalKind.SENT)


def test_cancel_replace_reject_and_immediate_or_cancel(lane, venue):
    lane.ask(b"S", 300, 1_000_100)
    lane.order_is("NEW", 300, 0)
    lane.ask(b"S", 900_200, 1_000_200)
    lane.order_is("NEW", 200, 0)
    assert lane.orders()[0]["user_ref"] == 2
    assert lane.orders()[0]["px"] == 1_000_200
    venue.on_replace = lambda order, new: venue.rejected(new)
    lane.ask(b"S", 900_500, 1_000_300)
    lane.until(lambda: lane.count(Counter.REJECTED) == 1)
    lane.order_is("NEW", 200, 0)
    lane.ask(b"S", 999_999, 1_000_300)
    lane.order_is("CANCELED", 0, 0)
    lane.ask(b"B", 800_050, 999_900)
    lane.order_is("CANCELED", 0, 0)
    assert (len(lane.orders()), venue.orders[4].tif) == (2, 3)
    venue.on_enter = lambda order: venue.rejected(order, 13)
    lane.ask(b"B", 50, 999_900)
    lane.order_is("REJECTED", 0, 0)
    assert lane.orders()[-1]["reason"] == 13
    assert lane.worst() == (0, 0)


def test_a_sale_of_more_than_is_held_goes_out_as_a_long_and_a_short_one(lane, venue):
    lane.ask(b"B", 100, 999_900)
    lane.order_is("NEW", 100, 0)
    venue.fill(venue.orders[1], 100)
    lane.order_is("FILLED", 0, 100)
    lane.ask(b"S", 250, 1_000_100)
    lane.until(lambda: len(venue.orders) == 3)
    assert [(o.side, o.qty) for o in (venue.orders[2], venue.orders[3])] == [(b"S", 100), (b"T", 150)]
    lane.order_is("NEW", 150, 0)
    assert lane.worst() == (100, 150)


def test_two_strategies_do_not_meet_each_other(tmp_path, venue):
    lane = Lane(tmp_path, venue, n_strategies=2).start()
    lane.live_book()
    lane.ask(b"B", 100, 1_000_000)
    lane.until(lambda: sum(o["ord_status"] == OrdStatus.NEW for o in lane.orders()) == 2)
    lane.ask(b"S", 100, 1_000_000)
    lane.until(lambda: len(lane.denials()) == 2)
    assert {d["denial"] for d in lane.denials()} == {Denial.SELF_MATCH}
    lane.close()


def test_orders_stop_exactly_at_the_limit_and_denials_name_it(tmp_path, venue):
    lane = Lane(tmp_path, venue, limits={"MAX_POSITION": 250}).start()
    lane.live_book()
    for _ in range(4):
        lane.ask(b"B", 100, 999_900)
    lane.until(lambda: len(lane.denials()) == 2)
    assert [o["order_qty"] for o in lane.orders()] == [100, 100]
    denied = lane.denials()[0]
    assert (denied["denial"], denied["denial_limit"], denied["denial_value"], denied["denial_rule"]) == (Denial.MAX_POSITION, 250, 300, 7)
    lane.ask(b"B", 50, 999_900)
    lane.order_is("NEW", 50, 0)
    assert lane.worst() == (250, 0)
    assert Limit.MAX_POSITION == 3
    lane.close()


def test_a_book_that_is_halted_or_in_an_auction_is_not_traded(lane, venue):
    venue.trading(1, b"H")
    lane.ask(b"B", 100, 999_900)
    venue.trading(1, b"Q")
    lane.ask(b"B", 100, 999_900)
    venue.trading(1, b"T")
    lane.ask(b"B", 100, 999_900)
    lane.order_is("NEW", 100, 0)
    assert len(venue.orders) == 1


def test_a_strategy_that_answers_with_a_fault_is_halted_and_its_orders_are_canceled(lane, venue):
    lane.ask(b"B", 100, 999_900)
    lane.order_is("NEW", 100, 0)
    lane.ask(b"B", 999_998, 999_900)
    lane.order_is("CANCELED", 0, 0)
    assert lane.shared.control[0]["halt_strategy"][0] != 0
    lane.ask(b"B", 100, 999_900)
    lane.serve(0.1)
    assert len(venue.orders) == 1
    assert lane.count(Counter.STRATEGY_FAULTS) == 1
    lane.until(lambda: "alarm" in lane.said())
