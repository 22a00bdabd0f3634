"""A booted system without a machine: systemd as PID 1 in namespaces of its own, over an overlay of the running root.

What it writes goes to a tmpfs and is gone with it; but /proc/sys and /sys are this machine's, and of those only its own network namespace may be
tuned: whoever boots a box says so in its noderrd.toml. Needs root, cgroup v2, overlayfs. Units, users and folders come from scripts/install;
the virtual environment is this one under the path that the units name, so that the code which runs is this tree's.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BOOT_S = 60.0
SYSTEMD = Path("/lib/systemd/systemd")

# Run with the folder as $1, in new namespaces. What systemd finds mounted it takes; `container` makes it behave as in one.
BOOT = """
set -e
cd "$1"
mount -t tmpfs tmpfs tmp
mkdir tmp/work
cp -a layer tmp/upper
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/tmp/upper,workdir=$1/tmp/work" root
cd root
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for node in null zero full random urandom tty; do touch dev/$node; mount --bind /dev/$node dev/$node; done
printf '' > dev/cpu_dma_latency
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount --bind "$2" opt/python
[ -e ".$3/noderrd" ] || { mkdir -p ".$3"; mount --bind "$3" ".$3"; }
rm -rf etc/systemd/system/*.wants lib/systemd/system/*.wants
: > etc/fstab
: > etc/machine-id
ip link set lo up
ip link add eth1 type veth peer name peer1
ip addr add 10.77.0.1/24 dev eth1
ip link set eth1 up
ip link set peer1 up
chroot . systemd-sysusers noderrd.conf
chroot . systemd-tmpfiles --create noderrd.conf
mkdir old
pivot_root . old
umount -l old
mount --make-rshared /
exec env -i container=noderrd PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=box.target --log-target=console --show-status=no
"""
TARGET = "[Unit]\nRequires=basic.target\nWants=systemd-journald.service\nAfter=basic.target\nAllowIsolate=yes\n"

HIDDEN = ("/root/", "/home/", "/tmp/", "/var/tmp/")  # from a unit; a tree that is tested there must be seen all the same
LIBRARIES = "LD_LIBRARY_PATH=/opt/python/lib"  # a Python that is linked to a library of its own has the path of before in it
MANAGER = f"[Manager]\nDefaultEnvironment={LIBRARIES}\n"


class Impossible(Exception):
    """This machine cannot boot a box; the text says why."""


def cgroup2() -> Path:
    """Give where cgroup v2 is mounted. Raises Impossible."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(where)
    raise Impossible("cgroup v2 is not mounted")


def layer(folder: Path, files: dict[str, str]) -> None:
    """Lay down what the running root lacks: units and folders by scripts/install, an environment, and `files` by path."""
    subprocess.run([ROOT / "scripts/install", "--destdir", folder, "--no-environment"], check=True, capture_output=True)
    venv = folder / "opt/noderrd/venv"
    site = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    (venv / "bin").mkdir(parents=True)
    (venv / site).mkdir(parents=True)
    (folder / "opt/python").mkdir()
    interpreter = Path(sys._base_executable).resolve()
    (venv / "bin/python").symlink_to(Path("/opt/python") / interpreter.relative_to(Path(sys.base_prefix).resolve()))
    (venv / "pyvenv.cfg").write_text("home = /opt/python/bin\ninclude-system-site-packages = false\n")
    ours = next(p for p in sys.path if p.endswith("site-packages") and p.startswith(sys.prefix))
    (venv / site / "tree.pth").write_text(f"{ROOT}\n{ours}\n")
    files = {"etc/systemd/system/box.target": TARGET, "etc/systemd/system.conf.d/box.conf": MANAGER, **files}
    if str(ROOT).startswith(HIDDEN):
        for unit in ("noderrd", "noderrd-tune", "noderrd-place@"):
            files[f"etc/systemd/system/{unit}.service.d/box.conf"] = "[Service]\nProtectHome=no\nPrivateTmp=no\n"
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


class Box:
    """A booted box."""

    def __init__(self, pid: int, log: Path) -> None:
        self.pid, self.log = pid, log

    def run(self, command: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a shell command inside."""
        inside = [
            "nsenter",
            "-t",
            str(self.pid),
            "-a",
            "--root",
            "--wd",
            "env",
            "-i",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            LIBRARIES,
            "bash",
            "-c",
            command,
        ]
        return subprocess.run(inside, capture_output=True, text=True, timeout=timeout, check=False)

    def say(self, command: str) -> str:
        """Give what a command prints; with its complaint where it fails."""
        done = self.run(command)
        return done.stdout.strip() if done.returncode == 0 else f"{done.stdout.strip()} {done.stderr.strip()} (exit {done.returncode})"

    def wait(self, command: str, seconds: float = 30) -> bool:
        """Wait until a command succeeds."""
        end = time.monotonic() + seconds
        while self.run(command).returncode:
            if time.monotonic() > end:
                return False
            time.sleep(0.1)
        return True


@contextlib.contextmanager
def booted(folder: Path, files: dict[str, str]) -> Iterator[Box]:
    """Boot a box with `files` in it, and end it. Raises Impossible."""
    if os.geteuid() != 0:
        raise Impossible("booting in namespaces needs root")
    if not SYSTEMD.exists() or not all(map(shutil.which, ("unshare", "nsenter", "pivot_root", "ip"))):
        raise Impossible("systemd, util-linux or iproute2 is not installed")
    layer(folder / "layer", files)
    for name in ("tmp", "root"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "boot.sh").write_text(BOOT)
    group = cgroup2() / f"noderrd-box-{os.getpid()}"
    log = folder / "boot.log"
    try:
        group.mkdir()
    except OSError as error:
        raise Impossible(f"no cgroup of our own: {error.strerror}") from error
    flags = ["--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--fork", "--kill-child"]
    enter = f"echo $$ > {group}/cgroup.procs; exec unshare {' '.join(flags)} sh {folder}/boot.sh {folder} {Path(sys.base_prefix).resolve()} {ROOT}"
    with log.open("w") as out:
        process = subprocess.Popen(["sh", "-c", enter], stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    try:
        yield _first(process, log)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        _remove(group)


def _first(process: "subprocess.Popen[bytes]", log: Path) -> Box:
    """Wait until PID 1 of the box has started its target. Raises Impossible."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    end = time.monotonic() + BOOT_S
    while process.poll() is None and time.monotonic() < end:
        found = children.read_text().split() if children.exists() else []
        if found and Path(f"/proc/{found[0]}/comm").read_text().strip() == "systemd":
            box = Box(int(found[0]), log)
            if box.run("systemctl is-active box.target").returncode == 0:
                return box
        time.sleep(0.05)
    raise Impossible(f"systemd did not start: {log.read_text()[-500:]}")


def _remove(group: Path) -> None:
    """Remove a tree of cgroups, whose last processes may still be going."""
    for _ in range(600):
        try:
            for child in sorted((p for p in group.rglob("*") if p.is_dir()), reverse=True):
                child.rmdir()
            group.rmdir()
        except OSError:
            time.sleep(0.05)
        else:
            return
