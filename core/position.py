"""Position and profit of a strategy in an instrument, in integers: exact, whatever the number of fills.

Value is px x shares. `cash` falls by what is bought and rises by what is sold, fees apart; profit is cash + position x mark - fees
exactly. Only the split into realised and unrealised rounds: closing part of a position takes floor(cost x closed / |position|)
of its cost away (average cost method). `cash` and `realised` have 128 bits, in two words.

A bust is booked as the opposite execution at the same price with its fee given back, and the counts taken back: the money is then as if the
execution had never been; of the open position's average price the same method keeps account.
"""

import numpy as np

from core.codes import Side
from core.integer import i64
from core.jit import kernel

QTY_MOST = 1 << 27  # shares in one execution that are believed: with PX_MAX no product or sum here overflows
PX_MAX = 2_147_483_647


@kernel
def carry(before: int, value: int) -> int:
    """Give what the upper word of a 128-bit sum changes by when `value` is added to the lower one, which wraps."""
    after = before + value
    if value >= 0 and after < before:
        return 1
    if value < 0 and after > before:
        return -1
    return 0


def wide(low: int, high: int) -> int:
    """Give a 128-bit value of two words, for readers: `high` counts how often the signed lower word wrapped."""
    return (int(high) << 64) + int(low)


@kernel
def move(positions: np.ndarray, index: int, side: int, px: int, qty: int, fee: int) -> None:
    """Book `qty` shares at `px` on a side, and a fee in px x shares (negative is a rebate)."""
    sign = 1 if side == Side.BUY else -1
    held = positions[index]["position"]
    paid = sign * px * qty
    positions[index]["cash_high"] += carry(positions[index]["cash"], -paid)
    positions[index]["cash"] -= paid
    positions[index]["fees"] += fee
    closing = min(qty, abs(held)) if held * sign < 0 else i64(0)
    if closing > 0:
        gone = part(positions[index]["cost"], closing, abs(held))
        positions[index]["cost"] -= gone
        gain = sign * (gone - px * closing)
        positions[index]["realised_high"] += carry(positions[index]["realised"], gain)
        positions[index]["realised"] += gain
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
    """Give cash + position x mark - fees in px x shares: exact as long as the result itself fits 64 bits (sums wrap, and wrap back)."""
    return positions[index]["cash"] + positions[index]["position"] * mark - positions[index]["fees"]


@kernel
def reserve(positions: np.ndarray, index: int, side: int, change: int) -> None:
    """Add to (or take from) what open, pending and unknown orders may still fill."""
    if side == Side.BUY:
        positions[index]["open_buy"] += change
    else:
        positions[index]["open_sell"] += change
