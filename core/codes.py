"""Integer codes with the field's names. What a code means is said here and nowhere else.

Side, OrdType, TimeInForce, OrdStatus and ExecType follow FIX 4.4 in meaning. Characters of ITCH and OUCH are kept as their
ASCII value. Each group is an IntEnum: numba reads its members as constants, Python prints their names.
"""

from enum import IntEnum


class Side(IntEnum):
    """Which side of the book an order stands on."""

    BUY = 0
    SELL = 1


class TimeInForce(IntEnum):
    """How long an order lives (FIX tag 59)."""

    DAY = 0
    IOC = 3


class OrderFlag(IntEnum):
    """What else an order asks for, and how a sale is marked."""

    POST_ONLY = 1
    SHORT = 2  # set by risk: what is sold is not held (Regulation SHO rule 200(g))


class OrdStatus(IntEnum):
    """State of an own order (FIX tag 39, in words). UNKNOWN: sent, and its fate not yet told by the venue."""

    NONE = 0
    PENDING_NEW = 1
    NEW = 2
    PARTIALLY_FILLED = 3
    FILLED = 4
    PENDING_CANCEL = 5
    CANCELED = 6
    PENDING_REPLACE = 7
    REPLACED = 8
    REJECTED = 9
    EXPIRED = 10
    UNKNOWN = 11
    DENIED = 12


class EventKind(IntEnum):
    """Why a strategy is called."""

    START = 1
    BOOK = 2
    TRADE = 3
    ORDER = 4
    STATUS = 5
    TIMER = 6
    PARAMS = 7
    STOP = 8


class IntentKind(IntEnum):
    """What a strategy asks for."""

    NEW = 1
    REPLACE = 2
    CANCEL = 3
    CANCEL_ALL = 4


class BookState(IntEnum):
    """Why a book may not be traded on. LIVE when none is set."""

    STALE = 1  # its channel is silent on both lines, heartbeats too
    GAP = 2  # messages are missing
    RECOVERING = 4  # being rebuilt
    CROSSED = 8  # best bid at or above best ask in continuous trading
    HALTED = 16  # the venue halted it, or never published its trading state
    AUCTION = 32  # quotation only, or a cross is under way
    CLOSED = 64  # before the open, after the close, end of session
    ABSENT = 128  # this venue does not list the symbol


class Phase(IntEnum):
    """Trading phase of a venue, from ITCH system events (section 1.1)."""

    UNKNOWN = 0
    START_OF_MESSAGES = 1
    START_OF_SYSTEM_HOURS = 2
    START_OF_MARKET_HOURS = 3
    END_OF_MARKET_HOURS = 4
    END_OF_SYSTEM_HOURS = 5
    END_OF_MESSAGES = 6


class Change(IntEnum):
    """What a feed message did to a symbol."""

    BOOK = 1
    TRADE = 2
    STATUS = 4
    HELD = 8  # said in the journal only: its score was not to be acted on


class Denial(IntEnum):
    """Why risk refused an intent. PASS is the only yes."""

    PASS = 0
    HALT_NODE = 1
    HALT_VENUE = 2
    HALT_SYMBOL = 3
    HALT_STRATEGY = 4
    NOT_ARMED = 5
    VENUE_DOWN = 6
    BOOK_NOT_LIVE = 7
    UNKNOWN_INSTRUMENT = 8
    BAD_QUANTITY = 9
    BAD_PRICE = 10
    BAD_FIELD = 11
    LOT = 12
    TICK = 13
    MAX_ORDER_QTY = 14
    MAX_ORDER_VALUE = 15
    PRICE_COLLAR = 16
    NO_REFERENCE = 17
    MAX_POSITION = 18
    MAX_ORDER_RATE = 19
    MAX_OPEN_ORDERS = 20
    JOURNAL_FULL = 21
    SEND_PENDING = 22
    UNKNOWN_ORDER = 23
    ORDER_NOT_OPEN = 24
    SELF_MATCH = 25
    OVERFLOW = 26
    KILLED = 27
    NOT_TRADABLE = 28
    RESTRICTED = 29
    MAX_LONG = 30
    MAX_SHORT = 31
    MAX_TOTAL_POSITION = 32
    MAX_GROSS_EXPOSURE = 33
    MAX_NET_EXPOSURE = 34
    MAX_LEVERAGE = 35
    MARGIN = 36
    MAX_DAILY_LOSS = 37
    MAX_DRAWDOWN = 38
    MAX_MESSAGE_RATE = 39
    MIN_INTERVAL = 40
    DUPLICATE = 41
    NO_LOCATE = 42
    CROSSES_ZERO = 43
    REDUCE_ONLY = 44


# What each denial means, to a person; `noderrctl reasons` shows it. Limits are named in docs/risk.md.
DENIALS: dict[Denial, str] = {
    Denial.HALT_NODE: "the node is halted",
    Denial.HALT_VENUE: "the venue is halted",
    Denial.HALT_SYMBOL: "the symbol is halted: by a person, or because an order's fate is unknown",
    Denial.HALT_STRATEGY: "the strategy is halted: by a person, for a fault, for lateness, for a loss, or after too many executions",
    Denial.NOT_ARMED: "the venue is not armed, or its armed time is over; limit and value are that time and now",
    Denial.VENUE_DOWN: "the order session is not logged in",
    Denial.BOOK_NOT_LIVE: "the book is stale, has a gap, is being rebuilt or is crossed; value is its state",
    Denial.UNKNOWN_INSTRUMENT: "the venue does not exist or does not list the symbol",
    Denial.BAD_QUANTITY: "the quantity is nothing, negative or too large for the protocol",
    Denial.BAD_PRICE: "the price is nothing, negative or too large for the protocol",
    Denial.BAD_FIELD: "side, time in force, flags or kind of the intent is not one that exists",
    Denial.LOT: "the quantity is not a multiple of the lot",
    Denial.TICK: "the price is not a multiple of the tick",
    Denial.MAX_ORDER_QTY: "more shares than one order may have",
    Denial.MAX_ORDER_VALUE: "worth more than one order may be",
    Denial.PRICE_COLLAR: "too far from the reference price, in parts per million",
    Denial.NO_REFERENCE: "nothing to measure the price collar from",
    Denial.MAX_POSITION: "the position could pass its limit if every open order filled",
    Denial.MAX_ORDER_RATE: "too many new orders and replaces a second",
    Denial.MAX_OPEN_ORDERS: "too many orders open at once",
    Denial.JOURNAL_FULL: "the journal's ring is nearly full: nothing is sent that would go unrecorded",
    Denial.SEND_PENDING: "the venue's socket takes no more for now",
    Denial.UNKNOWN_ORDER: "a replace of an order that the strategy does not have open; value is its id",
    Denial.ORDER_NOT_OPEN: "a replace of an order that waits for an answer",
    Denial.SELF_MATCH: "it would meet one of our own orders, at the limit's price",
    Denial.OVERFLOW: "price x quantity x multiplier is beyond what can be counted",
    Denial.KILLED: "killed: only a release lifts it",
    Denial.NOT_TRADABLE: "the symbol is halted, in an auction, closed or not listed; value is the book's state",
    Denial.RESTRICTED: "the symbol is on the restricted list: positions may only be reduced",
    Denial.MAX_LONG: "the long position could pass its limit if every open order filled",
    Denial.MAX_SHORT: "the short position could pass its limit if every open order filled",
    Denial.MAX_TOTAL_POSITION: "the position over all venues, strategies and lanes could pass its limit",
    Denial.MAX_GROSS_EXPOSURE: "the sum of all positions' values could pass its limit",
    Denial.MAX_NET_EXPOSURE: "the value of longs less shorts could pass its limit",
    Denial.MAX_LEVERAGE: "gross exposure over equity could pass its limit, in parts per million",
    Denial.MARGIN: "equity would not cover the margin on gross exposure",
    Denial.MAX_DAILY_LOSS: "the day's loss passed its limit: positions may only be reduced until a person resumes",
    Denial.MAX_DRAWDOWN: "the fall from the day's best passed its limit: positions may only be reduced until a person resumes",
    Denial.MAX_MESSAGE_RATE: "too many messages of any kind a second to the venue",
    Denial.MIN_INTERVAL: "too soon after the strategy's last order in the symbol, in ns",
    Denial.DUPLICATE: "the same order is open and younger than the window, in ns",
    Denial.NO_LOCATE: "more shares would be sold short than are located",
    Denial.CROSSES_ZERO: "part of the sale is covered and part is short, and it cannot be split",
    Denial.REDUCE_ONLY: "the daemon is away, and the policy then only lets positions be reduced",
}


class Limit(IntEnum):
    """Column of a limit in LIMITS."""

    MAX_ORDER_QTY = 0
    MAX_ORDER_VALUE = 1  # price unit x shares
    PRICE_COLLAR = 2  # parts per million of the reference
    MAX_POSITION = 3
    MAX_ORDER_RATE = 4  # new orders and replaces a second
    MAX_OPEN_ORDERS = 5
    MAX_LONG = 6  # shares, as MAX_POSITION
    MAX_SHORT = 7
    MAX_TOTAL_POSITION = 8  # of the symbol over all venues, strategies and lanes
    MAX_GROSS_EXPOSURE = 9  # 1e-4 of the currency
    MAX_NET_EXPOSURE = 10  # 1e-4 of the currency
    MAX_MESSAGE_RATE = 11  # messages of any kind a second, a venue
    MIN_INTERVAL = 12  # ns between two orders of a strategy in an instrument
    DUPLICATE_WINDOW = 13  # ns in which the same order is not sent twice
    MAX_DAILY_LOSS = 14  # 1e-4 of the currency
    MAX_DRAWDOWN = 15  # 1e-4 of the currency, from the day's best
    CAPITAL = 16  # 1e-4 of the currency: what leverage and margin are measured by
    MAX_LEVERAGE = 17  # parts per million: gross exposure over equity
    MARGIN = 18  # parts per million of gross exposure that equity must cover
    RESTRICTED = 19  # 0: nothing may be opened
    LOCATE = 20  # shares that may be sold short
    MAX_EXECUTIONS = 21  # in EXECUTION_WINDOW; then the strategy stops until a person resumes it
    EXECUTION_WINDOW = 22  # ns
    COLLAR_REFERENCE = 23  # Reference; mid if not set
    COLLAR_MISSING = 24  # 1: without a reference an order passes the collar
    LOSS_HALTS = 25  # 1: a broken loss limit also halts


class Reference(IntEnum):
    """What the price collar is measured from."""

    MID = 0  # mid of the book, else the last trade, else what is configured
    LAST = 1  # the last trade, else what is configured
    FIXED = 2  # what is configured


class Mode(IntEnum):
    """What becomes of a venue's orders."""

    PAPER = 0  # filled by the lane itself, on the live book
    SHADOW = 1  # all but the send
    ARMED = 2  # they are sent
    OFF = 3  # no order may go out: it was armed, and is no more


class Stage(IntEnum):
    """Row of a latency histogram. KERNEL is the wait from the kernel's receive stamp to ours; without such stamps nothing is counted there."""

    KERNEL = 0
    DECODE = 1
    BOOK = 2
    FEATURES = 3
    MODEL = 4
    STRATEGY = 5
    RISK = 6
    ROUTE = 7
    ENCODE = 8
    SEND = 9
    TICK_TO_TRADE = 10
    ACK = 11
    FILL = 12


class Counter(IntEnum):
    """Index into the lane's counters."""

    DATAGRAMS = 0
    MESSAGES = 1
    HEARTBEATS = 2
    BOOK_EVENTS = 3
    MODEL_RUNS = 4
    STRATEGY_CALLS = 5
    INTENTS = 6
    RISK_CHECKS = 7
    DENIALS = 8
    ORDERS = 9
    CANCELS = 10
    REPLACES = 11
    ACCEPTED = 12
    REJECTED = 13
    FILLS = 14
    BUYS = 15
    SELLS = 16
    JOURNAL_RECORDS = 17
    GAPS = 18
    GAP_MESSAGES = 19
    REREQUESTS = 20
    DUPLICATES = 21
    DROP_TRUNCATED = 22  # datagram shorter than its header or its blocks
    DROP_OVERSIZED = 23  # datagram larger than the buffer
    DROP_UNKNOWN = 24  # message type or length not in the specification
    DROP_SESSION = 25  # another session's datagram
    DROP_SOUP = 26  # SoupBinTCP frame that breaks the protocol: the connection is closed
    DROP_OUCH = 27  # OUCH message that cannot be read
    UNKNOWN_ORDER = 28  # feed message about an order that we do not hold
    UNKNOWN_REF = 29  # venue message about an own order that we do not hold
    IMPOSSIBLE = 30  # transition that the state machine does not allow
    BOOK_FULL = 31
    STRATEGY_FAULTS = 32
    STRATEGY_OVER_BUDGET = 33
    PARTIAL_SENDS = 34
    DISCONNECTS = 35
    LOGINS = 36
    NOTES = 37
    NOTES_LOST = 38
    MODEL_FAULTS = 39
    TURNS = 40
    DROP_GARBAGE = 41  # datagram that is not MoldUDP64
    NOTICES_LOST = 42
    BUSTS = 43
    QUERIES = 44  # account queries about orders that were pending too long
    OVERFILLS = 45  # shares executed beyond what was open
    JOURNAL_SKIPPED = 46  # records of market data and calls left out: the ring was nearly full
    JOURNAL_LOST = 47  # records of orders lost: the ring was full
    SNAPSHOTS = 48  # books of a venue rebuilt from a snapshot
    SESSIONS = 49  # feed sessions that followed another
    AUDITS = 50  # books whose levels were compared with their orders
    AUDIT_BREACHES = 51
    HELD = 52  # datagrams kept while books were rebuilt
    HELD_LOST = 53  # of these, found no room: their messages are asked for again
    SCORES_HELD = 54  # scores that their model's `act when` kept from strategies


class JournalKind(IntEnum):
    """What a journal record tells."""

    START = 1  # a lane took the journal up
    FEED = 2  # a datagram was applied
    TICK = 3  # a symbol changed: best prices, features' hash, scores
    INTENT = 4  # a strategy asked
    DENIED = 5  # risk said no
    SENT = 6  # bytes for the venue
    RECEIVED = 7  # a sequenced message of the venue, as it came
    HALT = 8
    RESUME = 9
    FAULT = 10
    COMMAND = 11
    STOP = 12
    MORE = 13  # the rest of the datagram of the FEED record before it
    CALL = 14  # a strategy was called: EVENT, then state and phase of each venue, a byte each
    FEATURES = 15  # what its product's features were, in records of 22
    GAP = 16  # records were lost: the ring was full
    SPEC = 17  # what the lane was told, in pieces
    LOGIN = 18  # an order session was logged in
    DOWN = 19  # an order session was lost
    ACCEPTED = 20  # a person settled what was not known: who, and why
    EMPTIED = 21  # a venue's books were emptied: another feed session from its first message on, or a snapshot that follows
    IMAGE = 22  # messages of that snapshot; `ref` is where the feed goes on, 0 while more of it comes
    TOLD = 23  # what the control plane did about a scope, in words
    CLOCK = 24  # how good the wall clock is: offset, error bound, whether it is synchronised, drift of the lane's own between two anchors
    ORDER = 25
    SESSION = 26
    ACCOUNT = 27
    SEALED = 28  # a day is over: what is before it will not change
    DAY = 29  # profit is counted afresh from here
    ADJUSTED = 30  # a person changed a position: shares, price, who, and why
    POSITION = 31  # what a lane held when it took its state up or sealed a day: noderrd/lane/checkpoint.py, as ORDER, SESSION and ACCOUNT


class Writer(IntEnum):
    """State of the journal's writer."""

    AWAY = 0
    WRITING = 1
    BLOCKED = 2  # the disk takes nothing: the ring fills
    ENDED = 3  # drained and gone


class Reason(IntEnum):
    """Why the hot loop returned to Python."""

    STOP = 1
    COMMAND = 2
    CONNECT = 3  # a venue's order session is down and its back-off is over
    STRATEGY_FAULT = 4
    HOURS = 5  # the trading hours that are known ahead run out
    LOGIN_REJECTED = 6
    DISCONNECTED = 7
    ALARM = 8  # something happened that must not
    REBUILD = 9  # a venue's books have to be emptied, or rebuilt from a snapshot
    GROW = 10  # the table of the feed's orders wants more room
    WISH = 11  # the guard asks for what the policy wants when the daemon is lost


class Rebuild(IntEnum):
    """What the books of a venue wait for."""

    NONE = 0
    RESTART = 1  # to be emptied: another session began
    SNAPSHOT = 2  # a snapshot


class Stamp(IntEnum):
    """Where a datagram's receive time is from."""

    LANE = 0  # the lane's clock when it had the datagram
    KERNEL = 1  # the kernel's, when the card's driver gave it the packet
    HARDWARE = 2  # the card's


class Session(IntEnum):
    """State of an order session (SoupBinTCP 3.00)."""

    DOWN = 0
    CONNECTING = 1
    LOGIN_SENT = 2
    REPLAYING = 3  # logged in; an account query is out and its answer ends the replay
    UP = 4
    REFUSED = 5  # login rejected: a person must act


class Command(IntEnum):
    """What the control plane asks of a lane."""

    CANCEL_ALL = 1
    FLATTEN = 2
    RELOAD = 3  # read the spec again: strategies, parameters, limits, model
    PARAMS = 4  # read the spec again: parameters only
    HALT = 5
    RESUME = 6
    PAUSE = 7  # strategies are not called; feeds, acks and fills go on
    CONTINUE = 8
    KILL = 9  # halt that RESUME does not lift, and cancel all
    RELEASE = 10  # lift a kill
    ARM = 11  # read the spec again: modes of the venues only
    HAND = 12  # hand the order sockets to the guard
    LOAD = 13  # read the spec, and load what is new in it beside the loop: RELOAD then has it at hand
    ACCEPT = 14  # a person says that an order is over, that a venue's session is to be begun anew, or that a symbol may trade again
    TELL = 15  # put a text into the journal: what the control plane did about a scope, and why
    ADJUST = 16  # a person changes a position
    SEAL = 17  # journal what is held, and that a day is over


class Scope(IntEnum):
    """What a command or a halt covers; `index` says which."""

    NODE = 0
    VENUE = 1
    SYMBOL = 2
    STRATEGY = 3


class Halt(IntEnum):
    """Why a halt flag is up. Any value but NONE halts."""

    NONE = 0
    OPERATOR = 1
    STRATEGY_FAULT = 2
    OVER_BUDGET = 3
    LANE_CRASHES = 4
    RECONCILE = 5
    PAUSED = 6
    KILLED = 7  # only a release lifts it
    LOSS = 8
    EXECUTIONS = 9
    JOURNAL = 10  # a record of an order was lost
    CIRCUIT_BREAK = 11  # an alert took a part out of service; ends by itself
    BOOK = 12  # a book's levels were not what its orders add up to
    REDUCE_ONLY = 13  # orders that only reduce a position pass
    HALF_OPEN = 14  # as REDUCE_ONLY: a circuit break is over, and proves itself before all orders pass
    DAEMON_LOST = 15  # the policy asked for it
    DAY_OVER = 16  # the day is being ended, or its end left something that a person has to look into


class Loss(IntEnum):
    """What becomes of trading when the daemon is lost."""

    TRADE_ON = 0
    REDUCE_ONLY = 1
    CANCEL = 2


class Known(IntEnum):
    """What a model's `act when` may ask: places in the row of values, by the names that rules have for them. All are about the symbol just scored."""

    EDGE = 0
    UNCERTAINTY = 1
    SPREAD = 2  # over all live venues
    IMBALANCE = 3


class Op(IntEnum):
    """Instruction of a compiled condition (core/program.py). All but the first three take two values and leave one."""

    CONSTANT = 0  # operand: index of the constant
    LOAD = 1  # operand: index into the row of measured values
    NOT = 2
    ADD = 3
    SUBTRACT = 4
    MULTIPLY = 5
    DIVIDE = 6
    GREATEST = 7
    LEAST = 8
    LESS = 9
    LESS_EQUAL = 10
    GREATER = 11
    GREATER_EQUAL = 12
    EQUAL = 13
    NOT_EQUAL = 14
    AND = 15
    OR = 16
