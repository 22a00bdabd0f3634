"""Structured logs on stderr: lines for people on a terminal, JSON elsewhere."""

import sys
from typing import Any

import structlog


def get(name: str) -> Any:
    """Give a logger whose lines carry `process`; every line has `timestamp` (ISO 8601, UTC), `level` and `event`."""
    if not structlog.is_configured():
        last: Any = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
                last,
            ],
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
            cache_logger_on_first_use=True,
        )
    return structlog.get_logger().bind(process=name)
