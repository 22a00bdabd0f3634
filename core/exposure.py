"""What several lanes hold and may yet buy or sell of a product, under one limit, without a lock.

EXPOSURE[row, MAX_LANES]: each lane writes its own line and reads the others'. To claim, a lane first says what it asks for, then adds up what
everybody holds and asks for; only when that is within the limit does it turn its asking into holding. Of two that ask at once each sees the other
(the fence between saying and adding up makes sure), so both may be refused but never both granted too much: what is held never passes
the limit. No word has two writers, so a lane that dies leaves nothing half-done: it writes its line anew when it comes back.
(The bakery algorithm's first half, Lamport 1974, without waiting: who does not get it at once is denied.)

`control` is the lane's: the address of the array, the lane's place in it and the number of lanes. Sides as core.codes.Side.

The last MONEY_ROWS rows are not about a product but about sums of money (1e-4 of the currency). In `buy` and `sell` GROSS has gross exposure and
profit, NET all longs and all shorts, DAY the day's profit. Exposure is asked for before it is judged and kept when the order passed, as shares are;
then, and whenever a mark changes, each lane writes what its sums are (core/risk.py).
"""

import numpy as np

from core.atomics import fence, load, store
from core.codes import Side
from core.integer import i64
from core.jit import inlined, kernel
from core.layout import EXPOSURE, MAX_LANES, MONEY_ROWS

GROSS, NET, DAY = range(MONEY_ROWS)
LINE = EXPOSURE.itemsize
BUY, SELL, ASKED_BUY, ASKED_SELL = (EXPOSURE.fields[name][1] for name in ("buy", "sell", "asked_buy", "asked_sell"))  # type: ignore[index]


@inlined
def line(control: np.ndarray, row: int, lane: int) -> int:
    """Give the address of a lane's line."""
    return control[0]["exposure"] + (row * MAX_LANES + lane) * LINE


@inlined
def total(control: np.ndarray, row: int, side: int) -> int:
    """Add up what all lanes hold, and ask for, on a side."""
    held, asked = (BUY, ASKED_BUY) if side == Side.BUY else (SELL, ASKED_SELL)
    n = i64(0)
    for lane in range(control[0]["n_lanes"]):
        at = line(control, row, lane)
        n += load(at + asked)  # first: what is no longer asked for is held by then
        n += load(at + held)
    return n


@inlined
def claim(control: np.ndarray, row: int, side: int, qty: int, limit: int) -> int:
    """Take `qty` more on a side unless all lanes together would then pass `limit`: give the sum with it. Above the limit nothing was taken.

    `qty` 0 only adds up: what raises nothing is never refused.
    """
    own = line(control, row, control[0]["place"])
    held, asked = (BUY, ASKED_BUY) if side == Side.BUY else (SELL, ASKED_SELL)
    if control[0]["n_lanes"] > 1:
        store(own + asked, qty)
        fence()
        n = total(control, row, side)
    else:
        n = load(own + held) + qty
    if n <= limit:
        store(own + held, load(own + held) + qty)
    if control[0]["n_lanes"] > 1:
        store(own + asked, 0)
    return n


@inlined
def ask(control: np.ndarray, row: int, side: int, amount: int) -> None:
    """Say what the lane asks for; whoever adds up after it sees it. Ends with `answer`."""
    store(line(control, row, control[0]["place"]) + (ASKED_BUY if side == Side.BUY else ASKED_SELL), amount)
    fence()


@inlined
def answer(control: np.ndarray, row: int, side: int, granted: bool) -> None:
    """Take what was asked for, or do not."""
    own = line(control, row, control[0]["place"])
    held, asked = (BUY, ASKED_BUY) if side == Side.BUY else (SELL, ASKED_SELL)
    if granted:
        store(own + held, load(own + held) + load(own + asked))
    store(own + asked, 0)


@inlined
def say(control: np.ndarray, row: int, buy: int, sell: int) -> None:
    """Write what the lane holds, whatever it was."""
    own = line(control, row, control[0]["place"])
    store(own + BUY, buy)
    store(own + SELL, sell)


@inlined
def change(control: np.ndarray, row: int, buy: int, sell: int) -> None:
    """Add to the lane's own line what a message of the venue changed: fills and what will not fill any more."""
    own = line(control, row, control[0]["place"])
    if buy != 0:
        store(own + BUY, load(own + BUY) + buy)
    if sell != 0:
        store(own + SELL, load(own + SELL) + sell)


@kernel
def put(control: np.ndarray, row: int, buy: int, sell: int) -> None:
    """Write the lane's own line anew: after a start."""
    own = line(control, row, control[0]["place"])
    store(own + ASKED_BUY, 0)
    store(own + ASKED_SELL, 0)
    store(own + BUY, buy)
    store(own + SELL, sell)
