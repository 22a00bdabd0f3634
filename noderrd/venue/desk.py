"""The order desk: what OUCH 5.0 demands of a request before it reaches the book.

Silence is an answer: a UserRefNum that is not above the last one taken, or an order that is not live, gets none (sections 2.1 to 2.3).
A request that is wrong in itself is rejected with its reason; a replace that is wrong cancels the order that it names.
"""

import numpy as np

from core import matching, ouch
from core.codes import Side
from core.integer import i64
from core.jit import kernel

USER = np.dtype(
    [
        ("next_ref", "i8"),  # UserRefNums below are taken
        ("enabled", "i4"),
        ("pad", "i4"),
        ("entered", "i8"),
        ("silent", "i8"),  # requests that got no answer
        ("malformed", "i8"),  # bytes that are no request
        ("unsupported", "i8"),  # requests of a type that is not offered
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
    if m[0]["tif"] != ouch.DAY and m[0]["tif"] != ouch.IOC:
        return ouch.REJECT_OTHER
    if m[0]["display"] != ouch.VISIBLE and m[0]["display"] != ouch.ATTRIBUTABLE:
        return ouch.REJECT_DISPLAY
    if m[0]["sweep"] != ouch.YES and m[0]["sweep"] != ouch.NO:
        return ouch.REJECT_OTHER
    if m[0]["bad_option"] != 0:
        return i64(m[0]["bad_option"])
    if m[0]["post_only"] != 0 and (m[0]["tif"] == ouch.IOC or m[0]["px"] == ouch.MARKET):
        return ouch.REJECT_OTHER
    return 0


@kernel
def fault_of_enter(securities: np.ndarray, inst: int, m: np.ndarray, closed: int) -> int:
    """Give the reject code of an Enter Order (appendix C); 0: none."""
    if closed != 0:
        return ouch.REJECT_CLOSED
    if m[0]["side"] < 0:
        return ouch.REJECT_SIDE
    if inst < 0:
        return ouch.REJECT_SYMBOL
    if not price_ok(securities, inst, m[0]["px"]):
        return ouch.REJECT_PRICE
    if m[0]["cross"] != ouch.CONTINUOUS:
        return ouch.REJECT_CROSS
    capacity = m[0]["capacity"]
    if capacity not in (ouch.PRINCIPAL, 65, 82, 79):  # A agency, R riskless, O other
        return ouch.REJECT_OTHER
    fault = fault_of_common(m)
    if fault != 0:
        return fault
    return 0 if securities[inst]["state"] == matching.TRADING else ouch.REJECT_HALTED


@kernel
def reject(market: np.ndarray, events: np.ndarray, user: int, m: np.ndarray, reason: int) -> None:
    """Say that a request was not taken."""
    e = market[0]["n_events"]
    market[0]["n_events"] = e + 1
    event = events[e]
    event["kind"] = matching.REJECTED
    event["ts_ns"] = market[0]["now_ns"]
    event["user"] = user
    event["other"] = matching.NOBODY
    event["user_ref"] = m[0]["user_ref"]
    event["reason"] = reason
    for k in range(14):
        event["cl_ord_id"][k] = m[0]["cl_ord_id"][k]


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
    fault = fault_of_enter(securities, inst, m, closed)
    if fault != 0:
        reject(market, events, user, m, fault)
        return matching.DONE
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
    inst = i64(orders[slot]["inst"])
    if securities[inst]["state"] != matching.TRADING:  # the original stays as it is
        users[user]["next_ref"] = m[0]["user_ref"] + 1
        reject(market, events, user, m, ouch.REJECT_HALTED)
        return matching.DONE
    if fault_of_common(m) != 0 or not price_ok(securities, inst, m[0]["px"]) or m[0]["qty"] <= orders[slot]["executed"]:
        return matching.cancel(market, securities, sides, orders, table, events, slot, 0, ouch.CANCEL_USER)
    users[user]["next_ref"] = m[0]["user_ref"] + 1
    return matching.replace(market, securities, sides, orders, table, events, slot, m)


@kernel
def cancel(
    market: np.ndarray, securities: np.ndarray, sides: np.ndarray, orders: np.ndarray, table: np.ndarray, events: np.ndarray,
    users: np.ndarray, user: int, m: np.ndarray,
) -> int:  # fmt: skip
    """Cancel Order (section 2.3): DONE. Raising an order is no cancel and gets silence."""
    slot = matching.find(orders, table, matching.key_of(user, m[0]["user_ref"]))
    if slot < 0:
        users[user]["silent"] += 1
        return matching.DONE
    before = market[0]["n_events"]
    done = matching.cancel(market, securities, sides, orders, table, events, slot, m[0]["qty"], ouch.CANCEL_USER)
    if market[0]["n_events"] == before:
        users[user]["silent"] += 1
    return done


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
    if kind < 0:
        users[user]["malformed"] += 1
    elif kind != ouch.ACCOUNT_QUERY:
        users[user]["unsupported"] += 1
    return matching.DONE


@kernel
def sell_char(side: int) -> int:
    """Give the OUCH character of a side."""
    return ouch.BUY if side == Side.BUY else ouch.SELL
