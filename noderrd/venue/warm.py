"""Compile every kernel before a door is opened: a market on scratch state, with the dtypes of the real one, that does everything once."""

import struct
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from core import ouch
from noderrd.lane import cache
from noderrd.venue import config, control, engine, recording
from noderrd.venue.exchange import Exchange
from noderrd.venue.record import Cause, Kind, Record

NOWHERE = "127.0.0.1:9"
NOON = 12 * 3600 * 1_000_000_000


def scratch(kind: Any, file: Path | None = None) -> Exchange:
    """Give an exchange with two users and one symbol, open, that nobody listens to."""
    users = (config.User("ONE", "x", "ONE"), config.User("TWO", "x", "TWO"))
    listing = (config.Instrument("WARM", Decimal(100)),)
    doors = (config.Itch(NOWHERE, NOWHERE, NOWHERE), config.Ouch(NOWHERE, users), config.Admin(Path()))
    exchange = Exchange(config.Config("WARM", *doors, listing, flow=config.Flow(kind, file)), Record(None), control.act)
    exchange.open("WARM", 0, NOON)
    return exchange


def enter(ref: int, side: bytes, qty: int, px: int, stock: bytes = b"WARM") -> bytes:
    """Build an Enter Order (OUCH 5.0 section 2.1)."""
    return struct.pack(">cIcI8sQccccc14sH", b"O", ref, side, qty, stock.ljust(8), px, b"0", b"Y", b"P", b"N", b"N", b" " * 14, 0)


def up(log: Any) -> None:
    """Compile, or load from the cache, and say how it goes."""
    with cache.compiling("venue", lambda: log.info("waiting for another process to compile")):
        _up(log)


def _up(log: Any) -> None:
    began = time.monotonic()

    def done(what: str) -> None:
        log.info("kernels", ready=what, seconds=round(time.monotonic() - began, 2))

    exchange = scratch("zero")
    done("market")
    for user, side in ((0, b"B"), (1, b"S")):
        exchange.do(Cause(Kind.REQUEST, NOON, user, payload=enter(1, side, 100, 1_000_000)))
    exchange.do(Cause(Kind.CANCEL_ALL, NOON, 0, 83))
    done("orders")
    exchange.do(Cause(Kind.FLOW, NOON, 0, NOON))
    exchange.next_due()
    exchange.snapshot()
    done("flow")
    exchange.next_expiry()
    exchange.operate(engine.CANCEL_WHERE, NOON, user=0, px=ouch.CANCEL_USER)
    tape = np.frombuffer(bytearray(b"\0\x0cS" + bytes(10) + b"O"), np.uint8)
    recording.whole(tape)
    exchange.replay(tape, *recording.state(), recording.EVER)
    engine.cut(tape, len(tape), 100, np.zeros((8, 2), np.int64))
    exchange.record.close()
    done("all")
