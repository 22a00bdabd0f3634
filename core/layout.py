"""The dtype of every record: what lies where. Read this file first.

Prices are int64 in the venue's unit (ITCH: 1e-4 of the currency) and end in `px`; in ticks they end in `tick`. Quantities are int64
shares (`qty`) or, towards strategies, lots. Times are int64 nanoseconds (`_ns`). Indexes: `venue`, `inst` (a symbol at a venue),
`product` (a symbol over all venues), `strat` (a strategy slot). All records are aligned; bounds are the constants here.
"""

import numpy as np

MAX_VENUES = 8
MAX_STRATEGIES = 8
MAX_PARAMS = 32
MAX_INTENTS = 16  # a call of a strategy may write this many
VIEW_DEPTH = 10
VIEW_ORDERS = 32  # own live orders a strategy sees, a product
STATE_BYTES = 4096  # a strategy's memory, a product
FEATURES = 32
SCORES = 3  # down, flat, up
MAX_MODELS = 8
ACT_OPS = 320  # instructions of a model's `act when`: rules bound it to 128 operators
ACT_CONSTANTS = 160
LIMITS_N = 32
ORDER_SLOTS = 4096  # own orders remembered, a lane; the oldest finished one makes room
DENIAL_SLOTS = 1024
REF_SLOTS = 65536  # UserRefNums remembered, a venue
JOURNAL_SLOTS = 1 << 16
JOURNAL_DATA = 88
COMMAND_SLOTS = 64
NOTE_SLOTS = 1024
STAGES = 13
PATH = 10  # of these, those between a datagram and the send of the order that it caused
WATERFALL_SLOTS = 4096
SLOW_SLOTS = 256
COUNTERS = 64
SOUP_BUFFER = 1 << 16
TX_BUFFER = 1 << 12
RX_DATAGRAM = 9216  # largest datagram taken: a jumbo frame
RX_BATCH = 32
MAX_SERVERS = 4  # retransmission servers a venue
CONTROL_BYTES = 128  # of what the kernel tells beside a datagram (cmsg(3)): 64 for its stamps, 24 for its drops, and room
TICK_TABLES = 16
TICK_BANDS = 32  # price bands a table; MiFID II has 19 (Delegated Regulation 2017/588)
HOURS = 8  # stretches of a venue's trading hours known ahead
HOLES = 16  # stretches missing on a line that are remembered, to tell what comes late from what comes twice
LOCATES = 65536
LIVE_SLOTS = 512  # own orders open at once, a lane
MAX_LANES = 8  # that share limits
MONEY_ROWS = 3  # of their exposure: core/exposure.py
EXECUTIONS = 1024  # times of executions remembered, a strategy
FILL_SLOTS = 8192  # executions remembered, a lane: a bust names one by its match number
BUCKETS = 27648  # counts of a latency histogram: core.histogram
STAGED_TEXT = 1 << 19
MONEY = 10_000  # sums of money are in 1 / MONEY of the account's currency
NO_LIMIT = 2**62


def _record(*fields: tuple[object, ...]) -> np.dtype:
    """Give an aligned structured dtype."""
    return np.dtype(list(fields), align=True)


# One decoded ITCH 5.0 message, every type (TotalView-ITCH 5.0, section 1). Fields that its type lacks keep what was there: clearing them costs time.
MESSAGE = _record(
    ("kind", "i4"),  # ASCII of the type
    ("locate", "i4"),
    ("tracking", "i4"),
    ("side", "i4"),  # Side, from the Buy/Sell Indicator
    ("ts_ns", "i8"),  # since midnight, venue's time
    ("ref", "i8"),  # order reference number (U: original)
    ("new_ref", "i8"),  # U
    ("qty", "i8"),  # shares
    ("px", "i8"),  # 1e-4 USD; C: execution price; L/V: 1e-8 for V level 1
    ("match", "i8"),
    ("stock", "i8"),  # 8 ASCII bytes, big-endian, space padded
    ("code", "i4"),  # S: event code; H: trading state; C: printable; Y: action; Q/I: cross type; N: interest; h: action; W: level
    ("code2", "i4"),  # H, h: reserved / market code; I: imbalance direction
    ("px2", "i8"),  # V: level 2; I: near price; J: upper collar
    ("px3", "i8"),  # V: level 3; I: current reference price; J: lower collar
    ("qty2", "i8"),  # I: imbalance shares
    ("text", "i8"),  # F: attribution, H: reason (4 ASCII bytes, big-endian); L: MPID
    ("lot", "i4"),  # R: round lot size; K: release time; J: extension
    ("attrs", "u1", (20,)),  # R: from market category to inverse indicator, as published; L, I: their flags
)

# A symbol at a venue. Levels are in arrays beside it: px, qty, cnt int64[inst, Side, level], ascending towards the best:
# the best is at index n - 1, so what changes most moves least.
INSTRUMENT = _record(
    ("version", "i8"),  # sequence lock: odd while being changed
    ("seq_num", "i8"),  # last feed message applied that touched it
    ("ts_ns", "i8"),  # its venue time stamp
    ("rx_ns", "i8"),  # receive time of its datagram
    ("n", "i4", (2,)),  # levels, a side
    ("state", "i4"),  # BookState bits of the symbol itself (the venue's channel bits are in VENUE)
    ("trading", "i4"),  # ITCH trading state: H P Q T, 0 never published
    ("venue", "i4"),
    ("product", "i4"),
    ("locate", "i4"),
    ("touched", "i4"),  # Change bits gathered during a datagram
    ("stock", "i8"),
    ("tick", "i8"),  # px
    ("lot", "i8"),
    ("unit", "i8"),  # px a currency unit, 10_000 for ITCH
    ("last_px", "i8"),
    ("last_qty", "i8"),
    ("last_side", "i4"),  # Side of the aggressor
    ("own_open", "i4"),  # own orders that can still fill here
    ("mark", "i8", (2,)),  # best bid and ask when its book was last LIVE; 0: never
    ("held", "i8"),  # bit s: strategy s has a position or open orders
    ("volume", "i8"),
    ("reference", "i8"),  # px the collar is measured from; 0: none
    ("multiplier", "i8"),
    ("worth_num", "i8"),  # 1e-4 of the account's currency a px x share, as a fraction of words below 2^31; equal: one for one
    ("worth_den", "i8"),
    ("prev_px", "i8", (2,)),  # best of each side as core/features.py last saw it; quantity 0: none
    ("prev_qty", "i8", (2,)),
    # what its venue published of it (ITCH 5.0 section 1.2); 0: nothing
    ("directory", "u1", (20,)),  # Stock Directory, from market category to inverse indicator
    ("operational", "i4"),  # Operational Halt: H halted, T resumed
    ("short_sale", "i4"),  # Reg SHO short sale price test: 0 none, 1 in effect, 2 remains in effect (as characters)
    ("tick_table", "i4"),  # which of LANE's: 0 is none, `tick` holds at every price
    ("own_lot", "i8"),  # the configured one; `lot` is what binds
    ("round_lot", "i8"),
    ("collar", "i8", (3,)),  # LULD Auction Collar: reference, upper, lower px
)

# An order of the feed, in the open-addressing table of a lane (core/order_table.py). `key` is (ref << 3 | venue) + 1; 0 is empty.
ORDER_REF = _record(("key", "i8"), ("px", "i8"), ("qty", "u4"), ("inst", "i4"), ("side", "i4"), ("pad", "i4"))

# What is known of such a table; all 0 for an empty one.
TABLE_HEAD = _record(
    ("used", "i8"),  # orders in it
    ("displaced", "i8"),  # of these, not in the slot that they would like
    ("hashed", "i8"),  # 0: an order would like the slot that its reference names, 1: one by hash
    ("crowded", "i8"),  # slots that orders went on further from their own than is good: time to grow it, or to hash
    ("fixed", "i8"),  # 1: it has its greatest size
)

# What the last applied message did, for features, queue position and TRADE events. Length 1.
CHANGED = _record(
    ("what", "i4"),  # Change bits
    ("side", "i4"),  # of the resting order
    ("px", "i8"),
    ("qty", "i8"),  # taken from (negative) or added to (positive) the level
    ("ref", "i8"),
    ("trade_px", "i8"),
    ("trade_qty", "i8"),
    ("trade_side", "i4"),  # aggressor
    ("pad", "i4"),
    ("old_ref", "i8"),  # U: the order taken out, its price and its shares; 0 when none was
    ("old_px", "i8"),
    ("old_qty", "i8"),
)

# A symbol over all venues.
PRODUCT = _record(
    ("n_inst", "i4"),
    ("pad", "i4"),
    ("inst", "i4", (MAX_VENUES,)),  # by venue; -1: not listed there
    ("stock", "i8"),
    ("tick", "i8"),  # px: greatest common divisor over the venues
    ("lot", "i8"),
    # Running state of the features (core/features.py).
    ("last_ns", "i8"),
    ("last_mid", "f8"),  # ticks; held since the last row
    ("last_spread", "f8"),  # ticks
    ("last_depth", "f8"),  # shares
    ("last_trade", "f8"),  # ticks
    ("ewma", "f8", (24,)),
    ("feature_ns", "i8"),
    ("score_ns", "i8"),
    ("row", "f4", (FEATURES,)),
    ("score", "f4", (SCORES,)),
    ("model", "i4"),  # slot; -1: none
    ("exposure_row", "i4"),  # its row in the exposure that lanes share
    ("held", "i4"),  # 1: its score may not be acted on (the model's `act when`)
)

# An exchange as the lane sees it. File descriptors are the lane's own.
VENUE = _record(
    ("fd_a", "i4"),
    ("fd_b", "i4"),
    ("fd_request", "i4"),
    ("fd_order", "i4"),
    # feed: MoldUDP64
    ("session", "u1", (10,)),
    ("have_session", "i4"),
    ("next_seq", "i8"),  # next expected
    ("high_seq", "i8"),  # first sequence number not yet known to exist
    ("claim_seq", "i8"),  # one so far ahead that another has to agree before it is believed
    ("asked_seq", "i8"),
    ("asked_ns", "i8"),
    ("feed_ns", "i8"),  # last datagram on either line, heartbeats too
    ("line_ns", "i8", (2,)),
    ("received", "i8", (2,)),
    ("state", "i4"),  # BookState bits of the channel
    ("phase", "i4"),
    ("ended", "i4"),
    # orders: SoupBinTCP and OUCH
    ("order_session", "u1", (10,)),
    ("have_order_session", "i4"),
    ("session_state", "i4"),  # Session
    ("reject_code", "i4"),
    ("next_ref", "i8"),  # next UserRefNum: only rises
    ("order_seq", "i8"),  # next expected sequenced message
    ("venue_next_ref", "i8"),  # from the account query
    ("order_rx_ns", "i8"),
    ("order_tx_ns", "i8"),
    ("order_rx_bytes", "i8"),  # of the connection, so far: with what the kernel counts they tell whether a dead lane left it whole
    ("order_tx_bytes", "i8"),
    ("connect_at_ns", "i8"),
    ("failures", "i8"),
    ("rx_len", "i8"),
    ("tx_len", "i8"),
    ("tx_at", "i8"),
    ("maker_mils", "i8"),  # 1e-4 USD a share; negative is a rebate
    ("taker_mils", "i8"),
    ("request", "u1", (24,)),  # MoldUDP64 request packet being built
    ("mode", "i8"),  # Mode
    ("armed_until_ns", "i8"),  # ARMED ends then
    ("message_tokens", "i8"),  # nano-tokens of the message budget
    ("message_ns", "i8"),
    ("asked_at_ns", "i8"),  # when the last account query was sent; 0: none is out
    ("asked_ref", "i8"),  # next_ref then: orders from it on are not what the answer is about
    ("queries_out", "i8"),  # account queries not answered, over all connections
    ("replay_left", "i8"),  # answers that end the replay
    ("journaled_seq", "i8"),  # of the message that a lane journaled and died before it had applied; 0: none
    # feed: each line by itself, in messages
    ("line_seq", "i8", (2,)),  # next expected on it; 0: nothing came yet
    ("lost", "i8", (2,)),
    ("duplicate", "i8", (2,)),  # that this very line had sent before
    ("out_of_order", "i8", (2,)),  # that came after later ones: counted as lost until then
    ("late", "i8", (2,)),  # that had been applied already when they came, in order: the other line was first
    ("holes", "i8", (2, HOLES, 2)),  # [from, to) of what is missing on it
    ("hole_at", "i8", (2,)),
    ("skew_ns", "i8", (2,)),  # how far it is behind the other, where it is second: a running average
    ("lead_seq", "i8"),  # of the datagram that came first with what was newest
    ("lead_ns", "i8"),
    ("lead_line", "i8"),
    # feed: recovery
    ("recovered", "i8"),  # messages taken from retransmission servers
    ("moved_ns", "i8"),  # when the gap that is open was opened, or last became smaller
    ("servers", "i4", (MAX_SERVERS,)),  # descriptors; fd_request is the one that is asked now
    ("n_servers", "i4"),
    ("server", "i4"),
    ("rebuild", "i8"),  # Rebuild: what the cold side has to do to its books
    ("has_snapshot", "i8"),  # 1: there is a GLIMPSE server
    ("resync", "i8"),  # 1: some symbol's book is no longer the venue's
    ("snapshot_ns", "i8"),  # of the last try
    ("held", "i8"),  # 1: datagrams that came while its books were rebuilt wait to be applied (noderrd/lane/held.py)
    # feed: the sockets
    ("buffer", "i8", (2,)),  # bytes that the kernel granted for what waits on a line
    ("stamp", "i4", (2,)),  # Stamp of the line's last datagram
    ("kernel_drops", "i8", (2,)),  # datagrams that did not fit, as the socket told with the last one that did (SO_RXQ_OVFL)
    ("waited_ns", "i8", (2,)),  # how long datagrams lay between stamp and lane: a running average
    # trading hours by calendar
    ("scheduled", "i4"),  # 1: it has a calendar
    ("shut", "i4"),  # 1: the calendar says that it is closed now
    ("hours", "i8", (HOURS, 2)),  # [from, to), ascending; 0 and 0: none
    ("hours_until", "i8"),  # they are known until then
    ("breaker", "i8", (3,)),  # market-wide circuit breaker: the levels, 1e-8 of the index
    ("breached", "i4"),  # level that was reached; 0: none
    ("rx", "u1", (SOUP_BUFFER,)),
    ("tx", "u1", (TX_BUFFER,)),
)

# An own order: one slot a chain of replaces.
ORDER = _record(
    ("cl_ord_id", "i8"),
    ("user_ref", "i8"),  # UserRefNum that the venue knows it by now
    ("pending_ref", "i8"),  # of a replace under way
    ("order_ref", "i8"),  # the venue's order reference number, as on the feed
    ("venue", "i4"),
    ("inst", "i4"),
    ("strat", "i4"),
    ("side", "i4"),
    ("ord_status", "i4"),
    ("time_in_force", "i4"),
    ("flags", "i4"),
    ("sent", "i4"),  # 0 built, 1 its first byte went out, 2 sent before a crash and not yet answered
    ("px", "i8"),
    ("order_qty", "i8"),  # the chain's total
    ("cum_qty", "i8"),
    ("leaves_qty", "i8"),
    ("reserved_qty", "i8"),  # exposure counted against limits: the worst case
    ("pending_px", "i8"),
    ("pending_qty", "i8"),
    ("queue_ahead", "i8"),  # shares before it at its price; -1 unknown
    ("last_px", "i8"),
    ("last_qty", "i8"),
    ("cum_value", "i8"),  # sum of px x qty
    ("rx_ns", "i8"),  # receive time of the datagram that caused it
    ("arrival", "i8"),  # twice the mid when it was decided on; 0: none
    ("sent_ns", "i8"),
    ("request_ns", "i8"),  # the last request about it: order, replace or cancel
    ("ack_ns", "i8"),
    ("last_ns", "i8"),
    ("reason", "i4"),  # the venue's reject or cancel reason
    ("denial", "i4"),
    ("denial_rule", "i4"),
    ("asked", "i4"),  # the venue was asked about what is pending: 1 query, and no more
    ("paper_qty", "i8"),  # shares that the market gave an order on paper, not yet told
    ("denial_limit", "i8"),
    ("denial_value", "i8"),
)

# Position of a strategy in an instrument: index strat * n_inst + inst. Exact: cash is the sum of -side x px x qty.
POSITION = _record(
    ("position", "i8"),
    ("cash", "i8"),  # the whole is cash_high x position.WORD + cash
    ("cost", "i8"),  # value of the open position at its average price
    ("realised", "i8"),
    ("fees", "i8"),
    ("bought", "i8"),
    ("sold", "i8"),
    ("fills", "i8"),
    ("open_buy", "i8"),  # reserved by open, pending and unknown orders
    ("open_sell", "i8"),
    ("n_open", "i8"),
    ("last_order_ns", "i8"),
    ("cash_high", "i8"),
    ("realised_high", "i8"),
    # What it adds to its strategy's and the account's sums (ACCOUNT), at the last mark.
    ("gross", "i8"),
    ("long", "i8"),
    ("short", "i8"),
    ("profit", "i8"),
)

# Limits of a strategy in an instrument, same index: what binds the strategy alone, and what binds all strategies together. `rule` is an index into
# the rule table (file:line) for each.
LIMITS = _record(("limit", "i8", (LIMITS_N,)), ("account", "i8", (LIMITS_N,)), ("rule", "i4", (LIMITS_N,)), ("account_rule", "i4", (LIMITS_N,)))

# A model's `act when`, compiled (core/program.py; what its row holds: core.codes.Known). `n` instructions; 0: every score may be acted on.
ACT = _record(
    ("n", "i8"),
    ("move", "f8"),  # ticks by which the mid moved, on average, when a class of the model came true; NaN: not known
    ("code", "i4", (ACT_OPS, 2)),
    ("constants", "f8", (ACT_CONSTANTS,)),
)

# Sums over a strategy's positions, and over all (index MAX_STRATEGIES). Money in 1e-4 of the currency, at the last marks.
ACCOUNT = _record(
    ("gross", "i8"),  # sum of the larger of long and short, a position
    ("long", "i8"),  # value held if everything that may be bought is
    ("short", "i8"),  # value owed if everything that may be sold is
    ("profit", "i8"),  # since the state was made: realised, unrealised, after fees
    ("day_profit", "i8"),  # profit at midnight UTC, or when a person resumed after a breach
    ("peak", "i8"),  # largest profit since then
    ("latched", "i4"),  # Denial: the loss limit that was broken; 0 none. Only a person clears it
    ("latched_rule", "i4"),
    ("latched_limit", "i8"),
    ("latched_value", "i8"),
    ("pad", "i8", (6,)),
)

# An execution, for the bust that names its match number.
FILL = _record(
    ("match", "i8"),
    ("cl_ord_id", "i8"),
    ("px", "i8"),
    ("qty", "i8"),
    ("fee", "i8"),
    ("ts_ns", "i8"),
    ("after_ns", "i8"),  # since its order was sent
    ("arrival", "i8"),  # twice the mid when its order was decided on; 0: none
    ("mid", "i8"),  # twice the mid when it came; 0: none
    ("venue", "i4"),
    ("slot", "i4"),
    ("index", "i4"),  # of its position
    ("side", "i4"),
    ("busted", "i4"),
    ("pad", "i4"),
)

# What a lane holds and may yet buy or sell of a product: one cache line a product and lane, written by its lane alone (core/exposure.py).
EXPOSURE = _record(
    ("buy", "i8"),  # position and all that may still be bought; of rows about money see core/exposure.py
    ("sell", "i8"),  # all that may still be sold, less the position
    ("asked_buy", "i8"),  # being claimed
    ("asked_sell", "i8"),
    ("pad", "i8", (4,)),
)

# Where the time of one order went, from a datagram's receipt to the end of the send call. `seq` is set last; a reader looks at it before and after.
WATERFALL = _record(
    ("seq", "i8"),
    ("cl_ord_id", "i8"),
    ("rx_ns", "i8"),
    ("venue", "i4"),
    ("inst", "i4"),
    ("strat", "i4"),
    ("slot", "i4"),
    ("cut", "i8", (PATH,)),  # ns since the receipt at which each Stage ended: the last one is the whole. The receipt is the kernel's, where it stamps
    ("pad", "i8"),
)

# A strategy slot.
STRATEGY = _record(
    ("address", "i8"),  # of its cfunc; 0: empty
    ("timer_ns", "i8"),
    ("next_timer_ns", "i8"),
    ("budget_ns", "i8"),
    ("over_budget", "i8"),
    ("tokens", "i8"),  # nano-tokens of the order rate
    ("tokens_ns", "i8"),
    ("product_mask", "i8"),  # bit p: it trades product p (products above 62 are refused)
    ("state_offset", "i8"),
    ("seed", "i8"),
    ("fault", "i8"),
    ("n_executions", "i8"),  # since it was enabled
    ("fresh", "i4"),  # START not yet delivered
    ("halted", "i4"),
)

# What a call of a strategy is about. Prices in ticks of the product, quantities in shares.
EVENT = _record(
    ("kind", "i4"),  # EventKind
    ("venue", "i4"),
    ("now_ns", "i8"),  # wall clock, since the epoch
    ("rx_ns", "i8"),  # receive time of the causing datagram
    ("order_id", "i8"),
    ("ord_status", "i4"),
    ("side", "i4"),
    ("last_px", "i8"),
    ("last_qty", "i8"),
    ("leaves_qty", "i8"),
    ("reason", "i4"),  # Denial for DENIED, else the venue's reason character
    ("pad", "i4"),
)

# One venue in a view; levels best first.
VENUE_VIEW = _record(
    ("state", "i4"),  # BookState bits, 0 is LIVE
    ("phase", "i4"),
    ("n_bid", "i4"),
    ("n_ask", "i4"),
    ("bid_px", "i8", (VIEW_DEPTH,)),
    ("bid_qty", "i8", (VIEW_DEPTH,)),
    ("ask_px", "i8", (VIEW_DEPTH,)),
    ("ask_qty", "i8", (VIEW_DEPTH,)),
    ("age_ns", "i8"),
    ("position", "i8"),
    ("open_buy", "i8"),
    ("open_sell", "i8"),
    ("maker_fee", "i8"),  # mils: 1e-4 of the currency a share
    ("taker_fee", "i8"),
)

OWN_ORDER = _record(
    ("order_id", "i8"),
    ("venue", "i4"),
    ("side", "i4"),
    ("px", "i8"),
    ("leaves_qty", "i8"),
    ("cum_qty", "i8"),
    ("queue_ahead", "i8"),
    ("ord_status", "i4"),
    ("pad", "i4"),
)

# All that a strategy may look at: rebuilt before each call, so that writing into it changes nothing.
VIEW = _record(
    ("product", "i4"),
    ("strat", "i4"),
    ("n_venues", "i4"),
    ("n_orders", "i4"),
    ("tick", "i8"),  # px a tick
    ("lot", "i8"),  # shares a lot
    ("unit", "i8"),  # px a currency unit
    ("best_bid", "i8"),  # over LIVE venues; 0: none
    ("best_ask", "i8"),
    ("best_bid_qty", "i8"),
    ("best_ask_qty", "i8"),
    ("best_bid_venue", "i4"),  # -1: none
    ("best_ask_venue", "i4"),
    ("best_bid_age_ns", "i8"),
    ("best_ask_age_ns", "i8"),
    ("last_px", "i8"),
    ("last_qty", "i8"),
    ("position", "i8"),  # of this strategy in this product, all venues
    ("open_buy", "i8"),
    ("open_sell", "i8"),
    ("avg_px", "f8"),  # ticks
    ("realised", "f8"),  # currency
    ("unrealised", "f8"),
    ("fees", "f8"),
    ("score_on", "i4"),  # a model scores this product
    ("pad", "i4"),
    ("score", "f4", (SCORES,)),  # down, flat, up
    ("score_age_ns", "i8"),
    ("feature_age_ns", "i8"),
    ("features", "f4", (FEATURES,)),
    ("venues", VENUE_VIEW, (MAX_VENUES,)),
    ("orders", OWN_ORDER, (VIEW_ORDERS,)),
    ("seed", "u8"),  # state of noderrd.strategies.uniform
    ("n_notes", "i4"),
    ("pad2", "i4"),
    ("note_code", "i8", (8,)),
    ("note_value", "i8", (8,)),
)

# One thing that a strategy asks for.
INTENT = _record(
    ("kind", "i4"),  # IntentKind
    ("venue", "i4"),
    ("side", "i4"),
    ("time_in_force", "i4"),
    ("flags", "i4"),  # OrderFlag
    ("pad", "i4"),
    ("px", "i8"),  # ticks of the product
    ("qty", "i8"),  # shares; REPLACE: the chain's new total
    ("order_id", "i8"),  # REPLACE, CANCEL
)

# One line of the journal: 128 bytes. `seq` is set last: a reader takes a slot when it equals the cursor it waits for.
JOURNAL = _record(
    ("seq", "i8"),
    ("ts_ns", "i8"),
    ("kind", "i4"),  # JournalKind
    ("venue", "i2"),
    ("strat", "i2"),
    ("inst", "i4"),
    ("size", "i4"),  # of data
    ("ref", "i8"),  # what it is about: RECEIVED, FEED, TICK: sequence number; SENT, DENIED: cl_ord_id; CALL, FEATURES, INTENT: the decision
    ("data", "u1", (JOURNAL_DATA,)),
)

# From the control plane to the lane, single producer, single consumer. The lane answers in place.
COMMAND = _record(
    ("seq", "i8"),  # 1, 2, ...: set last by the daemon
    ("done", "i8"),  # set to seq by the lane
    ("verb", "i4"),
    ("scope", "i4"),
    ("index", "i4"),
    ("status", "i4"),  # 0 ok
    ("acted", "i8"),
    ("failed", "i8"),
    ("ref", "i8"),  # ACCEPT: the order's cl_ord_id, 0: the venue itself; ADJUST: shares; SEAL: the day as yyyymmdd
    ("text", "u1", (JOURNAL_DATA,)),  # ACCEPT, ADJUST: who, and why; SEAL, TELL: what
)

NOTE = _record(("ts_ns", "i8"), ("strat", "i4"), ("product", "i4"), ("code", "i8"), ("value", "i8"))

# What is waiting to be told to a strategy.
NOTICE = _record(("strat", "i4"), ("product", "i4"), ("inst", "i4"), ("pad", "i4"), ("event", EVENT))

# Words between the planes. Each block begins on its own cache line: `pad*` fill up to 64 bytes.
CONTROL = _record(
    # written at start
    ("magic", "i8"),
    ("epoch", "i8"),  # how often a lane took this state up
    ("pid", "i8"),
    ("n_venues", "i8"),
    ("n_insts", "i8"),
    ("n_products", "i8"),
    ("n_strategies", "i8"),
    ("levels", "i8"),
    # written by the lane
    ("ready", "i8"),
    ("heartbeat_ns", "i8"),
    ("command_tail", "i8"),  # commands done
    ("journal_head", "i8"),  # records published
    ("note_head", "i8"),
    ("next_id", "i8"),
    ("denial_head", "i8"),
    ("slot_hint", "i8"),
    # written by the control plane
    ("command_head", "i8"),  # commands published
    ("journal_tail", "i8"),  # records read: the lane may overwrite below it
    ("halt_node", "i8"),
    ("halt_venue", "i8", (MAX_VENUES,)),
    ("halt_strategy", "i8", (MAX_STRATEGIES,)),
    ("paused", "i8"),  # strategies are not called; feeds, acks and fills go on
    ("slow_ns", "i8"),  # an order that took so long from tick to trade is kept in `slow`; 0: none is
    ("clock_offset_ns", "i8"),  # of the wall clock, as the daemon last found it
    ("clock_error_ns", "i8"),
    ("clock_seq", "i8"),  # raised with each finding by 2; odd: the clock is synchronised
    # the clock: realtime = base_ns + ((tsc - base_tsc) * mult >> 28), kept by the lane
    ("base_ns", "i8"),
    ("base_tsc", "i8"),
    ("mult", "i8"),
    ("idle", "i8"),  # 0 spin, 1 yield, 2 sleep
    # undo log of the message being applied (core/order_state.py): armed while `undo_phase` is 1
    ("undo_phase", "i8"),
    ("undo_slot", "i8"),
    ("undo_position", "i8"),
    ("undo_venue", "i8"),
    ("undo_seq", "i8"),
    ("undo_order", ORDER),
    ("undo_record", POSITION),
    ("counters", "i8", (COUNTERS,)),
    # limits shared by lanes: the address, in the lane's own process, of EXPOSURE[row, MAX_LANES]
    ("exposure", "i8"),
    ("place", "i8"),  # of this lane among them
    ("n_lanes", "i8"),
    ("roll_ns", "i8"),  # when the day is over, and profit is counted afresh
    ("fill_head", "i8"),
    ("alarms", "i8"),  # what must not happen and did: raised by the loop, told by the cold side
    ("decisions", "i8"),  # calls of strategies journaled, in all epochs
    ("journal_gap", "i8"),  # records that found no room since the last one that did
    ("waterfall_head", "i8"),  # orders put into `waterfall`
    ("slow_head", "i8"),
    ("money_row", "i8"),  # first of the rows of EXPOSURE that are about money (core/exposure.py)
    ("clock_told", "i8"),  # clock_seq that was journaled
    ("drift_ns", "i8"),  # by how much the lane's clock was ahead of the wall clock when it was last tied to it
    ("pad_journal", "i8", (3,)),
    # written by the journal's writer
    ("journal_id", "i8"),  # of this ring: drawn when its first record was written; 0: none was
    ("writer_pid", "i8"),
    ("writer_ns", "i8"),  # its last sign of life
    ("writer_state", "i8"),  # Writer
    ("writer_errno", "i8"),  # why it cannot write; 0: it can
    ("writer_sync_ns", "i8"),  # what the last flush to disk took
    # written by the guard, but for the last
    ("guard_pid", "i8"),  # 0: there is none
    ("guard_ns", "i8"),  # its last sign of life
    ("guard_cuts", "i8"),  # how often it shut the order sessions of a quiet lane down
    ("leave_until_ns", "i8"),  # the lane does something long until then: no heartbeat is no sign
    ("spare_pid", "i8"),  # of the process that waits, warm, for the owner's lock; 0: there is none
    # written by the daemon: what the guard does when it is lost, and a drill
    ("daemon_ns", "i8"),  # its last sign of life
    ("loss_then", "i8"),  # Loss
    ("loss_after_ns", "i8"),  # since its last sign of life
    ("wish", "i8"),  # Loss that the guard asks the lane for; the lane puts it back to 0
    ("drill_asked", "i8"),  # raised: the guard is to shut the order sessions down as if the lane were quiet
    ("drill_done", "i8"),  # the last one that it did
    ("restored", "i8"),  # 1: this state was made from the journal, until a lane has taken it up
    ("reduce_only", "i8"),  # 1, by the lane: the daemon is lost, and what does not reduce a position is denied
)

# Tables that the daemon has ready, taken between two events (noderrd/lane/staged.py). Limits, and when models may be acted
# on, wait in the one of their two tables that does not bind.
STAGED = _record(
    ("seq", "i8"),  # raised last by the daemon
    ("done", "i8"),  # set to seq by the lane
    ("bound", "i8"),  # which of the two tables binds: 0 or 1
    ("terms", "i8"),  # number of the spec that is staged
    ("running", "i8"),  # number of the spec that the lane runs by
    ("loaded", "i8"),  # number of the spec whose strategies and models lie ready beside the loop; negative: they could not be loaded
    ("turn_ns", "i8"),  # when the loop's last turn began
    ("widest_ns", "i8"),  # longest time from turn to turn since a reader wrote 0 here
    ("pause_ns", "i8"),  # longest step of the last taking; longest time away from the loop for a command since a reader wrote 0 here
    ("halt_seq", "i8"),  # raised by the daemon after it has changed halt words
    ("halt_seen", "i8"),  # set to halt_seq by the lane in the turn after which every order meets them
    ("halt_ns", "i8"),  # when that turn began
    ("params", "i8", (MAX_STRATEGIES, MAX_PARAMS)),
    ("budget_ns", "i8", (MAX_STRATEGIES,)),
    ("fees", "i8", (MAX_VENUES, 2)),  # mils: maker, taker
    ("text_at", "i8"),  # journaled so far
    ("text_size", "i8"),
    ("text", "u1", (STAGED_TEXT,)),  # what the journal is told: the spec
)

# Ticks that depend on the price: from `px` on, ascending, orders are priced in multiples of `tick`.
TICK_TABLE = _record(("n", "i8"), ("px", "i8", (TICK_BANDS,)), ("tick", "i8", (TICK_BANDS,)))

# All of a lane that has fixed bounds, in one record: one argument for the kernels, one block of the shared file.
LANE = _record(
    ("control", CONTROL, (1,)),
    ("strategies", STRATEGY, (MAX_STRATEGIES,)),
    ("params", "i8", (MAX_STRATEGIES, MAX_PARAMS)),
    ("venues", VENUE, (MAX_VENUES,)),
    ("orders", ORDER, (ORDER_SLOTS,)),
    ("denials", ORDER, (DENIAL_SLOTS,)),
    ("ref_slots", "i4", (MAX_VENUES, REF_SLOTS)),
    ("table_head", TABLE_HEAD, (1,)),  # of the feed's orders
    ("n_live", "i8"),
    ("live", "i4", (LIVE_SLOTS,)),  # slots of the orders that can still fill: derived from `orders`, rebuilt at every start
    ("accounts", ACCOUNT, (MAX_STRATEGIES + 1,)),
    ("executions", "i8", (MAX_STRATEGIES, EXECUTIONS)),
    ("fills", FILL, (FILL_SLOTS,)),
    ("histograms", "i8", (STAGES, BUCKETS)),
    ("waterfall", WATERFALL, (WATERFALL_SLOTS,)),  # of the last orders
    ("slow", WATERFALL, (SLOW_SLOTS,)),  # of the last slow ones
    ("commands", COMMAND, (COMMAND_SLOTS,)),
    ("notes", NOTE, (NOTE_SLOTS,)),
    ("journal", JOURNAL, (JOURNAL_SLOTS,)),
    ("staged", STAGED, (1,)),
    ("tick_tables", TICK_TABLE, (TICK_TABLES,)),  # by number less 1
    ("acts", ACT, (2, MAX_MODELS)),  # as `bound` says
)
