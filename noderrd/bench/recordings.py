"""Real recordings for benchmarks: $NODERRD_TEST_DATA, else the folder that tests/conftest.py names."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class NoRecordings(Exception):
    """There is no folder of recordings here; the text says what to do."""


def folder() -> Path:
    """Give the folder. Raises NoRecordings."""
    found = Path(os.environ.get("NODERRD_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not found.is_dir():
        message = f"no recordings: {found} is not there (set NODERRD_TEST_DATA to the folder that holds them)"
        raise NoRecordings(message)
    return found
