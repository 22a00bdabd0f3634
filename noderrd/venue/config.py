"""The venue's file: what may stand in it, as types. `docs/venue.md` describes every key."""

import ipaddress
import re
import zoneinfo
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from noderrd import settings

UNIT = 10_000  # price units a dollar
USER_MAX, PASSWORD_MAX = 6, 10  # SoupBinTCP 3.00 section 2.2.1
MPID = 4  # characters of a market participant's identifier
INSTRUMENTS_MAX = 512
USERS_MAX = 256


def split(address: str) -> tuple[str, int]:
    """Give (host, port) of an address that `settings.address` has checked."""
    host, _, port = address.rpartition(":")
    return host, int(port)


def _ascii(most: int) -> Any:
    """Check a text that goes into a fixed field."""

    def check(text: str) -> str:
        good = text and text.isascii() and text.isprintable() and text == text.strip() and len(text) <= most
        return "" if good else f"1 to {most} ASCII characters, no space around"

    return check


def _price(value: Decimal) -> str:
    """Check a price: in whole units of 1e-4."""
    return "" if value > 0 and value * UNIT == int(value * UNIT) and value < 200_000 else "more than 0, below 200000, four decimals at most"


def _interface(text: str) -> str:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return "the IPv4 address of an interface"
    return ""


ADDRESS = {"check": settings.address}


SHARE = {"low": 0.0, "high": 1.0}


@dataclass(frozen=True)
class Shares:
    """A share of a line's packets."""

    a: float = field(default=0.0, metadata=SHARE)
    b: float = field(default=0.0, metadata=SHARE)


@dataclass(frozen=True)
class Delays:
    """How late a line's packets are, in microseconds."""

    a: int = field(default=0, metadata={"low": 0, "high": 10_000_000})
    b: int = field(default=0, metadata={"low": 0, "high": 10_000_000})


@dataclass(frozen=True)
class Itch:
    """Where the feed goes, and what goes wrong on the way."""

    a: str = field(metadata=ADDRESS)
    b: str = field(metadata=ADDRESS)
    rerequest: str = field(metadata=ADDRESS)
    interface: str = field(default="127.0.0.1", metadata={"check": _interface})
    drop: Shares = field(default=Shares())
    duplicate: Shares = field(default=Shares())
    reorder: Shares = field(default=Shares())
    delay_us: Delays = field(default=Delays())


@dataclass(frozen=True)
class Glimpse:
    """The snapshot port."""

    listen: str = field(metadata=ADDRESS)


@dataclass(frozen=True)
class User:
    """Who may log in on the order port."""

    user: str = field(metadata={"check": _ascii(USER_MAX)})
    password: str = field(metadata={"check": _ascii(PASSWORD_MAX)})
    account: str = field(metadata={"check": _ascii(32)})
    cancel_on_disconnect: bool | None = None  # None: as the port says
    self_match: Literal["allow", "cancel_incoming", "cancel_resting", "decrement"] = "allow"  # when two orders of the account would trade
    mpid: str | None = field(default=None, metadata={"check": _ascii(MPID)})  # market maker: published as a participant in every symbol


@dataclass(frozen=True)
class Ouch:
    """The order port."""

    listen: str = field(metadata=ADDRESS)
    users: tuple[User, ...]
    cancel_on_disconnect: bool = True


@dataclass(frozen=True)
class DropUser:
    """Who may read an account's drop copies."""

    user: str = field(metadata={"check": _ascii(USER_MAX)})
    password: str = field(metadata={"check": _ascii(PASSWORD_MAX)})
    account: str = field(metadata={"check": _ascii(32)})


@dataclass(frozen=True)
class Drop:
    """The drop copy port."""

    listen: str = field(metadata=ADDRESS)
    users: tuple[DropUser, ...]


def _time_of_day(text: str) -> str:
    return "" if re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?", text) else "HH:MM or HH:MM:SS"


def _zone(name: str) -> str:
    return "" if name in zoneinfo.available_timezones() else "a time zone"


def _when(text: str) -> str:
    return "" if re.fullmatch(r"\d+(\.\d+)?s", text) or not _time_of_day(text) else "seconds after the start, as 2.5s, or HH:MM:SS"


@dataclass(frozen=True)
class Session:
    """The trading day: times of the time zone. Without it trading is continuous from the start."""

    open: str = field(metadata={"check": _time_of_day})
    close: str = field(metadata={"check": _time_of_day})
    timezone: str = field(default="America/New_York", metadata={"check": _zone})


@dataclass(frozen=True)
class Event:
    """What the admin socket is told at a time: `do` and the arguments of that verb."""

    at: str = field(metadata={"check": _when})
    do: str
    symbol: str | None = None
    user: str | None = None
    reason: str | None = None
    cross: str | None = None
    action: str | None = None
    event: str | None = None
    line: str | None = None
    on: bool | None = None
    reference: Decimal | None = None
    lower: Decimal | None = None
    upper: Decimal | None = None
    drop: float | None = None
    duplicate: float | None = None
    reorder: float | None = None
    delay_us: int | None = None
    match: int | None = None
    count: int | None = None
    level: int | None = None
    release: str | None = None
    qualifier: str | None = None
    price: Decimal | None = None
    interest: str | None = None
    eligible: bool | None = None
    lowest: Decimal | None = None
    highest: Decimal | None = None


@dataclass(frozen=True)
class CircuitBreaker:
    """The market-wide circuit breaker: yesterday's close of the index, from which its levels are 7, 13 and 20 % down."""

    reference: Decimal = field(metadata={"check": _price})


@dataclass(frozen=True)
class Admin:
    """The admin socket."""

    socket: Path


@dataclass(frozen=True)
class Flow:
    """Who trades besides the clients. `rate`: events a second; `speed`: of a recording, 0 as fast as it goes.

    Of `hawkes`: a file of parameters (None: what is shipped), the seed of the symbols' efficient prices, how late this venue hears of them, and how
    much they move (1: as recorded).
    """

    kind: Literal["none", "zero", "hawkes", "replay"] = "none"
    file: Path | None = None
    speed: float = field(default=1.0, metadata={"low": 0.0, "high": 1e6})
    rate: float = field(default=1_000.0, metadata={"low": 0.001, "high": 1e7})
    parameters: Path | None = None
    path: int = field(default=0, metadata={"low": 0, "high": 2**63 - 1})
    lag_ms: float = field(default=0.0, metadata={"low": 0.0, "high": 60_000.0})
    volatility: float = field(default=1.0, metadata={"low": 0.0, "high": 1_000.0})


@dataclass(frozen=True)
class Fees:
    """In 1e-4 USD a share; a negative fee is a rebate. `cross_mils`: of both sides of an auction."""

    maker_mils: int = field(default=0, metadata={"low": -10_000, "high": 10_000})
    taker_mils: int = field(default=0, metadata={"low": -10_000, "high": 10_000})
    cross_mils: int = field(default=0, metadata={"low": -10_000, "high": 10_000})


@dataclass(frozen=True)
class Latency:
    """How long an answer waits before it is sent."""

    ack_us: int = field(default=0, metadata={"low": 0, "high": 10_000_000})
    jitter_us: int = field(default=0, metadata={"low": 0, "high": 10_000_000})


@dataclass(frozen=True)
class Record:
    """The file that a restart goes on from."""

    file: Path


@dataclass(frozen=True)
class Time:
    """`real`: the host's clock. `virtual`: begins at 09:30 and moves only when told to."""

    kind: Literal["real", "virtual"] = "real"


@dataclass(frozen=True)
class Debug:
    """What is looked at on the way, at a price."""

    invariants: bool = False  # after every message


@dataclass(frozen=True)
class Instrument:
    """A listed symbol; prices in dollars."""

    symbol: str = field(metadata={"check": _ascii(8)})
    reference: Decimal = field(metadata={"check": _price})
    tick: Decimal = field(default=Decimal("0.01"), metadata={"check": _price})
    lot: int = field(default=1, metadata={"low": 1, "high": 999_999})


@dataclass(frozen=True)
class Config:
    """A venue's file."""

    name: str = field(metadata={"check": _ascii(16)})
    itch: Itch
    ouch: Ouch
    admin: Admin
    instruments: tuple[Instrument, ...] = field(metadata={"key": "instrument"})
    seed: int = field(default=1, metadata={"low": 0, "high": 2**63 - 1})
    flow: Flow = field(default=Flow())
    fees: Fees = field(default=Fees())
    latency: Latency = field(default=Latency())
    record: Record | None = None
    glimpse: Glimpse | None = None
    drop: Drop | None = None
    session: Session | None = None
    circuit_breaker: CircuitBreaker | None = None
    events: tuple[Event, ...] = field(default=(), metadata={"key": "event"})
    time: Time = field(default=Time())
    debug: Debug = field(default=Debug())


def seconds(text: str) -> int:
    """Give the seconds since midnight of HH:MM or HH:MM:SS."""
    hours, minutes, rest = (*map(int, text.split(":")), 0)[:3]
    return hours * 3600 + minutes * 60 + rest


def load(path: Path) -> Config:
    """Read a venue's file. Raises settings.SettingsError with every problem."""
    config = settings.read(path, Config)
    problems = [f"{path}: {text}" for text in _conflicts(config)]
    if problems:
        raise settings.SettingsError(problems)
    return config


def _conflicts(config: Config) -> list[str]:
    """Say what no single key can be blamed for."""
    found = []
    users, symbols = [u.user for u in config.ouch.users], [i.symbol for i in config.instruments]
    for what, names, most in (("ouch.users", users, USERS_MAX), ("instrument", symbols, INSTRUMENTS_MAX)):
        if not 1 <= len(names) <= most:
            found.append(f"{what}: expected 1 to {most}, found {len(names)}")
        found += [f"{what}: {name} stands there twice" for name in sorted({n for n in names if names.count(n) > 1})]
    for i in config.instruments:
        if i.reference % i.tick:
            found.append(f"instrument: {i.symbol}: reference {i.reference} is not a multiple of tick {i.tick}")
    if config.drop:
        accounts = {user.account for user in config.ouch.users}
        found += [f"drop.users: {u.user}: no user has the account {u.account}" for u in config.drop.users if u.account not in accounts]
    if config.session and seconds(config.session.open) >= seconds(config.session.close):
        found.append("session: open is not before close")
    if config.session and config.flow.kind == "replay":
        found.append("session: a recording has its own day")
    if config.debug.invariants and config.flow.kind == "replay":
        found.append("debug.invariants: a recording may be crossed, and is published as it is")
    if config.flow.parameters is not None and config.flow.kind != "hawkes":
        found.append('flow.parameters: expected with kind = "hawkes" only')
    if (config.flow.kind == "replay") != (config.flow.file is not None):
        found.append('flow.file: expected with kind = "replay", and only there')
    return found
