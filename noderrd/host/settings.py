"""`[host]` of noderrd.toml: what the machine should be like. Every key has a default; a machine without the section gets the defaults."""

import dataclasses
import ipaddress
import re
from typing import Literal

DISCIPLINES = ("noqueue", "pfifo", "bfifo", "pfifo_fast", "fq", "fq_codel")  # those that qdisc can put back exactly
AREAS = ("network", "interface", "route", "memory", "scheduler", "cpu", "interrupt")


def _area(text: str) -> str:
    return "" if text in AREAS else " or ".join(AREAS)


def _discipline(text: str) -> str:
    kind, *options = text.split() or [""]
    if kind not in DISCIPLINES:
        return f"one of {', '.join(DISCIPLINES)}, with options as NAME=NUMBER"
    return "" if all(re.fullmatch(r"[a-z_]+=\d+", word) for word in options) else "options as NAME=NUMBER"


def _cpus(text: str) -> str:
    return "" if re.fullmatch(r"(\d+(-\d+)?)?(,\d+(-\d+)?)*", text) else "processors as 0-1,4"


def _sysctl(text: str) -> str:
    return "" if re.fullmatch(r"[\w./-]+ ?= ?[^=\n]+", text) else '"NAME = VALUE"'


def _neighbour(text: str) -> str:
    address, _, link = text.partition(" ")
    try:
        ipaddress.IPv4Address(address)
    except ValueError:
        return '"ADDRESS HARDWARE-ADDRESS"'
    return "" if re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", link) else '"ADDRESS HARDWARE-ADDRESS", the latter as 02:00:00:00:00:01'


def _flow(text: str) -> str:
    match = re.fullmatch(r"(udp|tcp) (to|from) ([0-9.]+):(\d{1,5}) queue \d{1,4}", text)
    try:
        good = match is not None and ipaddress.IPv4Address(match[3]) and int(match[4]) < 1 << 16
    except ValueError:
        good = False
    return "" if good else '"udp to ADDRESS:PORT queue N" or "tcp from ADDRESS:PORT queue N"'


@dataclasses.dataclass(frozen=True)
class HostSettings:
    """What is wanted. Sizes in bytes unless named otherwise."""

    interfaces: tuple[str, ...] = ()  # those that carry feeds and orders
    areas: tuple[str, ...] = dataclasses.field(default=AREAS, metadata={"check": _area})
    leave: tuple[str, ...] = ()  # knobs to leave alone, by their id
    sysctl: tuple[str, ...] = dataclasses.field(default=(), metadata={"check": _sysctl})  # "NAME = VALUE": added, or in place of ours
    receive: Literal["spin", "interrupt"] = "spin"  # how the lane waits for packets decides how long the card may hold an interrupt back
    coalesce_us: int = dataclasses.field(default=80, metadata={"low": 60, "high": 100})  # while spinning; waiting for interrupts it is 0
    qdisc: str = dataclasses.field(default="pfifo limit=1000", metadata={"check": _discipline})
    mtu: int | None = dataclasses.field(default=None, metadata={"low": 1280, "high": 65535})  # below 1280 IPv6 would lose its addresses
    txqlen: int = dataclasses.field(default=1000, metadata={"low": 1, "high": 1 << 20})
    rx_ring: int | None = dataclasses.field(default=None, metadata={"low": 64, "high": 1 << 16})  # None: as large as the card's
    tx_ring: int | None = dataclasses.field(default=None, metadata={"low": 64, "high": 1 << 16})  # None: left alone
    channels: int | None = dataclasses.field(default=None, metadata={"low": 1, "high": 1024})  # None: left alone
    flows: tuple[str, ...] = dataclasses.field(default=(), metadata={"check": _flow})  # which receive queue a feed or a session comes to
    steer: bool = False  # accelerated receive flow steering: the card learns which core a flow's socket is read on
    congestion: str | None = None  # congestion control of the interfaces' routes; None: the kernel's
    initcwnd: int = dataclasses.field(default=32, metadata={"low": 1, "high": 1 << 16})  # segments
    initrwnd: int = dataclasses.field(default=64, metadata={"low": 1, "high": 1 << 16})  # segments
    pin_gateways: bool = True
    neighbours: tuple[str, ...] = dataclasses.field(default=(), metadata={"check": _neighbour})  # "ADDRESS HARDWARE-ADDRESS"
    housekeeping: str = dataclasses.field(default="", metadata={"check": _cpus})  # "" : every processor that no lane has
    huge_pages: int = dataclasses.field(default=0, metadata={"low": 0, "high": 1 << 20})  # of 2 MiB
    realtime: bool = False  # lanes run as SCHED_FIFO: the kernel's throttle of 5 % must go
