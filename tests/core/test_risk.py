"""Each check, met exactly and broken by one unit; what reduces a position; what an order takes when it passes.

Runs with numba switched off as well (scripts/mutate-risk does, which removes each check in turn and wants a failure here).
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import risk
from core.codes import BookState, Denial, Halt, Limit, Mode, OrderFlag, OrdStatus, Reference, Side
from core.jit import entry
from core.layout import EXECUTIONS, EXPOSURE, INSTRUMENT, LANE, LIMITS, MAX_LANES, MAX_STRATEGIES, MONEY_ROWS, NO_LIMIT, POSITION, PRODUCT

NOW = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
N = 2  # instruments
INST, STRAT, OTHER, VENUE = 1, 3, 5, 2
INDEX = STRAT * N + INST
ACCOUNT = MAX_STRATEGIES
BID, ASK = 1_000_000, 1_000_200


@entry
def check(lane, halts, insts, px, products, positions, limits, side, order_px, order_qty, more, slot, closing, now_ns, verdict):
    return risk.check(
        lane, halts, insts, px, products, positions, limits, STRAT, INST, side, order_px, order_qty, more, slot, closing, now_ns, verdict
    )


@entry
def mark(lane, insts, positions, limits, strat):
    return risk.mark(lane, insts, positions, limits, strat, INST)


@entry
def cancel(lane, limits, now_ns):
    risk.spend_cancel(lane, limits, INDEX, STRAT, VENUE, now_ns)


@entry
def executed(lane, limits, now_ns):
    return risk.executed(lane, limits, INDEX, STRAT, now_ns)


@entry
def new_day(lane, now_ns):
    return risk.new_day(lane, now_ns)


@entry
def worth(insts, value):
    return risk.worth(insts, INST, value)


@entry
def look(insts, px, live):
    risk.look(insts, px, INST, live)


class Desk:
    """A book of 100.00 at 100.02 in ticks of 0.01 and lots of 10, armed, no limits. `ask` puts one order to the check; 100 shares at the bid."""

    def __init__(self):
        self.lane, self.halts = np.zeros(1, LANE), np.zeros(N, np.int64)
        self.control, self.venues, self.accounts = self.lane[0]["control"], self.lane[0]["venues"], self.lane[0]["accounts"]
        self.venues["mode"], self.venues["armed_until_ns"] = Mode.ARMED, NO_LIMIT
        self.insts, self.px, self.products = np.zeros(N, INSTRUMENT), np.zeros((N, 2, 4), np.int64), np.zeros(2, PRODUCT)
        self.insts["tick"], self.insts["lot"], self.insts["multiplier"], self.insts["venue"], self.insts["unit"] = 100, 10, 1, VENUE, 10_000
        self.insts[INST]["n"] = (1, 1)
        self.insts[INST]["product"], self.products[1]["exposure_row"] = 1, 2
        self.px[INST, 0, 0], self.px[INST, 1, 0] = BID, ASK
        self.positions, self.limits = np.zeros(MAX_STRATEGIES * N, POSITION), np.zeros(MAX_STRATEGIES * N, LIMITS)
        self.limits["limit"] = self.limits["account"] = NO_LIMIT
        self.limits["rule"] = self.limits["account_rule"] = -1
        self.exposure = np.zeros((3 + MONEY_ROWS, MAX_LANES), EXPOSURE)
        self.control[0]["exposure"], self.control[0]["n_lanes"], self.control[0]["money_row"] = self.exposure.ctypes.data, 1, 3
        self.verdict = np.zeros(4, np.int64)

    def limit(self, which, value, account=False):
        """Set a limit of the strategy, or of all together, by rule 7 or 8."""
        values, rules, rule = ("account", "account_rule", 8) if account else ("limit", "rule", 7)
        self.limits[INDEX][values][which], self.limits[INDEX][rules][which] = value, rule

    def hold(self, position=0, open_buy=0, open_sell=0, strat=STRAT, n_open=0):
        row = self.positions[strat * N + INST]
        row["position"], row["open_buy"], row["open_sell"], row["n_open"] = position, open_buy, open_sell, n_open
        held = self.positions.reshape(MAX_STRATEGIES, N)[:, INST]
        self.insts[INST]["held"] |= 1 << strat
        self.exposure[2, 0]["buy"] = (held["position"] + held["open_buy"]).sum()
        self.exposure[2, 0]["sell"] = (held["open_sell"] - held["position"]).sum()

    def order(self, side, px, strat=OTHER, qty=100, slot=7, sent_ns=NOW, **more):
        """Put an own order that rests into the table."""
        row = self.lane[0]["orders"][slot]
        row["inst"], row["side"], row["px"], row["strat"], row["order_qty"], row["sent_ns"] = INST, side, px, strat, qty, sent_ns
        row["ord_status"] = OrdStatus.NEW
        for name, value in more.items():
            row[name] = value
        self.lane[0]["live"][self.lane[0]["n_live"]] = slot
        self.lane[0]["n_live"] += 1
        self.insts[INST]["own_open"] += 1

    def ask(self, side=Side.BUY, px=BID, qty=100, more=None, slot=-1, closing=False, now=NOW):
        more = qty if more is None else more
        return Denial(
            check(
                self.lane, self.halts, self.insts, self.px, self.products, self.positions, self.limits, side, px, qty, more, slot, closing, now,
                self.verdict,
            )
        )  # fmt: skip

    def mark(self, strat=STRAT):
        return mark(self.lane, self.insts, self.positions, self.limits, strat)

    def said(self):
        return tuple(int(v) for v in self.verdict[:3])


@pytest.fixture
def desk():
    return Desk()


def test_an_ordinary_order_passes_and_takes_its_place_in_the_exposure(desk):
    assert desk.ask() == Denial.PASS
    assert desk.exposure[2, 0]["buy"] == 100
    assert desk.ask(side=Side.SELL, px=ASK) == Denial.PASS
    assert desk.exposure[2, 0]["sell"] == 100


# ---- flags

FLAGS = [
    (lambda d, value: d.control[0].__setitem__("halt_node", value), Denial.HALT_NODE),
    (lambda d, value: d.control[0]["halt_venue"].__setitem__(VENUE, value), Denial.HALT_VENUE),
    (lambda d, value: d.halts.__setitem__(INST, value), Denial.HALT_SYMBOL),
    (lambda d, value: d.control[0]["halt_strategy"].__setitem__(STRAT, value), Denial.HALT_STRATEGY),
]


@pytest.mark.parametrize(("put", "code"), FLAGS)
def test_each_halt_flag_denies_and_an_operator_s_closing_order_passes(desk, put, code):
    put(desk, Halt.OPERATOR)
    assert desk.ask() == code
    assert desk.ask(closing=True) == Denial.PASS


@pytest.mark.parametrize("why", [Halt.REDUCE_ONLY, Halt.HALF_OPEN])
@pytest.mark.parametrize(("put", "code"), FLAGS)
def test_a_soft_halt_lets_only_through_what_reduces(desk, put, code, why):
    put(desk, why)
    assert desk.ask() == code
    assert desk.ask(closing=True) == Denial.PASS
    desk.hold(position=-150)
    assert desk.ask(side=Side.SELL, px=ASK) == code
    assert desk.ask(qty=150) == Denial.PASS
    assert desk.ask(qty=160) == code, "it would turn the position over"
    desk.hold(position=-150, open_buy=100)
    assert desk.ask(qty=100) == code, "with what is open already it would turn it over"
    put(desk, Halt.CIRCUIT_BREAK)
    assert desk.ask(qty=50) == code


@pytest.mark.parametrize("put", [put for put, _ in FLAGS])
def test_a_kill_denies_everyone(desk, put):
    put(desk, Halt.KILLED)
    assert desk.ask() == Denial.KILLED
    assert desk.ask(closing=True) == Denial.KILLED


def test_other_scopes_halts_do_not_bind(desk):
    desk.control[0]["halt_venue"][1] = desk.control[0]["halt_strategy"][0] = desk.halts[0] = 1
    assert desk.ask() == Denial.PASS


def test_armed_until_a_time_and_off_after_it(desk):
    desk.venues[VENUE]["armed_until_ns"] = NOW + 1
    assert desk.ask() == Denial.PASS
    assert desk.ask(now=NOW + 1) == Denial.NOT_ARMED
    assert desk.said()[:2] == (NOW + 1, NOW + 1)


@pytest.mark.parametrize(("mode", "code"), [(Mode.PAPER, Denial.PASS), (Mode.SHADOW, Denial.PASS), (Mode.OFF, Denial.NOT_ARMED)])
def test_modes(desk, mode, code):
    desk.venues[VENUE]["mode"], desk.venues[VENUE]["armed_until_ns"] = mode, 0
    assert desk.ask() == code


@pytest.mark.parametrize("state", list(BookState))
@pytest.mark.parametrize("whose", ["insts", "venues"])
def test_a_book_that_is_not_live_denies(desk, state, whose):
    getattr(desk, whose)[INST if whose == "insts" else VENUE]["state"] = state
    closed = state in {BookState.HALTED, BookState.AUCTION, BookState.CLOSED, BookState.ABSENT}
    assert desk.ask() == (Denial.NOT_TRADABLE if closed else Denial.BOOK_NOT_LIVE)
    assert desk.verdict[1] == state


# ---- the order itself


@pytest.mark.parametrize("qty", [0, -10, risk.QTY_MAX, 2**62, -(2**62), -(2**63)])
def test_a_quantity_out_of_range_denies(desk, qty):
    desk.insts["lot"] = 1
    assert desk.ask(qty=qty, more=100) == Denial.BAD_QUANTITY


@pytest.mark.parametrize("px", [0, -100, risk.PX_MAX + 1, 2**62, -(2**63)])
def test_a_price_out_of_range_denies(desk, px):
    desk.insts["tick"] = 1
    assert desk.ask(px=px) == Denial.BAD_PRICE


def test_lot_and_tick(desk):
    assert desk.ask(qty=101) == Denial.LOT
    assert desk.ask(px=BID + 1) == Denial.TICK


@pytest.mark.parametrize(("px", "tick"), [(999_900, 50), (999_950, 50), (999_949, 50), (1_000_000, 100), (1_000_100, 100), (1_000_200, 200)])
def test_a_tick_may_depend_on_the_price(desk, px, tick):
    """Below 100.00 it is 0.005, from there on 0.01, from 100.02 on 0.02."""
    table = desk.lane[0]["tick_tables"][1]
    table["n"], table["px"][:3], table["tick"][:3] = 3, [0, 1_000_000, 1_000_200], [50, 100, 200]
    desk.insts[INST]["tick_table"], desk.insts[INST]["tick"] = 2, 50
    assert desk.ask(px=px) == (Denial.PASS if px % tick == 0 else Denial.TICK)
    assert desk.ask(px=px + tick // 2) == Denial.TICK
    assert desk.verdict[:2].tolist() == [tick, px + tick // 2]


def test_a_value_that_would_overflow_denies(desk):
    desk.insts["multiplier"] = NO_LIMIT // (BID * 100)
    assert desk.ask() == Denial.PASS
    assert desk.ask(qty=110) == Denial.OVERFLOW


LIMITED = [
    (Limit.MAX_ORDER_QTY, 100, Denial.MAX_ORDER_QTY, {"qty": 100}, {"qty": 110}),
    (Limit.MAX_ORDER_VALUE, BID * 100, Denial.MAX_ORDER_VALUE, {"qty": 100}, {"px": BID + 100}),
    (Limit.PRICE_COLLAR, 1_000, Denial.PRICE_COLLAR, {"px": 1_001_100}, {"px": 1_001_200}),
    (Limit.PRICE_COLLAR, 1_000, Denial.PRICE_COLLAR, {"px": 999_100}, {"px": 999_000}),
    (Limit.MAX_POSITION, 100, Denial.MAX_POSITION, {"qty": 100}, {"qty": 110}),
    (Limit.MAX_POSITION, 100, Denial.MAX_POSITION, {"qty": 100, "side": Side.SELL}, {"qty": 110, "side": Side.SELL}),
    (Limit.MAX_LONG, 100, Denial.MAX_LONG, {"qty": 100}, {"qty": 110}),
    (Limit.MAX_SHORT, 100, Denial.MAX_SHORT, {"qty": 100, "side": Side.SELL}, {"qty": 110, "side": Side.SELL}),
    (Limit.MAX_GROSS_EXPOSURE, BID * 100, Denial.MAX_GROSS_EXPOSURE, {"qty": 100}, {"px": BID + 100}),
    (Limit.MAX_NET_EXPOSURE, BID * 100, Denial.MAX_NET_EXPOSURE, {"qty": 100}, {"px": BID + 100}),
    (Limit.MAX_NET_EXPOSURE, BID * 100, Denial.MAX_NET_EXPOSURE, {"qty": 100, "side": Side.SELL}, {"px": BID + 100, "side": Side.SELL}),
]


@pytest.mark.parametrize(("which", "value", "code", "met", "broken"), LIMITED)
def test_a_limit_is_met_exactly_and_broken_by_one_unit(desk, which, value, code, met, broken):
    desk.limit(which, value)
    assert desk.ask(**met) == Denial.PASS
    fresh = Desk()
    fresh.limit(which, value)
    assert fresh.ask(**broken) == code
    assert (fresh.verdict[0], fresh.verdict[2]) == (value, 7), "the limit and the rule that set it are named"
    assert fresh.verdict[1] > value
    assert fresh.exposure[2, 0]["buy"] == fresh.exposure[2, 0]["sell"] == 0, "what is denied takes nothing"


SUMMED = [limited for limited in LIMITED if limited[0] not in {Limit.MAX_ORDER_QTY, Limit.MAX_ORDER_VALUE, Limit.PRICE_COLLAR}]


@pytest.mark.parametrize(("which", "value", "code", "met", "broken"), SUMMED)
def test_limits_about_sums_also_bind_all_strategies_together(desk, which, value, code, met, broken):
    desk.limit(which, value, account=True)
    assert desk.ask(**met) == Denial.PASS
    fresh = Desk()
    fresh.limit(which, value, account=True)
    assert fresh.ask(**broken) == code
    assert (fresh.verdict[0], fresh.verdict[2]) == (value, 8)


def test_the_collar_s_reference_is_policy(desk):
    desk.limit(Limit.PRICE_COLLAR, 1_000)
    desk.insts[INST]["last_px"], desk.insts[INST]["reference"] = 1_010_000, 1_020_000
    for kind, middle in ((Reference.MID, 1_000_100), (Reference.LAST, 1_010_000), (Reference.FIXED, 1_020_000)):
        desk.limit(Limit.COLLAR_REFERENCE, kind)
        desk.insts["tick"] = 1
        assert desk.ask(px=middle + middle // 1000) == Denial.PASS
        assert desk.ask(px=middle + middle // 1000 + 1) == Denial.PRICE_COLLAR


def test_without_a_reference_the_collar_denies_or_passes_as_policy_has_it(desk):
    desk.limit(Limit.PRICE_COLLAR, 1_000)
    desk.insts[INST]["n"] = (0, 1)
    assert desk.ask() == Denial.NO_REFERENCE
    desk.limit(Limit.COLLAR_MISSING, 1)
    assert desk.ask() == Denial.PASS
    desk.insts[INST]["last_px"] = 1_000_000
    assert desk.ask() == Denial.PASS
    desk.insts[INST]["last_px"], desk.insts[INST]["reference"] = 0, 900_000
    assert desk.ask() == Denial.PRICE_COLLAR


# ---- own orders


@pytest.mark.parametrize(("side", "theirs", "meets", "misses"), [(Side.BUY, ASK, ASK, ASK - 100), (Side.SELL, BID, BID, BID + 100)])
def test_an_order_that_would_meet_one_of_ours_is_denied_whoever_s_it_is(desk, side, theirs, meets, misses):
    desk.order(1 - side, theirs)
    assert desk.ask(side=side, px=meets) == Denial.SELF_MATCH
    assert desk.said()[:2] == (theirs, meets)
    assert desk.ask(side=side, px=misses) == Denial.PASS


def test_a_replace_under_way_counts_at_the_worse_of_its_two_prices(desk):
    desk.order(Side.SELL, ASK + 500, pending_ref=9, pending_px=ASK)
    assert desk.ask(px=ASK) == Denial.SELF_MATCH
    desk.lane[0]["orders"][7]["pending_px"] = ASK + 900
    assert desk.ask(px=ASK + 500) == Denial.SELF_MATCH
    assert desk.ask(px=ASK + 400) == Denial.PASS


def test_the_order_that_is_replaced_does_not_stand_in_its_own_way(desk):
    desk.order(Side.BUY, BID, strat=STRAT, slot=7)
    desk.limit(Limit.DUPLICATE_WINDOW, SECOND)
    assert desk.ask(slot=7, more=0) == Denial.PASS


def test_the_same_order_twice_within_the_window_is_a_duplicate(desk):
    desk.order(Side.BUY, BID, strat=STRAT, sent_ns=NOW - 999)
    desk.limit(Limit.DUPLICATE_WINDOW, 1_000)
    assert desk.ask() == Denial.DUPLICATE
    assert desk.said() == (1_000, 999, 7)
    assert desk.ask(now=NOW + 1) == Denial.PASS
    for different in ({"qty": 110}, {"px": BID - 100}):
        assert desk.ask(**different) == Denial.PASS
    desk.lane[0]["orders"][7]["strat"] = OTHER
    assert desk.ask() == Denial.PASS, "another strategy's"


# ---- positions


def test_position_counts_open_orders_at_their_worst(desk):
    desk.limit(Limit.MAX_POSITION, 300)
    desk.hold(position=100, open_buy=100, open_sell=50)
    assert desk.ask(qty=100) == Denial.PASS
    desk.hold(position=100, open_buy=110, open_sell=50)
    assert desk.ask(qty=100) == Denial.MAX_POSITION
    desk.hold(position=100, open_buy=500)
    assert desk.ask(qty=100, more=0, slot=7) == Denial.PASS, "a replace that reserves nothing more"


def test_the_account_counts_the_other_strategies(desk):
    desk.limit(Limit.MAX_POSITION, 300, account=True)
    desk.limit(Limit.MAX_POSITION, 200)
    desk.hold(position=100, strat=OTHER, open_buy=100)
    assert desk.ask(qty=100) == Denial.PASS
    desk.hold(position=100, strat=OTHER, open_buy=110)
    assert desk.ask(qty=100) == Denial.MAX_POSITION
    assert desk.said() == (300, 310, 8)


def test_under_a_limit_that_was_lowered_one_reducer_passes_and_not_two_that_would_flip_the_position(desk):
    desk.limit(Limit.MAX_POSITION, 100)
    desk.hold(position=500)
    assert desk.ask(side=Side.BUY, qty=10) == Denial.MAX_POSITION
    assert desk.ask(side=Side.SELL, qty=500) == Denial.PASS
    desk.hold(position=500, open_sell=500)
    assert desk.ask(side=Side.SELL, qty=500) == Denial.MAX_POSITION
    desk.hold(position=-500)
    assert desk.ask(side=Side.BUY, qty=500) == Denial.PASS
    desk.hold(position=-500, open_buy=500)
    assert desk.ask(side=Side.BUY, qty=500) == Denial.MAX_POSITION


@pytest.mark.parametrize("account", [False, True])
def test_open_orders_are_counted_for_new_ones_only(desk, account):
    desk.limit(Limit.MAX_OPEN_ORDERS, 2, account=account)
    desk.hold(n_open=1)
    assert desk.ask() == Denial.PASS
    desk.hold(n_open=1, strat=OTHER)
    assert desk.ask() == (Denial.MAX_OPEN_ORDERS if account else Denial.PASS)
    desk.hold(n_open=2)
    assert desk.ask() == Denial.MAX_OPEN_ORDERS
    assert desk.said() == ((2, 4, 8) if account else (2, 3, 7))
    assert desk.ask(slot=7) == Denial.PASS


TRAPS = [
    (lambda d: d.limit(Limit.RESTRICTED, 0), Denial.RESTRICTED),
    (lambda d: d.limit(Limit.MAX_OPEN_ORDERS, 0), Denial.MAX_OPEN_ORDERS),
    (lambda d: d.control[0].__setitem__("reduce_only", 1), Denial.REDUCE_ONLY),
    (lambda d: d.accounts[STRAT].__setitem__("latched", Denial.MAX_DAILY_LOSS), Denial.MAX_DAILY_LOSS),
    (lambda d: d.accounts[ACCOUNT].__setitem__("latched", Denial.MAX_DRAWDOWN), Denial.MAX_DRAWDOWN),
]


@pytest.mark.parametrize(("trap", "code"), TRAPS)
def test_limits_that_would_trap_a_position_let_what_reduces_it_pass(desk, trap, code):
    trap(desk)
    assert desk.ask() == code
    assert desk.ask(closing=True) == Denial.PASS
    desk.hold(position=-100)
    assert desk.ask(qty=100) == Denial.PASS
    desk.hold(position=-100)
    assert desk.ask(qty=110) == code, "one lot more than the position"
    desk.hold(position=-100, open_buy=10)
    assert desk.ask(qty=100) == code, "what reduces it already counts as filled"
    desk.hold(position=100)
    assert desk.ask(qty=100) == code
    assert desk.ask(side=Side.SELL, px=ASK) == Denial.PASS
    desk.hold(position=100, open_sell=10)
    assert desk.ask(side=Side.SELL, px=ASK) == code


def test_size_value_collar_and_rate_bind_a_reducer_too(desk):
    desk.hold(position=-1_000)
    for which, value, code in (
        (Limit.MAX_ORDER_QTY, 90, Denial.MAX_ORDER_QTY),
        (Limit.MAX_ORDER_VALUE, BID, Denial.MAX_ORDER_VALUE),
        (Limit.PRICE_COLLAR, 0, Denial.PRICE_COLLAR),
        (Limit.MAX_ORDER_RATE, 0, Denial.MAX_ORDER_RATE),
    ):
        desk.limit(which, value)
        assert desk.ask() == code
        desk.limit(which, NO_LIMIT)
    assert desk.ask() == Denial.PASS


# ---- money


def test_exposure_is_the_sum_over_positions_at_their_worst(desk):
    desk.limit(Limit.MAX_GROSS_EXPOSURE, 5 * BID * 100)
    desk.accounts[STRAT]["gross"] = 4 * BID * 100
    assert desk.ask() == Denial.PASS
    desk.accounts[STRAT]["gross"] += 1
    assert desk.ask() == Denial.MAX_GROSS_EXPOSURE
    assert desk.said() == (5 * BID * 100, 5 * BID * 100 + 1, 7)


def test_what_does_not_raise_exposure_passes_whatever_it_is(desk):
    for which in (Limit.MAX_GROSS_EXPOSURE, Limit.MAX_NET_EXPOSURE, Limit.MAX_LEVERAGE, Limit.MARGIN):
        desk.limit(which, 0)
        desk.limit(which, 0, account=True)
    desk.limit(Limit.CAPITAL, 1)
    desk.limit(Limit.CAPITAL, 1, account=True)
    desk.hold(position=500)
    assert desk.mark() == 0
    assert desk.accounts[STRAT]["gross"] == desk.accounts[ACCOUNT]["gross"]
    assert desk.ask(side=Side.SELL, qty=500) == Denial.PASS
    assert desk.ask() != Denial.PASS


@pytest.mark.parametrize("account", [False, True])
def test_leverage_and_margin_are_measured_by_equity(desk, account):
    whose = ACCOUNT if account else STRAT
    value = BID * 100
    desk.limit(Limit.CAPITAL, value, account)
    desk.limit(Limit.MAX_LEVERAGE, 1_000_000, account)
    assert desk.ask() == Denial.PASS
    desk.accounts[whose]["profit"] = -1
    assert desk.ask() == Denial.MAX_LEVERAGE
    assert desk.verdict[2] == (8 if account else 7)
    desk.limit(Limit.MAX_LEVERAGE, NO_LIMIT, account)
    desk.limit(Limit.MARGIN, 500_000, account)
    desk.accounts[whose]["profit"] = -value // 2
    assert desk.ask() == Denial.PASS
    desk.accounts[whose]["profit"] -= 1
    assert desk.ask() == Denial.MARGIN
    desk.accounts[whose]["profit"] = -2 * value
    assert desk.ask() == Denial.MARGIN, "equity below nothing is nothing"


def test_a_position_is_marked_at_the_side_it_would_be_closed_at(desk):
    look(desk.insts, desk.px, True)
    for held, mark_px in ((100, BID), (-100, ASK)):
        desk.positions[INDEX]["position"], desk.positions[INDEX]["cash"] = held, -held * 1_000_100
        assert desk.mark() == 0
        assert desk.accounts[STRAT]["profit"] == desk.accounts[ACCOUNT]["profit"] == held * (mark_px - 1_000_100) == -10_000
    desk.px[INST, 0, 0] = 1
    look(desk.insts, desk.px, False)
    assert desk.insts[INST]["mark"][0] == BID, "a book that is not LIVE marks nothing"
    desk.insts[INST]["n"] = (0, 1)
    look(desk.insts, desk.px, True)
    assert desk.insts[INST]["mark"][0] == BID, "nor does a side that is empty"


def test_without_a_mark_the_last_trade_the_reference_or_what_was_paid_counts(desk):
    row = desk.positions[INDEX]
    row["position"], row["cash"], row["cost"] = 100, -100 * 500, 100 * 500
    desk.mark()
    assert desk.accounts[STRAT]["profit"] == 0
    desk.insts[INST]["reference"] = 600
    desk.mark()
    assert desk.accounts[STRAT]["profit"] == 100 * 100
    desk.insts[INST]["last_px"] = 700
    desk.mark()
    assert desk.accounts[STRAT]["profit"] == 200 * 100


@given(st.integers(-(2**61), 2**61), st.integers(1, 2**31 - 1), st.integers(1, 2**31 - 1))
def test_what_shares_are_worth_in_the_account_s_currency_is_exact_or_at_the_bound(value, num, den):
    insts = np.zeros(N, INSTRUMENT)
    insts[INST]["worth_num"], insts[INST]["worth_den"] = num, den
    exact = value * num // den  # floor
    found = int(worth(insts, value))
    assert found == exact or (abs(found) == NO_LIMIT and found * exact > 0 and abs(exact) > NO_LIMIT - 2 * num)


def test_the_multiplier_and_the_unit_of_price_count_in_money(desk):
    desk.insts["worth_num"], desk.insts["worth_den"] = 50 * 100, 1  # a multiplier of 50, prices of two decimals
    look(desk.insts, desk.px, True)
    desk.positions[INDEX]["position"], desk.positions[INDEX]["cash"] = 10, -10 * BID + 33
    desk.mark()
    assert desk.accounts[STRAT]["profit"] == 33 * 50 * 100


@pytest.mark.parametrize(("whose", "account"), [(1 + STRAT, False), (1 + ACCOUNT, True)])
def test_a_daily_loss_latches_when_it_is_passed_and_tells_whose(desk, whose, account):
    look(desk.insts, desk.px, True)
    desk.limit(Limit.MAX_DAILY_LOSS, 500, account)
    desk.positions[INDEX]["cash"] = -500
    assert desk.mark() == 0
    desk.positions[INDEX]["cash"] = -501
    assert desk.mark() == whose
    assert desk.mark() == 0, "told once"
    assert desk.ask() == Denial.MAX_DAILY_LOSS
    assert desk.said() == (500, 501, 8 if account else 7)
    desk.positions[INDEX]["cash"] = 10_000
    desk.mark()
    assert desk.ask() == Denial.MAX_DAILY_LOSS, "a profit does not unlatch it"


@pytest.mark.parametrize(("whose", "account"), [(1 + STRAT, False), (1 + ACCOUNT, True)])
def test_a_drawdown_is_counted_from_the_day_s_best(desk, whose, account):
    desk.limit(Limit.MAX_DRAWDOWN, 500, account)
    desk.positions[INDEX]["cash"] = 2_000
    assert desk.mark() == 0
    desk.positions[INDEX]["cash"] = 1_500
    assert desk.mark() == 0
    desk.positions[INDEX]["cash"] = 1_499
    assert desk.mark() == whose
    assert desk.ask() == Denial.MAX_DRAWDOWN
    assert desk.said() == (500, 501, 8 if account else 7)


def test_a_new_day_counts_afresh_and_leaves_latched_what_is(desk):
    desk.limit(Limit.MAX_DAILY_LOSS, 500)
    desk.positions[INDEX]["cash"] = -400
    assert new_day(desk.lane, NOW)
    assert not new_day(desk.lane, NOW + SECOND)
    assert desk.mark() == 0
    assert new_day(desk.lane, NOW + risk.DAY_NS)
    desk.positions[INDEX]["cash"] = -900
    assert desk.mark() == 0, "500 since midnight"
    desk.positions[INDEX]["cash"] = -901
    assert desk.mark() == 1 + STRAT
    assert new_day(desk.lane, NOW + 2 * risk.DAY_NS)
    assert desk.ask() == Denial.MAX_DAILY_LOSS


# ---- rates


def test_the_rate_s_bucket_holds_a_second_and_fills_at_the_rate(desk):
    desk.limit(Limit.MAX_ORDER_RATE, 5)
    assert [desk.ask() for _ in range(6)] == [Denial.PASS] * 5 + [Denial.MAX_ORDER_RATE]
    assert desk.said() == (5, 6, 7)
    assert desk.ask(now=NOW + 199_999_999) == Denial.MAX_ORDER_RATE
    assert desk.ask(now=NOW + 200_000_000) == Denial.PASS
    assert desk.ask(now=NOW + 200_000_000) == Denial.MAX_ORDER_RATE
    assert [desk.ask(now=NOW + 10**12) for _ in range(6)].count(Denial.PASS) == 5, "a long rest earns no more than a second's worth"


def test_cancels_take_tokens_that_orders_cannot_and_are_never_refused(desk):
    desk.limit(Limit.MAX_ORDER_RATE, 8)
    kept = 8 // risk.KEPT + 1
    assert [desk.ask() for _ in range(9)].count(Denial.PASS) == 8
    for _ in range(kept):
        cancel(desk.lane, desk.limits, NOW)
    assert desk.lane[0]["strategies"][STRAT]["tokens"] == 0, "what was kept is there for them"
    cancel(desk.lane, desk.limits, NOW)
    assert desk.lane[0]["strategies"][STRAT]["tokens"] == 0
    later = NOW + SECOND * kept // 8
    assert desk.ask(now=later) == Denial.MAX_ORDER_RATE, "orders wait until it is kept again"
    assert desk.ask(now=later + SECOND // 8) == Denial.PASS


def test_a_venue_s_message_budget_is_shared_by_its_strategies(desk):
    desk.limit(Limit.MAX_MESSAGE_RATE, 4, account=True)
    assert [desk.ask() for _ in range(5)] == [Denial.PASS] * 4 + [Denial.MAX_MESSAGE_RATE]
    assert desk.said() == (4, 5, 8)
    cancel(desk.lane, desk.limits, NOW)
    cancel(desk.lane, desk.limits, NOW)
    assert desk.ask(now=NOW + 2 * SECOND // 4) == Denial.MAX_MESSAGE_RATE
    assert desk.ask(now=NOW + 3 * SECOND // 4) == Denial.PASS


def test_what_is_denied_for_its_rate_takes_no_token_and_no_exposure(desk):
    desk.limit(Limit.MAX_ORDER_RATE, 1)
    assert desk.ask() == Denial.PASS
    assert desk.ask() == Denial.MAX_ORDER_RATE
    assert desk.exposure[2, 0]["buy"] == 100
    assert desk.ask(qty=101, now=NOW + SECOND) == Denial.LOT
    assert desk.ask(now=NOW + SECOND) == Denial.PASS


def test_the_least_time_between_two_orders(desk):
    desk.limit(Limit.MIN_INTERVAL, 1_000)
    assert desk.ask() == Denial.PASS
    assert desk.ask(now=NOW + 999) == Denial.MIN_INTERVAL
    assert desk.said() == (1_000, 999, 7)
    assert desk.ask(now=NOW + 1_000) == Denial.PASS


def test_so_many_executions_in_a_window_stop_a_strategy(desk):
    desk.limit(Limit.MAX_EXECUTIONS, 3)
    desk.limit(Limit.EXECUTION_WINDOW, SECOND)
    assert [executed(desk.lane, desk.limits, NOW + k) for k in (0, 1, SECOND)] == [False] * 3, "the third is a window later than the first"
    assert executed(desk.lane, desk.limits, NOW + SECOND), "a third within a window"
    desk.limit(Limit.EXECUTION_WINDOW, SECOND + 1)
    desk.limit(Limit.MAX_EXECUTIONS, EXECUTIONS)
    assert [executed(desk.lane, desk.limits, NOW + SECOND) for _ in range(EXECUTIONS - 4)] == [False] * (EXECUTIONS - 5) + [True]
    desk.limit(Limit.MAX_EXECUTIONS, EXECUTIONS + 1)
    assert not executed(desk.lane, desk.limits, NOW + SECOND), "more than are remembered are not limited"


# ---- over all lanes


def others(desk, gross=0, long=0, short=0, profit=0, day=0):
    """Let another lane have these sums; this one is the third of three."""
    desk.control[0]["n_lanes"], desk.control[0]["place"] = 3, 2
    rows = desk.exposure[3:, 0]
    rows["buy"], rows["sell"] = (gross, long, day), (profit, short, 0)


@pytest.mark.parametrize(("which", "code", "side"), [
    (Limit.MAX_GROSS_EXPOSURE, Denial.MAX_GROSS_EXPOSURE, Side.BUY), (Limit.MAX_NET_EXPOSURE, Denial.MAX_NET_EXPOSURE, Side.BUY),
    (Limit.MAX_NET_EXPOSURE, Denial.MAX_NET_EXPOSURE, Side.SELL),
])  # fmt: skip
def test_exposure_in_money_is_that_of_all_lanes_and_is_reserved_before_the_send(desk, which, code, side):
    value = BID * 100
    others(desk, gross=4 * value, long=4 * value, short=4 * value)
    desk.limit(which, 5 * value, account=True)
    desk.limit(Limit.MAX_ORDER_RATE, 10**6)
    name = "buy" if side == Side.BUY else "sell"
    assert desk.ask(side=side, px=BID + 100) == code
    assert desk.said() == (5 * value, 5 * value + 100 * 100, 8)
    assert not desk.exposure[3:, 2]["buy"].any()
    assert not any(desk.exposure[asked].any() for asked in ("asked_buy", "asked_sell")), "what is denied asks for nothing any more"
    assert desk.ask(side=side) == Denial.PASS
    assert desk.exposure[3, 2]["buy"] == desk.exposure[4, 2][name] == value, "held until its own sums say it"
    assert desk.ask(side=side, qty=10) == code
    desk.limit(which, NO_LIMIT, account=True)
    desk.limit(Limit.MAX_TOTAL_POSITION, 0, account=True)
    assert desk.ask(side=side, qty=10) == Denial.MAX_TOTAL_POSITION
    assert desk.exposure[3, 2]["buy"] == value, "refused by a later check: given back"
    desk.mark()
    assert desk.exposure[3, 2]["buy"] == 0, "a mark tells what is: nothing was entered here"


@pytest.mark.parametrize("which", [Limit.MAX_DAILY_LOSS, Limit.MAX_DRAWDOWN])
def test_losses_and_equity_are_those_of_all_lanes(desk, which):
    others(desk, profit=-700, day=-700)
    desk.limit(which, 1_000, account=True)
    assert desk.mark() == 0
    desk.positions[INDEX]["cash"] = -300
    assert desk.mark() == 0
    desk.positions[INDEX]["cash"] = -301
    assert desk.mark() == 1 + ACCOUNT
    assert (desk.exposure[3, 2]["sell"], desk.exposure[5, 2]["buy"]) == (-301, -301)
    fresh = Desk()
    others(fresh, profit=-1)
    fresh.limit(Limit.CAPITAL, BID * 100, account=True)
    fresh.limit(Limit.MAX_LEVERAGE, 1_000_000, account=True)
    assert fresh.ask() == Denial.MAX_LEVERAGE
    fresh.exposure[3, 0]["sell"] = 0
    assert fresh.ask() == Denial.PASS


def test_a_lane_that_begins_a_day_counts_from_all_lanes_profit(desk):
    others(desk, profit=500)
    assert new_day(desk.lane, NOW + 86_400 * SECOND)
    assert (desk.accounts[ACCOUNT]["day_profit"], desk.accounts[ACCOUNT]["peak"]) == (0, 500)


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
@pytest.mark.parametrize("lanes", [1, 3])
def test_the_total_over_all_lanes(desk, side, lanes):
    desk.control[0]["n_lanes"], desk.control[0]["place"] = lanes, lanes - 1
    name = "buy" if side == Side.BUY else "sell"
    desk.exposure[2, 0][name] = 200 if lanes > 1 else 0
    desk.limit(Limit.MAX_TOTAL_POSITION, 300 if lanes > 1 else 100, account=True)
    assert desk.ask(side=side, qty=100) == Denial.PASS
    assert desk.exposure[2, lanes - 1][name] == 100
    assert desk.ask(side=side, qty=10) == Denial.MAX_TOTAL_POSITION
    assert desk.said() == ((300, 310, 8) if lanes > 1 else (100, 110, 8))
    assert desk.exposure[2, lanes - 1][name] == 100
    assert desk.exposure[2]["asked_" + name].sum() == 0
    assert desk.ask(side=side, qty=100, more=0, slot=7) == Denial.PASS, "what raises nothing claims nothing"


def test_a_covered_sale_is_long_and_the_rest_is_short(desk):
    desk.hold(position=100)
    assert desk.ask(side=Side.SELL, px=ASK, qty=60) == Denial.PASS
    assert desk.verdict[3] == 0
    assert desk.ask(side=Side.SELL, px=ASK, qty=60) == Denial.PASS
    assert desk.verdict[3] == 20, "40 are covered: the 60 that are open count as sold"
    assert desk.ask(side=Side.SELL, px=ASK, qty=60) == Denial.PASS
    assert desk.verdict[3] == 60
    assert desk.ask(side=Side.BUY, qty=60) == Denial.PASS
    assert desk.verdict[3] == 0


@pytest.mark.parametrize(("which", "account"), [(Limit.MAX_OPEN_ORDERS, False), (Limit.MAX_OPEN_ORDERS, True)])
def test_a_sale_that_is_split_is_two_open_orders(desk, which, account):
    desk.hold(position=100)
    desk.limit(which, 1, account)
    before = int(desk.exposure[2, 0]["sell"])
    assert desk.ask(side=Side.SELL, px=ASK, qty=110) == Denial.MAX_OPEN_ORDERS
    assert desk.said() == (1, 2, 8 if account else 7)
    assert desk.exposure[2, 0]["sell"] == before, "what was claimed is given back"
    desk.limit(which, 2, account)
    assert desk.ask(side=Side.SELL, px=ASK, qty=110) == Denial.PASS
    assert desk.verdict[3] == 10


@pytest.mark.parametrize(("which", "account"), [(Limit.MAX_ORDER_RATE, False), (Limit.MAX_MESSAGE_RATE, True)])
def test_a_sale_that_is_split_takes_two_tokens(desk, which, account):
    desk.limit(which, 3, account)
    found = []
    for qty in (110, 110, 100, 100):
        desk.exposure[2, 0]["sell"] = -100  # a hundred are covered
        found.append(desk.ask(side=Side.SELL, px=ASK, qty=qty))
    assert found == [Denial.PASS, Denial[which.name], Denial.PASS, Denial[which.name]]


def test_another_lane_s_open_sales_take_what_is_held(desk):
    desk.control[0]["n_lanes"] = 2
    desk.hold(position=100)
    desk.exposure[2, 1]["sell"] = 70
    assert desk.ask(side=Side.SELL, px=ASK, qty=50) == Denial.PASS
    assert desk.verdict[3] == 20


def test_a_short_sale_needs_a_locate(desk):
    desk.hold(position=100)
    desk.limit(Limit.LOCATE, 50, account=True)
    assert desk.ask(side=Side.SELL, px=ASK, qty=150) == Denial.PASS
    assert desk.verdict[3] == 50
    before = int(desk.exposure[2, 0]["sell"])
    assert desk.ask(side=Side.SELL, px=ASK, qty=10) == Denial.NO_LOCATE
    assert desk.said() == (50, 60, 8)
    assert desk.exposure[2, 0]["sell"] == before, "what was claimed is given back"


def test_a_sale_is_split_in_whole_lots_or_denied(desk):
    desk.hold(position=105)
    assert desk.ask(side=Side.SELL, px=ASK, qty=200) == Denial.CROSSES_ZERO
    assert desk.exposure[2, 0]["sell"] == -105
    desk.insts["lot"] = 1
    assert desk.ask(side=Side.SELL, px=ASK, qty=200) == Denial.PASS
    assert desk.verdict[3] == 95


def test_a_replace_keeps_its_mark(desk):
    desk.order(Side.SELL, ASK, strat=STRAT, slot=7)
    desk.hold(position=100, open_sell=100)
    assert desk.ask(side=Side.SELL, px=ASK, qty=110, more=10, slot=7) == Denial.CROSSES_ZERO
    desk.lane[0]["orders"][7]["flags"] = OrderFlag.SHORT
    assert desk.ask(side=Side.SELL, px=ASK, qty=110, more=10, slot=7) == Denial.PASS
