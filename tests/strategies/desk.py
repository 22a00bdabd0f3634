"""A venue or more in plain Python, and a compiled strategy that is called by address, as the lane calls it.

Books have one level a side. An order that meets the other side is filled at once at its price (post-only ones are rejected instead), a resting one
when the other side moves onto it. Nothing happens by itself: a test moves a book, and the desk tells the strategy until it has nothing more to say.
"""

import ctypes
from dataclasses import dataclass

import numpy as np

from core.codes import BookState, EventKind, IntentKind, OrderFlag, OrdStatus, Side, TimeInForce
from core.layout import EVENT, INTENT, MAX_INTENTS, STATE_BYTES, VIEW

OPEN = (OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED, OrdStatus.PENDING_CANCEL)
START_NS = 1_700_000_000_000_000_000


@dataclass
class Order:
    venue: int
    side: int
    px: int
    qty: int
    tif: int
    flags: int
    cum: int = 0
    status: int = OrdStatus.NEW

    @property
    def leaves(self):
        return self.qty - self.cum


class Desk:
    def __init__(self, compiled, venues=1, fees=0, **params):
        self.compiled = compiled
        self.params = compiled.params(params)
        self.call_address = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 5)(compiled.address)
        self.state = np.zeros(STATE_BYTES, np.uint8)
        self.event, self.view, self.out = np.zeros(1, EVENT), np.zeros(1, VIEW), np.zeros(MAX_INTENTS, INTENT)
        self.books = [[999, 100, 1_001, 100] for _ in range(venues)]  # bid, its shares, ask, its shares
        self.states = [0] * venues
        self.fees, self.tick, self.unit = fees, 100, 10_000
        self.score, self.score_age, self.features = None, 0, {}
        self.orders, self.position, self.now = {}, 0, START_NS
        self.intents, self.fills, self.waiting = [], [], []
        self.refuse = None  # how to answer an order instead of taking it

    @property
    def open(self):
        return {k: o for k, o in self.orders.items() if o.status in OPEN}

    def build(self):
        view = self.view
        view[:] = 0
        v = view[0]
        v["n_venues"], v["tick"], v["lot"], v["unit"], v["position"] = len(self.books), self.tick, 1, self.unit, self.position
        v["best_bid_venue"] = v["best_ask_venue"] = -1
        v["seed"] = 7
        for k, (bid, bid_qty, ask, ask_qty) in enumerate(self.books):
            seen = v["venues"][k]
            seen["state"], seen["taker_fee"] = self.states[k], self.fees
            seen["n_bid"], seen["n_ask"] = bid > 0, ask > 0
            seen["bid_px"][0], seen["bid_qty"][0], seen["ask_px"][0], seen["ask_qty"][0] = bid, bid_qty, ask, ask_qty
            if self.states[k]:
                continue
            if bid > 0 and (v["best_bid_venue"] < 0 or bid > v["best_bid"]):
                v["best_bid"], v["best_bid_qty"], v["best_bid_venue"] = bid, bid_qty, k
            if ask > 0 and (v["best_ask_venue"] < 0 or ask < v["best_ask"]):
                v["best_ask"], v["best_ask_qty"], v["best_ask_venue"] = ask, ask_qty, k
        for n, (order_id, order) in enumerate(self.open.items()):
            own = v["orders"][n]
            own["order_id"], own["venue"], own["side"], own["px"] = order_id, order.venue, order.side, order.px
            own["leaves_qty"], own["cum_qty"], own["ord_status"] = order.leaves, order.cum, order.status
            v["open_buy" if order.side == Side.BUY else "open_sell"] += order.leaves
            v["n_orders"] = n + 1
        if self.score is not None:
            v["score_on"], v["score"], v["score_age_ns"] = 1, self.score, self.score_age
        for place, value in self.features.items():
            v["features"][place] = value

    def tell(self, kind, venue=-1, order_id=0, order=None):
        """One call; gives the intents, and carries them out."""
        self.build()
        e = self.event[0]
        self.event[:] = 0
        e["kind"], e["venue"], e["now_ns"] = kind, venue, self.now
        if order is not None:
            e["order_id"], e["ord_status"], e["side"], e["leaves_qty"] = order_id, order.status, order.side, order.leaves
        arrays = (self.event, self.view, self.params, self.state, self.out)
        n = self.call_address(*(a.ctypes.data for a in arrays))
        assert 0 <= n <= MAX_INTENTS
        asked = [self.out[k].copy() for k in range(n)]
        self.intents += asked
        for one in asked:
            self.carry_out(one)
        self.deliver()
        return asked

    def deliver(self):
        """Tell what is waiting, once all that was asked for has been carried out: as the lane does."""
        while self.waiting:
            order_id = self.waiting.pop(0)
            order = self.orders[order_id]
            self.tell(EventKind.ORDER, order.venue, order_id, order)

    def carry_out(self, intent):
        kind, order_id = intent["kind"], int(intent["order_id"])
        if kind == IntentKind.NEW:
            self.enter(intent)
        elif kind == IntentKind.CANCEL_ALL:
            for each in self.open.values():
                each.status = OrdStatus.CANCELED
        elif order_id not in self.open:
            return
        elif kind == IntentKind.CANCEL:
            self.orders[order_id].status = OrdStatus.CANCELED
            self.waiting.append(order_id)
        elif kind == IntentKind.REPLACE:
            order = self.orders[order_id]
            assert not self.meets_own(order.venue, order.side, int(intent["px"])), "risk would refuse it: it meets an order of our own"
            order.px, order.qty = int(intent["px"]), int(intent["qty"])
            self.meet(order_id)
        else:
            raise AssertionError(kind)

    def enter(self, intent):
        order = Order(*(int(intent[name]) for name in ("venue", "side", "px", "qty", "time_in_force", "flags")))
        assert order.qty > 0
        assert order.px > 0
        assert not self.meets_own(order.venue, order.side, order.px), "risk would refuse it: it meets an order of our own"
        order_id = len(self.orders) + 1
        self.orders[order_id] = order
        if self.refuse is not None:
            order.status = self.refuse
            self.waiting.append(order_id)
        else:
            self.meet(order_id)

    def meets_own(self, venue, side, px):
        theirs = [o.px for o in self.open.values() if o.venue == venue and o.side != side]
        return any(px >= other if side == Side.BUY else px <= other for other in theirs)

    def meet(self, order_id):
        """Fill what meets the other side."""
        order = self.orders[order_id]
        bid, bid_qty, ask, ask_qty = self.books[order.venue]
        there = (ask > 0 and order.px >= ask) if order.side == Side.BUY else (bid > 0 and order.px <= bid)
        if there and order.flags & OrderFlag.POST_ONLY and order.cum == 0:
            order.status = OrdStatus.REJECTED
        elif there:
            self.fill(order, min(order.leaves, ask_qty if order.side == Side.BUY else bid_qty))
        if order.status in OPEN and order.tif == TimeInForce.IOC:
            order.status = OrdStatus.CANCELED
        self.waiting.append(order_id)

    def fill(self, order, shares):
        order.cum += shares
        self.position += shares if order.side == Side.BUY else -shares
        self.fills.append((order.side, order.px, shares))
        order.status = OrdStatus.FILLED if order.leaves == 0 else OrdStatus.PARTIALLY_FILLED

    def move(self, venue, bid, ask, bid_qty=100, ask_qty=100, wait_ns=1_000_000):
        """The book of a venue becomes this; resting orders that it meets are filled first."""
        self.now += wait_ns
        self.books[venue] = [bid, bid_qty, ask, ask_qty]
        for order_id, order in list(self.open.items()):
            if order.venue == venue and ((order.px >= ask > 0) if order.side == Side.BUY else (0 < order.px <= bid)):
                self.fill(order, order.leaves)
                self.waiting.append(order_id)
        self.deliver()
        return self.tell(EventKind.BOOK, venue)

    def lose(self, venue, state=BookState.STALE):
        """A venue's book is no longer LIVE."""
        self.states[venue] = state
        return self.tell(EventKind.STATUS, venue)
