"""`noderrd decode`: every field of a recording's messages by its name in the specification."""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from noderrd.feeds import moldudp64, pcap, soupbintcp

HELP = "show every field of a recording's messages"
LOGIN: dict[str, tuple[tuple[str, int, str], ...]] = {
    "L": (("Username", 6, "a"), ("Password", 10, "a"), ("Requested Session", 10, "a"), ("Requested Sequence Number", 20, "a")),
    "A": (("Session", 10, "a"), ("Sequence Number", 20, "a")),
    "J": (("Reject Reason Code", 1, "a"),),
}
Shown = dict[str, Any]


class Stopped(Exception):
    """The file is damaged; the text says where."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("file", type=Path, metavar="FILE", help="ITCH 5.0 BinaryFILE, or pcap or pcapng with MoldUDP64 or SoupBinTCP; gzip or not")
    parser.add_argument("--json", action="store_true", help="one object a message")


def itch(message: bytes) -> Shown:
    """Show an ITCH message; one that the specification does not know, as it is."""
    from noderrd.replay import itch_fields

    return itch_fields.read(message) or {"Unknown Message": message.hex()}


def payload(message: bytes, *, from_client: bool) -> Shown:
    """Show what a SoupBinTCP packet carries: OUCH 5.0, or ITCH 5.0 as GLIMPSE and SoupBinTCP feeds send it."""
    from noderrd.replay import itch_fields, ouch_fields

    found = None if from_client else itch_fields.read(message)
    return found or ouch_fields.read(message, from_client=from_client) or {"Unknown Message": message.hex()}


def soup(packet: bytes) -> Shown:
    """Show a SoupBinTCP packet."""
    from noderrd.replay import fields

    kind, rest = chr(packet[0]), packet[1:]
    shown: Shown = {"Packet Type": kind}
    if kind in LOGIN and len(rest) == fields.width(LOGIN[kind]):
        return shown | {name: value.strip() for name, value in fields.read(LOGIN[kind], rest).items()}
    if kind in "SU":
        return shown | payload(rest, from_client=kind == "U")
    if kind == "+":
        return shown | {"Text": rest.decode("ascii", "replace")}
    return shown | ({"Unknown Message": rest.hex()} if rest else {})


def captured(content: bytes, *, whole: bool) -> Iterator[Shown]:
    """Show the messages of a capture. Raises Stopped."""
    streams = soupbintcp.Streams()
    try:
        for packet in pcap.packets(content):
            segment = pcap.segment(packet)
            if segment is None:
                continue
            head = {"Capture Time": segment.ts_ns}
            if segment.protocol == pcap.TCP:
                yield from (head | soup(one) for one in streams.add(segment))
                continue
            datagram = moldudp64.read(segment.payload)
            if datagram is None:
                yield head | {"Unknown Datagram": segment.payload.hex()}
                continue
            session = datagram.session.decode("ascii", "replace")
            for k, message in enumerate(datagram.messages):
                yield head | {"Session": session, "Sequence Number": datagram.seq + k} | itch(message)
    except pcap.Damaged as error:
        raise Stopped(str(error)) from None
    if not whole:
        why = f"damaged at offset {len(content)}"
        raise Stopped(why)
    if streams.broken:
        why = f"{streams.broken} TCP streams are no SoupBinTCP, or lack segments"
        raise Stopped(why)


def filed(content: bytes, *, whole: bool) -> Iterator[Shown]:
    """Show the messages of a BinaryFILE. Raises Stopped."""
    at = 0
    while True:
        size = int.from_bytes(content[at : at + 2], "big")
        if len(content) - at < 2 + size or size == 0:
            break
        yield itch(content[at + 2 : at + 2 + size])
        at += 2 + size
    if content[at:] not in (b"", b"\0\0") or not whole:
        message = f"damaged at offset {at}"
        raise Stopped(message)


def main(args: argparse.Namespace) -> int:
    """Decode. 0, or 1 when the file is missing or damaged or holds what the specifications do not know (what could be read is shown)."""
    from noderrd.feeds import binaryfile

    unknown = 0
    try:
        content, whole = binaryfile.unpack(args.file)
        for shown in captured(content, whole=whole) if pcap.is_capture(content) else filed(content, whole=whole):
            unknown += any(name.startswith("Unknown ") for name in shown)
            print(json.dumps(shown) if args.json else " ".join(f"{name.replace(' ', '_')}={value}" for name, value in shown.items()))
    except BrokenPipeError:  # `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (OSError, Stopped) as error:
        print(f"noderrd decode: {args.file}: {error}", file=sys.stderr)
        return 1
    if unknown:
        print(f"noderrd decode: {args.file}: {unknown} that the specifications do not know", file=sys.stderr)
    return 1 if unknown else 0
