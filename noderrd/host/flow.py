"""Flow steering: which receive queue of the card a feed or an order session comes to (`ethtool -N`), by the ethtool ioctls.

linux/ethtool.h, struct ethtool_rxnfc. pyroute2 does not know them, and netlink has none. A rule is named by what it takes,
`udp to 239.255.1.1:26400` or `tcp from 10.0.0.9:26480`, and says where that goes, `queue 0`. The card's own number for it (its location) is saved and
restored as well.
"""

import ctypes
import errno
import fcntl
import ipaddress
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from noderrd.host.ethernet import SIOCETHTOOL, Ethtool, Request
from noderrd.host.knob import Denied

COUNT, RULE, ALL, DELETE, INSERT = 0x2E, 0x2F, 0x30, 0x31, 0x32  # ETHTOOL_GRXCLSRLCNT, ..RULE, ..RLALL, SRXCLSRLDEL, SRXCLSRLINS
KINDS = {"tcp": 1, "udp": 2}  # TCP_V4_FLOW, UDP_V4_FLOW
ANY, SPECIAL = 0xFFFFFFFF, 0x80000000  # RX_CLS_LOC_ANY, of a card that chooses the location; RX_CLS_LOC_SPECIAL, which says that it can
DROP = (1 << 64) - 1  # RX_CLS_FLOW_DISC
MOST = 1 << 16  # rules of a card
NAME = re.compile(r"(udp|tcp) (to|from) ([0-9.]+):(\d+)")


class Four(ctypes.Structure):
    """struct ethtool_tcpip4_spec; numbers in network order."""

    _fields_ = [("src", ctypes.c_uint8 * 4), ("dst", ctypes.c_uint8 * 4), ("psrc", ctypes.c_uint8 * 2), ("pdst", ctypes.c_uint8 * 2),
                ("tos", ctypes.c_uint8), ("rest", ctypes.c_uint8 * 39)]  # fmt: skip


class Rule(ctypes.Structure):
    """struct ethtool_rx_flow_spec."""

    _fields_ = [("kind", ctypes.c_uint32), ("value", Four), ("value_ext", ctypes.c_uint8 * 20), ("mask", Four), ("mask_ext", ctypes.c_uint8 * 20),
                ("cookie", ctypes.c_uint64), ("location", ctypes.c_uint32)]  # fmt: skip


class Ask(ctypes.Structure):
    """struct ethtool_rxnfc without the list of locations that may follow it."""

    _fields_ = [("cmd", ctypes.c_uint32), ("kind", ctypes.c_uint32), ("data", ctypes.c_uint64), ("rule", Rule), ("count", ctypes.c_uint32)]


LOCATIONS_AT = Ask.count.offset + 4


class Found(NamedTuple):
    """A rule that is there: its location, and where it sends what it takes."""

    location: int
    where: str


def named(name: str) -> Rule:
    """Give the rule of a name, all bits of what it names compared and no others. Raises ValueError."""
    match = NAME.fullmatch(name)
    if match is None:
        message = f"a flow is `udp to ADDRESS:PORT` or `tcp from ADDRESS:PORT`, not {name!r}"
        raise ValueError(message)
    kind, way, address, port = match.groups()
    rule = Rule(kind=KINDS[kind])
    wanted = (ipaddress.IPv4Address(address).packed, int(port).to_bytes(2, "big"))
    for part, host, number in ((rule.value, *wanted), (rule.mask, b"\xff" * 4, b"\xff" * 2)):
        (part.dst if way == "to" else part.src)[:] = host
        (part.pdst if way == "to" else part.psrc)[:] = number
    return rule


class Flow(Ethtool):
    """Where a flow goes: `queue 0`, `drop`, or `none` while no rule of the card says."""

    def __init__(self, interface: str, name: str) -> None:
        super().__init__(interface)
        self._rule = named(name)

    def read(self) -> str:
        """Give it."""
        found = self._find()
        return found.where if found else "none"

    def save(self) -> str:
        """Give it with its location."""
        found = self._find()
        return f"{found.where} at {found.location}" if found else "none"

    def write(self, value: str) -> None:
        """Send it there; a rule that is there keeps its location."""
        self.restore(value)

    def restore(self, saved: str) -> None:
        """Send it there, at the location that is named, if one is."""
        where, _, at = saved.partition(" at ")
        with self.driver() as ioctl:
            found = self._find()
            if found:
                _call(ioctl, Ask(cmd=DELETE, rule=Rule(location=found.location)))
            if where != "none":
                location = int(at) if at else found.location if found else self._free(ioctl)
                rule = Rule.from_buffer_copy(self._rule)
                rule.cookie, rule.location = DROP if where == "drop" else int(where.removeprefix("queue ")), location
                _call(ioctl, Ask(cmd=INSERT, rule=rule))

    def _find(self) -> Found | None:
        """Give the rule that takes just this flow. Raises Absent where the driver has none."""
        with self.driver() as ioctl:
            for location in _locations(ioctl):
                try:
                    rule = _call(ioctl, Ask(cmd=RULE, rule=Rule(location=location))).rule
                except OSError as error:
                    if error.errno == errno.ENOENT:  # deleted meanwhile
                        continue
                    raise
                if rule.kind == self._rule.kind and all(bytes(getattr(rule, part)) == bytes(getattr(self._rule, part)) for part in ("value", "mask")):
                    return Found(location, "drop" if rule.cookie == DROP else f"queue {rule.cookie}")
        return None

    @staticmethod
    def _free(ioctl: Any) -> int:
        """Give a location for a new rule: the card's choice where it makes one."""
        size = _call(ioctl, Ask(cmd=COUNT)).data
        if size & SPECIAL:
            return ANY
        taken = set(_locations(ioctl))
        free = next((at for at in range(min(size, MOST)) if at not in taken), None)
        if free is None:
            message = "the card's table of rules is full"
            raise Denied(message)
        return free


def _locations(ioctl: Any) -> Iterator[int]:
    """Give the locations of all rules."""
    count = min(_call(ioctl, Ask(cmd=COUNT)).count, MOST)
    raw = ctypes.create_string_buffer(LOCATIONS_AT + 4 * count)
    ask = Ask.from_buffer(raw) if count else None
    if ask is not None:
        ask.cmd, ask.count = ALL, count
        _exchange(ioctl, raw)
        yield from (int.from_bytes(raw.raw[at : at + 4], "little") for at in range(LOCATIONS_AT, LOCATIONS_AT + 4 * min(ask.count, count), 4))


def _call(ioctl: Any, ask: Ask) -> Ask:
    """Ask the driver; gives what it made of the question. Raises OSError."""
    _exchange(ioctl, ask)
    return ask


def _exchange(ioctl: Any, what: Any) -> None:
    """Hand the kernel a structure to read and write."""
    name = bytes(ioctl.ifname).rstrip(b"\0")
    fcntl.ioctl(ioctl.sock, SIOCETHTOOL, Request(name, ctypes.addressof(what), 0))
