"""Each check, breached by one unit and met exactly."""

import numpy as np
import pytest

from core import risk
from core.codes import BookState, Denial, Limit, Side
from core.jit import entry
from core.layout import CONTROL, INSTRUMENT, LIMITS, MAX_STRATEGIES, NO_LIMIT, POSITION, STRATEGY

NOW = 1_700_000_000_000_000_000
N = 2  # instruments
INST, STRAT = 1, 3
INDEX = STRAT * N + INST


@entry
def check(control, halts, insts, px, positions, limits, strategies, side, order_px, order_qty, more, is_new, closing, book_state, now_ns, verdict):
    return risk.check(
        control, halts, insts, px, positions, limits, strategies, STRAT, INST, side, order_px, order_qty, more, is_new, closing, book_state,
        now_ns, verdict,
    )  # fmt: skip


class Desk:
    """A book of 100.00 at 100.02, no limits; `ask` puts one order to the check."""

    def __init__(self):
        self.control, self.halts = np.zeros(1, CONTROL), np.zeros(N, np.int64)
        self.insts, self.px = np.zeros(N, INSTRUMENT), np.zeros((N, 2, 4), np.int64)
        self.insts["tick"], self.insts["lot"], self.insts["multiplier"], self.insts["venue"] = 100, 10, 1, 2
        self.insts[INST]["n"] = (1, 1)
        self.px[INST, 0, 0], self.px[INST, 1, 0] = 1_000_000, 1_000_200
        self.positions, self.limits = np.zeros(MAX_STRATEGIES * N, POSITION), np.zeros(MAX_STRATEGIES * N, LIMITS)
        self.limits["limit"], self.limits["rule"] = NO_LIMIT, -1
        self.strategies, self.verdict = np.zeros(MAX_STRATEGIES, STRATEGY), np.zeros(3, np.int64)

    def limit(self, which, value):
        self.limits[INDEX]["limit"][which], self.limits[INDEX]["rule"][which] = value, 7

    def ask(self, side=Side.BUY, px=1_000_000, qty=100, more=None, is_new=True, closing=False, book=0, now=NOW):
        more = qty if more is None else more
        return Denial(
            check(
                self.control, self.halts, self.insts, self.px, self.positions, self.limits, self.strategies, side, px, qty, more, is_new, closing,
                book, now, self.verdict,
            )
        )  # fmt: skip


@pytest.fixture
def desk():
    return Desk()


def test_an_ordinary_order_passes(desk):
    assert desk.ask() == Denial.PASS


@pytest.mark.parametrize(
    ("raise_flag", "code"),
    [
        (lambda d: d.control[0].__setitem__("halt_node", 1), Denial.HALT_NODE),
        (lambda d: d.control[0]["halt_venue"].__setitem__(2, 1), Denial.HALT_VENUE),
        (lambda d: d.halts.__setitem__(INST, 1), Denial.HALT_SYMBOL),
        (lambda d: d.control[0]["halt_strategy"].__setitem__(STRAT, 1), Denial.HALT_STRATEGY),
    ],
)
def test_each_halt_flag_denies_and_an_operator_s_closing_order_passes(desk, raise_flag, code):
    raise_flag(desk)
    assert desk.ask() == code
    assert desk.ask(closing=True) == Denial.PASS


def test_other_scopes_halts_do_not_bind(desk):
    desk.control[0]["halt_venue"][1] = desk.control[0]["halt_strategy"][0] = desk.halts[0] = 1
    assert desk.ask() == Denial.PASS


@pytest.mark.parametrize("state", list(BookState))
def test_a_book_that_is_not_live_denies(desk, state):
    assert desk.ask(book=state) == Denial.BOOK_NOT_LIVE
    assert desk.verdict[1] == state


@pytest.mark.parametrize("qty", [0, -1, risk.QTY_MAX, 2**62, -(2**62)])
def test_a_quantity_out_of_range_denies(desk, qty):
    assert desk.ask(qty=qty) == Denial.BAD_QUANTITY


@pytest.mark.parametrize("px", [0, -100, risk.PX_MAX + 1, 2**62])
def test_a_price_out_of_range_denies(desk, px):
    assert desk.ask(px=px) == Denial.BAD_PRICE


def test_lot_and_tick(desk):
    assert desk.ask(qty=101) == Denial.LOT
    assert desk.ask(px=1_000_001) == Denial.TICK


@pytest.mark.parametrize(
    ("which", "value", "code", "met", "broken"),
    [
        (Limit.MAX_ORDER_QTY, 100, Denial.MAX_ORDER_QTY, {"qty": 100}, {"qty": 110}),
        (Limit.MAX_ORDER_VALUE, 100_000_000, Denial.MAX_ORDER_VALUE, {"qty": 100}, {"qty": 100, "px": 1_000_100}),
        (Limit.PRICE_COLLAR, 1_000, Denial.PRICE_COLLAR, {"px": 1_001_100}, {"px": 1_001_200}),
        (Limit.MAX_POSITION, 100, Denial.MAX_POSITION, {"qty": 100}, {"qty": 110}),
        (Limit.MAX_POSITION, 100, Denial.MAX_POSITION, {"qty": 100, "side": Side.SELL}, {"qty": 110, "side": Side.SELL}),
    ],
)
def test_a_limit_is_met_exactly_and_broken_by_one_unit(desk, which, value, code, met, broken):
    desk.limit(which, value)
    assert desk.ask(**met) == Denial.PASS
    assert desk.ask(**broken) == code
    assert (desk.verdict[0], desk.verdict[2]) == (value, 7), "the limit and the rule that set it are named"
    assert desk.verdict[1] > value


def test_position_counts_open_orders_at_their_worst_and_other_strategies(desk):
    desk.limit(Limit.MAX_POSITION, 300)
    desk.positions[INDEX]["position"], desk.positions[INDEX]["open_buy"], desk.positions[INDEX]["open_sell"] = 100, 100, 1_000
    assert desk.ask(qty=100) == Denial.PASS
    assert desk.ask(qty=110) == Denial.MAX_POSITION
    desk.positions[0 * N + INST]["open_buy"] = 10
    assert desk.ask(qty=100) == Denial.MAX_POSITION, "another strategy's order in the same instrument"
    assert desk.ask(qty=100, more=0, is_new=False) == Denial.PASS, "a replace that reserves nothing more"


def test_a_seller_reduces_a_long_position_whatever_the_limit(desk):
    desk.limit(Limit.MAX_POSITION, 100)
    desk.positions[INDEX]["position"] = 500
    assert desk.ask(side=Side.BUY, qty=10) == Denial.MAX_POSITION
    assert desk.ask(side=Side.SELL, qty=500) == Denial.PASS
    assert desk.ask(side=Side.SELL, qty=600) == Denial.PASS
    assert desk.ask(side=Side.SELL, qty=610) == Denial.MAX_POSITION


def test_open_orders_are_counted_for_new_ones_only(desk):
    desk.limit(Limit.MAX_OPEN_ORDERS, 2)
    desk.positions[INDEX]["n_open"] = 1
    assert desk.ask() == Denial.PASS
    desk.positions[INDEX]["n_open"] = 2
    assert desk.ask() == Denial.MAX_OPEN_ORDERS
    assert desk.ask(is_new=False) == Denial.PASS


def test_the_rate_s_bucket_holds_a_second_and_fills_at_the_rate(desk):
    desk.limit(Limit.MAX_ORDER_RATE, 5)
    assert [desk.ask() for _ in range(6)] == [Denial.PASS] * 5 + [Denial.MAX_ORDER_RATE]
    assert desk.ask(now=NOW + 199_999_999) == Denial.MAX_ORDER_RATE
    assert desk.ask(now=NOW + 200_000_000) == Denial.PASS
    assert desk.ask(now=NOW + 200_000_000) == Denial.MAX_ORDER_RATE
    assert [desk.ask(now=NOW + 10**12) for _ in range(6)].count(Denial.PASS) == 5, "a long rest earns no more than a second's worth"


def test_without_a_reference_the_collar_denies(desk):
    desk.limit(Limit.PRICE_COLLAR, 1_000)
    desk.insts[INST]["n"] = (0, 1)
    assert desk.ask() == Denial.NO_REFERENCE
    desk.insts[INST]["last_px"] = 1_000_000
    assert desk.ask() == Denial.PASS
    desk.insts[INST]["last_px"], desk.insts[INST]["reference"] = 0, 900_000
    assert desk.ask() == Denial.PRICE_COLLAR
