"""A process of the product: its own session, its output in a file, ended for certain."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

POLL_S = 0.02
PR_SET_PDEATHSIG = 1  # prctl(2)
LIBC = ctypes.CDLL(None)


def _end_with_parent() -> None:
    """Have this process get SIGTERM when whoever started it ends, however that was: a node that spins beside a killed test takes a core for good."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Failed(Exception):
    """A process did not do what it was started for; the text ends with the last lines of its log."""


def wait_until(done: Callable[[], bool], seconds: float) -> bool:
    """Ask until it is so; False when `seconds` are over."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(POLL_S)
    return True


class Child:
    """`python -P -m MODULE ARGUMENTS` in a session of its own, so that Ctrl-C reaches the parent only; stdout and stderr go to `log`."""

    def __init__(self, name: str, module: str, arguments: Sequence[str | Path], log: Path, environment: dict[str, str] | None = None) -> None:
        self.name, self.log = name, log
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", module, *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - it makes one system call
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def failed(self, what: str) -> Failed:
        """Give the error that says what it did not do, with the end of its log."""
        said = "\n".join(self.log.read_text(errors="replace").splitlines()[-12:])
        ended = "" if self.alive else f" (it ended with {self._process.returncode})"
        return Failed(f"{self.name} {what}{ended}; {self.log} ends with:\n{said}")

    def wait_until(self, done: Callable[[], bool], seconds: float, what: str) -> None:
        """Ask until it is so. Raises Failed when the process ends before, or `seconds` are over."""
        if not wait_until(lambda: not self.alive or done(), seconds) or not self.alive:
            raise self.failed(what)

    def stop(self, seconds: float = 10.0) -> int:
        """SIGTERM, and SIGKILL to its whole session when that does not help. Gives its exit code."""
        if self.alive:
            self._process.terminate()
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        return self._process.wait()

    def kill(self) -> None:
        """SIGKILL to its whole session."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
