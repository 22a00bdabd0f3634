"""Output into a pipe that nobody reads to its end."""

import subprocess
import sys


def test_a_reader_that_has_seen_enough_is_no_fault():
    command = f"{sys.executable} -P -m noderrd.ctl.main reasons --json | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert (done.stdout.split()[-1], done.stderr) == ("0", "")
