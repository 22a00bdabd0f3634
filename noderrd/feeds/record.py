"""`noderrd record`: what a live feed sends, both lines with their receive times, to a packet capture that every command here reads.

Receive times are the kernel's (SO_TIMESTAMPNS); datagrams that it dropped, for we were too slow, are counted (SO_RXQ_OVFL) and make the exit code 1.
"""

import argparse
import contextlib
import dataclasses
import selectors
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from noderrd.feeds import moldudp64, multicast, pcap

HELP = "write what a live feed sends to a packet capture"
SO_TIMESTAMPNS, SO_RXQ_OVFL = 35, 40  # asm-generic/socket.h
LARGEST = 65_535
BATCH = 256  # datagrams taken from a line before the other has its turn
WAIT_S = 0.1


@dataclasses.dataclass
class Told:
    """What a line gave."""

    datagrams: int = 0
    drops: int = 0
    ended: bool = False


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("--a", required=True, metavar="HOST:PORT", help="line A: a multicast group, or an address of this host")
    parser.add_argument("--b", default="", metavar="HOST:PORT", help="line B")
    parser.add_argument("--interface", default="", metavar="ADDRESS", help="address of the interface that joins the groups")
    parser.add_argument("--interface-b", default="", metavar="ADDRESS", help="that of line B, where it is another")
    parser.add_argument("--source-a", default="", metavar="ADDRESS,...", help="senders that are joined on line A (default: any)")
    parser.add_argument("--source-b", default="", metavar="ADDRESS,...", help="senders that are joined on line B")
    parser.add_argument("--seconds", type=float, default=0, metavar="S", help="stop after so long (default: at the end of the session, or Ctrl-C)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the capture, .pcap")


def take(line: socket.socket, target: tuple[str, int], told: Told, out: IO[bytes]) -> int:
    """Write what waits on a line, BATCH datagrams at most; gives how many there were."""
    for k in range(BATCH):
        try:
            data, control, _, source = line.recvmsg(LARGEST, 128)
        except BlockingIOError:
            return k
        stamp = time.time_ns()
        for level, kind, value in control:
            if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                seconds, nanoseconds = struct.unpack("qq", value[:16])
                stamp = seconds * 1_000_000_000 + nanoseconds
            elif (level, kind) == (socket.SOL_SOCKET, SO_RXQ_OVFL):
                told.drops = struct.unpack("I", value[:4])[0]
        ends = (socket.inet_aton(source[0]), source[1]), (socket.inet_aton(target[0]), target[1])
        out.write(pcap.record(stamp, pcap.datagram(*ends, data)))
        told.datagrams += 1
        found = moldudp64.read(data)
        told.ended = told.ended or (found is not None and found.end)
    return BATCH


def record(lines: Sequence[tuple[socket.socket, tuple[str, int]]], out: IO[bytes], stop: Callable[[], bool]) -> list[Told]:
    """Write datagrams of all lines until `stop`, or until the session has ended on each; gives what each gave."""
    told = [Told() for _ in lines]
    out.write(pcap.header(pcap.RAW))
    with selectors.DefaultSelector() as ready:
        for k, (line, _) in enumerate(lines):
            line.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            with contextlib.suppress(OSError):
                line.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
            ready.register(line, selectors.EVENT_READ, k)
        while not stop() and not all(one.ended for one in told):
            for key, _ in ready.select(WAIT_S):
                line, target = lines[key.data]
                take(line, target, told[key.data], out)
            out.flush()
    return told


def main(args: argparse.Namespace) -> int:
    """Record. 0, or 1 when a line cannot be opened or the kernel dropped datagrams."""
    stopped: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda signum, _: stopped.append(signum))
    end = time.monotonic() + args.seconds if args.seconds > 0 else float("inf")
    wanted = [(args.a, args.interface, args.source_a), (args.b, args.interface_b or args.interface, args.source_b)]
    names = [address for address, _, _ in wanted if address]
    with contextlib.ExitStack() as stack:
        try:
            lines = [
                (stack.enter_context(multicast.open_line(one, interface, multicast.sources_of(senders))), multicast.split(one))
                for one, interface, senders in wanted
                if one
            ]
            out = stack.enter_context(args.out.open("wb"))
            told = record(lines, out, lambda: bool(stopped) or time.monotonic() >= end)
        except (OSError, ValueError) as error:
            print(f"noderrd record: {error}", file=sys.stderr)
            return 1
    for name, one in zip(names, told, strict=True):
        print(f"{name}: {one.datagrams} datagrams, {one.drops} dropped by the kernel{', session ended' if one.ended else ''}", file=sys.stderr)
    return 1 if any(one.drops for one in told) else 0
