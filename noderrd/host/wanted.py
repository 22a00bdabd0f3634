"""Which knobs there are on this machine, and what is wanted of each: settings and catalogue in, knobs out. Reads, changes nothing."""

import contextlib
import gzip
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from noderrd.host import address, sysctls
from noderrd.host.cpu import LANES
from noderrd.host.ethernet import Setting
from noderrd.host.files import listed, processors
from noderrd.host.knob import Absent, Denied, Knob, Port, at_least, exactly
from noderrd.host.route import gateways, routes
from noderrd.host.settings import HostSettings
from noderrd.host.sysctls import Sysctl

ETHTOOL = "ethtool(8)"
TC = "tc(8)"
IP_ROUTE = "ip-route(8)"
NAPI = "kernel Documentation/networking/napi.rst"
SCALING = "kernel Documentation/networking/scaling.rst"
THP = "kernel Documentation/admin-guide/mm/transhuge.rst"
IRQ = "kernel Documentation/core-api/irq/irq-affinity.rst"
CGROUP = "kernel Documentation/admin-guide/cgroup-v2.rst"
LATENCY = "kernel Documentation/admin-guide/kernel-per-CPU-kthreads.rst"
ASLEEP = "a card that is asked all the time need not interrupt; what it holds back bounds what a sleeping reader waits"

# Kernel's name of an offload to (wanted, why).
FEATURES = {
    "rx-lro": ("off", "packets are not merged before they are looked at"),
    "rx-gro": ("off", "packets are not held back to be merged"),
    "rx-gro-hw": ("off", "packets are not held back to be merged"),
    "rx-gro-list": ("off", "packets are not held back to be merged"),
    "rx-udp-gro-forwarding": ("off", "packets are not held back to be merged"),
    "tx-tcp-segmentation": ("off", "an order is one small segment: leave the card's segmentation engine out of its way"),
    "tx-tcp6-segmentation": ("off", "an order is one small segment: leave the card's segmentation engine out of its way"),
    "tx-generic-segmentation": ("off", "an order is one small segment"),
    "rx-checksum": ("on", "the card checks for nothing"),
}


class Unsupported(Port):
    """Stands for a knob that this kernel was built without, so that plan and verify say so instead of trying."""

    def __init__(self, what: str) -> None:
        self._what = what

    def read(self) -> str:
        """Raises Absent."""
        raise Absent(self._what)


class Machine:
    """The machine as the catalogue sees it: a root folder (tests give a tree of their own), the lanes' cores, the settings."""

    def __init__(self, settings: HostSettings, lane_cores: frozenset[int], root: Path = address.ROOT) -> None:
        self.settings, self.lanes, self.root = settings, lane_cores, root

    def cpus(self) -> set[int]:
        """Give the processors that are online."""
        try:
            return processors((self.root / "sys/devices/system/cpu/online").read_text())
        except OSError:
            return set(range(os.cpu_count() or 1))

    def housekeeping(self) -> set[int]:
        """Give the processors that no lane has."""
        return processors(self.settings.housekeeping) or self.cpus() - self.lanes or self.cpus()

    def knob(self, name: str, area: str, wanted: str | Callable[[str], str], why: str, source: str, revert: str = "") -> Knob:
        """Make a knob of its name."""
        want = exactly(wanted) if isinstance(wanted, str) else wanted
        return Knob(name, area, want, why, source, address.port(name, self.root), revert or _by_hand(name))

    def sysctls(self, table: tuple[Sysctl, ...], area: str, interface: str = "") -> Iterator[Knob]:
        """Make the knobs of a table; a value of the settings goes before ours."""
        own = dict(_own(self.settings))
        for line in table:
            name = line.name.replace("{}", interface.replace(".", "/"))
            wanted = exactly(own[name]) if name in own else at_least(line.value) if line.least else exactly(line.value)
            why = "noderrd.toml says so" if name in own else line.why
            yield self.knob(f"sysctl:{name}", area, wanted, why, line.source, f"sysctl -w {name}='{{before}}'")

    def built(self, option: str) -> bool:
        """Tell whether the kernel was built with an option; True when nobody knows."""
        release = os.uname().release
        for path, opener in ((self.root / "proc/config.gz", gzip.open), (self.root / f"boot/config-{release}", open)):
            with contextlib.suppress(OSError):
                with opener(path, "rt") as file:
                    text = file.read()
                return f"CONFIG_{option}=y" in text or f"CONFIG_{option}=m" in text
        return True


# Kind of a knob to the command that reverts it; {before} is what was there.
BY_HAND = {
    "sysctl": "sysctl -w {path}='{{before}}'",
    "file": "echo {{before}} > /{path}",
    "choice": "echo {{before}} > /{path}",
    "mask": "echo {{before}} > /{path}",
    "channels": "ethtool -L {interface} combined {{before}}",
    "coalesce:use_adaptive_rx_coalesce": "ethtool -C {interface} adaptive-rx {{before}}",
    "coalesce:use_adaptive_tx_coalesce": "ethtool -C {interface} adaptive-tx {{before}}",
    "feature": "ethtool -K {interface} {what} {{before}}",
    "pause:autoneg": "ethtool -A {interface} autoneg {{before}}",
    "pause:rx_pause": "ethtool -A {interface} rx {{before}}",
    "pause:tx_pause": "ethtool -A {interface} tx {{before}}",
    "flow": "ethtool -n {interface} lists the rules by number; ethtool -N {interface} delete NUMBER",
    "route": "ip route show {what} dev {interface}, then ip route change with the same words and these metrics: {{before}}",
    "gateway": "ip neigh change {what} dev {interface} nud reachable",
    "neighbour": "ip neigh del {what} dev {interface}",
}


def _by_hand(name: str) -> str:
    """Give the command that reverts a knob of this name."""
    kind, _, rest = name.partition(":")
    interface, _, what = rest.partition(":")
    template = BY_HAND.get(kind) or BY_HAND[f"{kind}:{what}"]
    return template.format(path=rest.lstrip("/"), interface=interface, what=what.replace("{", "{{").replace("}", "}}"))


def _own(settings: HostSettings) -> Iterator[tuple[str, str]]:
    for line in settings.sysctl:
        name, _, value = line.partition("=")
        yield name.strip(), " ".join(value.split())


def knobs(machine: Machine) -> list[Knob]:
    """Give every knob, in the order in which they are to be set: what creates queues before what belongs to a queue."""
    settings = machine.settings
    found: list[Knob] = []
    for name in settings.interfaces:
        found += _interface(machine, name)
        found += _routes(machine, name)
    found += machine.sysctls(sysctls.NETWORK, "network")
    found += _flow_table(machine)
    found += machine.sysctls(sysctls.MEMORY, "memory")
    found += _memory(machine)
    found += machine.sysctls(sysctls.SCHEDULER, "scheduler")
    found += _scheduler(machine)
    found += _cores(machine)
    found += _interrupts(machine)
    known = {knob.id for knob in found}
    for name, value in _own(settings):
        if f"sysctl:{name}" not in known:
            found.append(machine.knob(f"sysctl:{name}", "network", value, "noderrd.toml says so", "noderrd.toml", f"sysctl -w {name}='{{before}}'"))
    return [knob for knob in found if knob.area in settings.areas and knob.id not in settings.leave]


def _interface(machine: Machine, name: str) -> Iterator[Knob]:
    """What belongs to one interface."""
    settings, here = machine.settings, "interface"
    if settings.channels is not None:
        yield machine.knob(f"channels:{name}:combined_count", here, str(settings.channels), "as many queues as cores that read them", ETHTOOL)
    if settings.mtu is not None:
        yield machine.knob(f"link:{name}:mtu", here, str(settings.mtu), "noderrd.toml says so", IP_ROUTE, f"ip link set {name} mtu {{before}}")
    yield machine.knob(
        f"link:{name}:txqlen", here, at_least(str(settings.txqlen)), "a burst of orders waits and is not dropped", "ip-link(8)",
        f"ip link set {name} txqueuelen {{before}}",
    )  # fmt: skip
    yield _ring(machine, name, "rx", settings.rx_ring)
    if settings.tx_ring is not None:
        yield _ring(machine, name, "tx", settings.tx_ring)
    yield from _coalescing(machine, name)
    for feature, (wanted, why) in FEATURES.items():
        yield machine.knob(f"feature:{name}:{feature}", here, wanted, why, ETHTOOL, f"ethtool -K {name} {feature} {{before}}")
    if settings.steer or settings.flows:
        yield machine.knob(f"feature:{name}:rx-ntuple-filter", here, "on", "the card may be told which core reads a flow", SCALING)
    for flow, _, queue in (line.rpartition(" queue ") for line in settings.flows):
        why = "the flow comes to the queue that its lane reads"
        yield machine.knob(f"flow:{name}:{flow}", here, f"queue {queue}", why, f"{ETHTOOL}, -N")
    for field in ("autoneg", "rx_pause", "tx_pause"):
        yield machine.knob(f"pause:{name}:{field}", here, "0", "another host's congestion must not stop an order", ETHTOOL)
    yield _discipline(machine, name)
    yield from machine.sysctls(sysctls.INTERFACE, here, name)
    yield from _queues(machine, name)


def _ring(machine: Machine, name: str, side: str, size: int | None) -> Knob:
    """Want a ring of this size, or as large as the card's may be."""
    if size is None:
        try:
            size = Setting(name, "rings", f"{side}_max").most(f"{side}_max")
        except (Absent, Denied, OSError):
            size = 0
    why = "descriptors for a burst that comes while the core is elsewhere"
    return machine.knob(f"rings:{name}:{side}", "interface", str(size), why, ETHTOOL, f"ethtool -G {name} {side} {{before}}")


def _coalescing(machine: Machine, name: str) -> Iterator[Knob]:
    """How long the card may hold an interrupt back: not at all where a reader sleeps on it, 60 to 100 us where one spins."""
    spinning = machine.settings.receive == "spin"
    delay = str(machine.settings.coalesce_us if spinning else 0)
    why = ASLEEP if spinning else "a sleeping reader is woken by the first packet"
    yield machine.knob(f"coalesce:{name}:use_adaptive_rx_coalesce", "interface", "0", "the delay is chosen here, not by the card", ETHTOOL)
    yield machine.knob(f"coalesce:{name}:use_adaptive_tx_coalesce", "interface", "0", "the delay is chosen here, not by the card", ETHTOOL)
    yield machine.knob(f"coalesce:{name}:rx_coalesce_usecs", "interface", delay, why, ETHTOOL, f"ethtool -C {name} rx-usecs {{before}}")
    for file, value in (("napi_defer_hard_irqs", "2" if spinning else "0"), ("gro_flush_timeout", "200000" if spinning else "0")):
        yield machine.knob(f"file:/sys/class/net/{name}/{file}", "interface", value, "interrupts stay off while a socket is busy-polled", NAPI)
    yield machine.knob(
        f"file:/sys/class/net/{name}/threaded", "interface", "0", "packets are taken by who polls, not by a thread that must be woken", NAPI
    )


def _discipline(machine: Machine, name: str) -> Knob:
    """The queueing discipline; one that this kernel was not built with is absent."""
    wanted = machine.settings.qdisc
    kind = wanted.split()[0]
    option = {"fq": "NET_SCH_FQ", "fq_codel": "NET_SCH_FQ_CODEL"}.get(kind)
    why = "one queue in order of arrival: no packet is paced, dropped by age or overtaken" if kind == "pfifo" else "noderrd.toml says so"
    port = address.port(f"qdisc:{name}") if option is None or machine.built(option) else Unsupported(f"this kernel was built without {kind}")
    revert = f"tc qdisc del dev {name} root"
    return Knob(f"qdisc:{name}", "interface", _named(wanted), why, TC, port, revert)


def _named(wanted: str) -> Callable[[str], str]:
    """Want a discipline: options that are not named are as they are, if the kind is right already."""

    def want(now: str) -> str:
        kind, *options = wanted.split()
        have, *rest = now.split()[:1] + now.split()[1:] if now else [""]
        if have != kind:
            return wanted
        given = dict(word.split("=") for word in options)
        merged = {**dict(word.split("=") for word in rest), **given}
        return " ".join([kind, *(f"{key}={value}" for key, value in merged.items())])

    return want


def _queues(machine: Machine, name: str) -> Iterator[Knob]:
    """Which cores take part in an interface's queues."""
    folder = machine.root / "sys/class/net" / name / "queues"
    here = sorted(folder.iterdir()) if folder.is_dir() else []
    lanes = listed(set(machine.lanes)) or None
    for queue in here:
        path = f"/sys/class/net/{name}/queues/{queue.name}"
        if queue.name.startswith("rx-"):
            yield machine.knob(f"mask:{path}/rps_cpus", "interface", "none", "a packet is not handed to another core", SCALING)
            flows = str(32768 // max(1, sum(q.name.startswith("rx-") for q in here))) if machine.settings.steer else "0"
            yield machine.knob(f"file:{path}/rps_flow_cnt", "interface", flows, "flows that steering may follow in this queue", SCALING)
        elif lanes is not None:
            yield machine.knob(f"mask:{path}/xps_cpus", "interface", lanes, "the lane sends by this queue without asking which", SCALING)


def _routes(machine: Machine, name: str) -> Iterator[Knob]:
    """Metrics of the interface's routes, and its neighbours."""
    settings = machine.settings
    metrics = f"initcwnd {settings.initcwnd} initrwnd {settings.initrwnd} quickack 1"
    if settings.congestion:
        metrics += f" congctl {settings.congestion}"
    try:
        names, gates = routes(name), gateways(name)
    except (Absent, Denied, OSError):
        return
    for route in names:
        why = "a new session sends its first burst at once and acknowledges at once"
        yield machine.knob(f"route:{name}:{route}", "route", metrics, why, IP_ROUTE)
    configured = dict(line.split(" ", 1) for line in settings.neighbours)
    for gate in gates:
        if settings.pin_gateways and gate not in configured:
            why = "no order waits while the kernel asks for the gateway's address"
            yield machine.knob(f"gateway:{name}:{gate}", "route", lambda now: now.replace("dynamic", "permanent"), why, "ip-neighbour(8)")
    for neighbour, link in configured.items():
        yield machine.knob(f"neighbour:{name}:{neighbour}", "route", f"permanent {link}", "noderrd.toml says so", "ip-neighbour(8)")


def _flow_table(machine: Machine) -> Iterator[Knob]:
    """The table that flow steering learns in."""
    wanted = "32768" if machine.settings.steer else "0"
    yield machine.knob("sysctl:net.core.rps_sock_flow_entries", "network", wanted, "accelerated receive flow steering" if machine.settings.steer
                       else "no software steering: packets stay on the core that took them", SCALING)  # fmt: skip


def _memory(machine: Machine) -> Iterator[Knob]:
    """Huge pages and what would make or merge them behind the node's back."""
    folder = "/sys/kernel/mm"
    yield machine.knob(f"choice:{folder}/transparent_hugepage/enabled", "memory", "madvise", "huge pages only where they were asked for", THP)
    yield machine.knob(f"choice:{folder}/transparent_hugepage/shmem_enabled", "memory", "advise", "the same for memory that processes share", THP)
    yield machine.knob("huge:/dev/shm", "memory", _asked, "a lane's state may lie on huge pages", THP, "mount -o remount,huge={before} /dev/shm")
    yield machine.knob(f"choice:{folder}/transparent_hugepage/defrag", "memory", "never", "no page fault waits for compaction", THP)
    yield machine.knob(f"file:{folder}/transparent_hugepage/khugepaged/defrag", "memory", "0", "nobody copies pages in the background", THP)
    yield machine.knob(
        f"file:{folder}/ksm/run", "memory", "0", "nobody merges pages that a write then has to copy", "kernel Documentation/admin-guide/mm/ksm.rst"
    )
    if machine.settings.huge_pages:
        why = "frames of AF_XDP on huge pages: fewer TLB misses"
        yield machine.knob("sysctl:vm.nr_hugepages", "memory", at_least(str(machine.settings.huge_pages)), why, sysctls.VM)


def _asked(now: str) -> str:
    """Want huge pages for those who ask for them; a mount that gives more may go on."""
    return now if now in {"within_size", "always"} else "advise"


def _scheduler(machine: Machine) -> Iterator[Knob]:
    """What the scheduler does to a core that is meant to spin."""
    yield machine.knob(
        "file:/sys/kernel/debug/sched/migration_cost_ns", "scheduler", at_least("5000000"), "tasks stay where their cache is", sysctls.KERNEL
    )
    if machine.settings.realtime:
        why = "a lane that spins as SCHED_FIFO is stopped 50 ms of every second otherwise; without the throttle nothing else ever runs on its core"
        yield machine.knob("sysctl:kernel.sched_rt_runtime_us", "scheduler", "-1", why, "sched(7)")
    if machine.lanes:
        clean = listed(machine.housekeeping())
        yield machine.knob("sysctl:kernel.watchdog_cpumask", "scheduler", clean, "the lock-up watchdog stays off the lane's core", sysctls.KERNEL)


def _cores(machine: Machine) -> Iterator[Knob]:
    """The lanes' cores at full clock, and kernel work elsewhere."""
    for core in sorted(machine.lanes):
        folder = f"/sys/devices/system/cpu/cpu{core}/cpufreq"
        yield machine.knob(
            f"file:{folder}/scaling_governor",
            "cpu",
            "performance",
            "the clock is up before the packet comes",
            "kernel Documentation/admin-guide/pm/cpufreq.rst",
        )
        yield machine.knob(
            f"file:{folder}/energy_performance_preference",
            "cpu",
            "performance",
            "the same for cores that choose by themselves",
            "kernel Documentation/admin-guide/pm/intel_pstate.rst",
        )
    if machine.lanes:
        clean = listed(machine.housekeeping())
        why = "nobody else is scheduled there; needs cgroup v2 and noderrd_lanes.slice"
        yield machine.knob(f"file:/{LANES}/cpuset.cpus", "cpu", listed(set(machine.lanes)), why, CGROUP)
        yield machine.knob(f"file:/{LANES}/cpuset.cpus.partition", "cpu", "isolated", why, CGROUP)
        yield machine.knob("mask:/sys/devices/virtual/workqueue/cpumask", "cpu", clean, "unbound kernel work stays off the lane's core", LATENCY)
        yield machine.knob("mask:/sys/bus/workqueue/devices/writeback/cpumask", "cpu", clean, "write-back stays off the lane's core", LATENCY)
        yield machine.knob("file:/sys/devices/system/machinecheck/machinecheck0/check_interval", "cpu", "0", "no polling for machine checks", LATENCY)


def _interrupts(machine: Machine) -> Iterator[Knob]:
    """Every interrupt away from the lanes' cores, those to come as well."""
    folder = machine.root / "proc/irq"
    if not machine.lanes or not folder.is_dir():
        return
    clean = machine.housekeeping()
    why = "interrupts stay off the lane's core"
    yield machine.knob("mask:/proc/irq/default_smp_affinity", "interrupt", listed(clean), why, IRQ)
    for number in sorted(int(f.name) for f in folder.iterdir() if f.name.isdigit()):
        wanted = _away(clean)
        yield machine.knob(
            f"file:/proc/irq/{number}/smp_affinity_list", "interrupt", wanted, why, IRQ, f"echo {{before}} > /proc/irq/{number}/smp_affinity_list"
        )


def _away(clean: set[int]) -> Callable[[str], str]:
    """Want what is there less the lanes' cores: an interrupt that is bound to one good core stays there."""
    return lambda now: listed(processors(now) & clean or clean)
