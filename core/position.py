"""Position and profit of a strategy in an instrument, in integers: exact, whatever the number of fills.

Value is px x shares. `cash` falls by what is bought and rises by what is sold, fees apart; profit is cash + position x mark - fees
exactly. Only the split into realised and unrealised rounds: closing part of a position takes floor(cost x closed / |position|)
of its cost away (average cost method).
"""

import numpy as np

from core.codes import Side
from core.jit import kernel


@kernel
def fill(positions: np.ndarray, index: int, side: int, px: int, qty: int, fee: int) -> None:
    """Apply one execution: `qty` shares at `px`; `fee` in px x shares, negative is a rebate."""
    sign = 1 if side == Side.BUY else -1
    held = positions[index]["position"]
    positions[index]["cash"] -= sign * px * qty
    positions[index]["fees"] += fee
    positions[index]["fills"] += 1
    if side == Side.BUY:
        positions[index]["bought"] += qty
    else:
        positions[index]["sold"] += qty
    closing = min(qty, abs(held)) if held * sign < 0 else 0
    if closing > 0:
        gone = positions[index]["cost"] * closing // abs(held)
        positions[index]["cost"] -= gone
        positions[index]["realised"] += -sign * px * closing - -sign * gone
    positions[index]["cost"] += px * (qty - closing)
    positions[index]["position"] = held + sign * qty


@kernel
def reserve(positions: np.ndarray, index: int, side: int, change: int) -> None:
    """Add to (or take from) what open, pending and unknown orders may still fill."""
    if side == Side.BUY:
        positions[index]["open_buy"] += change
    else:
        positions[index]["open_sell"] += change
