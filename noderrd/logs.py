"""Structured logs on stderr: lines for people on a terminal, JSON elsewhere, with a priority for each where the systemd journal reads them.

Bounded and discreet: of an event that comes again and again BURST lines are written in PERIOD_S, and the next one after that says how many were not.
What is called a password, secret or token is hidden, and so are user, password and query of an address.
"""

import os
import re
import sys
import time
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog

BURST, PERIOD_S = 200, 10.0
KINDS = 1_000  # events told apart
PRIORITY = {"critical": 2, "error": 3, "exception": 3, "warning": 4, "info": 6, "debug": 7}  # sd-daemon(3), syslog's levels
SECRET = re.compile("password|secret|token|authorization|credential", re.IGNORECASE)
ADDRESS = re.compile(r"\b([a-z][a-z0-9+.-]*://)(?:[^/@\s\"']*@)?([^\s\"'?]*)(\?[^\s\"']*)?", re.IGNORECASE)
Event = MutableMapping[str, Any]


def hidden(_logger: Any, _method: str, event: Event) -> Event:
    """Leave no secret in a line."""
    for key, value in event.items():
        if SECRET.search(key):
            event[key] = "[hidden]"
        elif isinstance(value, str) and "://" in value:
            event[key] = ADDRESS.sub(lambda found: found[1] + found[2] + ("?[hidden]" if found[3] else ""), value)
    return event


class Limit:
    """Drops what comes too often; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}  # when its period began, lines since then

    def __call__(self, _logger: Any, method: str, event: Event) -> Event:
        """Give the line, or raise DropEvent."""
        key, now = (method, str(event.get("event"))), self._clock()
        began, n = self._seen.get(key, (now, 0))
        if now - began >= PERIOD_S:
            if n > BURST:
                event["suppressed"] = n - BURST
            began, n = now, 0
        if key not in self._seen and len(self._seen) >= KINDS:
            self._seen.pop(next(iter(self._seen)))
        self._seen[key] = began, n + 1
        if n >= BURST:
            raise structlog.DropEvent
        return event


def journal_reads(environment: "os._Environ[str] | dict[str, str]", fd: int) -> bool:
    """Tell whether a descriptor is the systemd journal's: JOURNAL_STREAM names it by device and inode (systemd.exec(5))."""
    try:
        it = os.fstat(fd)
    except OSError:
        return False
    return environment.get("JOURNAL_STREAM") == f"{it.st_dev}:{it.st_ino}"


def prioritised(logger: Any, method: str, event: Event) -> str:
    """Write a line of JSON behind its priority."""
    return f"<{PRIORITY.get(method, 6)}>{structlog.processors.JSONRenderer()(logger, method, event)!s}"


def get(name: str) -> Any:
    """Give a logger whose lines carry `process`; every line has `timestamp` (ISO 8601, UTC), `level` and `event`."""
    if not structlog.is_configured():
        last: Any = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
        if journal_reads(os.environ, 2):
            last = prioritised
        structlog.configure(
            processors=[
                Limit(),
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
                hidden,
                last,
            ],
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
            cache_logger_on_first_use=True,
        )
    return structlog.get_logger().bind(process=name)
