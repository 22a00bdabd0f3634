"""What the demo consists of, written as the files that a user would write: three exchanges, a node, a policy.

The three list the same symbols and differ as exchanges do: in fees, in how fast they answer, in how much trades there, in when they hear what a
symbol is worth, and in their seed.
"""

import dataclasses
from pathlib import Path

from noderrd.rig import ports

USER, PASSWORD = "DEMO", "demo"
SYMBOLS = {"AAPL": "190.00", "MSFT": "410.00", "GOOG": "175.00", "AMZN": "180.00"}  # symbol to reference price
ROOM = Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Exchange:
    """How one of the three differs."""

    name: str
    maker_mils: int
    taker_mils: int
    ack_us: int
    jitter_us: int
    rate: int  # events a second, all symbols
    lag_ms: int = 0
    flow: str = "hawkes"


EXCHANGES = (
    Exchange("NSDQ", maker_mils=-20, taker_mils=30, ack_us=50, jitter_us=20, rate=1_400),
    Exchange("EDGE", maker_mils=-25, taker_mils=29, ack_us=120, jitter_us=60, rate=900, lag_ms=3),
    Exchange("ARCX", maker_mils=-15, taker_mils=28, ack_us=250, jitter_us=100, rate=600, lag_ms=8),
)

VENUE = """\
name = "{name}"
seed = {seed}

[itch]
a = "{line_a}"
b = "{line_b}"
interface = "127.0.0.1"
rerequest = "{rerequest}"

[ouch]
listen = "{ouch}"
users = [{{ user = "{user}", password = "{password}", account = "DEMO" }}]
cancel_on_disconnect = {cod}

[admin]
socket = "{folder}/{name}.sock"

[flow]
kind = "{flow}"
rate = {rate}
path = {path}
lag_ms = {lag_ms}
volatility = 4

[fees]
maker_mils = {maker_mils}
taker_mils = {taker_mils}

[latency]
ack_us = {ack_us}
jitter_us = {jitter_us}

[record]
file = "{folder}/{name}.record"

[time]
kind = "real"
"""

LISTING = """
[[instrument]]
symbol = "{symbol}"
tick = "0.01"
lot = 1
reference = "{reference}"
"""

NODE = """\
[node]
name = "demo"
state = "{state}"

[rules]
paths = ["rules.d/*.rules"]

[lane]
core = {core}
idle = "{idle}"
"""

METRICS = """
[telemetry]
listen = "127.0.0.1:{port}"
probe_s = 5
"""

GATE = """
[venue.{name}]
itch_a = "{line_a}"
itch_b = "{line_b}"
interface = "127.0.0.1"
rerequest = "{rerequest}"
ouch = "{ouch}"
user = "{user}"
password = "{password}"
armed = true
"""

INSTRUMENT = """
[[instrument]]
symbol = "{symbol}"
venue = "{name}"
venue_symbol = "{symbol}"
currency = "USD"
px_unit = 10000
tick = "0.01"
lot = 1
multiplier = 1
reference = "{reference}"
"""


@dataclasses.dataclass(frozen=True)
class Place:
    """Where an exchange is, host:port each."""

    line_a: str
    line_b: str
    rerequest: str
    ouch: str


def places(group: str) -> dict[str, Place]:
    """Give every exchange its addresses; `group` is a multicast group, or the loopback address where multicast is not to be had."""
    found = {}
    free = ports.free(4 * len(EXCHANGES))
    for exchange in EXCHANGES:
        a, b, rerequest, ouch = (free.pop() for _ in range(4))
        found[exchange.name] = Place(f"{group}:{a}", f"{group}:{b}", f"127.0.0.1:{rerequest}", f"127.0.0.1:{ouch}")
    return found


def write_venue(folder: Path, exchange: Exchange, place: Place, seed: int, *, cod: bool, path: int = 0) -> Path:
    """Write an exchange's file; gives its path. Exchanges with the same `path`, a seed, agree on what a symbol is worth."""
    facts = {**dataclasses.asdict(exchange), **dataclasses.asdict(place)}
    text = VENUE.format(folder=folder, user=USER, password=PASSWORD, seed=seed, path=path, cod=str(cod).lower(), **facts)
    for symbol, reference in SYMBOLS.items():
        text += LISTING.format(symbol=symbol, reference=reference)
    file = folder / f"{exchange.name}.toml"
    file.write_text(text)
    return file


def write_node(state: Path, where: dict[str, Place], core: int, idle: str, metrics_port: int = 0) -> Path:
    """Write the node's file; gives its path. No metrics are served for port 0."""
    text = NODE.format(state=state, core=core, idle=idle) + (METRICS.format(port=metrics_port) if metrics_port else "")
    for name, place in where.items():
        text += GATE.format(name=name, user=USER, password=PASSWORD, **dataclasses.asdict(place))
    for symbol, reference in SYMBOLS.items():
        for name in where:
            text += INSTRUMENT.format(symbol=symbol, name=name, reference=reference)
    path = state / "noderrd.toml"
    path.write_text(text)
    return path
