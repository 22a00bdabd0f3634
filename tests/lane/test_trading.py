"""The lane trades with an exchange: acks, fills, cancels, replaces, rejects, and the numbers that come of them."""

from core.codes import Counter, Denial, JournalKind, OrdStatus


def test_an_order_is_acknowledged_filled_in_two_and_counted(desk):
    head = len(desk.lane.records())
    order = desk.send(b"B", 100, 999_900)
    desk.order_is("NEW", 100, 0)
    assert (order.side, order.qty, order.px, order.tif) == (b"B", 100, 999_900, 0)
    assert int(order.cl_ord_id, 16) == desk.orders()[0]["cl_ord_id"]
    desk.venue.fill(order, 40)
    desk.order_is("PARTIALLY_FILLED", 60, 40)
    assert desk.worst() == (100, -40)
    desk.venue.fill(order, 60)
    desk.order_is("FILLED", 0, 100)
    row = desk.position
    assert (row["position"], row["cash"]) == (desk.tape.position, desk.tape.cash) == (100, -99_990_000)
    assert (row["open_buy"], row["n_open"]) == (0, 0)
    assert [desk.count(c) for c in (Counter.ORDERS, Counter.ACCEPTED, Counter.FILLS, Counter.BUYS, Counter.SELLS)] == [1, 1, 2, 2, 0]
    kinds = list(desk.lane.records()["kind"])[head:]
    for kind, least in ((JournalKind.INTENT, 1), (JournalKind.SENT, 1), (JournalKind.RECEIVED, 3)):
        assert kinds.count(kind) >= least
    assert kinds.index(JournalKind.INTENT) < kinds.index(JournalKind.SENT) < kinds.index(JournalKind.RECEIVED)


def test_cancel_replace_reject_and_immediate_or_cancel(desk):
    desk.send(b"S", 300, 1_000_100)
    desk.order_is("NEW", 300, 0)
    new = desk.send(b"S", 900_200, 1_000_200)
    desk.order_is("NEW", 200, 0)
    assert (desk.orders()[0]["user_ref"], desk.orders()[0]["px"]) == (new.ref, 1_000_200)
    desk.venue.on_replace = lambda order, new: desk.venue.rejected(new)
    desk.send(b"S", 900_500, 1_000_300)
    desk.until(lambda: desk.count(Counter.REJECTED) == 1)
    desk.order_is("NEW", 200, 0)
    desk.ask(b"S", 999_999, 1_000_300)
    desk.order_is("CANCELED", 0, 0)
    assert desk.send(b"B", 800_050, 999_900).tif == 3
    desk.until(lambda: len(desk.orders()) == 2)
    desk.order_is("CANCELED", 0, 0)
    desk.venue.on_enter = lambda order: desk.venue.rejected(order, 13)
    desk.send(b"B", 50, 999_900)
    desk.order_is("REJECTED", 0, 0)
    assert desk.orders()[-1]["reason"] == 13
    assert desk.worst() == (0, 0)


def test_a_sale_of_more_than_is_held_goes_out_as_a_long_and_a_short_one(desk):
    desk.venue.fill(desk.send(b"B", 100, 999_900), 100)
    desk.order_is("FILLED", 0, 100)
    desk.ask(b"S", 250, 1_000_100)
    desk.until(lambda: len(desk.entered()) == 3)
    assert [(o.side, o.qty) for o in desk.entered()[1:]] == [(b"S", 100), (b"T", 150)]
    desk.order_is("NEW", 150, 0)
    assert desk.worst() == (100, 150)


def test_a_replace_may_not_turn_a_covered_sale_into_a_short_one(desk):
    desk.venue.fill(desk.send(b"B", 100, 999_900), 100)
    desk.order_is("FILLED", 0, 100)
    assert desk.send(b"S", 100, 1_000_100).side == b"S"
    desk.order_is("NEW", 100, 0)
    desk.ask(b"S", 900_150, 1_000_200)
    assert desk.denied() == Denial.CROSSES_ZERO
    assert (desk.denials()[0]["denial_limit"], desk.denials()[0]["denial_value"]) == (0, 50)
    assert len(desk.entered()) == 2
    assert desk.worst() == (100, 0)


def test_two_strategies_do_not_meet_each_other(make):
    desk = make(n_strategies=2)
    desk.ask(b"B", 100, 1_000_000)
    desk.until(lambda: sum(o["ord_status"] == OrdStatus.NEW for o in desk.orders()) == 2)
    desk.ask(b"S", 100, 1_000_000)
    assert desk.denied(2) == Denial.SELF_MATCH
    assert {d["strat"] for d in desk.denials()} == {0, 1}


def test_orders_stop_exactly_at_the_limit_and_denials_name_it(make):
    desk = make(limits={"MAX_POSITION": 250})
    for _ in range(4):
        desk.ask(b"B", 100, 999_900)
    assert desk.denied(2) == Denial.MAX_POSITION
    assert [o["order_qty"] for o in desk.orders()] == [100, 100]
    denied = desk.denials()[0]
    assert (denied["denial_limit"], denied["denial_value"], denied["denial_rule"]) == (250, 300, 7)
    desk.send(b"B", 50, 999_900)
    desk.order_is("NEW", 50, 0)
    assert desk.worst() == (250, 0)


def test_a_book_that_is_halted_or_in_an_auction_is_not_traded(desk):
    for state in (b"H", b"Q"):
        desk.venue.trading(desk.inst + 1, state)
        desk.ask(b"B", 100, 999_900)
    desk.venue.trading(desk.inst + 1, b"T")
    desk.send(b"B", 100, 999_900)
    desk.order_is("NEW", 100, 0)
    assert len(desk.entered()) == 1


def test_a_strategy_that_answers_with_a_fault_is_halted_and_its_orders_are_canceled(desk):
    desk.send()
    desk.order_is("NEW", 100, 0)
    desk.ask(b"B", 999_998, 999_900)
    desk.order_is("CANCELED", 0, 0)
    assert desk.shared.control[0]["halt_strategy"][0] != 0
    desk.ask(b"B", 100, 999_900)
    desk.serve(0.1)
    assert len(desk.entered()) == 1
    assert desk.count(Counter.STRATEGY_FAULTS) == 1
    desk.until(lambda: "alarm" in desk.said())
