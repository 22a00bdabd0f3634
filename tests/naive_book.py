"""The order-by-order book as one would write it first: dictionaries and sums. What core.book must agree with."""

from collections import defaultdict

NOT_OURS, UNKNOWN_ORDER, DUPLICATE = -1, -2, -5


class NaiveBook:
    """One symbol. `apply` takes fields by the names of core.layout.MESSAGE."""

    def __init__(self):
        self.orders = {}  # ref: [side, px, qty]
        self.volume = 0
        self.last = None

    def apply(self, m):
        kind = chr(m["kind"])
        if kind in "AF":
            if m["ref"] in self.orders:
                return DUPLICATE
            self.orders[m["ref"]] = [m["side"], m["px"], m["qty"]]
        elif kind in "EXCD":
            if m["ref"] not in self.orders:
                return UNKNOWN_ORDER
            order = self.orders[m["ref"]]
            shares = order[2] if kind == "D" else m["qty"]
            if shares > order[2]:
                return UNKNOWN_ORDER
            order[2] -= shares
            if order[2] == 0:
                del self.orders[m["ref"]]
            if kind == "E" or (kind == "C" and m["code"] == ord("Y")):
                self._trade(order[1] if kind == "E" else m["px"], shares)
        elif kind == "U":
            if m["ref"] not in self.orders:
                return UNKNOWN_ORDER
            if m["new_ref"] in self.orders:
                return DUPLICATE
            side = self.orders.pop(m["ref"])[0]
            self.orders[m["new_ref"]] = [side, m["px"], m["qty"]]
        elif kind == "P" or (kind == "Q" and m["qty"] > 0):
            self._trade(m["px"], m["qty"])
        return 0

    def _trade(self, px, shares):
        self.volume += shares
        self.last = (px, shares)

    def levels(self, side):
        """[(px, qty, orders)], best first."""
        found = defaultdict(lambda: [0, 0])
        for order_side, px, qty in self.orders.values():
            if order_side == side:
                found[px][0] += qty
                found[px][1] += 1
        return [(px, *found[px]) for px in sorted(found, reverse=side == 0)]
