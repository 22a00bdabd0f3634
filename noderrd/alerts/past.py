"""What has become of alerts, a line of JSON each: the last of it in memory, more of it in two files that never grow beyond a bound."""

import json
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

KEPT = 1000  # lines in memory
FILE_MAX = 4 << 20  # bytes; a file that has so many becomes the one before, and the one before that goes
NAME = "alerts.jsonl"


def files(folder: Path) -> list[Path]:
    """Give the files that there can be, the oldest first."""
    return [folder / f"{NAME}.1", folder / NAME]


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Give a file's lines; nothing for a file that is not there, and no line that a crash cut short. Raises OSError."""
    try:
        text = path.read_text(errors="replace")
    except FileNotFoundError:
        return
    for line in text.splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            yield found


class Past:
    """Lines kept in a folder."""

    def __init__(self, folder: Path) -> None:
        self._before, self._now = files(folder)
        self._lines: deque[dict[str, Any]] = deque((line for path in files(folder) for line in read(path)), KEPT)

    def add(self, lines: list[dict[str, Any]]) -> None:
        """Keep lines. Raises OSError."""
        self._lines.extend(lines)
        with self._now.open("a") as file:
            file.write("".join(json.dumps(line) + "\n" for line in lines))
            full = file.tell() >= FILE_MAX
        if full:
            self._now.replace(self._before)

    def lines(self) -> list[dict[str, Any]]:
        """Give the last KEPT, the oldest first."""
        return list(self._lines)
