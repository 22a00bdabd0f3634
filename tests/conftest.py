"""Fixtures for all rooms."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from hypothesis import settings

from noderrd.lane import cache

# No test is timed. CI takes the same examples each time: a failure there is the change's own; new ones are looked for at every other run.
settings.register_profile("noderrd", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("noderrd")
cache.prepare()  # before anything imports numba: kernels of edited files must not come from an old cache
signal.signal(signal.SIGTERM, signal.default_int_handler)  # who ends a run ends what its tests have started, too

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def data() -> Path:
    """Give the folder of real recordings and reference results: $NODERRD_TEST_DATA, else `shared/data` beside the repository.

    A test that needs it is skipped, and says so in pytest's summary, where the folder is not to be had.
    """
    folder = Path(os.environ.get("NODERRD_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no recordings: {folder} is not there (set NODERRD_TEST_DATA to the folder that holds them)")
    return folder


@pytest.fixture(scope="session")
def tracked() -> list[Path]:
    """Give every file of the repository, as git knows them; in an unpacked archive, every file that is not hidden."""
    try:
        named = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
        ).stdout.decode()
        files = [ROOT / name for name in named.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        files = [f for f in ROOT.rglob("*") if not any(part.startswith(".") for part in f.relative_to(ROOT).parts)]
    return [f for f in files if f.is_file()]
