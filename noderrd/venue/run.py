"""`noderrd venue --config FILE [--check]`: run a simulated exchange until SIGTERM or SIGINT, which end it with 0.

A venue with a record is only interrupted by that: its session goes on at the next start, so nobody is told that it ended and no order is canceled.
Without a record the session is over, and clients and feed are told so.
"""

import argparse
import dataclasses
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from noderrd import logs
from noderrd.lane import cache
from noderrd.settings import SettingsError
from noderrd.venue import config as settings

HELP = "run a simulated exchange"
FAREWELL_S = 0.2  # for the last packets to leave


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the venue's file (docs/venue.md describes it)")
    parser.add_argument("--check-invariants", action="store_true", help="look after every message whether the market is in order (slow)")
    parser.add_argument("--check", action="store_true", help="read the file, say what is wrong with it, and stop")


def main(args: argparse.Namespace) -> int:
    """Run. 0 when it was told to stop, 1 when it cannot run (the reason is on stderr)."""
    try:
        config = settings.load(args.config)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    if args.check:
        return 0
    if args.check_invariants:
        config = dataclasses.replace(config, debug=settings.Debug(invariants=True))
    cache.prepare()
    log = logs.get(f"venue {config.name}")
    try:
        from noderrd.venue import warm

        warm.up(log)
    except (EOFError, ImportError, OSError, ValueError) as error:
        # A truncated or foreign cache entry shows in many ways (pickle, zlib, ELF): compile anew, once.
        if "pickle" not in f"{type(error).__module__}{error}" and not isinstance(error, EOFError):
            raise
        log.warning("kernel cache unusable", reason=str(error))
        shutil.rmtree(os.environ["NUMBA_CACHE_DIR"], ignore_errors=True)
        os.execv(sys.executable, [sys.executable, "-P", *sys.argv])  # noqa: S606 - itself again
    return _serve(config, log)


def _serve(config: settings.Config, log: Any) -> int:
    """Run the venue's doors."""
    import trio

    from noderrd.venue.invariants import Broken
    from noderrd.venue.record import Unusable

    code = 0
    try:
        trio.run(_run, config, log)
    except* (Broken, OSError, Unusable, ValueError) as group:
        code = 1
        for error in group.exceptions:
            log.error("venue ends", reason=str(error))
    return code


async def _run(config: settings.Config, log: Any) -> None:
    """Open the doors and wait for the end."""
    import trio

    from noderrd.venue.admin import Admin
    from noderrd.venue.faults import FaultyLine, faults_of
    from noderrd.venue.feed import Feed, open_lines
    from noderrd.venue.glimpse import Glimpse
    from noderrd.venue.orders import Port, drop_seats, order_seats
    from noderrd.venue.record import Record
    from noderrd.venue.service import Service

    record = Record(config.record.file if config.record else None)
    service = Service(config, record, log)
    exchange = service.exchange
    lines = open_lines(config.itch, log)
    faulty = {name: FaultyLine(line, faults_of(config.itch, name), [config.seed, k]) for k, (name, line) in enumerate(lines.items())}
    feed = Feed(exchange, dict(faulty), log)
    port = Port(order_seats(config), exchange, service.clock, log)
    drop = Port(drop_seats(config, exchange), exchange, service.clock, log)
    admin = Admin(service, feed, port, faulty, log)
    service.on_close += [feed.end, port.end, drop.end]
    if exchange.closed:
        for end in service.on_close:
            end()
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            for one in faulty.values():
                nursery.start_soon(one.deliver)
            nursery.start_soon(feed.heartbeats)
            await nursery.start(feed.serve, config.itch.rerequest)
            await nursery.start(port.serve, config.ouch.listen)
            if config.drop is not None:
                await nursery.start(drop.serve, config.drop.listen)
            if config.glimpse is not None:
                await nursery.start(Glimpse(exchange, port.judge, log).serve, config.glimpse.listen)
            nursery.start_soon(service.run, admin.ask)
            await nursery.start(admin.serve, config.admin.socket)
            log.info("open", ouch=config.ouch.listen, rerequest=config.itch.rerequest, admin=str(config.admin.socket))
            async for number in signals:
                log.info("stopping", signal=signal.Signals(number).name)
                break
            if config.record is None:
                for end in service.on_close:
                    end()
                await trio.sleep(FAREWELL_S)
            nursery.cancel_scope.cancel()
    for line in lines.values():
        line.close()
    record.close()
