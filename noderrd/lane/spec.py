"""What a lane is told at its start: written by the daemon as JSON, read by the lane. Plain values only.

The daemon resolves configuration and rules into this; the lane resolves nothing. A RELOAD command makes the lane read it again:
parameters, limits, strategies and the model may differ then, venues and instruments may not.
"""

import dataclasses
import hashlib
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

from core import layout as at
from noderrd.host.sockets import FeedOptions, OrderOptions, SocketOptions
from noderrd.lane.memory import Sizes


@dataclasses.dataclass(frozen=True)
class VenueSpec:
    """One exchange; addresses as host:port."""

    name: str
    itch_a: str
    itch_b: str
    interface: str
    rerequest: str  # several, parted by commas: asked one after the other
    ouch: str
    user: str
    password: str
    maker_mils: int = 0
    taker_mils: int = 0
    armed: bool = False  # orders are sent; else they are filled on paper
    shadow: bool = False  # not armed, and not filled on paper either
    until_ns: int = 0  # armed until then; 0: no end
    cancel_on_disconnect: bool = True  # what the venue does with our orders when a session ends
    glimpse: str = ""  # where snapshots are to be had; the order session's user and password
    interface_b: str = ""  # of line B, where it is another
    source_a: str = ""  # whose datagrams are joined, several parted by commas; "": anybody's
    source_b: str = ""
    hours: dict[str, Any] = dataclasses.field(default_factory=dict)  # its calendar (noderrd/lane/hours.py); {}: none

    def lines(self) -> list[tuple[str, str, str]]:
        """Give both feed lines: address ("": there is none), interface, sources."""
        return [(self.itch_a, self.interface, self.source_a), (self.itch_b, self.interface_b or self.interface, self.source_b)]


@dataclasses.dataclass(frozen=True)
class InstrumentSpec:
    """A symbol at a venue; index into the lane's `insts` is its place in the list. Prices in px (1e-4).

    `rate`: what one of its currency is worth in the account's, as a decimal.
    """

    symbol: str
    venue: int
    venue_symbol: str
    tick: int
    lot: int
    currency: str = "USD"
    unit: int = 10_000
    multiplier: int = 1
    reference: int = 0
    rate: str = "1"
    tick_table: int = 0  # 0: `tick` holds at every price; else which table, counted from 1, and `tick` is the greatest common divisor of its ticks

    @property
    def value(self) -> Fraction:
        """What a px x share is worth in its own currency."""
        return Fraction(self.multiplier, self.unit)

    @property
    def worth(self) -> Fraction:
        """What a px x share is worth in the account's currency."""
        return self.value * Fraction(self.rate)


@dataclasses.dataclass(frozen=True)
class StrategySpec:
    """A strategy slot: the user's file, its symbols, its parameters by name (ints, or floats where declared so)."""

    name: str
    file: str
    symbols: list[str]
    params: dict[str, float]
    budget_ns: int = 50_000
    seed: int = 1
    sha256: str = ""  # of the file: another text under the same name is another strategy


@dataclasses.dataclass(frozen=True)
class LimitSpec:
    """Limits of one (strategy, instrument): Limit name to (value, rule index). A missing one is unlimited.

    `limits` bind the strategy alone, `account` all strategies together; None: as `limits`.
    """

    strategy: int
    instrument: int
    limits: dict[str, tuple[int, int]]
    account: dict[str, tuple[int, int]] | None = None


def _pairs(found: Any) -> Any:
    """Give {name: (value, rule)} as it was before JSON made lists of the pairs."""
    return None if found is None else {name: (value, rule) for name, (value, rule) in found.items()}


@dataclasses.dataclass(frozen=True)
class ActSpec:
    """When a model's score may be acted on, compiled: Op and operand by turns, and the constants; `text` and `rule` are for people."""

    code: list[int]
    constants: list[float]
    text: str
    rule: int


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """An ONNX model; `features` are names from core.features, in the order of its input."""

    name: str
    file: str
    features: list[str]
    symbols: list[str]
    sha256: str = ""
    move: float = 0.0  # ticks by which the mid moved, on average, when a class of it came true; 0: not known
    act: ActSpec | None = None


@dataclasses.dataclass(frozen=True)
class LaneSpec:
    """Everything."""

    name: str
    shared: str  # path of the shared-memory file
    stop: str  # path of the one-line file whose word ends the loop
    venues: list[VenueSpec]
    instruments: list[InstrumentSpec]
    products: list[str]
    strategies: list[StrategySpec]
    limits: list[LimitSpec]
    models: list[ModelSpec]
    rules: list[str]  # rule index to file:line
    idle: str = "spin"  # spin, yield, sleep
    receive: str = "recvmmsg"  # recvmmsg, af_xdp
    stamps: bool = True  # have the kernel tell when datagrams came
    tick_tables: list[list[tuple[int, int]]] = dataclasses.field(default_factory=list)  # bands: from px on, tick
    huge_pages: bool = False
    sockets: SocketOptions = dataclasses.field(default_factory=SocketOptions)
    options: str = ""  # path of the file that says what the kernel took of them
    core: int = -1  # -1: not pinned
    realtime: bool = False  # SCHED_FIFO
    levels: int = 1024
    table: int = 1 << 17
    lane_id: int = 0  # 0..255: in every ClOrdID, different for all lanes of all nodes that use one account
    killed: bool = False  # a kill that outlived the machine
    day_end: str = ""  # when profit is counted afresh, as noderrd.lane.day reads it; "": midnight UTC
    # Limits over several lanes: the file of EXPOSURE[row, MAX_LANES] that they share ("": this lane is alone), its row for each product, and which
    # of how many lanes this is.
    exposure: str = ""
    exposure_rows: list[int] = dataclasses.field(default_factory=list)
    place: int = 0
    lanes: int = 1

    def sizes(self) -> Sizes:
        """Give the sizes of the lane's shared file."""
        return Sizes(len(self.venues), len(self.instruments), len(self.products), at.MAX_STRATEGIES, self.levels, self.table)

    def terms(self) -> int:
        """Number what a lane runs by: 63 bits of the SHA-256 of everything in here."""
        return int.from_bytes(hashlib.sha256(json.dumps(dataclasses.asdict(self)).encode()).digest()[:8]) >> 1

    def told(self) -> bytes:
        """Give what the journal is told: the spec without its passwords, and the SHA-256 of every file that it names. Raises OSError."""
        told = dataclasses.asdict(self)
        for venue in told["venues"]:
            del venue["password"]
        files = [s.file for s in self.strategies] + [m.file for m in self.models]
        hashes = {name: hashlib.sha256(Path(name).read_bytes()).hexdigest() for name in files}
        return json.dumps({"spec": told, "sha256": hashes}, separators=(",", ":")).encode()

    def write(self, path: Path) -> None:
        """Write as JSON, whole or not at all."""
        part = path.with_suffix(".part")
        part.write_text(json.dumps(dataclasses.asdict(self), indent=1))
        part.replace(path)

    @staticmethod
    def read(path: Path) -> "LaneSpec":
        """Read what `write` wrote."""
        raw: dict[str, Any] = json.loads(path.read_text())
        raw["venues"] = [VenueSpec(**v) for v in raw["venues"]]
        raw["instruments"] = [InstrumentSpec(**v) for v in raw["instruments"]]
        raw["strategies"] = [StrategySpec(**v) for v in raw["strategies"]]
        raw["limits"] = [LimitSpec(v["strategy"], v["instrument"], _pairs(v["limits"]), _pairs(v.get("account"))) for v in raw["limits"]]
        raw["models"] = [ModelSpec(**{**v, "act": ActSpec(**v["act"]) if v.get("act") else None}) for v in raw["models"]]
        if asked := raw.get("sockets"):
            raw["sockets"] = SocketOptions(OrderOptions(**asked["orders"]), FeedOptions(**asked["feeds"]))
        raw["tick_tables"] = [[(px, tick) for px, tick in table] for table in raw.get("tick_tables", [])]
        return LaneSpec(**raw)
