"""`scripts/boot-test --fast | --full | --install [--json]`: boot a system with the node on it and check it; or install, remove and look what stays.

--fast: in namespaces, seconds. --full: a Debian 12 machine in QEMU, minutes; the first time its image is built. --install: over an overlay, minutes.
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
from systemd import box, checks, image, installed, world

UNAVAILABLE = 69  # EX_UNAVAILABLE of sysexits.h
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
QDISC = "fq limit=5000 flow_limit=50 quantum=4000"  # its options are what pyroute2 drops without a word
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
        f"{box.ROOT}/noderrd/strategies",
        core=1,
        idle="yield",
        rate=50,
        watchdog="10",
        environment={},
        areas=NETWORK,
        interface="eth1",
        qdisc="pfifo limit=1000",
    )
    with box.booted(folder, files) as booted:

        def run(command: str) -> tuple[int, str]:
            done = booted.run(command)
            return done.returncode, done.stdout + done.stderr

        checks.box(checks.Checks(run, found.append, interface="eth1"), box.ROOT)
    return found


def machine() -> dict[str, str]:
    """Give what is put into the machine: a world, and the checks as its one job.

    The lane sleeps between packets: one that spins would take half of a host with two cores away from the emulator.
    """
    areas = ("network", "interface", "route", "memory", "scheduler", "cpu", "interrupt")
    files = world.files(
        f"{SITE}/noderrd/strategies",
        core=1,
        idle="sleep",
        rate=20,
        watchdog="60",
        environment=image.CPU,
        areas=areas,
        interface="eth0",
        qdisc=QDISC,
    )
    files["opt/checks.py"] = Path(checks.__file__).read_text()
    files["etc/systemd/system/checks.service"] = JOB.format(patience=PATIENCE)
    return files


def full(folder: Path) -> list[dict[str, Any]]:
    """Boot a machine and let it check itself. Raises box.Impossible."""
    log = folder / "console"
    said = image.boot(machine(), log, seconds=1200)
    found = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    if not found or found[-1]["name"] != checks.END:
        console = log.read_text(errors="replace")[-400:] if log.exists() else ""
        found.append({"name": checks.END, "ok": False, "detail": f"it did not get there; the console ended with: {console}", "at_s": 0.0})
    return found


def main() -> int:
    """0 when every check holds, 1 when one does not, 69 when this machine can boot nothing of the kind, 64 for bad usage."""
    from noderrd.command import Parser

    parser = Parser(prog="scripts/boot-test", description=__doc__.splitlines()[0])
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--fast", action="store_true", help="in namespaces")
    which.add_argument("--full", action="store_true", help="a machine in QEMU")
    which.add_argument(
        "--install", action="store_true", help="scripts/install, scripts/uninstall and the Debian package, over an overlay of this root"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    args: argparse.Namespace = parser.parse_args()
    began, why = time.monotonic(), ""
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="noderrd-boot-", dir="/var/tmp") as folder:
        try:
            found = (fast if args.fast else full if args.full else installed.run)(Path(folder))
        except box.Impossible as impossible:
            why = str(impossible)
        except image.Broken as broken:
            found = [{"name": "the machine is made", "ok": False, "detail": str(broken), "at_s": 0.0}]
    good = bool(found) and all(check["ok"] for check in found)
    seconds = round(time.monotonic() - began, 1)
    if args.json:
        print(json.dumps({"ok": good, "seconds": seconds, "checks": found, "why": why}))
    else:
        for check in found:
            print(f"{check['at_s']:6.1f} s  {'ok  ' if check['ok'] else 'FAIL'} {check['name']}{': ' + check['detail'] if check['detail'] else ''}")
        print(f"{sum(c['ok'] for c in found)} of {len(found)} hold; {seconds} s")
    if why:
        print(f"boot-test: {why}", file=sys.stderr)
        return UNAVAILABLE
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
