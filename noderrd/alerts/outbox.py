"""Messages on their way to a target: on disk before they are sent, in order a target, tried again with back-off, bounded in number and age.

A message is a file, written whole under another name and then renamed, so that a crash leaves it whole or not at all. It is deleted when the target
took it: a crash in between sends it twice, never not at all (at least once; receivers know a message by its `id`).
"""

import json
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import trio

MOST = 1_000  # messages on disk, all targets together
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
AGE_MAX_NS = 24 * 3600 * 1_000_000_000
MESSAGE_MAX = 64 << 10

Send = Callable[[dict[str, Any]], Awaitable[None]]


class NotTaken(Exception):
    """The target did not take a message; the text says why. It is tried again."""


class Outbox:
    """Deliveries to named targets. `clock` gives ns since the epoch, for the age of messages; waiting goes by trio's clock."""

    def __init__(self, folder: Path, targets: Mapping[str, Send], clock: Callable[[], int], log: Any) -> None:
        self._folder, self._targets, self._clock, self._log = folder, dict(targets), clock, log
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._news = {name: trio.Event() for name in self._targets}
        self._next = 1 + max((int(f.name.split("-", 1)[0]) for f in folder.glob("*.json")), default=0)
        self._drop_strays()

    def waiting(self, target: str = "") -> int:
        """Count what has not been delivered yet: to a target, or at all."""
        return sum(1 for _ in self._folder.glob(_pattern(target) if target else "*.json"))

    def by_target(self) -> dict[str, int]:
        """Count it for each target."""
        return {name: self.waiting(name) for name in self._targets}

    def _drop_strays(self) -> None:
        """Give up old messages to targets that the policy no longer has: nobody else would, and they take the others' room."""
        known = {path for name in self._targets for path in self._folder.glob(_pattern(name))}
        for path in set(self._folder.glob("*.json")) - known:
            if self._clock() - path.stat().st_mtime_ns > AGE_MAX_NS:
                self._log.error("notification given up", file=path.name, reason="the policy has no such target")
                path.unlink()

    def put(self, target: str, message: dict[str, Any]) -> bool:
        """Keep a message for a target until it is delivered; False, with a line in the log, when the outbox is full or the message too long."""
        content = json.dumps({"id": f"{self._clock()}-{self._next}", "created_ns": self._clock(), "target": target, "message": message}).encode()
        if len(content) > MESSAGE_MAX or self.waiting() >= MOST:
            self._log.error("notification lost", target=target, reason="too long" if len(content) > MESSAGE_MAX else f"{MOST} are waiting already")
            return False
        path = self._folder / f"{self._next:010}-{quote(target, safe='')}.json"
        self._next += 1
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        self._news[target].set()
        return True

    async def run(self) -> None:
        """Deliver until cancelled: one task a target, so that one that is away holds up no other."""
        async with trio.open_nursery() as nursery:
            for name in self._targets:
                nursery.start_soon(self._deliver, name)

    async def _deliver(self, target: str) -> None:
        wait_s = FIRST_WAIT_S
        while True:
            self._news[target] = trio.Event()
            first = min(self._folder.glob(_pattern(target)), default=None)
            if first is None:
                await self._news[target].wait()
                continue
            if await self._one(target, first):
                wait_s = FIRST_WAIT_S
            else:
                await trio.sleep(wait_s)
                wait_s = min(wait_s * 2, LONGEST_WAIT_S)

    async def _one(self, target: str, path: Path) -> bool:
        """Try one message; True when it need not be tried again."""
        try:
            kept = json.loads(path.read_bytes())
            message = {"id": kept["id"], **kept["message"]}
            age_ns = self._clock() - int(kept["created_ns"])
        except (ValueError, KeyError, TypeError) as why:
            self._log.error("notification unreadable", file=str(path), reason=str(why))
            path.replace(path.with_suffix(".bad"))
            return True
        try:
            await self._targets[target](message)
        except NotTaken as why:
            if age_ns < AGE_MAX_NS:
                self._log.warning("notification not taken", target=target, reason=str(why))
                return False
            self._log.error("notification given up", target=target, reason=str(why), age_h=age_ns // (3600 * 1_000_000_000))
        path.unlink(missing_ok=True)
        return True


def _pattern(target: str) -> str:
    """Give what the files of a target are called: ten digits and its name, in which nothing means more to a file system or a pattern."""
    return "[0-9]" * 10 + f"-{quote(target, safe='')}.json"
