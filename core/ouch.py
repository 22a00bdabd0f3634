"""OUCH 5.0: orders to a Nasdaq exchange and its answers, bytes to records and back, no transport.

Layouts from "O*U*C*H Version 5.0" (Nasdaq): section 2 is what a client sends, section 3 what the exchange answers. Integers are
big-endian; prices are in 1e-4 USD; time stamps are nanoseconds since midnight. Most messages end with an appendage: its length in two
bytes, then elements of a length byte, an option tag and a value (appendix A). Functions named `put_*` write a message at `at` and give its
size; the caller has made sure of the room (MAX_SIZE).

`decode_out` reads what the exchange says, for a client; `decode_in` what a client says, for an exchange.
"""

import numpy as np

from core.bigendian import get_i64, get_u16, get_u32, put_i64, put_u16, put_u32
from core.codes import Side
from core.integer import i64
from core.jit import inlined, kernel

MAX_SIZE = 128  # no message without optional fields that we do not send is longer

# Section 2: from the client.
ENTER = 79  # O
REPLACE = 85  # U
CANCEL = 88  # X
MODIFY = 77  # M
MASS_CANCEL = 67  # C
DISABLE = 68  # D
ENABLE = 69  # E
ACCOUNT_QUERY = 81  # Q

# Section 3: from the exchange.
SYSTEM_EVENT = 83  # S
ACCEPTED = 65  # A
REPLACED = 85  # U
CANCELED = 67  # C
AIQ_CANCELED = 68  # D
EXECUTED = 69  # E
BROKEN_TRADE = 66  # B
REJECTED = 74  # J
CANCEL_PENDING = 80  # P
CANCEL_REJECT = 73  # I
PRIORITY_UPDATE = 84  # T
MODIFIED = 77  # M
RESTATED = 82  # R
MASS_CANCEL_RESPONSE = 88  # X
DISABLE_RESPONSE = 71  # G
ENABLE_RESPONSE = 75  # K
ACCOUNT_QUERY_RESPONSE = 81  # Q

# What decode_* answers for bytes that are no message.
UNKNOWN_TYPE = -1
BAD_LENGTH = -2

LIVE = 76  # L: order state of Accepted and Replaced
DEAD = 68  # D
START_OF_DAY = 83  # S: event code
END_OF_DAY = 69  # E
ADDED = 65  # A: liquidity flag
ADDED_DARK = 74  # J: and was not displayed
REMOVED = 82  # R

BUY = 66  # B
SELL = 83  # S
SELL_SHORT = 84  # T
SELL_SHORT_EXEMPT = 69  # E
DAY = 48  # 0
IOC = 51  # 3
GTX = 53  # 5: as DAY, and in extended hours
GTT = 54  # 6: until it expires
AFTER_HOURS = 69  # E
VISIBLE = 89  # Y
HIDDEN = 78  # N
ATTRIBUTABLE = 65  # A
PRINCIPAL = 80  # P
NO = 78  # N
YES = 89  # Y
CONTINUOUS = 78  # N: cross type
OPENING = 79  # O
CLOSING = 67  # C
HALT_CROSS = 72  # H
IMBALANCE_ONLY = 73  # I: handling instruction
REFRESHED = 82  # R: restated, a new tranche is displayed
POST_ONLY = 80  # P

PRICE_MAX = 1_999_999_900  # $199,999.99; Price data type
MARKET = 0x7FFFFFFF  # a market order
QUANTITY_MAX = 999_999

# Appendix A: option tags.
TAG_SECONDARY_REF = 1
TAG_FIRM = 2
TAG_MIN_QTY = 3
TAG_CUSTOMER_TYPE = 4
TAG_MAX_FLOOR = 5
TAG_PRICE_TYPE = 6
TAG_PEG_OFFSET = 7
TAG_DISCRETION_PRICE = 9
TAG_DISCRETION_TYPE = 10
TAG_DISCRETION_OFFSET = 11
TAG_POST_ONLY = 12
TAG_RANDOM_RESERVES = 13
TAG_ROUTE = 14
TAG_EXPIRE_TIME = 15
TAG_TRADE_NOW = 16
TAG_HANDLE_INST = 17
TAG_BBO_WEIGHT = 18
TAG_DISPLAY_QUANTITY = 22
TAG_DISPLAY_PRICE = 23
TAG_GROUP_ID = 24
TAG_SHARES_LOCATED = 25
TAG_LOCATE_BROKER = 26
TAG_SIDE = 27
TAG_USER_REF_IDX = 28
OPTIONS_MAX = 64  # bytes of an appendage that we keep; the fields of one that we take need fewer

# Bytes of an option's value by tag; 0: no such option, or none that a client sends.
OPTION_SIZE = np.zeros(256, np.int64)
for _tag, _size in {
    2: 4,
    3: 4,
    4: 1,
    5: 4,
    6: 1,
    7: 4,
    9: 8,
    10: 1,
    11: 4,
    12: 1,
    13: 4,
    14: 4,
    15: 4,
    16: 1,
    17: 1,
    18: 1,
    24: 2,
    25: 1,
    26: 4,
    28: 1,
}.items():
    OPTION_SIZE[_tag] = _size
SPACE = 32
SPACES = 0x20202020

# Replaced carries the shares now open ("shares outstanding"), Replace Order the chain's total, executed shares included (section 2.2).
REPLACED_QTY_IS_TOTAL = False

# An answer of the exchange. Fields that its type lacks are 0.
OUCH_OUT = np.dtype(
    [
        ("kind", "i4"),
        ("side", "i4"),  # Side
        ("ts_ns", "i8"),
        ("user_ref", "i8"),
        ("orig_ref", "i8"),  # Replaced: the UserRefNum replaced
        ("qty", "i8"),  # Canceled: shares taken off; Executed: shares traded; Replaced: shares open
        ("stock", "i8"),  # 8 ASCII bytes, big-endian
        ("px", "i8"),
        ("order_ref", "i8"),  # as on the feed
        ("match", "i8"),
        ("cl_ord_id", "i8"),  # -1: not one of ours (not hexadecimal)
        ("next_ref", "i8"),  # Account Query Response
        ("state", "i4"),  # LIVE, DEAD
        ("liquidity", "i4"),
        ("reason", "i4"),  # Canceled, Broken Trade, Restated: a character; Rejected: a number
        ("tif", "i4"),
        ("display", "i4"),
        ("event", "i4"),  # System Event
        ("appendage", "i4"),  # offset of the first element; 0 none
        ("appendage_size", "i4"),
    ],
    align=True,
)

# A request of a client. `side_char` keeps what `side` folds (short sales are sells).
OUCH_IN = np.dtype(
    [
        ("kind", "i4"),
        ("side", "i4"),  # Side; -1 not valid
        ("side_char", "i4"),
        ("tif", "i4"),
        ("display", "i4"),
        ("capacity", "i4"),
        ("sweep", "i4"),
        ("cross", "i4"),
        ("user_ref", "i8"),
        ("orig_ref", "i8"),
        ("qty", "i8"),
        ("stock", "i8"),
        ("px", "i8"),
        ("post_only", "i4"),
        ("bad_option", "i4"),  # reject code of an option that is malformed or not supported; 0 none
        ("min_qty", "i8"),
        ("max_floor", "i8"),
        ("expire_s", "i8"),
        ("firm", "i8"),  # 4 ASCII bytes; blank: the port's
        ("imbalance_only", "i4"),
        ("options_size", "i4"),
        ("options", "u1", (OPTIONS_MAX,)),  # the appendage as it came
        ("cl_ord_id", "u1", (16,)),  # 14 bytes as they came
        ("appendage", "i4"),  # offset of the first element; 0 none
        ("appendage_size", "i4"),
    ],
    align=True,
)

# Appendix C: reject codes that we give.
REJECT_CLOSED = 0x0002
REJECT_DISPLAY = 0x0003
REJECT_MAX_FLOOR = 0x0004
REJECT_PEG = 0x0005
REJECT_HALTED = 0x0007
REJECT_FIRM = 0x000C
REJECT_NO_CLOSING_REFERENCE = 0x000E
REJECT_PEGGING = 0x0011
REJECT_REPLACE = 0x0015
REJECT_ROUTING = 0x0016
REJECT_RETAIL = 0x001A
REJECT_SHORT_SALE = 0x0023
REJECT_SIDE = 0x0009
REJECT_PROCESSING = 0x000A
REJECT_MIN_QTY = 0x000D
REJECT_OTHER = 0x000F
REJECT_QUANTITY = 0x0013
REJECT_CROSS = 0x0014
REJECT_SYMBOL = 0x0017
REJECT_PRICE = 0x001D

# Appendix B: cancel reasons that we give.
CANCEL_CLOSED = 69  # E
CANCEL_POST_ONLY = 71  # G: would have taken liquidity
CANCEL_IOC = 73  # I
CANCEL_COLLAR = 75  # K: a market order that found nobody
CANCEL_USER = 85  # U
CANCEL_SUPERVISORY = 83  # S
CANCEL_TIMEOUT = 84  # T
CANCEL_HALTED = 72  # H: its cross did not take place
CANCEL_SELF_MATCH = 81  # Q
CANCEL_CROSS = 90  # Z: what is left of an order for an auction
BROKEN_SUPERVISORY = 83  # S


@kernel
def put_hex(buf: np.ndarray, at: int, value: int) -> None:
    """Write a ClOrdID as 14 upper-case hexadecimal digits (value < 2**56)."""
    for k in range(14):
        digit = (value >> (52 - 4 * k)) & 15
        buf[at + k] = digit + 48 if digit < 10 else digit + 55


@kernel
def get_hex(buf: np.ndarray, at: int) -> int:
    """Read a ClOrdID of hexadecimal digits, padded with spaces on the right; -1 when it is none."""
    value = i64(0)
    for k in range(14):
        c = i64(buf[at + k])
        if 48 <= c <= 57:
            digit = c - 48
        elif 65 <= c <= 70:
            digit = c - 55
        elif c == 32 and k > 0:
            for j in range(k, 14):
                if buf[at + j] != 32:
                    return -1
            return value
        else:
            return -1
        value = (value << 4) | digit
    return value


@kernel
def side_of(c: int) -> int:
    """Fold a side character to Side; -1 when it is none."""
    if c == BUY:
        return Side.BUY
    if c in (SELL, SELL_SHORT, SELL_SHORT_EXEMPT):
        return Side.SELL
    return -1


@kernel
def put_post_only(buf: np.ndarray, at: int, post_only: int) -> int:
    """Write an appendage that says post-only, or an empty one; its size."""
    if post_only == 0:
        put_u16(buf, at, 0)
        return 2
    put_u16(buf, at, 3)
    buf[at + 2] = 2
    buf[at + 3] = TAG_POST_ONLY
    buf[at + 4] = POST_ONLY
    return 5


@inlined
def put_enter(buf: np.ndarray, at: int, user_ref: int, side: int, qty: int, stock: int, px: int, tif: int, post_only: int, cl_ord_id: int) -> int:
    """Enter Order (section 2.1): displayed, principal, continuous market. `side`: Side, `tif`: TimeInForce, `cl_ord_id` < 2**56."""
    buf[at] = ENTER
    put_u32(buf, at + 1, user_ref)
    buf[at + 5] = BUY if side == Side.BUY else SELL
    put_u32(buf, at + 6, qty)
    put_i64(buf, at + 10, stock)
    put_i64(buf, at + 18, px)
    buf[at + 26] = 48 + tif
    buf[at + 27] = VISIBLE
    buf[at + 28] = PRINCIPAL
    buf[at + 29] = NO
    buf[at + 30] = CONTINUOUS
    put_hex(buf, at + 31, cl_ord_id)
    return 45 + put_post_only(buf, at + 45, post_only)


@kernel
def put_replace(buf: np.ndarray, at: int, orig_ref: int, user_ref: int, qty: int, px: int, tif: int, post_only: int, cl_ord_id: int) -> int:
    """Replace Order (section 2.2): `qty` is the chain's total, executed shares included."""
    buf[at] = REPLACE
    put_u32(buf, at + 1, orig_ref)
    put_u32(buf, at + 5, user_ref)
    put_u32(buf, at + 9, qty)
    put_i64(buf, at + 13, px)
    buf[at + 21] = 48 + tif
    buf[at + 22] = VISIBLE
    buf[at + 23] = NO
    put_hex(buf, at + 24, cl_ord_id)
    return 38 + put_post_only(buf, at + 38, post_only)


@kernel
def put_cancel(buf: np.ndarray, at: int, user_ref: int, qty: int) -> int:
    """Cancel Order (section 2.3): `qty` is the new intended total of the order; 0 cancels all."""
    buf[at] = CANCEL
    put_u32(buf, at + 1, user_ref)
    put_u32(buf, at + 5, qty)
    return 9


@kernel
def put_account_query(buf: np.ndarray, at: int) -> int:
    """Account Query (section 2.8): which UserRefNum comes next."""
    buf[at] = ACCOUNT_QUERY
    return 1


@kernel
def options(buf: np.ndarray, at: int, size: int, m: np.ndarray) -> None:
    """Read the options of an Enter or Replace into m, and into bad_option why it cannot be taken: malformed, or not supported."""
    end = at + size
    if size > OPTIONS_MAX:
        m[0]["bad_option"] = REJECT_OTHER
        return
    m[0]["options_size"] = size
    for k in range(size):
        m[0]["options"][k] = buf[at + k]
    while at < end:
        n = i64(buf[at])
        tag = i64(buf[at + 1]) if n > 0 and at + 1 < end else i64(0)
        if n == 0 or at + 1 + n > end or OPTION_SIZE[tag] != n - 1:
            m[0]["bad_option"] = REJECT_OTHER
            return
        m[0]["bad_option"] = option(buf, at + 2, tag, m)
        if m[0]["bad_option"] != 0:
            return
        at += 1 + n


@kernel
def option(buf: np.ndarray, at: int, tag: int, m: np.ndarray) -> int:
    """Read the value of one option: 0, or the reject code of one that we do not support."""
    if tag == TAG_FIRM:
        m[0]["firm"] = get_u32(buf, at)
    elif tag == TAG_MIN_QTY:
        m[0]["min_qty"] = get_u32(buf, at)
    elif tag == TAG_MAX_FLOOR:
        m[0]["max_floor"] = get_u32(buf, at)
    elif tag == TAG_EXPIRE_TIME:
        m[0]["expire_s"] = get_u32(buf, at)
    elif tag == TAG_POST_ONLY:
        m[0]["post_only"] = 1 if buf[at] == POST_ONLY else 0
        return 0 if buf[at] == POST_ONLY or buf[at] == NO else REJECT_OTHER
    elif tag == TAG_HANDLE_INST:
        m[0]["imbalance_only"] = 1 if buf[at] == IMBALANCE_ONLY else 0
        return 0 if buf[at] == IMBALANCE_ONLY or buf[at] == SPACE else REJECT_OTHER
    elif tag == TAG_PRICE_TYPE:
        if buf[at] in (80, 77, 82, 81, 109):  # P M R Q m
            return REJECT_PEGGING
        return 0 if buf[at] == LIVE else REJECT_PEG  # L: limit
    elif tag == TAG_PEG_OFFSET or tag == TAG_DISCRETION_OFFSET or tag == TAG_DISCRETION_PRICE or tag == TAG_DISCRETION_TYPE:
        return REJECT_PEGGING
    elif tag == TAG_RANDOM_RESERVES:
        return REJECT_MAX_FLOOR if get_u32(buf, at) != 0 else 0
    elif tag == TAG_ROUTE:
        return REJECT_ROUTING
    elif tag == TAG_CUSTOMER_TYPE:
        return 0 if buf[at] == NO or buf[at] == SPACE else REJECT_RETAIL
    elif tag == TAG_TRADE_NOW or tag == TAG_SHARES_LOCATED:
        return 0 if buf[at] == YES or buf[at] == NO or buf[at] == SPACE else REJECT_OTHER
    elif tag == TAG_USER_REF_IDX:
        return 0 if buf[at] == 0 else REJECT_OTHER
    return 0


@kernel
def appendage(buf: np.ndarray, at: int, base: int, size: int, optional: bool, m: np.ndarray) -> int:
    """Check what follows the `base` bytes of a message of `size` and note where its elements lie: 0, or BAD_LENGTH."""
    m[0]["appendage"] = 0
    m[0]["appendage_size"] = 0
    if size == base and optional:
        return 0
    if size < base + 2 or base + 2 + get_u16(buf, at + base) != size:
        return BAD_LENGTH
    if size > base + 2:
        m[0]["appendage"] = at + base + 2
        m[0]["appendage_size"] = size - base - 2
    return 0


@kernel
def clear_in(m: np.ndarray) -> None:
    """Reset a request."""
    m[0]["kind"] = 0
    m[0]["side"] = -1
    m[0]["side_char"] = 0
    m[0]["tif"] = 0
    m[0]["display"] = 0
    m[0]["capacity"] = 0
    m[0]["sweep"] = 0
    m[0]["cross"] = 0
    m[0]["user_ref"] = 0
    m[0]["orig_ref"] = 0
    m[0]["qty"] = 0
    m[0]["stock"] = 0
    m[0]["px"] = 0
    m[0]["post_only"] = 0
    m[0]["bad_option"] = 0
    m[0]["min_qty"] = 0
    m[0]["max_floor"] = 0
    m[0]["expire_s"] = 0
    m[0]["firm"] = SPACES
    m[0]["imbalance_only"] = 0
    m[0]["options_size"] = 0
    m[0]["appendage"] = 0
    m[0]["appendage_size"] = 0


@kernel
def decode_in(buf: np.ndarray, at: int, size: int, m: np.ndarray) -> int:
    """Read a client's request of `size` bytes into m: its kind, UNKNOWN_TYPE or BAD_LENGTH. Field values are not judged."""
    clear_in(m)
    if size < 1:
        return BAD_LENGTH
    kind = i64(buf[at])
    if kind == ENTER:
        if size < 47 or appendage(buf, at, 45, size, False, m) < 0:
            return BAD_LENGTH
        m[0]["user_ref"] = get_u32(buf, at + 1)
        m[0]["side_char"] = buf[at + 5]
        m[0]["side"] = side_of(i64(buf[at + 5]))
        m[0]["qty"] = get_u32(buf, at + 6)
        m[0]["stock"] = get_i64(buf, at + 10)
        m[0]["px"] = get_i64(buf, at + 18)
        m[0]["tif"] = buf[at + 26]
        m[0]["display"] = buf[at + 27]
        m[0]["capacity"] = buf[at + 28]
        m[0]["sweep"] = buf[at + 29]
        m[0]["cross"] = buf[at + 30]
        for k in range(14):
            m[0]["cl_ord_id"][k] = buf[at + 31 + k]
        options(buf, i64(m[0]["appendage"]), i64(m[0]["appendage_size"]), m)
    elif kind == REPLACE:
        if size < 40 or appendage(buf, at, 38, size, False, m) < 0:
            return BAD_LENGTH
        m[0]["orig_ref"] = get_u32(buf, at + 1)
        m[0]["user_ref"] = get_u32(buf, at + 5)
        m[0]["qty"] = get_u32(buf, at + 9)
        m[0]["px"] = get_i64(buf, at + 13)
        m[0]["tif"] = buf[at + 21]
        m[0]["display"] = buf[at + 22]
        m[0]["sweep"] = buf[at + 23]
        for k in range(14):
            m[0]["cl_ord_id"][k] = buf[at + 24 + k]
        options(buf, i64(m[0]["appendage"]), i64(m[0]["appendage_size"]), m)
    elif kind == CANCEL:
        if size < 9 or appendage(buf, at, 9, size, True, m) < 0:
            return BAD_LENGTH
        m[0]["user_ref"] = get_u32(buf, at + 1)
        m[0]["qty"] = get_u32(buf, at + 5)
    elif kind == MODIFY:
        if size < 10 or appendage(buf, at, 10, size, True, m) < 0:
            return BAD_LENGTH
        m[0]["user_ref"] = get_u32(buf, at + 1)
        m[0]["side_char"] = buf[at + 5]
        m[0]["side"] = side_of(i64(buf[at + 5]))
        m[0]["qty"] = get_u32(buf, at + 6)
    elif kind == MASS_CANCEL:
        if size < 19 or appendage(buf, at, 17, size, False, m) < 0:
            return BAD_LENGTH
        m[0]["user_ref"] = get_u32(buf, at + 1)
        m[0]["firm"] = get_u32(buf, at + 5)
        m[0]["stock"] = get_i64(buf, at + 9)
    elif kind in (DISABLE, ENABLE):
        if size < 11 or appendage(buf, at, 9, size, False, m) < 0:
            return BAD_LENGTH
        m[0]["user_ref"] = get_u32(buf, at + 1)
        m[0]["firm"] = get_u32(buf, at + 5)
    elif kind == ACCOUNT_QUERY:
        if appendage(buf, at, 1, size, True, m) < 0:
            return BAD_LENGTH
    else:
        return UNKNOWN_TYPE
    m[0]["kind"] = kind
    return kind


@kernel
def base_out(kind: int) -> int:
    """Give the size of an answer without its appendage; -1: no such type."""
    if kind == SYSTEM_EVENT:
        return 10
    if kind == ACCEPTED:
        return 62
    if kind == REPLACED:
        return 66
    if kind == CANCELED:
        return 18
    if kind == AIQ_CANCELED:
        return 32
    if kind == EXECUTED:
        return 34
    if kind == BROKEN_TRADE:
        return 36
    if kind == REJECTED:
        return 29
    if kind in (CANCEL_PENDING, CANCEL_REJECT, ACCOUNT_QUERY_RESPONSE):
        return 13
    if kind == PRIORITY_UPDATE:
        return 30
    if kind == MODIFIED:
        return 18
    if kind == RESTATED:
        return 14
    if kind == MASS_CANCEL_RESPONSE:
        return 25
    if kind in (DISABLE_RESPONSE, ENABLE_RESPONSE):
        return 17
    return -1


@kernel
def clear_out(m: np.ndarray) -> None:
    """Reset an answer."""
    m[0]["kind"] = 0
    m[0]["side"] = 0
    m[0]["ts_ns"] = 0
    m[0]["user_ref"] = 0
    m[0]["orig_ref"] = 0
    m[0]["qty"] = 0
    m[0]["stock"] = 0
    m[0]["px"] = 0
    m[0]["order_ref"] = 0
    m[0]["match"] = 0
    m[0]["cl_ord_id"] = -1
    m[0]["next_ref"] = 0
    m[0]["state"] = 0
    m[0]["liquidity"] = 0
    m[0]["reason"] = 0
    m[0]["tif"] = 0
    m[0]["display"] = 0
    m[0]["event"] = 0


@kernel
def get_order(buf: np.ndarray, at: int, m: np.ndarray) -> None:
    """Read what Accepted and Replaced have in common, from the side on."""
    m[0]["side"] = side_of(i64(buf[at]))
    m[0]["qty"] = get_u32(buf, at + 1)
    m[0]["stock"] = get_i64(buf, at + 5)
    m[0]["px"] = get_i64(buf, at + 13)
    m[0]["tif"] = buf[at + 21]
    m[0]["display"] = buf[at + 22]
    m[0]["order_ref"] = get_i64(buf, at + 23)
    m[0]["state"] = buf[at + 34]
    m[0]["cl_ord_id"] = get_hex(buf, at + 35)


@kernel
def decode_out(buf: np.ndarray, at: int, size: int, m: np.ndarray) -> int:
    """Read an answer of `size` bytes into m: its kind, UNKNOWN_TYPE or BAD_LENGTH. Of other types: kind, time, UserRefNum."""
    clear_out(m)
    if size < 1:
        return BAD_LENGTH
    kind = i64(buf[at])
    base = base_out(kind)
    if base < 0:
        return UNKNOWN_TYPE
    if size < base or (kind == SYSTEM_EVENT and size != base) or appendage(buf, at, base, size, True, m) < 0:
        return BAD_LENGTH
    m[0]["kind"] = kind
    m[0]["ts_ns"] = get_i64(buf, at + 1)
    if kind == SYSTEM_EVENT:
        m[0]["event"] = buf[at + 9]
        return kind
    m[0]["user_ref"] = get_u32(buf, at + 9)
    if kind == ACCEPTED:
        get_order(buf, at + 13, m)
    elif kind == REPLACED:
        m[0]["orig_ref"] = get_u32(buf, at + 9)
        m[0]["user_ref"] = get_u32(buf, at + 13)
        get_order(buf, at + 17, m)
    elif kind == CANCELED:
        m[0]["qty"] = get_u32(buf, at + 13)
        m[0]["reason"] = buf[at + 17]
    elif kind == AIQ_CANCELED:
        m[0]["qty"] = get_u32(buf, at + 13)
        m[0]["reason"] = buf[at + 17]
        m[0]["px"] = get_i64(buf, at + 22)
        m[0]["liquidity"] = buf[at + 30]
    elif kind == EXECUTED:
        m[0]["qty"] = get_u32(buf, at + 13)
        m[0]["px"] = get_i64(buf, at + 17)
        m[0]["liquidity"] = buf[at + 25]
        m[0]["match"] = get_i64(buf, at + 26)
    elif kind == BROKEN_TRADE:
        m[0]["match"] = get_i64(buf, at + 13)
        m[0]["reason"] = buf[at + 21]
        m[0]["cl_ord_id"] = get_hex(buf, at + 22)
    elif kind == REJECTED:
        m[0]["reason"] = get_u16(buf, at + 13)
        m[0]["cl_ord_id"] = get_hex(buf, at + 15)
    elif kind == ACCOUNT_QUERY_RESPONSE:
        m[0]["next_ref"] = m[0]["user_ref"]
        m[0]["user_ref"] = 0
    elif kind == PRIORITY_UPDATE:
        m[0]["px"] = get_i64(buf, at + 13)
        m[0]["display"] = buf[at + 21]
        m[0]["order_ref"] = get_i64(buf, at + 22)
    elif kind == MODIFIED:
        m[0]["side"] = side_of(i64(buf[at + 13]))
        m[0]["qty"] = get_u32(buf, at + 14)
    elif kind == RESTATED:
        m[0]["reason"] = buf[at + 13]
    return kind


@kernel
def put_head(buf: np.ndarray, at: int, kind: int, ts_ns: int, user_ref: int) -> None:
    """Write what every answer but System Event begins with."""
    buf[at] = kind
    put_i64(buf, at + 1, ts_ns)
    put_u32(buf, at + 9, user_ref)


@kernel
def put_system_event(buf: np.ndarray, at: int, ts_ns: int, event: int) -> int:
    """System Event (section 3.1)."""
    buf[at] = SYSTEM_EVENT
    put_i64(buf, at + 1, ts_ns)
    buf[at + 9] = event
    return 10


@kernel
def put_order(
    buf: np.ndarray, at: int, side_char: int, qty: int, stock: int, px: int, tif: int, display: int, order_ref: int, capacity: int,
    sweep: int, cross: int, state: int, cl_ord_id: np.ndarray, options: np.ndarray, options_size: int,
) -> int:  # fmt: skip
    """Write what Accepted and Replaced have in common, from the side on; cl_ord_id uint8[>= 14], the appendage as the client sent it. Its size."""
    buf[at] = side_char
    put_u32(buf, at + 1, qty)
    put_i64(buf, at + 5, stock)
    put_i64(buf, at + 13, px)
    buf[at + 21] = tif
    buf[at + 22] = display
    put_i64(buf, at + 23, order_ref)
    buf[at + 31] = capacity
    buf[at + 32] = sweep
    buf[at + 33] = cross
    buf[at + 34] = state
    for k in range(14):
        buf[at + 35 + k] = cl_ord_id[k]
    put_u16(buf, at + 49, options_size)
    for k in range(options_size):
        buf[at + 51 + k] = options[k]
    return 51 + options_size


@kernel
def put_canceled(buf: np.ndarray, at: int, ts_ns: int, user_ref: int, qty: int, reason: int) -> int:
    """Order Canceled (section 3.4): `qty` is what was taken off."""
    put_head(buf, at, CANCELED, ts_ns, user_ref)
    put_u32(buf, at + 13, qty)
    buf[at + 17] = reason
    return 18


@kernel
def put_aiq_canceled(
    buf: np.ndarray, at: int, ts_ns: int, user_ref: int, qty: int, prevented: int, px: int, liquidity: int, strategy: int
) -> int:  # fmt: skip
    """AIQ Canceled (section 3.5): `qty` was taken off because `prevented` would have traded at px with the same account."""
    put_head(buf, at, AIQ_CANCELED, ts_ns, user_ref)
    put_u32(buf, at + 13, qty)
    buf[at + 17] = CANCEL_SELF_MATCH
    put_u32(buf, at + 18, prevented)
    put_i64(buf, at + 22, px)
    buf[at + 30] = liquidity
    buf[at + 31] = strategy
    return 32


@kernel
def put_executed(buf: np.ndarray, at: int, ts_ns: int, user_ref: int, qty: int, px: int, liquidity: int, match: int) -> int:
    """Order Executed (section 3.6)."""
    put_head(buf, at, EXECUTED, ts_ns, user_ref)
    put_u32(buf, at + 13, qty)
    put_i64(buf, at + 17, px)
    buf[at + 25] = liquidity
    put_i64(buf, at + 26, match)
    put_u16(buf, at + 34, 0)
    return 36


@kernel
def put_rejected(buf: np.ndarray, at: int, ts_ns: int, user_ref: int, reason: int, cl_ord_id: np.ndarray) -> int:
    """Rejected (section 3.8); cl_ord_id uint8[>= 14]."""
    put_head(buf, at, REJECTED, ts_ns, user_ref)
    put_u16(buf, at + 13, reason)
    for k in range(14):
        buf[at + 15 + k] = cl_ord_id[k]
    return 29


@kernel
def put_broken(buf: np.ndarray, at: int, ts_ns: int, user_ref: int, match: int, reason: int, cl_ord_id: np.ndarray) -> int:
    """Broken Trade (section 3.7); cl_ord_id uint8[>= 14]."""
    put_head(buf, at, BROKEN_TRADE, ts_ns, user_ref)
    put_i64(buf, at + 13, match)
    buf[at + 21] = reason
    for k in range(14):
        buf[at + 22 + k] = cl_ord_id[k]
    return 36


@kernel
def put_cancel_answer(buf: np.ndarray, at: int, kind: int, ts_ns: int, user_ref: int) -> int:
    """Cancel Pending (section 3.9) or Cancel Reject (section 3.10)."""
    put_head(buf, at, kind, ts_ns, user_ref)
    return 13


@kernel
def put_priority_update(buf: np.ndarray, at: int, ts_ns: int, user_ref: int, px: int, display: int, order_ref: int) -> int:
    """Order Priority Update (section 3.11): the order now stands at px under a new reference number."""
    put_head(buf, at, PRIORITY_UPDATE, ts_ns, user_ref)
    put_i64(buf, at + 13, px)
    buf[at + 21] = display
    put_i64(buf, at + 22, order_ref)
    return 30


@kernel
def put_modified(buf: np.ndarray, at: int, ts_ns: int, user_ref: int, side_char: int, qty: int) -> int:
    """Order Modified (section 3.12): `qty` is open now."""
    put_head(buf, at, MODIFIED, ts_ns, user_ref)
    buf[at + 13] = side_char
    put_u32(buf, at + 14, qty)
    return 18


@kernel
def put_restated(buf: np.ndarray, at: int, ts_ns: int, user_ref: int, reason: int, display_qty: int, order_ref: int) -> int:
    """Order Restated (section 3.13), with the displayed quantity and its reference number on the feed."""
    put_head(buf, at, RESTATED, ts_ns, user_ref)
    buf[at + 13] = reason
    put_u16(buf, at + 14, 16)
    buf[at + 16] = 9
    buf[at + 17] = TAG_SECONDARY_REF
    put_i64(buf, at + 18, order_ref)
    buf[at + 26] = 5
    buf[at + 27] = TAG_DISPLAY_QUANTITY
    put_u32(buf, at + 28, display_qty)
    return 32


@kernel
def put_answer(buf: np.ndarray, at: int, kind: int, ts_ns: int, user_ref: int, firm: int, stock: int) -> int:
    """Mass Cancel Response, or the responses to Disable and Enable Order Entry (sections 3.14 to 3.16), which have no symbol."""
    put_head(buf, at, kind, ts_ns, user_ref)
    put_u32(buf, at + 13, firm)
    if kind != MASS_CANCEL_RESPONSE:
        return 17
    put_i64(buf, at + 17, stock)
    return 25


@kernel
def put_account_query_response(buf: np.ndarray, at: int, ts_ns: int, next_ref: int) -> int:
    """Account Query Response (section 3.17)."""
    put_head(buf, at, ACCOUNT_QUERY_RESPONSE, ts_ns, next_ref)
    return 13


def account_query_response(next_ref: int, ts_ns: int = 0) -> bytes:
    """Give an Account Query Response as bytes, outside any kernel."""
    return bytes([ACCOUNT_QUERY_RESPONSE]) + ts_ns.to_bytes(8, "big") + next_ref.to_bytes(4, "big")
