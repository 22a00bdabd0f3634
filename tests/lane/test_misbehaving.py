"""Venues that do not behave: in each scene position, what is reserved and the money equal an independent tape, and orders stop at the limit."""

import pytest
from lane.rig import Lane

from core import position
from core.codes import Command, Counter, Denial, Halt, Scope


@pytest.fixture
def lane(tmp_path, venue):
    it = Lane(tmp_path, venue, limits={"MAX_POSITION": 500}, maker_mils=-20, taker_mils=30).start()
    it.live_book()
    yield it
    it.close()


def fees(venue):
    return sum(q * (-20 if liquidity == b"A" else 30) for _, q, _, liquidity in venue.tape.fills.values())


def equal(lane, venue, reserved):
    """Position, cash and fees are the tape's, and `reserved` shares are kept for what may still fill."""
    row = lane.position()
    assert row["position"] == venue.tape.position
    assert position.wide(row["cash"], row["cash_high"]) == venue.tape.cash
    assert row["fees"] == fees(venue)
    assert (row["open_buy"], row["open_sell"]) == reserved
    assert lane.shared.exposure[0, 0]["buy"] == row["position"] + row["open_buy"]
    assert lane.shared.exposure[0, 0]["sell"] == row["open_sell"] - row["position"]


def send(lane, side=b"B", qty=100, px=999_900):
    before = len(lane.exchange.orders)
    lane.ask(side, qty, px)
    lane.until(lambda: len(lane.exchange.orders) > before)
    return lane.exchange.orders[max(lane.exchange.orders)]


def test_one_that_never_acknowledges_is_asked_once_and_orders_stop_at_the_limit(lane, venue):
    venue.on_enter = lambda order: None
    for _ in range(5):
        send(lane)
    lane.ask(b"B", 100, 999_900)
    lane.until(lane.denials)
    assert lane.denials()[-1]["denial"] == Denial.MAX_POSITION
    equal(lane, venue, (500, 0))
    asked = sum(r == b"Q" for r in venue.requests)
    lane.until(lambda: all(lane.order(k)[0] == "UNKNOWN" for k in range(5)))
    assert sum(r == b"Q" for r in venue.requests) == asked + 1
    assert lane.shared.halt_symbol[0] == Halt.RECONCILE
    lane.serve(2.5)
    assert sum(r == b"Q" for r in venue.requests) == asked + 1, "no loop"
    equal(lane, venue, (500, 0))


def test_one_that_answers_nothing_at_all_leaves_orders_pending_and_counted(lane, venue):
    venue.on_enter = lambda order: None
    venue.on_query = lambda: None
    send(lane)
    lane.until(lambda: lane.count(Counter.QUERIES) == 1)
    lane.serve(1.0)
    assert lane.order() == ("PENDING_NEW", 100, 0)
    assert lane.count(Counter.QUERIES) == 1
    equal(lane, venue, (100, 0))


def test_one_that_acknowledges_late_after_fills(lane, venue):
    venue.on_enter = lambda order: None
    order = send(lane)
    order.leaves = 100
    venue.fill(order, 30)
    lane.order_is("PARTIALLY_FILLED", 70, 30)
    equal(lane, venue, (70, 0))
    lane.until(lambda: lane.count(Counter.FILLS) == 1)
    venue.fill(order, 70)
    lane.order_is("FILLED", 0, 100)
    venue.accept(order)
    lane.until(lambda: lane.count(Counter.IMPOSSIBLE) == 1)
    equal(lane, venue, (0, 0))
    lane.until(lambda: "impossible" in lane.said())


def test_fills_while_a_cancel_is_pending(lane, venue):
    venue.on_cancel = lambda order: None
    order = send(lane)
    lane.order_is("NEW", 100, 0)
    lane.command(Command.CANCEL_ALL)
    lane.order_is("PENDING_CANCEL", 100, 0)
    venue.fill(order, 60)
    lane.order_is("PENDING_CANCEL", 40, 60)
    equal(lane, venue, (40, 0))
    venue.canceled(order, 40)
    lane.order_is("CANCELED", 0, 60)
    equal(lane, venue, (0, 0))


def test_a_cancel_that_gets_silence_is_asked_about_once_and_can_be_asked_again(lane, venue):
    venue.on_cancel = lambda order: None
    send(lane)
    lane.order_is("NEW", 100, 0)
    lane.command(Command.CANCEL_ALL)
    lane.order_is("PENDING_CANCEL", 100, 0)
    lane.order_is("NEW", 100, 0)
    assert lane.count(Counter.QUERIES) == 1
    venue.on_cancel = lambda order: venue.canceled(order, order.leaves)
    assert lane.command(Command.CANCEL_ALL)["acted"] == 1
    lane.order_is("CANCELED", 0, 0)
    equal(lane, venue, (0, 0))


def test_a_replace_of_an_order_that_was_filled_meanwhile_gets_silence_and_ends(lane, venue):
    order = send(lane)
    lane.order_is("NEW", 100, 0)
    venue.on_replace = lambda order, new: None
    lane.ask(b"B", 900_200, 999_800)
    lane.until(lambda: lane.order()[0] == "PENDING_REPLACE")
    equal(lane, venue, (200, 0))
    venue.fill(order, 100)
    lane.until(lambda: lane.position()["position"] == 100)
    equal(lane, venue, (100, 0))
    lane.order_is("FILLED", 0, 100)
    equal(lane, venue, (0, 0))
    assert lane.shared.lane[0]["n_live"] == 0


def test_a_fill_under_the_old_number_before_the_replace_is_acknowledged(lane, venue):
    venue.on_replace = lambda order, new: (venue.fill(order, 30), venue.replaced(order, new))
    send(lane)
    lane.order_is("NEW", 100, 0)
    lane.ask(b"B", 900_150, 999_800)
    lane.order_is("PARTIALLY_FILLED", 120, 30)
    equal(lane, venue, (120, 0))
    venue.fill(venue.orders[2], 120)
    lane.order_is("FILLED", 0, 150)
    equal(lane, venue, (0, 0))


def test_one_that_fills_more_than_was_ordered(lane, venue):
    order = send(lane)
    lane.order_is("NEW", 100, 0)
    venue.fill(order, 130)
    lane.order_is("FILLED", 0, 130)
    assert lane.count(Counter.OVERFILLS) == 1
    equal(lane, venue, (0, 0))
    venue.fill(order, 20)
    lane.until(lambda: lane.count(Counter.IMPOSSIBLE) == 1)
    equal(lane, venue, (0, 0))


def test_one_that_busts_and_busts_again(lane, venue):
    order = send(lane)
    lane.order_is("NEW", 100, 0)
    first, second = venue.fill(order, 40), venue.fill(order, 60, liquidity=b"R")
    lane.order_is("FILLED", 0, 100)
    equal(lane, venue, (0, 0))
    venue.bust(first)
    lane.until(lambda: lane.count(Counter.BUSTS) == 1)
    equal(lane, venue, (0, 0))
    assert lane.order() == ("FILLED", 0, 60)
    venue.tape.fill(first, b"B", 40, 999_900, b"A")
    venue.bust(first)  # the same again: our tape has it once
    venue.bust(second)
    lane.until(lambda: lane.count(Counter.BUSTS) == 2)
    equal(lane, venue, (0, 0))
    assert venue.tape.position == 0
    assert lane.shared.control[0]["halt_venue"][0] == 0
    venue.tape.fill(99, b"B", 1, 1, b"A")
    venue.bust(99)
    lane.until(lambda: lane.shared.control[0]["halt_venue"][0] == Halt.RECONCILE)


def test_busts_are_known_after_a_restart(lane, venue):
    order = send(lane)
    lane.order_is("NEW", 100, 0)
    match = venue.fill(order, 100)
    lane.order_is("FILLED", 0, 100)
    lane.kill()
    venue.bust(match)
    lane.start()
    lane.until(lambda: lane.count(Counter.BUSTS) == 1)
    equal(lane, venue, (0, 0))


def test_other_terms_than_asked_a_restatement_a_reduction_and_a_self_match_cancel(lane, venue):
    venue.on_enter = lambda order: venue.accept(order, px=999_800, qty=90)
    order = send(lane)
    lane.order_is("NEW", 90, 0)
    assert lane.orders()[0]["px"] == 999_800
    equal(lane, venue, (90, 0))
    venue.canceled(order, 20)
    lane.order_is("NEW", 70, 0)
    venue.tell(b"R" + bytes(8) + (1).to_bytes(4, "big") + b"R")
    venue.tell(b"D" + bytes(8) + (1).to_bytes(4, "big") + (30).to_bytes(4, "big") + b"Q" + bytes(4) + bytes(8) + b"A" + b"N")
    lane.order_is("NEW", 40, 0)
    equal(lane, venue, (40, 0))
    venue.tell(b"I" + bytes(8) + (1).to_bytes(4, "big"))
    lane.serve(0.05)
    assert lane.order() == ("NEW", 40, 0)
    assert lane.count(Counter.IMPOSSIBLE) == 0


def test_a_cancel_reject_after_the_fill_is_no_fault_of_anybody(lane, venue):
    venue.on_cancel = lambda order: (venue.fill(order, 100), venue.tell(b"I" + bytes(8) + order.ref.to_bytes(4, "big")))
    send(lane)
    lane.order_is("NEW", 100, 0)
    lane.command(Command.CANCEL_ALL)
    lane.order_is("FILLED", 0, 100)
    equal(lane, venue, (0, 0))
    assert lane.count(Counter.IMPOSSIBLE) == 0


def test_an_accepted_order_that_is_dead_reserves_nothing(lane, venue):
    venue.on_enter = lambda order: venue.accept(order, state=b"D")
    send(lane)
    lane.order_is("CANCELED", 0, 0)
    equal(lane, venue, (0, 0))


def test_one_that_speaks_of_an_order_we_do_not_hold_is_halted(lane, venue):
    venue.canceled(venue.order_of(77, b"B", 10, "AAA", 999_900), 10)
    lane.until(lambda: lane.shared.control[0]["halt_venue"][0] == Halt.RECONCILE)
    assert lane.count(Counter.UNKNOWN_REF) == 1
    lane.ask(b"B", 100, 999_900)
    lane.until(lane.denials)
    assert lane.denials()[-1]["denial"] == Denial.HALT_VENUE
    lane.command(Command.RESUME, Scope.VENUE)
    send(lane)
