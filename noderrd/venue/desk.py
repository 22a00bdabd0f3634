"""The order desk: what OUCH 5.0 demands of a request before it reaches the book.

Silence is an answer: a UserRefNum that is not above the last one taken, or an order that is not live, gets none (sections 2.1 to 2.4).
A request that is wrong in itself is rejected with its reason; a replace that is wrong cancels the order that it names.
"""

import numpy as np

from core import matching, ouch
from core.codes import Side
from core.integer import i64
from core.jit import kernel

ZERO = 48  # Reg SHO action: no restriction
BLANK = 0x2020202020202020
FIRMS = 8  # firms of a port whose order entry is disabled

USER = np.dtype(
    [
        ("next_ref", "i8"),  # UserRefNums below are taken
        ("enabled", "i4"),  # 0: disabled, by itself or by an operator
        ("n_disabled", "i4"),
        ("disabled", "i8", (FIRMS,)),  # firms, 4 ASCII bytes
        ("entered", "i8"),
        ("silent", "i8"),  # requests that got no answer
        ("malformed", "i8"),  # bytes that are no request
    ],
    align=True,
)


@kernel
def inst_of(securities: np.ndarray, stock: int) -> int:
    """Give the index of a symbol; -1 when it is not listed."""
    for k in range(securities.shape[0]):
        if securities[k]["stock"] == stock:
            return k
    return -1


@kernel
def price_ok(securities: np.ndarray, inst: int, px: int) -> bool:
    """Tell whether a price is one that the book can hold, or a market order's."""
    if px == ouch.MARKET:
        return True
    return 0 < px <= ouch.PRICE_MAX and px % securities[inst]["tick"] == 0


@kernel
def fault_of_common(m: np.ndarray) -> int:
    """Give the reject code for what Enter and Replace have in common, price apart; 0: none."""
    if m[0]["qty"] <= 0 or m[0]["qty"] > ouch.QUANTITY_MAX:
        return ouch.REJECT_QUANTITY
    tif, display = m[0]["tif"], m[0]["display"]
    if tif != ouch.DAY and tif != ouch.IOC and tif != ouch.GTX and tif != ouch.GTT:
        return ouch.REJECT_OTHER
    if display != ouch.VISIBLE and display != ouch.HIDDEN and display != ouch.ATTRIBUTABLE:
        return ouch.REJECT_DISPLAY
    if m[0]["sweep"] != ouch.YES and m[0]["sweep"] != ouch.NO:
        return ouch.REJECT_OTHER
    if m[0]["bad_option"] != 0:
        return i64(m[0]["bad_option"])
    if (tif == ouch.GTT) != (0 < m[0]["expire_s"] < 86_400):
        return ouch.REJECT_OTHER
    if m[0]["post_only"] != 0 and (tif == ouch.IOC or m[0]["px"] == ouch.MARKET):
        return ouch.REJECT_OTHER
    least = m[0]["min_qty"]
    if least > 0 and (least > m[0]["qty"] or m[0]["post_only"] != 0 or (tif != ouch.IOC and display != ouch.HIDDEN)):
        return ouch.REJECT_MIN_QTY
    if m[0]["max_floor"] > 0 and (display == ouch.HIDDEN or tif == ouch.IOC):
        return ouch.REJECT_MAX_FLOOR
    return 0


@kernel
def fault_of_state(securities: np.ndarray, inst: int, cross: int) -> int:
    """Give the reject code of a cross type in a symbol's state; 0: none. A symbol that is halted takes orders for its halt cross only."""
    state = securities[inst]["state"]
    if cross == ouch.CONTINUOUS:
        return 0 if state == matching.TRADING or state == matching.QUOTATION else ouch.REJECT_HALTED
    if securities[inst]["late"] != 0:
        return ouch.REJECT_CROSS
    if cross == ouch.CLOSING:
        return 0
    if cross == ouch.OPENING or cross == ouch.HALT_CROSS:
        return 0 if state != matching.TRADING else ouch.REJECT_CROSS
    return ouch.REJECT_CROSS


@kernel
def fault_of_enter(securities: np.ndarray, sides: np.ndarray, users: np.ndarray, user: int, inst: int, m: np.ndarray, closed: int) -> int:
    """Give the reject code of an Enter Order (appendix C); 0: none."""
    if closed != 0:
        return ouch.REJECT_CLOSED
    if users[user]["enabled"] == 0:
        return ouch.REJECT_FIRM
    for k in range(users[user]["n_disabled"]):
        if users[user]["disabled"][k] == m[0]["firm"]:
            return ouch.REJECT_FIRM
    if m[0]["side"] < 0:
        return ouch.REJECT_SIDE
    if inst < 0:
        return ouch.REJECT_SYMBOL
    if not price_ok(securities, inst, m[0]["px"]):
        return ouch.REJECT_PRICE
    capacity = m[0]["capacity"]
    if capacity not in (ouch.PRINCIPAL, 65, 82, 79):  # A agency, R riskless, O other
        return ouch.REJECT_OTHER
    fault = fault_of_common(m)
    if fault != 0:
        return fault
    cross = i64(m[0]["cross"])
    if m[0]["imbalance_only"] != 0:  # orders that only offset an imbalance are not offered
        return ouch.REJECT_OTHER
    if cross != ouch.CONTINUOUS and (m[0]["post_only"] != 0 or m[0]["min_qty"] != 0 or m[0]["max_floor"] != 0):
        return ouch.REJECT_CROSS
    fault = fault_of_state(securities, inst, cross)
    if fault != 0:
        return fault
    return fault_of_sale(securities, sides, inst, m[0]["px"], i64(m[0]["side_char"]))


@kernel
def fault_of_sale(securities: np.ndarray, sides: np.ndarray, inst: int, px: int, side_char: int) -> int:
    """Give the reject code of a short sale at or below the best displayed bid while Rule 201 of Regulation SHO restricts them; 0: none."""
    if side_char != ouch.SELL_SHORT or securities[inst]["short_sale"] == ZERO:
        return 0
    bid = matching.best_shown(sides, inst, Side.BUY)
    return ouch.REJECT_SHORT_SALE if bid >= 0 and (px == ouch.MARKET or px <= bid) else 0


@kernel
def slide(securities: np.ndarray, inst: int, side: int, m: np.ndarray) -> None:
    """Bring a price that is beyond the limit up-limit down band to it; a market order then takes what is within, and nothing rests."""
    upper, lower = securities[inst]["upper"], securities[inst]["lower"]
    if upper == 0:
        return
    market_order = m[0]["px"] == ouch.MARKET
    if side == Side.BUY:
        m[0]["px"] = min(m[0]["px"], upper)
    elif market_order or m[0]["px"] < lower:
        m[0]["px"] = lower
    if market_order:
        m[0]["tif"] = ouch.IOC


@kernel
def say(market: np.ndarray, events: np.ndarray, user: int, m: np.ndarray, kind: int, reason: int) -> None:
    """Answer a request by an event about no order."""
    e = market[0]["n_events"]
    market[0]["n_events"] = e + 1
    event = events[e]
    event["kind"] = kind
    event["ts_ns"] = market[0]["now_ns"]
    event["user"] = user
    event["other"] = matching.NOBODY
    event["user_ref"] = m[0]["user_ref"]
    event["reason"] = reason
    event["firm"] = m[0]["firm"]
    event["stock"] = m[0]["stock"]
    for k in range(14):
        event["cl_ord_id"][k] = m[0]["cl_ord_id"][k]


@kernel
def reject(market: np.ndarray, events: np.ndarray, user: int, m: np.ndarray, reason: int) -> None:
    """Say that a request was not taken."""
    say(market, events, user, m, matching.REJECTED, reason)


@kernel
def enter(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray,
    users: np.ndarray, user: int, m: np.ndarray, closed: int,
) -> int:  # fmt: skip
    """Enter Order (OUCH 5.0 section 2.1): DONE or MORE."""
    if m[0]["user_ref"] < users[user]["next_ref"]:
        users[user]["silent"] += 1
        return matching.DONE
    users[user]["next_ref"] = m[0]["user_ref"] + 1
    users[user]["entered"] += 1
    inst = inst_of(securities, m[0]["stock"])
    fault = fault_of_enter(securities, sides, users, user, inst, m, closed)
    if fault != 0:
        reject(market, events, user, m, fault)
        return matching.DONE
    if m[0]["cross"] == ouch.CONTINUOUS:
        slide(securities, inst, i64(m[0]["side"]), m)
    done = matching.enter(market, securities, sides, orders, table, events, inst, user, m)
    if done == matching.FULL:
        reject(market, events, user, m, ouch.REJECT_PROCESSING)
        return matching.DONE
    return done


@kernel
def replace(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray,
    users: np.ndarray, user: int, m: np.ndarray,
) -> int:  # fmt: skip
    """Replace Order (section 2.2): DONE or MORE. An invalid one cancels the original and leaves its new UserRefNum free."""
    slot = matching.find(orders, table, matching.key_of(user, m[0]["orig_ref"]))
    if slot < 0 or m[0]["user_ref"] < users[user]["next_ref"]:
        users[user]["silent"] += 1
        return matching.DONE
    inst, cross = i64(orders[slot]["inst"]), i64(orders[slot]["cross"])
    fault = fault_of_state(securities, inst, cross) if cross == ouch.CONTINUOUS or securities[inst]["late"] != 0 else i64(0)
    if users[user]["enabled"] == 0:
        fault = ouch.REJECT_FIRM
    if fault != 0:  # the original stays as it is
        users[user]["next_ref"] = m[0]["user_ref"] + 1
        reject(market, events, user, m, ouch.REJECT_REPLACE if cross != ouch.CONTINUOUS else fault)
        return matching.DONE
    fault = fault_of_common(m)
    if fault == 0 and cross == ouch.CONTINUOUS:
        fault = fault_of_sale(securities, sides, inst, m[0]["px"], i64(orders[slot]["side_char"]))
    if fault != 0 or not price_ok(securities, inst, m[0]["px"]) or m[0]["qty"] <= orders[slot]["executed"]:
        return matching.cancel(market, securities, sides, orders, table, events, slot, 0, ouch.CANCEL_USER)
    users[user]["next_ref"] = m[0]["user_ref"] + 1
    if cross == ouch.CONTINUOUS:
        slide(securities, inst, i64(orders[slot]["side"]), m)
    return matching.replace(market, securities, sides, orders, table, events, slot, m)


@kernel
def cancel(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray,
    users: np.ndarray, user: int, m: np.ndarray,
) -> int:  # fmt: skip
    """Cancel Order (section 2.3): DONE. Raising an order is no cancel and gets silence.

    An order for an auction that is near stays: of one for the opening or a halt, what the auction leaves is canceled; one for the close is refused.
    """
    slot = matching.find(orders, table, matching.key_of(user, m[0]["user_ref"]))
    if slot < 0:
        users[user]["silent"] += 1
        return matching.DONE
    if orders[slot]["level"] == matching.PARKED and securities[orders[slot]["inst"]]["late"] != 0:
        later = m[0]["qty"] <= orders[slot]["executed"] and orders[slot]["cross"] != ouch.CLOSING
        if later:
            orders[slot]["pending"] = 1
        say(market, events, user, m, matching.CANCEL_PENDING if later else matching.CANCEL_REFUSED, 0)
        return matching.DONE
    before = market[0]["n_events"]
    done = matching.cancel(market, securities, sides, orders, table, events, slot, m[0]["qty"], ouch.CANCEL_USER)
    if market[0]["n_events"] == before:
        users[user]["silent"] += 1
    return done


@kernel
def modify(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray,
    users: np.ndarray, user: int, m: np.ndarray,
) -> int:  # fmt: skip
    """Modify Order (section 2.4): between the kinds of sale, and down in quantity: DONE. What it may not change gets silence."""
    slot = matching.find(orders, table, matching.key_of(user, m[0]["user_ref"]))
    if slot < 0 or m[0]["side"] != orders[slot]["side"] or m[0]["qty"] <= 0:
        users[user]["silent"] += 1
        return matching.DONE
    inst, char = i64(orders[slot]["inst"]), i64(m[0]["side_char"])
    if char != orders[slot]["side_char"] and fault_of_sale(securities, sides, inst, orders[slot]["px"], char) != 0:
        users[user]["silent"] += 1
        return matching.DONE
    return matching.modify(market, securities, sides, orders, table, events, slot, char, m[0]["qty"])


@kernel
def disable(market: np.ndarray, events: np.ndarray, users: np.ndarray, user: int, m: np.ndarray) -> None:
    """Disable or Enable Order Entry (sections 2.6, 2.7) of a firm, or of the port when it is blank."""
    if m[0]["user_ref"] < users[user]["next_ref"]:
        users[user]["silent"] += 1
        return
    users[user]["next_ref"] = m[0]["user_ref"] + 1
    firm, on = m[0]["firm"], m[0]["kind"] == ouch.ENABLE
    if firm == ouch.SPACES:
        users[user]["enabled"] = 1 if on else 0
    else:
        n = i64(0)
        for k in range(users[user]["n_disabled"]):
            if users[user]["disabled"][k] != firm:
                users[user]["disabled"][n] = users[user]["disabled"][k]
                n += 1
        if not on and n == FIRMS:
            users[user]["n_disabled"] = n
            reject(market, events, user, m, ouch.REJECT_FIRM)
            return
        if not on:
            users[user]["disabled"][n] = firm
            n += 1
        users[user]["n_disabled"] = n
    say(market, events, user, m, matching.ENABLED if on else matching.DISABLED, 0)


@kernel
def mass_cancel(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray, user: int,
    m: np.ndarray,
) -> int:  # fmt: skip
    """Cancel a user's orders of a firm, in a symbol, or all where blank: DONE, or MORE (call it again)."""
    inst = inst_of(securities, m[0]["stock"])
    if inst < 0 and m[0]["stock"] != BLANK:
        return matching.DONE
    firm = m[0]["firm"] if m[0]["firm"] != ouch.SPACES else i64(-1)
    return matching.cancel_where(market, securities, sides, orders, table, events, user, firm, inst, -1, -1, ouch.CANCEL_USER)


@kernel
def handle(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray,
    users: np.ndarray, user: int, m: np.ndarray, kind: int, closed: int,
) -> int:  # fmt: skip
    """Do what a decoded request says: DONE or MORE. Account queries are answered by `tell`."""
    if kind == ouch.ENTER:
        return enter(market, securities, sides, orders, table, events, users, user, m, closed)
    if kind == ouch.REPLACE:
        return replace(market, securities, sides, orders, table, events, users, user, m)
    if kind == ouch.CANCEL:
        return cancel(market, securities, sides, orders, table, events, users, user, m)
    if kind == ouch.MODIFY:
        return modify(market, securities, sides, orders, table, events, users, user, m)
    if kind == ouch.MASS_CANCEL:
        if m[0]["user_ref"] < users[user]["next_ref"]:
            users[user]["silent"] += 1
            m[0]["kind"] = 0
            return matching.DONE
        users[user]["next_ref"] = m[0]["user_ref"] + 1
        say(market, events, user, m, matching.MASS_CANCELED, 0)
        return mass_cancel(market, securities, sides, orders, table, events, user, m)
    if kind == ouch.DISABLE or kind == ouch.ENABLE:
        disable(market, events, users, user, m)
    elif kind < 0:
        users[user]["malformed"] += 1
    return matching.DONE


@kernel
def resume(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray, user: int,
    m: np.ndarray,
) -> int:  # fmt: skip
    """Go on with a request that filled events: DONE or MORE."""
    if m[0]["kind"] == ouch.MASS_CANCEL:
        return mass_cancel(market, securities, sides, orders, table, events, user, m)
    return matching.resume(market, securities, sides, orders, table, events)


@kernel
def sell_char(side: int) -> int:
    """Give the OUCH character of a side."""
    return ouch.BUY if side == Side.BUY else ouch.SELL
