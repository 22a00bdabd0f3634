"""Keeps processes running: started in sessions of their own, started anew after a crash with back-off, ended in order.

They are started from the main thread (a parent-death signal fires when the thread ends that started a process), with no file of the daemon's open.
A process that an earlier daemon left running is taken over by its number.
"""

import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import trio

from noderrd.control.logbook import room

POLL_S = 0.02
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 5.0
HEALTHY_S = 60.0  # a process that ran this long begins again with the first wait
CRASHES = 5  # in HEALTHY_S: then `on_crashes` is called


async def nobody() -> bool:
    """Be the heir of a process that has none."""
    return False


class Worker:
    """A process that should run. `state`: starting, ready, waiting (for the back-off), stopped; `ready` says when it is ready."""

    def __init__(self, name: str, arguments: Sequence[str], log_file: Path, log: Any, ready: Callable[[], bool] = lambda: True) -> None:
        self.name, self.arguments = name, list(arguments)
        self.restarts = 0
        self._log_file, self._log, self._ready = log_file, log, ready
        self._process: subprocess.Popen[bytes] | None = None
        self._adopted = 0
        self._expected = False
        self._stop = trio.Event()
        self._waiting = False
        self._crashes: list[float] = []

    @property
    def pid(self) -> int:
        """Of the running process; 0 when there is none."""
        if self._process is not None and self._process.poll() is None:
            return self._process.pid
        return self._adopted if self._adopted and _exists(self._adopted) else 0

    @property
    def state(self) -> str:
        """How it is."""
        if self.pid:
            return "ready" if self._ready() else "starting"
        return "waiting" if self._waiting else "stopped"

    def adopt(self, pid: int) -> None:
        """Take over a process that runs already."""
        self._adopted = pid

    def start(self) -> None:
        """Start it. Raises OSError."""
        self._adopted = 0
        with room(self._log_file).open("ab") as out:
            self._process = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
        self._log.info("started", name=self.name, pid=self._process.pid)

    def lend(self, other: "Worker") -> None:
        """Let another go on with this one's process, which has taken the place of the other's; a new one is started here."""
        other._process, other._adopted = self._process, self._adopted  # noqa: SLF001 - one process changes hands
        self._process, self._adopted, self._expected = None, 0, True

    def renew(self) -> None:
        """Have a new process started in place of the one that runs, which is told to end."""
        if pid := self.pid:
            self._expected = True
            os.kill(pid, signal.SIGTERM)

    async def keep(self, on_crashes: Callable[[], None] = lambda: None, heir: Callable[[], Awaitable[bool]] = nobody) -> None:
        """Run until `stop`: start, wait for the end, start again. `on_crashes` is called when it crashed CRASHES times in HEALTHY_S.

        `heir` is asked before: True when another process runs in the dead one's place.
        """
        wait_s = FIRST_WAIT_S
        if not self.pid:
            self.start()
        began = trio.current_time()
        while True:
            await self._gone()
            if self._stop.is_set():
                return
            if self._expected:
                self._expected = False
                self.start()
                continue
            now = trio.current_time()
            code = self._process.returncode if self._process is not None else None
            self._log.error("ended by itself", name=self.name, code=code, after_s=round(now - began, 1))
            self._crashes = [at for at in self._crashes if now - at < HEALTHY_S] + [now]
            if len(self._crashes) >= CRASHES:
                on_crashes()
            if await heir():
                self.restarts += 1
                began = now
                self._log.warning("its spare took over", name=self.name, pid=self.pid)
                continue
            wait_s = FIRST_WAIT_S if now - began > HEALTHY_S else wait_s
            self._waiting = True
            with trio.move_on_after(wait_s):
                await self._stop.wait()
            self._waiting = False
            if self._stop.is_set():
                return
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)
            self.restarts += 1
            self.start()
            began = trio.current_time()

    async def stop(self, seconds: float) -> bool:
        """SIGTERM, and SIGKILL when it still runs after `seconds`; False when that was needed."""
        self._stop.set()
        pid = self.pid
        if not pid:
            return True
        os.kill(pid, signal.SIGTERM)
        with trio.move_on_after(seconds):
            await self._gone()
            return True
        self.kill()
        return False

    async def _gone(self) -> None:
        while self.pid:  # noqa: ASYNC110 - a process that is not our child tells nobody
            await trio.sleep(POLL_S)

    def kill(self) -> None:
        """SIGKILL to its session, now."""
        self._stop.set()
        pid = self.pid
        if not pid:
            return
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        if self._process is not None:
            self._process.wait()


def _exists(pid: int) -> bool:
    """Tell whether a process runs. One that is dead and that nobody waits for (a container's first process may not) is gone, too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
