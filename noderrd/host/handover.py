"""`python -m noderrd.host.handover`: a restart hands over, a stop stops. ExecStop= of noderrd.service, as root.

systemd says in its list of jobs whether it stops a unit to start it again (systemctl(1), list-jobs). Where it does, the daemon is told to end by
itself and to leave lane, writer and guard as they are (SIGUSR1): the next one takes them over, and the venues see nothing. Else nothing is done here,
and systemd goes on with SIGTERM, which cancels and logs out.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

UNIT = "noderrd.service"
AGAIN = {"restart", "try-restart", "reload-or-restart"}
LEAVE_S = 10.0
POLL_S = 0.02


def restarts(jobs: str, unit: str = UNIT) -> bool:
    """Tell from `systemctl list-jobs --no-legend` whether a unit is stopped to be started again: a line is JOB UNIT TYPE STATE."""
    rows = [line.split() for line in jobs.splitlines()]
    return any(len(row) >= 3 and row[1] == unit and row[2] in AGAIN for row in rows)


def listed() -> str:
    """Ask systemd for its jobs; "" where it does not answer."""
    try:
        done = subprocess.run(["systemctl", "list-jobs", "--no-legend", "--plain"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def main() -> int:
    """Hand over, if this is a restart."""
    pid = int(os.environ.get("MAINPID", "0"))
    if not pid or not restarts(listed()):
        return 0
    print(f"handover: the unit is started again: {pid} leaves everything running", file=sys.stderr)
    try:
        os.kill(pid, signal.SIGUSR1)
    except ProcessLookupError:
        return 0
    end = time.monotonic() + LEAVE_S
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(POLL_S)
    return 0


if __name__ == "__main__":
    sys.exit(main())
