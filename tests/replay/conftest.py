"""Running the commands as a user does."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(sys.executable).with_name("noderrd")


@pytest.fixture
def noderrd():
    """Run `noderrd ...`: (exit code, objects on stdout, stderr)."""

    def run(*words):
        done = subprocess.run([TOOL, *map(str, words)], capture_output=True, text=True, timeout=300, check=False)
        assert "Traceback" not in done.stderr
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")], done.stderr

    return run
