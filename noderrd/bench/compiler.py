"""The C programs of the benchmarks: built by the system's compiler into a temporary folder."""

import os
import shutil
import subprocess
from pathlib import Path

SOURCES = Path(__file__).parent


class NoCompiler(Exception):
    """There is no C compiler here and none could be installed; the text says what to do."""


def find() -> str:
    """Give the C compiler, installing one where root may (Debian and its kin). Raises NoCompiler."""
    found = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc") or shutil.which("clang")
    if found:
        return found
    if os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "gcc", "libc6-dev"]):
            subprocess.run(command, env=quiet, capture_output=True, check=False)
        found = shutil.which("gcc")
    if not found:
        message = "needs a C compiler for the floor and the client (Debian: apt install gcc libc6-dev)"
        raise NoCompiler(message)
    return found


def build(name: str, folder: Path) -> Path:
    """Compile noderrd/bench/NAME.c into `folder`. Raises NoCompiler; subprocess.CalledProcessError when the source does not compile."""
    program = folder / name
    subprocess.run([find(), "-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-o", program, SOURCES / f"{name}.c"], check=True)
    return program
