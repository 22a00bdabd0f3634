"""The feature row against a twin that keeps the whole history and recomputes every number from it."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from core import feature, features
from core.codes import Change, Side
from core.jit import entry
from core.layout import CHANGED, FEATURES, INSTRUMENT, PRODUCT

TICK, LEVELS, VENUES = 100, 16, 3
START = 1_700_000_000_000_000_000


@entry
def update(products, insts, inst, px, qty, changed, now_ns):
    features.update(products, 0, inst, insts, px, qty, changed, now_ns)


@entry
def row(products, insts, px, qty, cnt, live_insts, now_ns):
    features.row(products, 0, insts, px, qty, cnt, live_insts, now_ns)


class Market:
    """Books as dictionaries of price in ticks to (shares, orders), a venue and side; and the kernels' arrays of the same."""

    def __init__(self):
        self.books = [[{}, {}] for _ in range(VENUES)]
        self.live = [1] * VENUES
        self.products, self.insts = np.zeros(1, PRODUCT), np.zeros(VENUES, INSTRUMENT)
        self.products["tick"], self.products["inst"] = TICK, -1
        self.products[0]["inst"][:VENUES] = range(VENUES)
        self.px, self.qty, self.cnt = (np.zeros((VENUES, 2, LEVELS), np.int64) for _ in range(3))
        self.messages, self.rows = [], []  # (time, flow, trade side, trade shares, trade px) and (time, mid, spread, depth)

    def top(self, venue, side):
        levels = self.books[venue][side]
        price = (max if side == Side.BUY else min)(levels, default=None)
        return None if price is None else (price, levels[price][0])

    def message(self, now, venue, side, price, shares, orders, trade):
        before = [self.top(venue, s) for s in (0, 1)]
        if shares:
            self.books[venue][side][price] = (shares, orders)
        else:
            self.books[venue][side].pop(price, None)
        for s in (0, 1):
            levels = sorted(self.books[venue][s], reverse=s == Side.SELL)
            self.insts[venue]["n"][s] = len(levels)
            for k, level in enumerate(levels):
                self.px[venue, s, k] = level * TICK
                self.qty[venue, s, k], self.cnt[venue, s, k] = self.books[venue][s][level]
        changed = np.zeros(1, CHANGED)
        changed["what"] = Change.BOOK | (Change.TRADE if trade else 0)
        flow = 0
        for s, sign in ((0, 1), (1, -1)):
            old, new = before[s], self.top(venue, s)
            if new and (not old or new[0] * sign >= old[0] * sign):
                flow += sign * new[1]
            if old and (not new or new[0] * sign <= old[0] * sign):
                flow -= sign * old[1]
        if trade:
            changed["trade_side"], changed["trade_qty"], changed["trade_px"] = trade[0], trade[1], price * TICK
        self.messages.append((now, flow, *(trade or (None, 0)), price))
        update(self.products, self.insts, venue, self.px, self.qty, changed, now)

    def kernel_row(self, now):
        row(self.products, self.insts, self.px, self.qty, self.cnt, np.array(self.live, np.int32), now)
        return dict(zip(feature.NAMES, self.products[0]["row"].tolist(), strict=True))

    def side(self, side):
        """Best price, and [(away, shares, orders)] of each venue's ten best levels."""
        sign = 1 if side == Side.BUY else -1
        tops = [self.top(v, side) for v in range(VENUES) if self.live[v]]
        if not any(tops):
            return None, []
        top = max(t[0] * sign for t in tops if t) * sign
        seen = []
        for v in range(VENUES):
            if self.live[v]:
                ten = sorted(self.books[v][side], key=lambda p: -p * sign)[:10]
                seen += [((top - p) * sign, *self.books[v][side][p]) for p in ten]
        return top, seen

    def twin_row(self, now):
        bid, bids = self.side(0)
        ask, asks = self.side(1)
        out = dict.fromkeys(feature.NAMES, 0.0)

        def within(levels, ticks):
            return sum(shares for away, shares, _ in levels if away < ticks)

        def share(a, b):
            return (a - b) / (a + b) if a + b else 0.0

        if bid is not None and ask is not None:
            self.rows.append((now, (bid + ask) / 2, ask - bid, (within(bids, 1) + within(asks, 1)) / 2))

        def mean(column, half):
            if not self.rows:
                return 0.0
            value = self.rows[0][column] * 2 ** (-(now - self.rows[0][0]) / half)
            for (t, *values), later in zip(self.rows, [r[0] for r in self.rows[1:]] + [now], strict=True):
                value += values[column - 1] * (2 ** (-(now - later) / half) - 2 ** (-(now - t) / half))
            return value

        longest = features.HALF_LIVES_NS[2]
        unit = max(mean(3, longest), 1.0)
        for name, levels in (("bid", bids), ("ask", asks)):
            out[f"{name}_qty"] = within(levels, 1) / unit
            out[f"{name}_depth"] = within(levels, 10) / unit
            out[f"{name}_gap"] = min((a for a, *_ in levels if a > 0), default=0)
            out[f"{name}_orders"] = sum(orders for a, _, orders in levels if a == 0)
            out[f"{name}_venues"] = sum(1 for a, *_ in levels if a == 0)
        for name, ticks in (("imbalance", 1), ("imbalance_3", 3), ("imbalance_10", 10)):
            out[name] = share(within(bids, ticks), within(asks, ticks))
        last = next((m[4] for m in reversed(self.messages) if m[2] is not None), None)
        if bid is not None and ask is not None:
            out["spread"] = ask - bid
            b, a = within(bids, 1), within(asks, 1)
            out["microprice"] = (bid * a + ask * b) / (a + b) - (bid + ask) / 2
            out["spread_change"] = ask - bid - mean(2, longest)
            out["last_trade"] = last - (bid + ask) / 2 if last is not None else 0.0
        for half, name in zip(features.HALF_LIVES_NS, ("125ms", "1s", "8s"), strict=True):
            weights = [2 ** (-(now - m[0]) / half) for m in self.messages]
            out[f"ofi_{name}"] = sum(w * m[1] for w, m in zip(weights, self.messages, strict=True)) / unit
            bought, sold = (sum(w * m[3] for w, m in zip(weights, self.messages, strict=True) if m[2] == s) for s in (0, 1))
            out[f"trades_{name}"] = share(bought, sold)
            if bid is not None and ask is not None:
                out[f"return_{name}"] = (bid + ask) / 2 - mean(1, half)
            squares = sum((r[1] - q[1]) ** 2 * 2 ** (-(now - r[0]) / half) for q, r in zip(self.rows, self.rows[1:], strict=False))
            out[f"volatility_{name}"] = math.sqrt(squares * math.log(2) / (half / 1e9))
            if name == "8s":
                rate = sum(weights) * math.log(2) / 8
                out["intensity"] = math.log1p(rate)
                out["volume"] = (bought + sold) * math.log(2) / 8 / unit
                out["burst"] = sum(2 ** (-(now - m[0]) / 125e6) for m in self.messages) * math.log(2) * 8 / rate if rate else 0.0
        return out


steps = st.lists(
    st.tuples(
        st.integers(0, 3_000_000_000),  # ns since the last one
        st.integers(0, VENUES - 1),
        st.sampled_from([Side.BUY, Side.SELL]),
        st.integers(0, 13),  # ticks into its own side
        st.integers(0, 500),  # shares left there
        st.integers(1, 5),
        st.one_of(st.none(), st.tuples(st.sampled_from([Side.BUY, Side.SELL]), st.integers(1, 300))),
        st.lists(st.sampled_from([0, 1, 1, 1]), min_size=VENUES, max_size=VENUES),
    ),
    min_size=1,
    max_size=40,
)


@settings(deadline=None, max_examples=150)
@given(steps)
def test_every_row_equals_the_twin_s(moves):
    market, now = Market(), START
    for wait, venue, side, away, shares, orders, trade, live in moves:
        now += wait
        market.live = live
        market.message(now, venue, side, 1_000 - away if side == Side.BUY else 1_001 + away, shares, orders, trade)
        now += 1_000
        ours, twin = market.kernel_row(now), market.twin_row(now)
        for name in feature.NAMES:
            assert math.isclose(ours[name], twin[name], rel_tol=2e-5, abs_tol=2e-4), name


def test_time_that_goes_backwards_changes_nothing():
    market = Market()
    market.message(START, 0, Side.BUY, 1_000, 100, 1, None)
    market.message(START, 0, Side.SELL, 1_001, 100, 1, (Side.BUY, 50))
    before = market.kernel_row(START)
    assert market.kernel_row(START - 10_000_000_000) == before


def test_every_number_is_finite_at_the_extremes():
    market = Market()
    assert set(market.kernel_row(START).values()) == {0.0}, "a product without a book"
    market.message(START, 0, Side.BUY, 1, 2**31 - 1, 1, (Side.SELL, 2**31 - 1))
    market.message(START, 1, Side.SELL, 1_999_999, 2**31 - 1, 1, (Side.BUY, 2**31 - 1))
    for later in (0, 1, 10**9, 10**18):
        assert all(math.isfinite(value) for value in market.kernel_row(START + later).values())


def test_there_are_as_many_names_as_numbers():
    assert len(feature.NAMES) == FEATURES
    assert {"imbalance", "microprice"} <= set(feature.NAMES)
