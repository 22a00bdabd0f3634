"""The queueing discipline at the root of an interface, exactly restorable.

pyroute2 0.9.7 has no plugin for fq: it sends the name and drops every option without a word. `fq` below is that plugin, registered at import; what
was asked for is read back anyway.

A discipline that the kernel attached by itself has handle 0: deleting what stands in its place brings it back, with its children. One that somebody
attached is saved as kind, handle and the raw bytes of its options, which for DISCIPLINES are what the kernel takes back. One of any other kind
may have classes and filters: it is left alone.
"""

from typing import Any, ClassVar

from pyroute2 import IPRoute
from pyroute2.netlink import nla
from pyroute2.netlink.rtnl import TC_H_ROOT
from pyroute2.netlink.rtnl import tcmsg as rtnl_tcmsg
from pyroute2.netlink.rtnl.tcmsg.common import stats2

from noderrd.host import rtnetlink
from noderrd.host.ethernet import Netlink, refusals
from noderrd.host.knob import Absent
from noderrd.host.settings import DISCIPLINES

TCA_KIND, TCA_OPTIONS = 1, 2
FIXED = 20  # struct tcmsg, whose last word counts references
REFCNT_AT = 16


class fq:  # noqa: N801 - named for the discipline, as pyroute2's plugins are
    """linux/pkt_sched.h, TCA_FQ_*: fair queueing with pacing (net/sched/sch_fq.c)."""

    parent = TC_H_ROOT

    class options(nla):  # type: ignore[misc] # noqa: N801 - pyroute2 looks for this name
        """Options as both sides write them."""

        nla_map = (
            ("TCA_FQ_UNSPEC", "none"),
            ("TCA_FQ_PLIMIT", "uint32"),
            ("TCA_FQ_FLOW_PLIMIT", "uint32"),
            ("TCA_FQ_QUANTUM", "uint32"),
            ("TCA_FQ_INITIAL_QUANTUM", "uint32"),
            ("TCA_FQ_RATE_ENABLE", "uint32"),
            ("TCA_FQ_FLOW_DEFAULT_RATE", "uint32"),
            ("TCA_FQ_FLOW_MAX_RATE", "uint32"),
            ("TCA_FQ_BUCKETS_LOG", "uint32"),
            ("TCA_FQ_FLOW_REFILL_DELAY", "uint32"),
            ("TCA_FQ_ORPHAN_MASK", "uint32"),
            ("TCA_FQ_LOW_RATE_THRESHOLD", "uint32"),
            ("TCA_FQ_CE_THRESHOLD", "uint32"),
            ("TCA_FQ_TIMER_SLACK", "uint32"),
            ("TCA_FQ_HORIZON", "uint32"),
            ("TCA_FQ_HORIZON_DROP", "uint8"),
            ("TCA_FQ_PRIOMAP", "hex"),
            ("TCA_FQ_WEIGHTS", "hex"),
        )

    class stats(nla.hex):  # type: ignore[misc] # noqa: N801 - pyroute2 looks for this name; it has no types
        """Statistics, not decoded."""

    stats2 = stats2
    NAMES: ClassVar[dict[str, str]] = {
        "limit": "PLIMIT",
        "flow_limit": "FLOW_PLIMIT",
        "quantum": "QUANTUM",
        "initial_quantum": "INITIAL_QUANTUM",
        "pacing": "RATE_ENABLE",
    }

    @staticmethod
    def fix_request(_request: Any) -> None:
        """Nothing to fix."""

    @staticmethod
    def get_parameters(given: dict[str, Any]) -> dict[str, Any]:
        """Give TCA_OPTIONS of limit and flow_limit (packets), quantum and initial_quantum (bytes), pacing (0 or 1)."""
        return {"attrs": [[f"TCA_FQ_{name}", int(given[key])] for key, name in fq.NAMES.items() if key in given]}

    @staticmethod
    def get_class_parameters(_given: dict[str, Any]) -> None:
        """Fq has no classes that one configures."""


rtnl_tcmsg.plugins["fq"] = fq


def _shown(message: Any) -> str:
    """Give the root's kind and, where we set them, its options."""
    kind, options = message.get_attr("TCA_KIND"), message.get_attr("TCA_OPTIONS")
    if kind in {"pfifo", "bfifo"} and options is not None:
        return f"{kind} limit={options['limit']}"
    if kind == "fq" and options is not None:
        found = {key: options.get_attr(f"TCA_FQ_{name}") for key, name in fq.NAMES.items()}
        return " ".join([kind, *(f"{key}={value}" for key, value in found.items() if value is not None)])
    return str(kind)


class Qdisc(Netlink):
    """The root discipline: `noqueue`, `pfifo limit=1000`, `fq limit=10000 flow_limit=100 ...`, `fq_codel`."""

    def _root(self) -> Any:
        """Give the root's message. Raises Absent."""
        index = self.index()
        with refusals(), IPRoute() as route:
            for message in route.get_qdiscs(index):
                if message["parent"] == TC_H_ROOT:
                    return message
        no = f"{self.interface} has no root discipline"
        raise Absent(no)

    def read(self) -> str:
        """Give kind and options."""
        return _shown(self._root())

    def may_write(self) -> str:
        """A tree with classes and filters cannot be put back exactly."""
        root = self._root()
        kind = root.get_attr("TCA_KIND")
        if root["handle"] and kind not in DISCIPLINES:
            return f"a {kind} with classes or filters of its own stands there"
        return super().may_write()

    def write(self, value: str) -> None:
        """Replace the root. An option that is not named gets the kernel's default."""
        kind, *options = value.split()
        index = self.index()
        named = {key: int(number) for key, _, number in (word.partition("=") for word in options)}
        with refusals(), IPRoute() as route:
            route.tc("replace", kind, index=index, handle=0, parent=TC_H_ROOT, **named)

    def save(self) -> str:
        """Give what restores it."""
        root = self._root()
        if not root["handle"]:
            return f"default {root.get_attr('TCA_KIND')}"
        raw = rtnetlink.only(rtnetlink.body(root), FIXED, TCA_KIND, TCA_OPTIONS)
        return raw[:REFCNT_AT].hex() + "00000000" + raw[FIXED:].hex()

    def restore(self, saved: str) -> None:
        """Delete ours, or put back somebody else's with its handle."""
        index = self.index()
        with refusals(), IPRoute() as route:
            if self._root()["handle"]:
                route.tc("del", index=index, parent=TC_H_ROOT)
            if not saved.startswith("default "):
                rtnetlink.send(rtnetlink.RTM_NEWQDISC, bytes.fromhex(saved))
