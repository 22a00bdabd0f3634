"""noderrd.toml: what a host's node consists of. Policy is in rules files; here are names, addresses, instruments, cores.

Relative paths are relative to the file. Prices are decimals here and px (1 / px_unit of the currency) behind it.
"""

import dataclasses
import ipaddress
import os
from dataclasses import field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Literal

from core.layout import MAX_VENUES, MONEY, TICK_BANDS, TICK_TABLES
from noderrd import schedule, settings
from noderrd.host.settings import HostSettings
from noderrd.host.sockets import SocketOptions
from noderrd.settings import SettingsError, address

SECOND = 1_000_000_000
MOST_INSTRUMENTS = 4096
MOST_SYMBOLS = 63  # bits of a strategy's product_mask
MOST_CLASSES = 16  # labels of metrics are bounded
MOST_RATE = Decimal(10) ** 9
WORTH_WORD = 1 << 31  # of INSTRUMENT.worth_num and worth_den


@dataclasses.dataclass(frozen=True)
class Node:
    """Who it is, and where it keeps what it must not lose."""

    state: Path
    name: str = "noderrd"
    currency: str = ""  # of sums of money; empty: the one that all instruments trade in
    two_person: bool = True  # a kill is released by another person than the one who killed
    positions: Path | None = None  # what is held at the start of a day, as another system has it: compared before a venue is armed


@dataclasses.dataclass(frozen=True)
class Day:
    """When a day ends and when the node is drilled, each with its zone; "": midnight UTC without an end of day, and no drill."""

    end: str = field(default="", metadata={"check": lambda text: schedule.wrong(text, weekdays=False)})
    drill: str = field(default="", metadata={"check": lambda text: schedule.wrong(text, weekdays=True)})


@dataclasses.dataclass(frozen=True)
class Journal:
    """What becomes of old segments."""

    raw: int = field(default=4, metadata={"low": 1})  # newest segments left unpacked
    keep: int = field(default=0, metadata={"low": 0})  # newest segments kept, and what a restoration needs besides; 0: all


@dataclasses.dataclass(frozen=True)
class Rules:
    """Policy: files and globs, in this order."""

    paths: tuple[str, ...] = ("rules.d/*.rules",)


@dataclasses.dataclass(frozen=True)
class Lane:
    """The hot loop's core (-1: not pinned), what it does when nothing waits, and how much it holds."""

    core: int = field(default=-1, metadata={"low": -1, "high": 4095})
    idle: Literal["spin", "yield", "sleep"] = "spin"
    receive: Literal["recvmmsg", "af_xdp"] = "recvmmsg"  # how datagrams come: by the sockets, or past the kernel's network stack where that works
    stamps: bool = True  # have the kernel, or the card, tell when a datagram came
    huge_pages: bool = False  # its state lies on pages of 2 MiB, where the host has them for shared memory
    spare: bool = False  # a second process, warm and asleep, takes a dead lane's place; it needs a lane's memory once more
    levels: int = field(default=1024, metadata={"low": 16, "high": 1 << 16})  # prices a side of a book
    orders: int = field(default=1 << 17, metadata={"low": 1 << 10, "high": 1 << 28})  # orders of the feeds, rounded up to a power of two


@dataclasses.dataclass(frozen=True)
class Telemetry:
    """Where health and metrics are served ("": nowhere), how good the clock must be, which orders are slow."""

    listen: str = field(default="", metadata={"check": lambda text: address(text) if text else ""})
    clock_error_us: int = field(default=0, metadata={"low": 0})  # 0: not asked
    probe_s: int = field(default=0, metadata={"low": 0})  # how often the venues' distances are measured; 0: never
    slow_us: int = field(default=0, metadata={"low": 0})  # an order slower than that is looked into; 0: the slowest of a thousand


def credential(name: str) -> str:
    """Give what a systemd credential (LoadCredential=) holds. Raises OSError, UnicodeDecodeError."""
    return (Path(os.environ.get("CREDENTIALS_DIRECTORY", "/run/credentials/noderrd.service")) / name).read_text("ascii").strip()


def addresses(text: str) -> str:
    """Check host:port, or several parted by commas: empty, or what was expected."""
    return next((wrong for one in text.split(",") if (wrong := address(one.strip()))), "")


def ip(text: str) -> str:
    """Check an IPv4 address, or none: empty, or what was expected."""
    try:
        ipaddress.IPv4Address(text or "0.0.0.0")  # noqa: S104 - nothing is bound to it
    except ValueError:
        return "an IPv4 address"
    return ""


def sources(text: str) -> str:
    """Check addresses of senders, parted by commas, or none: empty, or what was expected."""
    return next(("IPv4 addresses, parted by commas" for one in text.split(",") if text and (ip(one.strip()) or not one.strip())), "")


@dataclasses.dataclass(frozen=True)
class Venue:
    """An exchange. The password stands here or in a systemd credential (LoadCredential=) of the name `credential`."""

    itch_a: str = field(metadata={"check": address})
    ouch: str = field(metadata={"check": address})
    user: str
    itch_b: str = field(default="", metadata={"check": lambda text: address(text) if text else ""})
    interface: str = field(default="", metadata={"check": ip})  # address of the one that the lines come in by
    interface_b: str = field(default="", metadata={"check": ip})  # of line B, where it is another
    source_a: str = field(default="", metadata={"check": sources})  # senders that are joined (IGMPv3); "": any
    source_b: str = field(default="", metadata={"check": sources})
    calendar: str = ""  # a schedule of the policy: outside it the venue's books are CLOSED
    rerequest: str = field(default="", metadata={"check": lambda text: addresses(text) if text else ""})
    tls: str = field(default="", metadata={"check": lambda text: address(text) if text else ""})  # of an end of the venue that speaks TLS: probed
    glimpse: str = field(default="", metadata={"check": lambda text: address(text) if text else ""})
    password: str | None = field(default=None, repr=False)
    credential: str | None = None
    armed: bool = False
    cancel_on_disconnect: bool = True  # what the venue does; the guard waits longer where it does not
    drop: str = field(default="", metadata={"check": lambda text: address(text) if text else ""})  # its drop copies; "": they are not compared
    drop_user: str = ""
    drop_password: str | None = field(default=None, repr=False)
    drop_credential: str | None = None

    def secret(self) -> str:
        """Give the password. Raises OSError when the credential cannot be read."""
        if self.credential is None:
            return self.password or ""
        return credential(self.credential)

    def drop_secret(self) -> str:
        """Give the drop copy's password. Raises OSError when the credential cannot be read."""
        if self.drop_credential is None:
            return self.drop_password or ""
        return credential(self.drop_credential)


@dataclasses.dataclass(frozen=True)
class Instrument:
    """A symbol at a venue."""

    symbol: str
    venue: str
    tick: Decimal = field(default=Decimal(0), metadata={"low": Decimal(0)})
    ticks: str = ""  # in place of `tick`: a tick table, for ticks that depend on the price
    venue_symbol: str = ""
    currency: str = "USD"
    px_unit: int = field(default=10_000, metadata={"low": 1, "high": 10**9})
    lot: int = field(default=1, metadata={"low": 1, "high": 10**6})
    multiplier: int = field(default=1, metadata={"low": 1, "high": 10**6})
    reference: Decimal = Decimal(0)
    kind: str = field(default="all", metadata={"key": "class"})  # latencies are told apart by it

    @property
    def code(self) -> str:
        """What the venue calls it."""
        return self.venue_symbol or self.symbol

    def px(self, price: Decimal) -> int:
        """Give a price in px. Raises ValueError when it is between two."""
        scaled = price * self.px_unit
        if scaled != int(scaled):
            message = f"{price} is no multiple of 1/{self.px_unit}"
            raise ValueError(message)
        return int(scaled)


@dataclasses.dataclass(frozen=True)
class Config:
    """The whole file."""

    node: Node
    venues: dict[str, Venue] = field(metadata={"key": "venue"})
    instruments: tuple[Instrument, ...] = field(metadata={"key": "instrument"})
    rates: dict[str, Decimal] = field(default_factory=dict)  # what one of another currency is worth in the node's
    ticks: dict[str, dict[str, Decimal]] = field(default_factory=dict)  # tables: from which price on, which tick
    rules: Rules = field(default_factory=Rules)
    lane: Lane = field(default_factory=Lane)
    telemetry: Telemetry = field(default_factory=Telemetry)
    sockets: SocketOptions = field(default_factory=SocketOptions, metadata={"key": "socket"})
    day: Day = field(default_factory=Day)
    journal: Journal = field(default_factory=Journal)
    host: HostSettings = field(default_factory=HostSettings)
    folder: Path = Path()  # of the file: set by `read`

    @property
    def currency(self) -> str:
        """What sums of money are in."""
        return self.node.currency or (self.instruments[0].currency if self.instruments else "")

    def rate(self, currency: str) -> Decimal | None:
        """Give what one of a currency is worth in the node's; None when nobody said."""
        return Decimal(1) if currency == self.currency else self.rates.get(currency)

    def rules_paths(self) -> list[Path]:
        """Give the rules files that exist: globs expanded, in order, each once."""
        found: dict[Path, None] = {}
        for pattern in self.rules.paths:
            base = Path(pattern)
            if any(c in pattern for c in "*?["):
                root, parts = (Path(base.anchor), base.relative_to(base.anchor)) if base.is_absolute() else (self.folder, base)
                found |= dict.fromkeys(sorted(root.glob(str(parts))))
            else:
                found[self.folder / base] = None
        return list(found)


def read(path: Path) -> Config:
    """Read a noderrd.toml. Raises SettingsError with every problem."""
    config = settings.read(path, Config)
    found = [f"{path}: {line}" for line in problems(config)]
    if found:
        raise SettingsError(found)
    folder = path.absolute().parent
    return dataclasses.replace(config, folder=folder, node=_placed(config.node, folder))


def _placed(node: Node, folder: Path) -> Node:
    """Give the section with paths that hold everywhere."""
    positions = None if node.positions is None else folder / node.positions
    return dataclasses.replace(node, state=folder / node.state, positions=positions)


def problems(config: Config) -> list[str]:
    """Tell what only the whole file can tell."""
    found: list[str] = []
    if not 1 <= len(config.venues) <= MAX_VENUES:
        found.append(f"venue: expected 1 to {MAX_VENUES} of them, found {len(config.venues)}")
    if not 1 <= len(config.instruments) <= MOST_INSTRUMENTS:
        found.append(f"instrument: expected 1 to {MOST_INSTRUMENTS} of them, found {len(config.instruments)}")
    if len(symbols := {it.symbol for it in config.instruments}) > MOST_SYMBOLS:
        found.append(f"instrument.symbol: expected at most {MOST_SYMBOLS} of them, found {len(symbols)}")
    for name, venue in config.venues.items():
        if (venue.password is None) == (venue.credential is None):
            found.append(f"venue.{name}: expected either password or credential")
        if bool(venue.drop) != bool(venue.drop_user):
            found.append(f"venue.{name}.drop: expected drop and drop_user together")
        if venue.drop and (venue.drop_password is None) == (venue.drop_credential is None):
            found.append(f"venue.{name}: expected either drop_password or drop_credential")
        logins = (("user", venue.user, 6), ("password", venue.password or "", 10), ("drop_user", venue.drop_user, 6))
        for key, text, most in (*logins, ("drop_password", venue.drop_password or "", 10)):
            if len(text) > most or not text.isascii():
                found.append(f"venue.{name}.{key}: expected at most {most} ASCII characters (SoupBinTCP 3.00 section 2.2.3)")
    found += _rates(config)
    if len(classes := {it.kind for it in config.instruments}) > MOST_CLASSES:
        found.append(f"instrument.class: expected at most {MOST_CLASSES} of them, found {len(classes)}")
    for name, venue in config.venues.items():
        for key, line, senders in (("source_a", venue.itch_a, venue.source_a), ("source_b", venue.itch_b, venue.source_b)):
            if senders and not (line and ipaddress.ip_address(line.rpartition(":")[0]).is_multicast):
                found.append(f"venue.{name}.{key}: expected a multicast line to join it for, found {line or 'none'}")
    found += _tables(config)
    currencies: dict[str, str] = {}
    kinds: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    for k, it in enumerate(config.instruments):
        found += [f"instrument[{k}].{line}" for line in _instrument(config, it)]
        if (it.symbol, it.venue) in seen:
            found.append(f"instrument[{k}]: {it.symbol} at {it.venue} stands twice")
        seen.add((it.symbol, it.venue))
        if currencies.setdefault(it.symbol, it.currency) != it.currency:
            found.append(f"instrument[{k}].currency: expected {currencies[it.symbol]}, as {it.symbol} has elsewhere, found {it.currency}")
        if kinds.setdefault(it.symbol, it.kind) != it.kind:
            found.append(f"instrument[{k}].class: expected {kinds[it.symbol]}, as {it.symbol} has elsewhere, found {it.kind}")
    return found


def _rates(config: Config) -> list[str]:
    """Sums of money are in one currency: what every other is worth in it has to be said."""
    traded = dict.fromkeys(it.currency for it in config.instruments)
    if not config.node.currency and len(traded) > 1:
        return [f"node.currency: expected the currency of sums of money, because instruments trade in {', '.join(traded)}"]
    found = [f"rates.{currency}: expected what one {currency} is worth in {config.currency}" for currency in traded if config.rate(currency) is None]
    if config.currency in config.rates:
        found.append(f"rates.{config.currency}: expected another currency, because sums of money are in this one")
    for currency, rate in config.rates.items():
        if not MOST_RATE**-1 <= rate <= MOST_RATE:
            found.append(f"rates.{currency}: expected {MOST_RATE**-1:f} to {MOST_RATE}, found {rate}")
    for k, it in enumerate(config.instruments):
        exact = Fraction(it.multiplier * MONEY, it.px_unit) * Fraction(config.rate(it.currency) or 1)
        if max(exact.as_integer_ratio()) >= WORTH_WORD:
            found.append(f"instrument[{k}]: expected px_unit, multiplier and rate to come to a fraction of 31 bits, found {exact}")
    return found


def bands(table: dict[str, Decimal]) -> list[tuple[Decimal, Decimal]]:
    """Give a tick table: from which price on, which tick, ascending. Raises ArithmeticError for what is no price."""
    return sorted((Decimal(price), tick) for price, tick in table.items())


def _numbers(band: tuple[str, Decimal]) -> list[Decimal]:
    try:
        return [Decimal(band[0]), band[1]]
    except ArithmeticError:
        return []


def _tables(config: Config) -> list[str]:
    """Tell what is wrong with tick tables."""
    found = [f"ticks: expected at most {TICK_TABLES} tables, found {len(config.ticks)}"] if len(config.ticks) > TICK_TABLES else []
    for name, table in config.ticks.items():
        try:
            rows = bands(table)
        except ArithmeticError:
            found.append(f"ticks.{name}: expected prices as keys, found {', '.join(table)}")
            continue
        if not 1 <= len(rows) <= TICK_BANDS or rows[0][0] != 0:
            found.append(f"ticks.{name}: expected 1 to {TICK_BANDS} bands, the first one from 0 on")
        if any(tick <= 0 for _, tick in rows) or any(not price.is_finite() for price, _ in rows):
            found.append(f"ticks.{name}: expected ticks of more than nothing")
    return found


def _instrument(config: Config, it: Instrument) -> list[str]:
    found = []
    if it.venue not in config.venues:
        found.append(f"venue: expected one of {', '.join(config.venues)}, found {it.venue}")
    for key, text in (("symbol", it.symbol), ("venue_symbol", it.code)):
        if not 1 <= len(text) <= 8 or not text.isascii() or not text.isprintable() or text != text.strip():
            found.append(f"{key}: expected 1 to 8 ASCII characters, found {text!r}")
    if str(it.px_unit).rstrip("0") != "1":
        found.append(f"px_unit: expected a power of ten, found {it.px_unit}")
    if bool(it.ticks) == bool(it.tick):
        found.append(f"tick: expected more than nothing, found {it.tick}" if not it.ticks else "ticks: expected either tick or ticks, found both")
    elif it.ticks and it.ticks not in config.ticks:
        found.append(f"ticks: expected one of {', '.join(config.ticks) or 'the tables under [ticks]'}, found {it.ticks}")
    prices = [("tick", it.tick)] if it.tick else [("ticks", tick) for band in config.ticks.get(it.ticks, {}).items() for tick in _numbers(band)]
    for key, price in (*prices, ("reference", it.reference)):
        try:
            if it.px(price) < (1 if key == "tick" else 0):
                found.append(f"{key}: expected more than nothing, found {price}")
        except ValueError as why:
            found.append(f"{key}: {why}")
    return found
