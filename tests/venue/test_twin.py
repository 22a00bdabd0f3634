"""The exchange against a twin in plain Python that keeps a list of orders and sorts it: same requests, same words to clients, same book."""

import dataclasses
import struct

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from venue.rig import POST_ONLY, Venue, cancel, configuration, enter, floor, least, modify, replace

ALL = 1 << 40
PRICES = [999_700, 999_800, 999_900, 1_000_000, 1_000_100]


@dataclasses.dataclass
class Order:
    user: int
    ref: int
    side: bytes
    px: int
    open: int
    floor: int
    least: int
    tif: bytes
    executed: int = 0
    shown: int = 0
    since: int = 0


class Naive:
    """The rules, one sentence each."""

    def __init__(self):
        self.orders, self.clock, self.said, self.last = [], 0, [], {}

    def rest(self, order):
        self.clock += 1
        order.since, order.shown = self.clock, min(order.floor, order.open)
        self.orders.append(order)

    def opposite(self, order):
        """Who could trade with an order, best first: price, displayed, time."""
        sign = 1 if order.side == b"B" else -1
        found = [o for o in self.orders if o.side != order.side and sign * o.px <= sign * order.px]
        return sorted(found, key=lambda o: (sign * o.px, o.shown == 0, o.since))

    def trade(self, order):
        while order.open:
            maker = next((o for o in self.opposite(order) if o.shown or min(o.least, o.open) <= order.open), None)
            if maker is None:
                return
            qty = min(order.open, maker.shown or maker.open)
            flag = b"A" if maker.shown else b"J"
            for o in (order, maker):
                o.open, o.executed = o.open - qty, o.executed + qty
            self.said += [(order.user, b"E", order.ref, qty, maker.px, b"R"), (maker.user, b"E", maker.ref, qty, maker.px, flag)]
            if maker.shown:
                maker.shown -= qty
            if not maker.open:
                self.orders.remove(maker)
            elif maker.floor and not maker.shown:
                self.orders.remove(maker)
                self.rest(maker)
                self.said.append((maker.user, b"R", maker.ref, maker.shown))

    def could_trade(self, order):
        need = min(order.least, order.open)
        for maker in self.opposite(order):
            if need > 0 and (maker.shown or maker.least <= need):
                need -= maker.open
        return need <= 0

    def start(self, order, post_only):
        if post_only and self.opposite(order):
            self.said.append((order.user, b"C", order.ref, order.open, b"G"))
        elif order.least and not self.could_trade(order):
            self.finish(order)
        else:
            self.trade(order)
            if order.open:
                self.finish(order)

    def finish(self, order):
        if order.tif == b"3":
            self.said.append((order.user, b"C", order.ref, order.open, b"I"))
        else:
            self.rest(order)

    def enter(self, user, ref, side, qty, px, tif, post_only, low, top):
        self.said.append((user, b"A", ref, qty, px))
        self.start(Order(user, ref, side, px, qty, top, low, tif), post_only)

    def find(self, user, ref):
        return next((o for o in self.orders if (o.user, o.ref) == (user, ref)), None)

    def cancel(self, user, ref, total):
        order = self.find(user, ref)
        left = order and min(max(total - order.executed, 0), order.open)
        if order is None or left == order.open:
            return
        self.said.append((user, b"C", ref, order.open - left, b"U"))
        self.shrink(order, left)

    def shrink(self, order, left):
        order.open, order.shown = left, min(order.shown, left)
        if not left:
            self.orders.remove(order)

    def replace(self, user, ref, new, qty, px):
        order = self.find(user, ref)
        if order is None:
            return
        if qty <= order.executed:
            self.cancel(user, ref, 0)
            return
        self.orders.remove(order)
        order.ref, order.open, order.px, order.floor, order.least, order.tif = new, qty - order.executed, px, ALL, 0, b"0"
        self.said.append((user, b"U", ref, new, order.open, px))
        self.start(order, False)

    def modify(self, user, ref, total):
        order = self.find(user, ref)
        if order is None:
            return
        left = min(total - order.executed, order.open)
        if left <= 0:
            self.cancel(user, ref, 0)
            return
        self.said.append((user, b"M", ref, left))
        self.shrink(order, left)

    def book(self):
        levels = {}
        for o in self.orders:
            if o.shown:
                qty, n = levels.get((o.side, o.px), (0, 0))
                levels[o.side, o.px] = (qty + o.shown, n + 1)
        return levels


def words(user, m):
    """Read what a client is told, by the offsets of OUCH 5.0 section 3."""
    kind = m[:1]
    (ref,) = struct.unpack_from(">I", m, 9) if len(m) > 10 else (0,)
    if kind == b"A":
        return (user, kind, ref, *struct.unpack_from(">I8xQ", m, 14))
    if kind == b"U":
        return (user, kind, ref, *struct.unpack_from(">IxI8xQ", m, 13))
    if kind == b"E":
        return (user, kind, ref, *struct.unpack_from(">IQc", m, 13))
    if kind == b"C":
        return (user, kind, ref, *struct.unpack_from(">Ic", m, 13))
    if kind == b"M":
        return (user, kind, ref, *struct.unpack_from(">I", m, 14))
    if kind == b"R":
        assert m[13:14] == b"R"
        return (user, kind, ref, *struct.unpack_from(">I", m, 28))
    return (user, kind, ref)


QTY = st.integers(1, 5).map(lambda n: 100 * n)
REQUEST = st.one_of(
    st.tuples(st.just("enter"), st.integers(0, 1), st.sampled_from([b"B", b"S"]), QTY, st.sampled_from(PRICES), st.sampled_from("dddhhirpmn")),
    st.tuples(st.just("cancel"), st.integers(0, 1), st.integers(0, 9), st.sampled_from([0, 0, 100, 250])),
    st.tuples(st.just("replace"), st.integers(0, 1), st.integers(0, 9), QTY, st.sampled_from(PRICES)),
    st.tuples(st.just("modify"), st.integers(0, 1), st.integers(0, 9), QTY),
)


def run(venue, twin, requests):
    """Put the same requests to both. d: day, h: hidden, i: IOC, r: reserve, p: post-only, m: hidden with a minimum, n: IOC with a minimum."""
    refs = {0: [], 1: []}
    for k, (what, user, *rest) in enumerate(requests, start=1):
        twin.said = []
        side = {}
        if what == "enter":
            way, qty, px, how = rest
            tif, display = b"3" if how in "in" else b"0", b"N" if how in "hm" else b"Y"
            low, top = (100 if how in "mn" else 0), (0 if display == b"N" else 100 if how == "r" else ALL)
            options = {"r": floor(100), "p": POST_ONLY, "m": least(100), "n": least(100)}.get(how, b"")
            message = enter(k, way, qty, px, tif, display=display, options=options)
            twin.enter(user, k, way, qty, px, tif, how == "p", low, top)
            refs[user].append((k, way))
        else:
            back, *numbers = rest
            ref, way = refs[user][-1 - back] if back < len(refs[user]) else (0, b"B")
            if what == "cancel":
                message = cancel(ref, *numbers)
                twin.cancel(user, ref, *numbers)
            elif what == "modify":
                message = modify(ref, way, *numbers)
                twin.modify(user, ref, *numbers)
            else:
                message = replace(ref, k, *numbers)
                if twin.find(user, ref):
                    refs[user].append((k, way))
                twin.replace(user, ref, k, *numbers)
        before = {u: venue.record.private_next(u) for u in (0, 1)}
        venue.request(user, message)
        said = {u: [words(u, m) for m in venue.record.private_messages(u, before[u], 1 << 16)] for u in (0, 1)}
        assert said == {u: [w for w in twin.said if w[0] == u] for u in (0, 1)}, (k, what, rest)
        _, bids, asks = venue.exchange.book(0)
        ours = {(b"B", px): (qty, n) for px, qty, n in bids} | {(b"S", px): (qty, n) for px, qty, n in asks}
        assert ours == twin.book(), (k, what, rest, side)
        assert not bids or not asks or bids[0][0] < asks[0][0]  # never crossed


def published(messages):
    """Price levels as a listener has them: ITCH 5.0."""
    orders = {}
    for m in messages:
        kind, ref = m[:1], m[11:19]
        if kind in {b"A", b"F"}:
            orders[ref] = list(struct.unpack_from(">cI8xI", m, 19))
        elif kind in {b"E", b"C", b"X"}:
            orders[ref][1] -= struct.unpack_from(">I", m, 19)[0]
            assert orders[ref][1] >= 0
        elif kind == b"D":
            del orders[ref]
        elif kind == b"U":
            new, qty, px = struct.unpack_from(">8sII", m, 19)
            orders[new] = [orders.pop(ref)[0], qty, px]
    levels = {}
    for side, qty, px in orders.values():
        if qty:
            total, n = levels.get((side, px), (0, 0))
            levels[side, px] = (total + qty, n + 1)
    return levels


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(REQUEST, min_size=5, max_size=60))
def test_exchange_is_its_naive_twin(requests):
    venue, twin = Venue(configuration()), Naive()
    try:
        run(venue, twin, requests)
        assert published(venue.messages()) == twin.book()
        shares = [venue.exchange.holdings(u)[0] for u in (0, 1)]
        assert sum(int(h["position"]) for h in shares) == 0  # each share bought was sold
        assert sum(int(h["cash"]) for h in shares) == 0
    finally:
        venue.record.close()
