"""Venues that do not behave: in each scene position, what is reserved and the money equal an independent tape, and orders stop at the limit."""

from core import position
from core.codes import Command, Counter, Denial, Halt, JournalKind, Scope


def equal(desk, reserved):
    """Position, cash and fees are the tape's, and `reserved` shares are kept for what may still fill."""
    row, tape = desk.position, desk.tape
    assert row["position"] == tape.position
    assert position.wide(row["cash"], row["cash_high"]) == tape.cash
    assert row["fees"] == sum(q * (-20 if liquidity == b"A" else 30) for _, q, _, liquidity in tape.fills.values())
    assert (row["open_buy"], row["open_sell"]) == reserved
    shared = desk.shared.exposure[desk.inst, 0]
    assert (shared["buy"], shared["sell"]) == (row["position"] + row["open_buy"], row["open_sell"] - row["position"])


def test_one_that_never_acknowledges_is_asked_once_and_orders_stop_at_the_limit(desk):
    desk.venue.on_enter = lambda order: None
    for _ in range(5):
        desk.send()
    desk.ask(b"B", 100, 999_900)
    assert desk.denied() == Denial.MAX_POSITION
    equal(desk, (500, 0))
    asked = sum(r == b"Q" for r in desk.venue.requests)
    desk.until(lambda: all(desk.order(k)[0] == "UNKNOWN" for k in range(5)))
    assert asked < sum(r == b"Q" for r in desk.venue.requests) <= asked + 5, "each order is asked about once, several in one query"
    asked = sum(r == b"Q" for r in desk.venue.requests)
    assert desk.shared.halt_symbol[desk.inst] == Halt.RECONCILE
    desk.serve(2.5)
    assert sum(r == b"Q" for r in desk.venue.requests) == asked, "no loop"
    equal(desk, (500, 0))


def test_one_that_answers_nothing_at_all_leaves_orders_pending_and_counted(desk):
    desk.venue.on_enter = lambda order: None
    desk.venue.on_query = lambda: None
    desk.send()
    desk.until(lambda: desk.count(Counter.QUERIES) == 1)
    desk.serve(1.0)
    assert desk.order() == ("PENDING_NEW", 100, 0)
    assert desk.count(Counter.QUERIES) == 1
    equal(desk, (100, 0))
    desk.venue.answer_query()
    desk.order_is("UNKNOWN", 100, 0)
    equal(desk, (100, 0))


def test_one_that_acknowledges_late_after_fills(desk):
    desk.venue.on_enter = lambda order: None
    order = desk.send()
    order.leaves = 100
    desk.venue.fill(order, 30)
    desk.order_is("PARTIALLY_FILLED", 70, 30)
    equal(desk, (70, 0))
    desk.until(lambda: desk.count(Counter.FILLS) == 1)
    desk.venue.fill(order, 70)
    desk.order_is("FILLED", 0, 100)
    desk.venue.accept(order)
    desk.until(lambda: desk.count(Counter.IMPOSSIBLE) == 1)
    equal(desk, (0, 0))
    desk.until(lambda: "impossible" in desk.said())


def test_fills_while_a_cancel_is_pending(desk):
    desk.venue.on_cancel = lambda order: None
    order = desk.send()
    desk.order_is("NEW", 100, 0)
    desk.command(Command.CANCEL_ALL)
    desk.order_is("PENDING_CANCEL", 100, 0)
    desk.venue.fill(order, 60)
    desk.order_is("PENDING_CANCEL", 40, 60)
    equal(desk, (40, 0))
    desk.venue.canceled(order, 40)
    desk.order_is("CANCELED", 0, 60)
    equal(desk, (0, 0))


def test_a_cancel_that_gets_silence_is_asked_about_once_and_can_be_asked_again(desk):
    desk.venue.on_cancel = lambda order: None
    desk.send()
    desk.order_is("NEW", 100, 0)
    desk.command(Command.CANCEL_ALL)
    desk.order_is("PENDING_CANCEL", 100, 0)
    desk.order_is("NEW", 100, 0)
    assert desk.count(Counter.QUERIES) == 1
    desk.venue.on_cancel = lambda order: desk.venue.canceled(order, order.leaves)
    assert desk.command(Command.CANCEL_ALL)["acted"] == 1
    desk.order_is("CANCELED", 0, 0)
    equal(desk, (0, 0))


def test_a_replace_of_an_order_that_was_filled_meanwhile_gets_silence_and_ends(desk):
    order = desk.send()
    desk.order_is("NEW", 100, 0)
    desk.venue.on_replace = lambda order, new: None
    desk.ask(b"B", 900_200, 999_800)
    desk.until(lambda: desk.order()[0] == "PENDING_REPLACE")
    equal(desk, (200, 0))
    desk.venue.fill(order, 100)
    desk.until(lambda: desk.position["position"] == 100)
    equal(desk, (100, 0))
    desk.order_is("FILLED", 0, 100)
    equal(desk, (0, 0))
    assert desk.position["n_open"] == 0


def test_a_fill_under_the_old_number_before_the_replace_is_acknowledged(desk):
    desk.venue.on_replace = lambda order, new: (desk.venue.fill(order, 30), desk.venue.replaced(order, new))
    desk.send()
    desk.order_is("NEW", 100, 0)
    desk.ask(b"B", 900_150, 999_800)
    desk.order_is("PARTIALLY_FILLED", 120, 30)
    equal(desk, (120, 0))
    desk.venue.fill(desk.entered()[-1], 120)
    desk.order_is("FILLED", 0, 150)
    equal(desk, (0, 0))


def test_one_that_fills_more_than_was_ordered(desk):
    order = desk.send()
    desk.order_is("NEW", 100, 0)
    desk.venue.fill(order, 130)
    desk.order_is("FILLED", 0, 130)
    assert desk.count(Counter.OVERFILLS) == 1
    equal(desk, (0, 0))
    desk.venue.fill(order, 20)
    desk.until(lambda: desk.count(Counter.IMPOSSIBLE) == 1)
    equal(desk, (0, 0))


def test_one_that_busts_and_busts_again(desk):
    order = desk.send()
    desk.order_is("NEW", 100, 0)
    first, second = desk.venue.fill(order, 40), desk.venue.fill(order, 60, liquidity=b"R")
    desk.order_is("FILLED", 0, 100)
    equal(desk, (0, 0))
    desk.venue.bust(first)
    desk.until(lambda: desk.count(Counter.BUSTS) == 1)
    equal(desk, (0, 0))
    assert desk.order() == ("FILLED", 0, 60)
    desk.venue.bust(first)  # the same again
    desk.venue.bust(second)
    desk.until(lambda: desk.count(Counter.BUSTS) == 2)
    equal(desk, (0, 0))
    assert desk.tape.position == 0
    assert desk.shared.control[0]["halt_venue"][0] == 0
    desk.venue.bust(99)
    desk.until(lambda: desk.shared.control[0]["halt_venue"][0] == Halt.RECONCILE)


def test_busts_are_known_after_a_restart(make):
    desk = make(maker_mils=-20, taker_mils=30)
    order = desk.send()
    desk.order_is("NEW", 100, 0)
    match = desk.venue.fill(order, 100)
    desk.order_is("FILLED", 0, 100)
    desk.lane.kill()
    desk.venue.bust(match)
    desk.lane.start()
    desk.until(lambda: desk.count(Counter.BUSTS) == 1)
    equal(desk, (0, 0))


def test_other_terms_than_asked_a_restatement_a_reduction_and_a_self_match_cancel(desk):
    desk.venue.on_enter = lambda order: desk.venue.accept(order, px=999_800, qty=90)
    order = desk.send()
    desk.order_is("NEW", 90, 0)
    assert desk.orders()[0]["px"] == 999_800
    equal(desk, (90, 0))
    desk.venue.canceled(order, 20)
    desk.order_is("NEW", 70, 0)
    desk.venue.tell(b"R" + bytes(8) + order.ref.to_bytes(4, "big") + b"R")
    desk.venue.tell(b"D" + bytes(8) + order.ref.to_bytes(4, "big") + (30).to_bytes(4, "big") + b"Q" + bytes(4) + bytes(8) + b"A" + b"N")
    desk.order_is("NEW", 40, 0)
    equal(desk, (40, 0))
    desk.venue.tell(b"I" + bytes(8) + order.ref.to_bytes(4, "big"))
    desk.serve(0.05)
    assert desk.order() == ("NEW", 40, 0)
    assert desk.count(Counter.IMPOSSIBLE) == 0


def test_a_cancel_reject_after_the_fill_is_no_fault_of_anybody(desk):
    desk.venue.on_cancel = lambda order: (desk.venue.fill(order, 100), desk.venue.tell(b"I" + bytes(8) + order.ref.to_bytes(4, "big")))
    desk.send()
    desk.order_is("NEW", 100, 0)
    desk.command(Command.CANCEL_ALL)
    desk.order_is("FILLED", 0, 100)
    equal(desk, (0, 0))
    assert desk.count(Counter.IMPOSSIBLE) == 0


def test_an_accepted_order_that_is_dead_reserves_nothing(desk):
    desk.venue.on_enter = lambda order: desk.venue.accept(order, state=b"D")
    desk.send()
    desk.order_is("CANCELED", 0, 0)
    equal(desk, (0, 0))


def test_a_priority_update_moves_the_order_to_another_price_and_reference(desk):
    order = desk.send()
    desk.order_is("NEW", 100, 0)
    desk.venue.tell(b"T" + bytes(8) + order.ref.to_bytes(4, "big") + (999_800).to_bytes(8, "big") + b"Y" + (777).to_bytes(8, "big"))
    desk.until(lambda: desk.orders()[0]["order_ref"] == 777)
    assert (desk.orders()[0]["px"], desk.orders()[0]["queue_ahead"]) == (999_800, -1)
    desk.venue.fill(order, 100, px=999_800)
    desk.order_is("FILLED", 0, 100)
    equal(desk, (0, 0))
    assert desk.count(Counter.IMPOSSIBLE) == 0


def test_a_person_s_word_settles_an_order_that_nobody_knows_of(desk):
    """Journaled before it counts; the symbol trades again with the last one; an execution that comes after all is booked."""
    desk.venue.on_enter = lambda order: None
    first, second = desk.send(), desk.send()
    desk.until(lambda: all(desk.order(k)[0] == "UNKNOWN" for k in range(2)))
    number = [int(row["cl_ord_id"]) for row in desk.orders()]
    assert desk.command(Command.ACCEPT, ref=1, text=b"kim: a number that is none")["acted"] == 0
    assert desk.command(Command.ACCEPT, ref=number[0], text=b"kim: never arrived")["acted"] == 1
    assert desk.order(0) == ("CANCELED", 0, 0)
    equal(desk, (100, 0))
    assert desk.shared.halt_symbol[desk.inst] == Halt.RECONCILE, "there is another"
    assert desk.command(Command.ACCEPT, ref=number[1], text=b"kim: nor this")["acted"] == 1
    equal(desk, (0, 0))
    assert desk.shared.halt_symbol[desk.inst] == 0
    said = [row for row in desk.lane.records() if row["kind"] == JournalKind.ACCEPTED and row["inst"] == desk.inst]
    assert [(int(row["ref"]), bytes(row["data"]).rstrip(b"\0")) for row in said] == [
        (number[0], b"kim: never arrived"), (number[1], b"kim: nor this")
    ]  # fmt: skip
    assert desk.command(Command.ACCEPT, ref=number[1], text=b"kim: twice")["acted"] == 0
    second.leaves = 100
    desk.venue.fill(second, 30)
    desk.until(lambda: desk.count(Counter.IMPOSSIBLE) == 1)
    assert desk.position["position"] == 30
    equal(desk, (0, 0))
    assert first.executed == 0


def test_one_that_speaks_of_an_order_we_do_not_hold_is_halted(desk):
    desk.venue.canceled(desk.venue.order_of(77, b"B", 10, "AAA", 999_900), 10)
    desk.until(lambda: desk.shared.control[0]["halt_venue"][0] == Halt.RECONCILE)
    assert desk.count(Counter.UNKNOWN_REF) == 1
    desk.ask(b"B", 100, 999_900)
    assert desk.denied() == Denial.HALT_VENUE
    desk.command(Command.RESUME, Scope.VENUE)
    desk.send()
