"""The price of an auction, and who trades at it. Orders in, fills out; no state.

The price is the one at which most shares trade. Of several: the one that leaves the smallest imbalance, then the one nearest to the reference
price, then the lowest. Shares go to orders by price (market orders first), then displayed before hidden, then by time (reference number).
"""

from dataclasses import dataclass

MARKET_BUY, MARKET_SELL = 1 << 40, 0  # prices of market orders


@dataclass(frozen=True)
class Interest:
    """An order that takes part. `side`: 0 buy, 1 sell; prices in 1e-4."""

    slot: int
    side: int
    px: int
    qty: int
    displayed: bool
    ref: int

    def rank(self) -> tuple[int, bool, int]:
        """Give its place in the queue of its side."""
        return (-self.px if self.side == 0 else self.px, not self.displayed, self.ref)


@dataclass(frozen=True)
class Outcome:
    """What an auction would do: `px` 0 when nothing can trade; `imbalance` is positive when buyers are left over."""

    px: int
    paired: int
    imbalance: int


def outcome(orders: list[Interest], reference: int, lower: int = 1, upper: int = MARKET_BUY - 1) -> Outcome:
    """Find the price between two collars."""
    prices = {o.px for o in orders if lower <= o.px <= upper and MARKET_SELL < o.px < MARKET_BUY}
    prices |= {p for p in (reference, lower, upper) if lower <= p <= upper and 1 < p < MARKET_BUY - 1}
    best, key = Outcome(0, 0, 0), (0, 0, 0, 0)
    for px in sorted(prices):
        buy = sum(o.qty for o in orders if o.side == 0 and o.px >= px)
        sell = sum(o.qty for o in orders if o.side == 1 and o.px <= px)
        paired = min(buy, sell)
        this = (-paired, abs(buy - sell), abs(px - reference), px)
        if best.px == 0 or this < key:
            best, key = Outcome(px, paired, buy - sell), this
    return best if best.paired else Outcome(0, 0, best.imbalance)


def fills(orders: list[Interest], px: int, paired: int) -> list[tuple[Interest, int]]:
    """Give who trades how many shares at the price, buyers first."""
    found = []
    for side in (0, 1):
        left = paired
        for order in sorted((o for o in orders if o.side == side), key=Interest.rank):
            good = order.px >= px if side == 0 else order.px <= px
            if good and left > 0:
                found.append((order, min(order.qty, left)))
                left -= min(order.qty, left)
    return found
