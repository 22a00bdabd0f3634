"""Position and profit of a strategy in an instrument, in integers: exact, whatever the number of fills.

Value is px x shares. `cash` falls by what is bought and rises by what is sold, fees apart; profit is cash + position x mark - fees
exactly. Only the split into realised and unrealised rounds: closing part of a position takes floor(cost x closed / |position|)
of its cost away (average cost method). `cash` and `realised` have two words of 64 bits each: the whole is high x WORD + low.

A bust is booked as the opposite execution at the same price with its fee given back, and the counts taken back: the money is then as if the
execution had never been; of the open position's average price the same method keeps account.
"""

import numpy as np

from core.codes import Side
from core.integer import i64
from core.jit import inlined, kernel

QTY_MOST = 1 << 27  # shares in one execution that are believed: with PX_MAX no product or sum here overflows
PX_MAX = 2_147_483_647
WORD = 1 << 61


@kernel
def carry(low: int) -> int:
    """Give how many times WORD the lower word of a sum is to hand to its upper one, so that it stays within it.

    A threshold and not a wrap: the compiler takes signed sums not to wrap, and drops a test for it.
    """
    if low >= WORD:
        return 1
    if low <= -WORD:
        return -1
    return 0


def wide(low: int, high: int) -> int:
    """Give the value of two words, for readers."""
    return int(high) * WORD + int(low)


@kernel
def move(positions: np.ndarray, index: int, side: int, px: int, qty: int, fee: int) -> None:
    """Book `qty` shares at `px` on a side, and a fee in px x shares (negative is a rebate)."""
    sign = 1 if side == Side.BUY else -1
    held = positions[index]["position"]
    positions[index]["cash"] -= sign * px * qty
    up = carry(positions[index]["cash"])
    positions[index]["cash"] -= up * WORD
    positions[index]["cash_high"] += up
    positions[index]["fees"] += fee
    closing = min(qty, abs(held)) if held * sign < 0 else i64(0)
    if closing > 0:
        gone = part(positions[index]["cost"], closing, abs(held))
        positions[index]["cost"] -= gone
        positions[index]["realised"] += sign * (gone - px * closing)
        up = carry(positions[index]["realised"])
        positions[index]["realised"] -= up * WORD
        positions[index]["realised_high"] += up
    positions[index]["cost"] += px * (qty - closing)
    positions[index]["position"] = held + sign * qty


@kernel
def part(cost: int, closed: int, held: int) -> int:
    """Give floor(cost x closed / held) without the product overflowing: cost is divided first."""
    whole, rest = cost // held, cost % held
    return whole * closed + rest * closed // held


@kernel
def fill(positions: np.ndarray, index: int, side: int, px: int, qty: int, fee: int) -> None:
    """Apply one execution: `qty` shares at `px`; `fee` in px x shares, negative is a rebate."""
    move(positions, index, side, px, qty, fee)
    positions[index]["fills"] += 1
    if side == Side.BUY:
        positions[index]["bought"] += qty
    else:
        positions[index]["sold"] += qty


@kernel
def bust(positions: np.ndarray, index: int, side: int, px: int, qty: int, fee: int) -> None:
    """Take one execution back: the arguments are those of its `fill`."""
    move(positions, index, Side.SELL if side == Side.BUY else Side.BUY, px, qty, -fee)
    positions[index]["fills"] -= 1
    if side == Side.BUY:
        positions[index]["bought"] -= qty
    else:
        positions[index]["sold"] -= qty


@kernel
def profit(positions: np.ndarray, index: int, mark: int) -> int:
    """Give cash + position x mark - fees in px x shares, exactly (0 <= mark <= PX_MAX); what is beyond +-WORD stays there.

    The product is made of two, so that neither overflows: position = p x 2^30 + q, and WORD = 2^31 x 2^30.
    """
    held = positions[index]["position"]
    upper = (held >> 30) * mark
    high = positions[index]["cash_high"] + (upper >> 31)
    low = ((upper & 0x7FFFFFFF) << 30) + (held & 0x3FFFFFFF) * mark + positions[index]["cash"] - positions[index]["fees"]
    high += low >> 61
    low &= WORD - 1
    if high > 0:
        return i64(WORD)
    if high < -1:
        return i64(-WORD)
    return high * WORD + low


@inlined
def reserve(positions: np.ndarray, index: int, side: int, change: int) -> None:
    """Add to (or take from) what open, pending and unknown orders may still fill."""
    if side == Side.BUY:
        positions[index]["open_buy"] += change
    else:
        positions[index]["open_sell"] += change
