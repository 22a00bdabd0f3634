"""The names of the 32 numbers that a model sees, and what each is. How they are computed is in core/features.py, whose import compiles."""

from enum import IntEnum


class Feature(IntEnum):
    """Place of a feature in a row."""

    IMBALANCE = 0
    MICROPRICE = 1
    SPREAD = 2
    IMBALANCE_3 = 3
    IMBALANCE_10 = 4
    BID_QTY = 5
    ASK_QTY = 6
    BID_DEPTH = 7
    ASK_DEPTH = 8
    BID_GAP = 9
    ASK_GAP = 10
    BID_ORDERS = 11
    ASK_ORDERS = 12
    BID_VENUES = 13
    ASK_VENUES = 14
    OFI_125MS = 15
    OFI_1S = 16
    OFI_8S = 17
    TRADES_125MS = 18
    TRADES_1S = 19
    TRADES_8S = 20
    RETURN_125MS = 21
    RETURN_1S = 22
    RETURN_8S = 23
    VOLATILITY_125MS = 24
    VOLATILITY_1S = 25
    VOLATILITY_8S = 26
    BURST = 27
    INTENSITY = 28
    VOLUME = 29
    SPREAD_CHANGE = 30
    LAST_TRADE = 31


DESCRIPTIONS = {
    Feature.IMBALANCE: "(bid - ask) / (bid + ask) shares at the best prices, -1 to 1",
    Feature.MICROPRICE: "microprice less mid, ticks",
    Feature.SPREAD: "best ask less best bid, ticks",
    Feature.IMBALANCE_3: "imbalance of the shares within 3 ticks of the best prices",
    Feature.IMBALANCE_10: "imbalance of the shares within 10 ticks of the best prices",
    Feature.BID_QTY: "shares at the best bid, in mean best quantities",
    Feature.ASK_QTY: "shares at the best ask, in mean best quantities",
    Feature.BID_DEPTH: "shares within 10 ticks of the best bid, in mean best quantities",
    Feature.ASK_DEPTH: "shares within 10 ticks of the best ask, in mean best quantities",
    Feature.BID_GAP: "best bid less the next one, ticks",
    Feature.ASK_GAP: "next ask less the best one, ticks",
    Feature.BID_ORDERS: "orders at the best bid",
    Feature.ASK_ORDERS: "orders at the best ask",
    Feature.BID_VENUES: "venues at the best bid",
    Feature.ASK_VENUES: "venues at the best ask",
    Feature.OFI_125MS: "order flow imbalance, half-life 125 ms, in mean best quantities",
    Feature.OFI_1S: "order flow imbalance, half-life 1 s, in mean best quantities",
    Feature.OFI_8S: "order flow imbalance, half-life 8 s, in mean best quantities",
    Feature.TRADES_125MS: "(bought - sold) / (bought + sold) shares by aggressors, half-life 125 ms, -1 to 1",
    Feature.TRADES_1S: "the same, half-life 1 s",
    Feature.TRADES_8S: "the same, half-life 8 s",
    Feature.RETURN_125MS: "mid less its mean, half-life 125 ms, ticks",
    Feature.RETURN_1S: "mid less its mean, half-life 1 s, ticks",
    Feature.RETURN_8S: "mid less its mean, half-life 8 s, ticks",
    Feature.VOLATILITY_125MS: "root of the squared mid changes a second, half-life 125 ms, ticks",
    Feature.VOLATILITY_1S: "root of the squared mid changes a second, half-life 1 s, ticks",
    Feature.VOLATILITY_8S: "root of the squared mid changes a second, half-life 8 s, ticks",
    Feature.BURST: "messages a second at half-life 125 ms over those at 8 s",
    Feature.INTENSITY: "log(1 + messages a second), half-life 8 s",
    Feature.VOLUME: "shares traded a second, half-life 8 s, in mean best quantities",
    Feature.SPREAD_CHANGE: "spread less its mean, half-life 8 s, ticks",
    Feature.LAST_TRADE: "last trade's price less mid, ticks",
}
NAMES = [feature.name.lower() for feature in Feature]
