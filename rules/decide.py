"""May an order go out, as far as policy says? The plain reading of limits: scenarios ask it, and core/risk.py is what the lane runs.

All limits of the blocks that match bind; those of a strategy's own block bind that strategy alone, all others also all strategies together.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from rules import catalog, model
from rules.span import Span
from rules.units import figure

ACCOUNT = ""  # no strategy is called so: all of them together
# What more than position, open orders, loss and mid decides: a lane knows it (core/risk.py), and a scenario does not say it.
UNSAID = frozenset(
    (
        "max_gross_exposure", "max_net_exposure", "capital", "max_leverage", "margin", "max_drawdown", "max_message_rate", "duplicate_window",
        "max_executions", "execution_window", "collar_reference",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Order:
    """An order that is asked for. `price` is money a share."""

    side: str
    quantity: int
    symbol: str
    price: Fraction
    venue: str
    strategy: str
    currency: str = "USD"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a strategy, or all together, stands in a symbol: position, own open orders, loss of the day."""

    position: int = 0
    open_orders: int = 0
    loss: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Denial:
    """The limit that an order breaks, what it allows, what was asked instead (None: it has nothing to be measured from), and its place."""

    limit: str
    allowed: int | Decimal
    asked: Fraction | None
    span: Span

    def __str__(self) -> str:
        allowed = figure(Fraction(self.allowed))
        asked = f"{figure(self.asked)} asked" if self.asked is not None else "there is no mid to measure from"
        return f"denied by {self.limit} at {self.span}: {allowed} allowed, {asked}"


@dataclass(slots=True)
class Rates:
    """What earlier orders took: token buckets, one a strategy, a second's worth held (Turner 1986, as in core/risk.py); when the last one passed."""

    tokens: dict[str, tuple[Fraction, int]] = field(default_factory=dict)
    last_ns: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def take(self, strategy: str, rate: int, now_ns: int) -> bool:
        """Take a token."""
        left, since = self.tokens.get(strategy, (Fraction(rate), now_ns))
        left = min(left + Fraction(rate * (now_ns - since), catalog.SECOND), Fraction(rate))
        self.tokens[strategy] = (left - (left >= 1), now_ns)
        return left >= 1

    def since(self, order: Order, now_ns: int) -> int | None:
        """Give the time since a strategy's last order in a symbol at a venue."""
        last = self.last_ns.get((order.strategy, order.symbol, order.venue))
        return now_ns - last if last is not None else None

    def passed(self, order: Order, now_ns: int) -> None:
        """Note an order that passed."""
        self.last_ns[order.strategy, order.symbol, order.venue] = now_ns


def decide(policy: model.Policy, order: Order, own: Standing, account: Standing, mid: Fraction | None, rates: Rates, now_ns: int) -> Denial | None:
    """Give the first limit that denies an order; None if it passes. `mid` is what the collar is measured from."""
    own_limits = model.limits_for(policy, order.strategy, order.symbol, order.venue, order.currency)
    all_limits = model.limits_for(policy, ACCOUNT, order.symbol, order.venue, order.currency)

    def broken(name: str, asked: Fraction | None) -> Denial | None:
        if name not in own_limits or (asked is not None and asked <= Fraction(own_limits[name][0])):
            return None
        allowed, span = own_limits[name]
        return Denial(name, allowed, asked, span)

    value = order.price * order.quantity
    away = abs(order.price - mid) / mid if mid else None
    found = broken("max_order_size", Fraction(order.quantity)) or broken("max_order_value", value)
    if found is None and (away is not None or own_limits.get("collar_missing", (0,))[0] == 0):
        found = broken("price_collar", away)
    if found is not None:
        return found
    sign = 1 if order.side == "buy" else -1
    way = "max_long" if sign > 0 else "max_short"
    reduces = sign * own.position + order.quantity <= 0
    if "restricted" in own_limits and not reduces:
        return Denial("restricted", own_limits["restricted"][0], Fraction(order.quantity), own_limits["restricted"][1])
    for standing, limits in ((own, own_limits), (account, all_limits)):
        position = Fraction(sign * standing.position + order.quantity)
        asked = {"max_position": position, way: position}
        if not reduces:
            asked |= {"max_daily_loss": standing.loss, "max_open_orders": Fraction(standing.open_orders + 1)}
        if limits is all_limits:
            asked["max_total_position"] = position
            if sign < 0:
                asked["locate"] = position
        for name, amount in asked.items():
            if name in limits and amount > Fraction(limits[name][0]):
                return Denial(name, limits[name][0], amount, limits[name][1])
    if "min_interval" in own_limits:
        least, span = own_limits["min_interval"]
        since = rates.since(order, now_ns)
        if since is not None and since < least:
            return Denial("min_interval", least, Fraction(since), span)
    if "max_order_rate" in own_limits:
        rate, span = own_limits["max_order_rate"]
        if not rates.take(order.strategy, int(rate), now_ns):
            return Denial("max_order_rate", rate, Fraction(rate) + 1, span)
    rates.passed(order, now_ns)
    return None
