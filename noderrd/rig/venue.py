"""A simulated exchange as a process, and its admin socket: where the truth about books, positions and orders is asked."""

import json
import socket
from pathlib import Path
from typing import Any

from noderrd.rig.process import Child

ANSWER_S = 10.0
START_S = 600.0  # the first start compiles, and others may do so at the same time


class Venue:
    """`noderrd venue --config FILE`, whose admin socket is at `admin`."""

    def __init__(self, name: str, config: Path, admin: Path, log: Path) -> None:
        self.name, self._admin = name, admin
        self.child = Child(f"venue {name}", "noderrd.main", ["venue", "--config", config], log)

    def wait_ready(self, seconds: float = START_S) -> None:
        """Wait until it answers. Raises process.Failed."""
        self.child.wait_until(self._answers, seconds, "did not start")

    def _answers(self) -> bool:
        try:
            return bool(self.ask("help").get("ok"))
        except OSError:
            return False

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Put one question. Raises OSError when nobody answers, ValueError with the reason when the venue says no."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(ANSWER_S)
            line.connect(str(self._admin))
            line.sendall(json.dumps({"do": do, **arguments}).encode() + b"\n")
            with line.makefile("rb") as answers:
                said = answers.readline()
        if not said:
            message = f"venue {self.name} closed its admin socket"
            raise ConnectionError(message)
        answer: dict[str, Any] = json.loads(said)
        if not answer.get("ok"):
            message = f"venue {self.name}: {do}: {answer}"
            raise ValueError(message)
        return answer
