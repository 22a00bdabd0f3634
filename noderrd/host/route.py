"""Metrics of routes, and gateways whose hardware address is made permanent. IPv4, main table."""

import contextlib
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.rtnl import ndmsg

from noderrd.host import rtnetlink
from noderrd.host.ethernet import Netlink, refusals
from noderrd.host.knob import Absent, Denied

AF_INET, TABLE_MAIN, UNICAST = 2, 254, 1
FIXED = 12  # struct rtmsg
RTA_METRICS, RTA_CACHEINFO = 8, 12
# Metric to its number in linux/rtnetlink.h (RTAX_*) and pyroute2's name.
METRICS = {
    "initcwnd": "RTAX_INITCWND",
    "initrwnd": "RTAX_INITRWND",
    "quickack": "RTAX_QUICKACK",
    "rto_min": "RTAX_RTO_MIN",
    "congctl": "RTAX_CC_ALGO",
}


def routes(interface: str) -> list[str]:
    """Name the unicast routes of an interface as `ip route` does: `default`, `10.78.0.0/24`; with `metric N` where they have a priority."""
    port = Netlink(interface)
    index = port.index()
    with refusals(), IPRoute() as route:
        found = [m for m in route.get_routes(family=AF_INET, table=TABLE_MAIN) if m.get_attr("RTA_OIF") == index and m["type"] == UNICAST]
    return [_name(message) for message in found]


def gateways(interface: str) -> list[str]:
    """Give the gateways of an interface's routes, each once."""
    index = Netlink(interface).index()
    with refusals(), IPRoute() as route:
        found = [m for m in route.get_routes(family=AF_INET, table=TABLE_MAIN) if m.get_attr("RTA_OIF") == index]
    return sorted({str(m.get_attr("RTA_GATEWAY")) for m in found if m.get_attr("RTA_GATEWAY")})


def _name(message: Any) -> str:
    where = f"{message.get_attr('RTA_DST')}/{message['dst_len']}" if message["dst_len"] else "default"
    priority = message.get_attr("RTA_PRIORITY")
    return f"{where} metric {priority}" if priority else where


def _metrics(message: Any) -> str:
    """Give a route's metrics in METRICS' order."""
    metrics = message.get_attr("RTA_METRICS")
    found = [(name, metrics.get_attr(attribute)) for name, attribute in METRICS.items()] if metrics else []
    return " ".join(f"{name} {value}" for name, value in found if value is not None)


class Route(Netlink):
    """One route's metrics as text, `initcwnd 32 initrwnd 32 quickack 1`; "" for none."""

    def __init__(self, interface: str, name: str) -> None:
        super().__init__(interface)
        self._name = name

    def _find(self) -> Any:
        """Give the route's message. Raises Absent; Denied when two have the same key, since a replacement would hit the first."""
        index = self.index()
        with refusals(), IPRoute() as route:
            found = [m for m in route.get_routes(family=AF_INET, table=TABLE_MAIN) if _name(m) == self._name]
        mine = [m for m in found if m.get_attr("RTA_OIF") == index]
        if not mine:
            message = f"no route {self._name} by {self.interface}"
            raise Absent(message)
        if len([m for m in found if m["tos"] == mine[0]["tos"]]) > 1:
            message = "another route has the same destination and metric"
            raise Denied(message)
        return mine[0]

    def read(self) -> str:
        """Give its metrics."""
        return _metrics(self._find())

    def write(self, value: str) -> None:
        """Give it these metrics and no others of METRICS; whatever else the route says stays."""
        raw = rtnetlink.without(rtnetlink.body(self._find()), FIXED, RTA_METRICS, RTA_CACHEINFO)
        words = value.split()
        pairs = list(zip(words[::2], words[1::2], strict=True))
        with refusals():
            rtnetlink.send(rtnetlink.RTM_NEWROUTE, raw + (_encoded(pairs) if pairs else b""))

    def save(self) -> str:
        """Give the whole route."""
        return rtnetlink.without(rtnetlink.body(self._find()), FIXED, RTA_CACHEINFO).hex()

    def restore(self, saved: str) -> None:
        """Put the whole route back."""
        with refusals():
            rtnetlink.send(rtnetlink.RTM_NEWROUTE, bytes.fromhex(saved))


RTAX = {"rto_min": 13, "initcwnd": 11, "initrwnd": 14, "quickack": 15, "congctl": 16}


def _encoded(pairs: list[tuple[str, str]]) -> bytes:
    """Give RTA_METRICS with these metrics inside, numbers or congctl's name."""
    inside = b"".join(
        _attribute(RTAX[name], value.encode() + b"\0" if name == "congctl" else int(value).to_bytes(4, "little")) for name, value in pairs
    )
    return _attribute(RTA_METRICS, inside)


def _attribute(kind: int, value: bytes) -> bytes:
    whole = rtnetlink.ATTRIBUTE.pack(rtnetlink.ATTRIBUTE.size + len(value), kind) + value
    return whole.ljust((len(whole) + 3) & ~3, b"\0")


class Neighbour(Netlink):
    """A neighbour's hardware address: `permanent 02:..`, `dynamic 02:..` while the kernel still asks for it, or `none`."""

    def __init__(self, interface: str, address: str) -> None:
        super().__init__(interface)
        self._address = address

    def read(self) -> str:
        """Give state and hardware address."""
        index = self.index()
        with refusals(), IPRoute() as route:
            found = [m for m in route.get_neighbours(family=AF_INET, ifindex=index) if m.get_attr("NDA_DST") == self._address]
        link = found[0].get_attr("NDA_LLADDR") if found else None
        if link is None or found[0]["state"] & (ndmsg.NUD_FAILED | ndmsg.NUD_INCOMPLETE):
            return "none"
        return f"{'permanent' if found[0]['state'] & ndmsg.NUD_PERMANENT else 'dynamic'} {link}"

    def write(self, value: str) -> None:
        """Set state and hardware address. A dynamic one is STALE, so that the kernel asks before it trusts it again."""
        state, _, link = value.partition(" ")
        index = self.index()
        with refusals(), IPRoute() as route:
            if state == "none":
                with contextlib.suppress(Absent), refusals():
                    route.neigh("del", dst=self._address, ifindex=index)
                return
            number = ndmsg.NUD_PERMANENT if state == "permanent" else ndmsg.NUD_STALE
            route.neigh("replace", dst=self._address, lladdr=link, ifindex=index, state=number)


class Gateway(Neighbour):
    """A gateway nobody configured an address for: what the kernel has learned is what is pinned."""

    def read(self) -> str:
        """As Neighbour; a gateway that never answered has nothing to pin."""
        found = super().read()
        if found == "none":
            message = f"{self._address} has not answered yet: no hardware address to pin"
            raise Absent(message)
        return found

    def save(self) -> str:
        """As Neighbour: an entry that vanished meanwhile is none."""
        return Neighbour.read(self)


__all__ = ["Gateway", "Neighbour", "Route", "gateways", "routes"]
