"""What a person ordered that outlives every restart: kills, and which venues are armed until when.

One small file in the state folder, on the disk before what it says takes effect. Strategies, symbols and venues are kept by name: their places in a
lane may be others after a change of the configuration.
"""

import dataclasses
import json
from pathlib import Path

from noderrd import durable

FILE = "latches.json"


@dataclasses.dataclass(frozen=True)
class Kill:
    """No new orders in a scope ("node", "venue", "symbol", "strategy") until somebody else releases it."""

    scope: str
    name: str
    uid: int
    who: str
    at_ns: int


@dataclasses.dataclass(frozen=True)
class Arm:
    """Whether a venue takes real orders, in place of what the configuration says; `until_ns` 0: no end."""

    venue: str
    armed: bool
    until_ns: int
    who: str
    at_ns: int


class Latches:
    """The file. Raises ValueError when it is there and cannot be read: nobody then knows whether the node was killed."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self.kills: dict[tuple[str, str], Kill] = {}
        self.arms: dict[str, Arm] = {}
        if not self._path.exists():
            return
        try:
            said = json.loads(self._path.read_text())
            kills, arms = [Kill(**row) for row in said["kills"]], [Arm(**row) for row in said["arms"]]
        except (ValueError, KeyError, TypeError, OSError) as why:
            message = f"{self._path}: {why}; it says what was killed: look at it, and move it away when the node may trade"
            raise ValueError(message) from why
        self.kills = {(kill.scope, kill.name): kill for kill in kills}
        self.arms = {arm.venue: arm for arm in arms}

    def _write(self) -> None:
        said = {
            "kills": [dataclasses.asdict(kill) for kill in self.kills.values()],
            "arms": [dataclasses.asdict(arm) for arm in self.arms.values()],
        }
        durable.write(self._path, json.dumps(said, indent=1))

    def kill(self, kill: Kill) -> None:
        """Keep a kill; the first one of a scope stands, so that whoever killed first cannot be pushed aside. Raises OSError."""
        self.kills.setdefault((kill.scope, kill.name), kill)
        self._write()

    def release(self, scope: str, name: str) -> None:
        """Forget a kill. Raises OSError."""
        self.kills.pop((scope, name), None)
        self._write()

    def arm(self, arm: Arm) -> None:
        """Keep what a venue is to be. Raises OSError."""
        self.arms[arm.venue] = arm
        self._write()
