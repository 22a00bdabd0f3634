"""A node as a process: `noderrd run`, asked as `noderrctl` asks."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from noderrd.rig.process import Child, Failed, wait_until

START_S = 900.0  # the first start compiles, on a busy machine for minutes
TRADING_S = 60.0
ANSWER_S = 30.0
AT_ONCE_S = 3.0
STOP_S = 15.0  # the daemon itself waits up to 5 s for the venues' acks


class Node:
    """`noderrd run --config STATE/noderrd.toml`; its socket is STATE/noderrd.sock."""

    def __init__(self, state: Path) -> None:
        self._state = state
        logs = state / "logs"
        logs.mkdir(exist_ok=True)
        self.child = Child("node", "noderrd.main", ["run", "--config", state / "noderrd.toml"], logs / "daemon.jsonl")

    @staticmethod
    def check(state: Path) -> str:
        """Let the node read its configuration, policy, strategies and models without starting: "" when it would start, else why not."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "noderrd.main", "run", "--config", str(state / "noderrd.toml"), "--check"],
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )
        return "" if done.returncode == 0 else done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}"

    def ask(self, verb: str, *arguments: str) -> dict[str, Any]:
        """Give the answer of `noderrctl VERB --json`. Raises Failed when there is none."""
        command = [sys.executable, "-P", "-m", "noderrd.ctl.main", "--socket", str(self._state / "noderrd.sock"), verb, "--json", *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=ANSWER_S)
        except subprocess.TimeoutExpired as late:
            message = f"noderrctl {verb}: no answer in {ANSWER_S:.0f} s"
            raise Failed(message) from late
        if done.returncode != 0:
            message = f"noderrctl {verb}: {done.stderr.strip() or done.returncode}"
            raise Failed(message)
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer

    def _status(self) -> dict[str, Any]:
        try:
            return self.ask("status")
        except Failed:
            return {}

    def lane(self) -> dict[str, Any]:
        """Give the first lane's line of `status`; {} while there is none."""
        lanes = [p for p in self._status().get("processes", []) if p["name"].startswith("lane")]
        return lanes[0] if lanes else {}

    def wait_ready(self) -> None:
        """Wait until its lane is READY. Raises Failed, at once when the lane only crashes."""
        self.child.wait_until(lambda: self.lane().get("state") == "ready" or self._hopeless(), START_S, "did not become ready")
        if self._hopeless():
            said = (self._state / "logs" / "lane0.jsonl").read_text(errors="replace").splitlines()[-12:]
            raise Failed("the lane crashes again and again; its log ends with:\n" + "\n".join(said))

    def _hopeless(self) -> bool:
        return any(halt["reason"] == "LANE_CRASHES" for halt in self._status().get("halts", []))

    def trading(self, venues: list[str]) -> bool:
        """Tell whether it is logged in at all of these venues."""
        rows = {row["name"]: row for row in self._status().get("venues", [])}
        return all(rows.get(name, {}).get("orders", {}).get("logged_in") for name in venues)

    def wait_trading(self, venues: list[str]) -> None:
        """Wait until it is logged in at all of these venues. Raises Failed."""
        self.child.wait_until(lambda: self.trading(venues), TRADING_S, f"did not log in at {', '.join(venues)}")

    def next_seq_nums(self) -> dict[str, int]:
        """Give the next sequence number of each venue's feed."""
        return {row["name"]: int(row["feed"]["next_seq_num"]) for row in self._status().get("venues", [])}

    def counters(self) -> dict[str, int]:
        """Give the lane's counters by name."""
        return {name: int(value) for name, value in self.ask("counters")["counters"].items()}

    def lane_pid(self) -> int:
        """Give the lane's process id. Raises Failed when there is none."""
        pid = int(self.lane().get("pid", 0))
        if not pid:
            message = "no lane runs"
            raise Failed(message)
        return pid

    def kill_lane(self) -> None:
        """SIGKILL to the lane. Raises Failed when there is none."""
        os.kill(self.lane_pid(), signal.SIGKILL)

    def tail(self) -> str:
        """Give the end of its log."""
        return "\n".join(self.child.log.read_text(errors="replace").splitlines()[-12:])

    def stop(self) -> int:
        """Cancel what is open, wait for the acks, end. Gives its exit code."""
        return self.child.stop(STOP_S)

    def stop_at_once(self) -> None:
        """A second signal: the daemon leaves without waiting for the venues."""
        if self.child.alive:
            os.kill(self.child.pid, signal.SIGINT)
        wait_until(lambda: not self.child.alive, AT_ONCE_S)
        self.child.kill()
