"""A knob's name is its address: from the name alone its port is made, so that what was saved can be restored whatever is wanted by then.

sysctl:net.core.rmem_max                sysctl:net.ipv4.conf.eth1.rp_filter (a dot inside a name is written as a slash)
file:/sys/class/net/eth1/threaded       choice:/sys/kernel/mm/transparent_hugepage/enabled      mask:/sys/devices/virtual/workqueue/cpumask
huge:/dev/shm   flow:eth1:udp to 239.255.1.1:26400
link:eth1:mtu   feature:eth1:rx-gro     coalesce:eth1:rx_coalesce_usecs     rings:eth1:rx       channels:eth1:combined_count    pause:eth1:rx_pause
qdisc:eth1      route:eth1:10.78.0.0/24 neighbour:eth1:10.77.0.2            gateway:eth1:10.77.0.2
"""

from pathlib import Path

from noderrd.host import files
from noderrd.host.ethernet import GROUPS, Feature, Link, Setting
from noderrd.host.flow import Flow
from noderrd.host.knob import Absent, Port
from noderrd.host.mount import Huge
from noderrd.host.qdisc import Qdisc
from noderrd.host.route import Gateway, Neighbour, Route

ROOT = Path("/")
FILES = {"file": files.File, "choice": files.Choice, "mask": files.Mask}
NAMED = {"link": Link, "feature": Feature, "flow": Flow, "route": Route, "neighbour": Neighbour, "gateway": Gateway}


def port(name: str, root: Path = ROOT) -> Port:
    """Give the port of a knob. `root` replaces / for knobs that are files. Raises Absent for a name of no known kind."""
    kind, _, rest = name.partition(":")
    if kind == "sysctl":
        return files.File(files.sysctl(root, rest))
    if kind in FILES:
        return FILES[kind](root / rest.lstrip("/"))
    if kind == "huge":
        return Huge(root, rest)
    interface, _, what = rest.partition(":")
    if kind in NAMED:
        return NAMED[kind](interface, what)
    if kind in GROUPS:
        return Setting(interface, kind, what)
    if kind == "qdisc":
        return Qdisc(interface)
    message = f"no knob is called {name}"
    raise Absent(message)
