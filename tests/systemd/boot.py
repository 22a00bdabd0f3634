"""`scripts/boot-test --fast | --full [--json]`: boot a system with the node on it and check it.

--fast: in namespaces, seconds. --full: a Debian 12 machine in QEMU, minutes; the first time its image is built.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from noderrd.lane import cache
from systemd import box, checks, image, world

PATIENCE = 8.0  # emulation is some ten times slower
SITE = "/opt/noderrd/venv/lib/python3.11/site-packages"
JOB = """\
[Unit]
Description=Checks
After=basic.target

[Service]
Type=exec
ExecStartPre=/bin/sh -c 'ip addr add 10.77.0.1/24 dev eth0; ip link set eth0 up; ip link set lo up; ip route add 10.78.0.0/24 via 10.77.0.2'
ExecStart=/usr/bin/python3 /opt/checks.py /dev/ttyS1
Environment=PATIENCE={patience}
"""
NETWORK = ("network", "interface", "route")


def compiled() -> Path:
    """Give the folder of compiled kernels for this tree, full; a box gets a copy."""
    before = os.environ.pop("NUMBA_CACHE_DIR", None)
    try:
        folder = cache.base() / cache.key()
    finally:
        if before is not None:
            os.environ["NUMBA_CACHE_DIR"] = before
    quiet = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"}
    for program in (["-m", "noderrd.main", "warm"], ["-c", image.EXCHANGE]):
        subprocess.run([sys.executable, "-P", *program], env=quiet, check=True, capture_output=True)
    return folder


def fast(folder: Path) -> list[dict[str, Any]]:
    """Boot a box and check it. Raises box.Impossible."""
    found: list[dict[str, Any]] = []
    kernels = compiled()
    shutil.copytree(kernels, folder / "layer/var/cache/noderrd" / kernels.name)
    files = world.files(
        f"{box.ROOT}/noderrd/strategies", core=1, idle="yield", rate=50, watchdog="10", environment={}, areas=NETWORK, interface="eth1"
    )
    with box.booted(folder, files) as booted:

        def run(command: str) -> tuple[int, str]:
            done = booted.run(command)
            return done.returncode, done.stdout + done.stderr

        checks.box(checks.Checks(run, found.append, interface="eth1"))
    return found


def full(folder: Path) -> list[dict[str, Any]]:
    """Boot a machine and let it check itself. Raises box.Impossible."""
    areas = ("network", "interface", "route", "memory", "scheduler", "cpu", "interrupt")
    files = world.files(
        f"{SITE}/noderrd/strategies", core=1, idle="spin", rate=20, watchdog="60", environment=image.CPU, areas=areas, interface="eth0"
    )
    files["opt/checks.py"] = Path(checks.__file__).read_text()
    files["etc/systemd/system/checks.service"] = JOB.format(patience=PATIENCE)
    log = folder / "console"
    said = image.boot(files, log, seconds=1200)
    found = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    if not found:
        raise box.Impossible(f"the machine said nothing; its console ended with: {log.read_text(errors='replace')[-800:] if log.exists() else ''}")
    return found


def main() -> int:
    """0 when every check holds, 1 when one does not or nothing could be booted, 64 for bad usage."""
    from noderrd.command import Parser

    parser = Parser(prog="scripts/boot-test", description=__doc__.splitlines()[0])
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--fast", action="store_true", help="in namespaces")
    which.add_argument("--full", action="store_true", help="a machine in QEMU")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    args: argparse.Namespace = parser.parse_args()
    began, why = time.monotonic(), ""
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="noderrd-boot-", dir="/var/tmp") as folder:
        try:
            found = (fast if args.fast else full)(Path(folder))
        except box.Impossible as impossible:
            why = str(impossible)
    good = bool(found) and all(check["ok"] for check in found)
    seconds = round(time.monotonic() - began, 1)
    if args.json:
        print(json.dumps({"ok": good, "seconds": seconds, "checks": found, "why": why}))
    else:
        for check in found:
            print(f"{'ok  ' if check['ok'] else 'FAIL'} {check['name']}{': ' + check['detail'] if check['detail'] else ''}")
        print(f"{sum(c['ok'] for c in found)} of {len(found)} hold; {seconds} s")
    if why:
        print(f"boot-test: {why}", file=sys.stderr)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
