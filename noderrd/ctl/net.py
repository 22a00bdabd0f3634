"""`noderrctl net bench | probe`: the network measured from here. Needs no daemon."""

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from noderrd import config
from noderrd.settings import SettingsError

HELP = "measure the network: round trips to a noderrd echo, distances of the venues"
DEFAULT_CONFIG = Path("/etc/noderrd/noderrd.toml")
OK, FAILED, USAGE = 0, 1, 64


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    bench = actions.add_parser("bench", help="round trips, one-way times and throughput to a `noderrd echo`")
    bench.add_argument("target", metavar="HOST:PORT", help="where `noderrd echo` listens")
    bench.add_argument("--kind", default="udp,tcp", metavar="K,...", help="udp, tcp, multicast (udp,tcp)")
    bench.add_argument("--size", default="64,512,1400", metavar="BYTES,...", help="message sizes (64,512,1400)")
    bench.add_argument("--count", type=int, default=10_000, metavar="N", help="messages of each (10000)")
    bench.add_argument("--rate", type=int, default=5_000, metavar="R", help="messages a second (5000)")
    bench.add_argument("--group", default="", metavar="GROUP:PORT", help="of multicast")
    bench.add_argument("--from", dest="interface", default="", metavar="ADDRESS", help="this host's address that multicast leaves by")
    probe = actions.add_parser("probe", help="TCP, TLS and application round trips to the venues of noderrd.toml")
    probe.add_argument("venues", nargs="*", metavar="VENUE", help="which; all when none is named")
    probe.add_argument("--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help=f"noderrd.toml ({DEFAULT_CONFIG})")
    probe.add_argument("--tls", action="store_true", help="time a TLS handshake too, with the order sessions' address where a venue names no `tls`")
    for action in (bench, probe):
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="one JSON object")


def main(args: argparse.Namespace) -> int:
    """Run one action: 0, 1 when something could not be measured, 64 for bad usage."""
    return bench(args) if args.action == "bench" else probe(args)


def bench(args: argparse.Namespace) -> int:
    """Measure every kind and size."""
    from noderrd.lane import cache

    cache.prepare()
    from noderrd.net import bench as net
    from noderrd.net.message import LEAST, MOST

    host, _, port = args.target.rpartition(":")
    kinds, sizes = args.kind.split(","), args.size.split(",")
    wrong = [k for k in kinds if k not in net.KINDS] + [s for s in sizes if not s.isdigit() or not LEAST <= int(s) <= MOST]
    if not host or not port.isdigit() or wrong or not 1 <= args.rate <= 10**6 or not 1 <= args.count <= 10**7:
        print(f"noderrctl: HOST:PORT; kinds of {', '.join(net.KINDS)}; {LEAST} to {MOST} bytes; rate to 10^6, count to 10^7", file=sys.stderr)
        return USAGE
    target = net.Target(host, int(port), args.group, args.interface)
    found: list[Any] = []
    try:
        for kind in kinds:
            found += [net.measure(kind, target, int(size), args.count, 1_000_000_000 // args.rate) for size in sizes]
    except net.Unreachable as why:
        print(f"noderrctl: {why}", file=sys.stderr)
        return FAILED
    if args.json:
        print(json.dumps({"results": [dataclasses.asdict(one) for one in found]}))
        return OK
    for one in found:
        rtt, out = one.rtt_ns, one.out_ns
        print(f"{one.kind:<10}{one.size:>6} B  rtt p50 {rtt['p50']} p99 {rtt['p99']} max {rtt['max']} ns; jitter {one.jitter_ns} ns; lost {one.lost}")
        print(f"{'':18}out p50 {out['p50']} back p50 {one.back_ns['p50']} ns, +-{one.clock_bound_ns}; {one.messages_per_s} messages/s")
    return OK


def probe(args: argparse.Namespace) -> int:
    """Probe the venues."""
    from noderrd.net.probe import probe as once

    try:
        venues = config.read(args.config).venues
    except SettingsError as problem:
        print(problem, file=sys.stderr)
        return FAILED
    unknown = [name for name in args.venues if name not in venues]
    if unknown:
        print(f"noderrctl: no venue {', '.join(unknown)} (there are: {', '.join(venues)})", file=sys.stderr)
        return USAGE
    found = [once(name, venues[name], tls=args.tls) for name in args.venues or venues]
    if args.json:
        print(json.dumps({"venues": [dataclasses.asdict(one) for one in found]}))
    else:
        for one in found:
            print(f"{one.venue}: tcp {one.tcp_ns} tls {one.tls_ns} ping {one.ping_ns} ns" + "".join(f"; {k}: {v}" for k, v in one.failed.items()))
    return FAILED if any(one.failed for one in found) else OK
