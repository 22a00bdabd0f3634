"""Races as they really happen, each told as a story; and the undo log after a death at any point."""

import numpy as np
import pytest

from core import order_state as state
from core.codes import OrdStatus, Side
from core.jit import exposed
from core.layout import CONTROL, ORDER, POSITION

enter, accepted, replaced, canceled = exposed(state.enter), exposed(state.accepted), exposed(state.replaced), exposed(state.canceled)
executed, rejected, pending_replace = exposed(state.executed), exposed(state.rejected), exposed(state.pending_replace)
guard, settle, undo, crash_found = exposed(state.guard), exposed(state.settle), exposed(state.undo), exposed(state.crash_found)
cancel_rejected, modified, priority = exposed(state.cancel_rejected), exposed(state.modified), exposed(state.priority)
unanswered, busted = exposed(state.unanswered), exposed(state.busted)


class Story:
    """One order of 500 at 100, bought, sent; `now` reads like a line of the order's history."""

    def __init__(self, qty=500, side=Side.BUY):
        self.orders, self.positions, self.control = np.zeros(4, ORDER), np.zeros(2, POSITION), np.zeros(1, CONTROL)
        self.orders[1]["side"], self.orders[1]["px"], self.orders[1]["order_qty"], self.orders[1]["user_ref"] = side, 100, qty, 1
        enter(self.orders, 1, self.positions, 0)

    @property
    def args(self):
        return self.orders, 1, self.positions, 0

    def accept(self, px=100, qty=500, dead=False):
        return accepted(*self.args, px, qty, 77, dead, 5)

    def ask_replace(self, ref=2, px=101, qty=500):
        self.orders[1]["ord_status"] = OrdStatus.PENDING_REPLACE
        pending_replace(*self.args, ref, px, qty)

    def ask_cancel(self):
        self.orders[1]["ord_status"] = OrdStatus.PENDING_CANCEL

    def now(self):
        row, held = self.orders[1], self.positions[0]
        return (
            OrdStatus(row["ord_status"]).name,
            int(row["leaves_qty"]),
            int(row["cum_qty"]),
            int(held["position"]),
            int(held["open_buy"]),
            int(held["n_open"]),
        )


@pytest.fixture
def story():
    return Story()


def test_accepted_filled_in_two(story):
    assert story.now() == ("PENDING_NEW", 500, 0, 0, 500, 1)
    assert story.accept() == 1
    assert story.now() == ("NEW", 500, 0, 0, 500, 1)
    assert executed(*story.args, 100, 200, 3) == 1
    assert story.now() == ("PARTIALLY_FILLED", 300, 200, 200, 300, 1)
    assert executed(*story.args, 100, 300, 3) == 1
    assert story.now() == ("FILLED", 0, 500, 500, 0, 0)
    assert story.positions[0]["fees"] == 1500


def test_accepted_with_other_terms_than_asked(story):
    story.accept(px=99, qty=400)
    assert story.now() == ("NEW", 400, 0, 0, 400, 1)
    assert story.orders[1]["px"] == 99


def test_accepted_dead_reserves_nothing(story):
    story.accept(dead=True)
    assert story.now() == ("CANCELED", 0, 0, 0, 0, 0)


def test_rejected(story):
    assert rejected(*story.args, 1, ord("X")) == 1
    assert story.now() == ("REJECTED", 0, 0, 0, 0, 0)


def test_a_fill_while_a_cancel_is_pending(story):
    story.accept()
    story.ask_cancel()
    executed(*story.args, 100, 100, 0)
    assert story.now() == ("PENDING_CANCEL", 400, 100, 100, 400, 1)
    canceled(*story.args, 400, ord("U"))
    assert story.now() == ("CANCELED", 0, 100, 100, 0, 0)


def test_filled_before_the_cancel_arrived(story):
    story.accept()
    story.ask_cancel()
    executed(*story.args, 100, 500, 0)
    assert story.now() == ("FILLED", 0, 500, 500, 0, 0)
    assert canceled(*story.args, 100, ord("U")) == 0, "a cancel of a dead order is impossible"


def test_a_reduction_leaves_the_rest_open(story):
    story.accept()
    canceled(*story.args, 200, ord("U"))
    assert story.now() == ("NEW", 300, 0, 0, 300, 1)


def test_a_replace_reserves_the_worse_of_old_and_new_until_it_is_answered(story):
    story.accept()
    executed(*story.args, 100, 100, 0)
    story.ask_replace(qty=900)
    assert story.now() == ("PENDING_REPLACE", 400, 100, 100, 800, 1)
    executed(*story.args, 100, 50, 0)
    assert story.now() == ("PENDING_REPLACE", 350, 150, 150, 750, 1)
    assert replaced(*story.args, 2, 101, 750, 78, False, 9) == 1
    assert story.now() == ("PARTIALLY_FILLED", 750, 150, 150, 750, 1)
    assert story.orders[1]["user_ref"] == 2


def test_an_order_filled_whole_while_its_replace_is_pending_stays_reserved_until_the_answer(story):
    story.accept()
    story.ask_replace(qty=700)
    executed(*story.args, 100, 500, 0)
    assert story.now() == ("PENDING_REPLACE", 0, 500, 500, 200, 1)
    rejected(*story.args, 2, ord("Z"))
    assert story.now() == ("FILLED", 0, 500, 500, 0, 0)


def test_a_rejected_replace_leaves_the_original(story):
    story.accept()
    story.ask_replace()
    rejected(*story.args, 2, ord("Z"))
    assert story.now() == ("NEW", 500, 0, 0, 500, 1)


def test_an_invalid_replace_that_cancels_the_original(story):
    story.accept()
    story.ask_replace()
    canceled(*story.args, 500, ord("U"))
    assert story.now() == ("CANCELED", 0, 0, 0, 0, 0)


def test_a_fill_of_an_order_whose_fate_was_unknown(story):
    crash_found(story.orders, 1)
    assert story.now() == ("UNKNOWN", 500, 0, 0, 500, 1)
    executed(*story.args, 100, 200, 0)
    assert story.now() == ("PARTIALLY_FILLED", 300, 200, 200, 300, 1)


def test_a_fill_of_a_dead_order_moves_the_position_and_is_called_impossible(story):
    story.accept()
    canceled(*story.args, 500, ord("U"))
    assert executed(*story.args, 100, 100, 0) == 0
    assert story.now() == ("CANCELED", 0, 100, 100, 0, 0)


@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize("raised", [False, True])
def test_the_undo_log_puts_back_what_was_not_finished(story, applied, raised):
    story.accept()
    before = story.now()
    guard(story.control, story.orders, 1, story.positions, 0, 0, 42)
    if applied or raised:
        executed(*story.args, 100, 200, 0)
    done = story.now()
    assert undo(story.control, story.orders, story.positions, 43 if raised else 42) == (0 if raised else 1)
    assert story.now() == (done if raised else before)
    assert undo(story.control, story.orders, story.positions, 42) == 0, "the log is closed"


def test_a_settled_message_is_not_undone(story):
    story.accept()
    guard(story.control, story.orders, 1, story.positions, 0, 0, 42)
    executed(*story.args, 100, 200, 0)
    settle(story.control)
    assert undo(story.control, story.orders, story.positions, 42) == 0
    assert story.now() == ("PARTIALLY_FILLED", 300, 200, 200, 300, 1)


# ---- every transition

S = OrdStatus
LIVE = (S.PENDING_NEW, S.NEW, S.PARTIALLY_FILLED, S.PENDING_CANCEL, S.PENDING_REPLACE, S.UNKNOWN)
DEAD = (S.FILLED, S.CANCELED, S.REJECTED, S.EXPIRED, S.DENIED)


def at(status):
    """An order of 500 in a state: 100 of it are filled where the state says so; a replace to 600 is pending where it does."""
    story = Story()
    if status not in {S.PENDING_NEW, S.UNKNOWN, S.REJECTED, S.DENIED, S.EXPIRED}:
        story.accept()
    if status == S.PARTIALLY_FILLED:
        executed(*story.args, 100, 100, 0)
    elif status == S.FILLED:
        executed(*story.args, 100, 500, 0)
    elif status == S.CANCELED:
        canceled(*story.args, 500, 0)
    elif status == S.PENDING_CANCEL:
        story.ask_cancel()
    elif status == S.PENDING_REPLACE:
        story.ask_replace(qty=600)
    elif status == S.UNKNOWN:
        crash_found(story.orders, 1)
    elif status in {S.REJECTED, S.DENIED, S.EXPIRED}:
        rejected(*story.args, 1, 0)
        story.orders[1]["ord_status"] = status
    assert story.orders[1]["ord_status"] == status
    return story


EVENTS = {
    "accepted": lambda s: s.accept(qty=int(s.orders[1]["order_qty"])),
    "accepted dead": lambda s: s.accept(qty=int(s.orders[1]["order_qty"]), dead=True),
    "executed, some": lambda s: executed(*s.args, 100, 50, 0),
    "executed, all": lambda s: executed(*s.args, 100, max(int(s.orders[1]["leaves_qty"]), 1), 0),
    "canceled, some": lambda s: canceled(*s.args, 50, 0),
    "canceled, all": lambda s: canceled(*s.args, max(int(s.orders[1]["leaves_qty"]), 1), 0),
    "replaced": lambda s: replaced(*s.args, 2, 101, 600, 78, False, 9),
    "replaced dead": lambda s: replaced(*s.args, 2, 101, 600, 78, True, 9),
    "rejected": lambda s: rejected(*s.args, 2 if s.orders[1]["pending_ref"] == 2 else 1, 0),
    "cancel rejected": lambda s: cancel_rejected(*s.args),
    "modified": lambda s: modified(*s.args, 10),
    "priority update": lambda s: priority(s.orders, 1, 102, 79),
}
# Event: the state after it, by the state before; what is not named is impossible: the order stays as it is and the event is counted.
SAME = {status: status for status in LIVE}
TABLE = {
    "accepted": {S.PENDING_NEW: S.NEW, S.UNKNOWN: S.NEW, S.PENDING_CANCEL: S.PENDING_CANCEL, S.PENDING_REPLACE: S.PENDING_REPLACE},
    "accepted dead": dict.fromkeys((S.PENDING_NEW, S.UNKNOWN, S.PENDING_CANCEL, S.PENDING_REPLACE), S.CANCELED),
    "executed, some": {
        **dict.fromkeys((S.PENDING_NEW, S.NEW, S.PARTIALLY_FILLED, S.UNKNOWN), S.PARTIALLY_FILLED),
        S.PENDING_CANCEL: S.PENDING_CANCEL,
        S.PENDING_REPLACE: S.PENDING_REPLACE,
    },
    "executed, all": {**dict.fromkeys(LIVE, S.FILLED), S.PENDING_REPLACE: S.PENDING_REPLACE},
    "canceled, some": {
        **dict.fromkeys((S.PENDING_NEW, S.NEW, S.PENDING_CANCEL, S.UNKNOWN), S.NEW),
        S.PARTIALLY_FILLED: S.PARTIALLY_FILLED,
        S.PENDING_REPLACE: S.PENDING_REPLACE,
    },
    "canceled, all": dict.fromkeys(LIVE, S.CANCELED),
    "replaced": {**dict.fromkeys(LIVE, S.NEW), S.PARTIALLY_FILLED: S.PARTIALLY_FILLED, S.PENDING_CANCEL: S.PENDING_CANCEL},
    "replaced dead": dict.fromkeys(LIVE, S.CANCELED),
    "rejected": {**dict.fromkeys(LIVE, S.REJECTED), S.PENDING_REPLACE: S.NEW},
    "cancel rejected": {**SAME, S.PENDING_CANCEL: S.NEW, **{status: status for status in DEAD}},
    "modified": {
        **dict.fromkeys((S.PENDING_NEW, S.NEW, S.PENDING_CANCEL, S.UNKNOWN), S.NEW),
        S.PARTIALLY_FILLED: S.PARTIALLY_FILLED,
        S.PENDING_REPLACE: S.PENDING_REPLACE,
    },
    "priority update": SAME,
}


@pytest.mark.parametrize("event", list(EVENTS))
@pytest.mark.parametrize("status", LIVE + DEAD)
def test_every_event_in_every_state(event, status):
    story = at(status)
    before = story.now()
    allowed = EVENTS[event](story)
    wanted = TABLE[event].get(status)
    assert allowed == (1 if wanted is not None else 0)
    row, held = story.orders[1], story.positions[0]
    if wanted is None:
        filled = int(row["cum_qty"]) - before[2]
        assert story.now() == (before[0], before[1], before[2] + filled, before[3] + filled, before[4], before[5]), "but for what was filled"
        return
    assert S(row["ord_status"]) == wanted
    live = wanted in LIVE
    assert held["n_open"] == (1 if live else 0)
    assert held["open_buy"] == row["reserved_qty"]
    assert row["reserved_qty"] >= row["leaves_qty"], "never less than what may still fill"
    assert (row["reserved_qty"] > 0) or not live or wanted == S.PENDING_REPLACE
    if not live:
        assert row["leaves_qty"] == row["reserved_qty"] == row["pending_ref"] == 0


def test_the_venue_s_silence_after_a_query_ends_what_is_pending():
    for status, next_ref, wanted, unknown in (
        (S.PENDING_NEW, 1, S.REJECTED, 0),  # it expects our number next: the order never arrived
        (S.PENDING_NEW, 2, S.UNKNOWN, 1),
        (S.UNKNOWN, 2, S.UNKNOWN, 1),
        (S.UNKNOWN, 1, S.REJECTED, 0),
        (S.PENDING_CANCEL, 2, S.NEW, 0),
        (S.PENDING_REPLACE, 2, S.NEW, 0),
        (S.PENDING_REPLACE, 3, S.NEW, 0),
        (S.NEW, 2, S.NEW, 0),
    ):
        story = at(status)
        assert unanswered(*story.args, next_ref) == unknown
        assert S(story.orders[1]["ord_status"]) == wanted
        assert story.positions[0]["open_buy"] == (0 if wanted == S.REJECTED else 500)
    story = at(S.PENDING_REPLACE)
    executed(*story.args, 100, 500, 0)
    assert unanswered(*story.args, 3) == 0
    assert story.now() == ("FILLED", 0, 500, 500, 0, 0)


def test_a_bust_takes_back_shares_and_money_and_wakes_nothing():
    story = at(S.FILLED)
    busted(story.orders, 1, 100, 200)
    assert story.now()[:3] == ("FILLED", 0, 300)
    assert story.orders[1]["cum_value"] == 300 * 100


def test_terms_that_are_worse_than_asked_are_reserved_also_while_a_cancel_is_pending():
    story = Story()
    story.ask_cancel()
    story.accept(qty=700)
    assert story.now() == ("PENDING_CANCEL", 700, 0, 0, 700, 1)
