"""SIGKILL at any moment: the next lane on the same file knows positions, open orders and numbers, and asks about what it does not know."""

import pytest

from core.codes import Counter, Halt, OrdStatus, Session


def test_positions_open_orders_and_numbers_come_back(make):
    desk = make()
    lane, venue = desk.lane, desk.venue
    desk.ask(b"B", 100, 999_900)
    desk.order_is("NEW", 100, 0)
    desk.ask(b"S", 200, 1_000_100)
    desk.order_is("NEW", 200, 0)
    venue.fill(venue.orders[1], 40)
    lane.until(lambda: desk.position["position"] == 40)
    before = desk.orders()
    lane.kill()
    venue.fill(venue.orders[2], 50)
    lane.start()
    lane.until(lambda: desk.position["position"] == -10)
    assert venue.logins[-1] == ("TEST000001", str(len(venue.sequenced) - 1)), "it goes on at the fill that it missed"
    assert [o["cl_ord_id"] for o in desk.orders()] == [o["cl_ord_id"] for o in before]
    assert [desk.order(k) for k in (0, 1)] == [("PARTIALLY_FILLED", 60, 40), ("PARTIALLY_FILLED", 150, 50)]
    assert desk.worst() == (-10 + 60, 150 + 10)
    assert lane.shared.lane[0]["n_live"] == 2
    assert desk.position["cash"] == desk.tape.cash
    lane.wait_live()
    desk.ask(b"B", 10, 999_900)
    desk.order_is("NEW", 10, 0)
    assert venue.orders[3].cl_ord_id not in {o.cl_ord_id for k, o in venue.orders.items() if k != 3}


def test_an_order_that_never_arrived_is_over_and_one_that_did_is_found(make):
    desk = make()
    lane, venue = desk.lane, desk.venue
    venue.on_enter = lambda order: None
    desk.ask(b"B", 100, 999_900)
    lane.until(lambda: len(venue.orders) == 1)
    desk.order_is("PENDING_NEW", 100, 0)
    lane.kill()
    taken = venue.orders.pop(1)
    venue.next_ref = 1  # it was lost on the way
    lane.start()
    desk.order_is("REJECTED", 0, 0)
    assert desk.worst() == (0, 0)
    lane.wait_live()
    desk.ask(b"B", 100, 999_900)
    lane.until(lambda: venue.orders)
    ref, order = next(iter(venue.orders.items()))
    assert ref > taken.ref, "a number is used once"
    lane.kill()
    venue.poll()
    for order in venue.orders.values():
        venue.accept(order)
    lane.start()
    desk.order_is("NEW", 100, 0)


def test_an_order_whose_fate_stays_unknown_keeps_its_reservation_and_halts_its_symbol(make):
    desk = make()
    lane, venue = desk.lane, desk.venue
    venue.on_enter = lambda order: None
    desk.ask(b"B", 100, 999_900)
    lane.until(lambda: len(venue.orders) == 1)
    lane.kill()
    lane.start()
    desk.order_is("UNKNOWN", 100, 0)
    assert lane.shared.halt_symbol[0] == Halt.RECONCILE
    assert desk.worst() == (100, 0)
    venue.accept(venue.orders[1])
    desk.order_is("NEW", 100, 0)
    venue.canceled(venue.orders[1], 100)
    desk.order_is("CANCELED", 0, 0)
    assert desk.worst() == (0, 0)


def test_an_answer_to_an_earlier_query_in_the_replay_does_not_end_it(make):
    """The lane dies with a query out; its answer lies in the replay before the acceptance of an order that went out behind it."""
    desk = make()
    lane, venue = desk.lane, desk.venue
    venue.on_query = lambda: None
    venue.hang_up()
    lane.until(lambda: lane.shared.venues[0]["session_state"] == Session.REPLAYING)
    venue.on_query = venue.answer_query
    lane.kill()
    venue.answer_query()  # of the query that the first lane put
    row = lane.shared.orders[0]
    row["cl_ord_id"], row["user_ref"], row["ord_status"], row["order_qty"], row["leaves_qty"], row["px"] = 77, 5, OrdStatus.PENDING_NEW, 100, 100, 1
    row["sent"] = 1
    lane.shared.venues[0]["next_ref"] = 6
    venue.orders[5] = order = type(venue).order_of(5, b"B", 100, "AAA", 999_900)
    venue.next_ref = 6
    venue.accept(order)
    lane.start()
    desk.order_is("NEW", 100, 0)


def opened(desk):
    """Open shares by ClOrdID, as the lane has them."""
    return {int(o["cl_ord_id"]): int(o["leaves_qty"]) for o in desk.orders() if o["leaves_qty"] > 0}


@pytest.mark.slow
@pytest.mark.parametrize("kills", [4])
def test_killed_again_and_again_in_the_middle_of_trading(make, kills):
    """Whatever the moment, positions and open shares equal the exchange's own once the lane is back."""
    desk = make()
    lane, venue = desk.lane, desk.venue
    for n in range(kills):
        lane.wait_live()
        for k in range(8):
            desk.ask(b"B" if k % 2 else b"S", 100, 999_900 if k % 2 else 1_000_100)
        lane.serve(0.01 + 0.01 * n)
        for order in list(venue.orders.values()):
            if order.leaves > 20:
                venue.fill(order, 20)
        lane.kill()
        venue.poll()
        lane.start()
        lane.until(lambda: lane.shared.venues[0]["order_seq"] == len(venue.sequenced) + 1)
        assert desk.position["position"] == desk.tape.position
        assert desk.position["cash"] == desk.tape.cash
        lane.until(lambda: opened(desk) == {int(o.cl_ord_id, 16): o.leaves for o in venue.orders.values() if o.leaves})
        assert desk.count(Counter.IMPOSSIBLE) == 0
    assert lane.shared.control[0]["epoch"] == 1 + kills


def test_sigterm_cancels_waits_for_the_word_logs_out_and_ends_with_0(make):
    desk = make()
    lane, venue = desk.lane, desk.venue
    desk.ask(b"B", 100, 999_900)
    desk.order_is("NEW", 100, 0)
    assert lane.stop() == 0
    assert venue.orders[1].leaves == 0
    assert desk.order() == ("CANCELED", 0, 0)
    assert "stopped" in lane.said()


def test_a_second_lane_on_the_same_state_is_refused(make):
    desk = make()
    lane = desk.lane
    other = type(lane)(lane.folder, lane.exchange)
    other.log = lane.folder / "other.log"
    other.spec = lane.spec
    try:
        other.start(wait=False)
    except AssertionError as error:
        assert "another lane holds this state" in str(error)  # noqa: PT017 - the message is the lane's
    else:
        raise AssertionError
    lane.until(lambda: lane.process.poll() is None)
