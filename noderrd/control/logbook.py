"""The daemon's log twice: on stderr, where systemd or a person reads it, and in STATE/logs/daemon.jsonl, where `noderrctl logs` does."""

import json
import os
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import structlog

from noderrd import logs

MOST = 64 << 20  # bytes of a log file at a start; then it is set aside, in place of the one before


def room(path: Path) -> Path:
    """Set a log aside that has grown too long; gives its path."""
    if path.exists() and path.stat().st_size > MOST:
        path.replace(path.with_suffix(".old.jsonl"))
    return path


def open_daemon(folder: Path) -> Any:
    """Give the daemon's logger. Raises OSError."""
    log = logs.get("daemon")
    path = room(folder / "daemon.jsonl")
    file = path.open("a", buffering=1)
    if os.path.sameopenfile(file.fileno(), sys.stderr.fileno()):
        file.close()
        return log
    processors = structlog.get_config()["processors"]

    def keep(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        file.write(json.dumps(event, default=str) + "\n")
        return event

    structlog.configure(processors=[*processors[:-1], keep, processors[-1]])
    return logs.get("daemon")
