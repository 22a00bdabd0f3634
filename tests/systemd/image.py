"""A Debian 12 machine for QEMU: built by mmdebstrap from Debian's packages, kept outside the repository, rebuilt when what it is made of changes.

Everything is emulated (no KVM where machines are nested already), so nothing about latency is learned here. Kernels of the lane are compiled on the
host, for a plain x86-64, which a guest under emulation could not do in reasonable time; numba takes them because both sides say the same CPU.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from systemd.box import ROOT, Impossible

from noderrd.lane import cache as lane_cache

PACKAGES = ("systemd", "systemd-sysv", "dbus", "udev", "kmod", "linux-image-cloud-amd64", "iproute2", "procps", "python3", "python3-venv", "ethtool")
TOOLS = {"qemu-system-x86_64": "qemu-system-x86", "mmdebstrap": "mmdebstrap", "mkfs.ext4": "e2fsprogs"}
PYTHON = "/usr/bin/python3.11"  # Debian 12's; compiled packages of the host fit the guest when both have it
CPU = {"NUMBA_CPU_NAME": "x86-64-v2", "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": "/var/cache/noderrd/box"}
EXCHANGE = """
from noderrd.lane import cache
cache.prepare()
from noderrd import logs
from noderrd.venue import warm
warm.up(logs.get("warm"))
"""
SIZE = "3G"
KEEP = 2


def tools() -> None:
    """Install what is missing, where root may. Raises Impossible."""
    missing = [package for tool, package in TOOLS.items() if not shutil.which(tool)]
    if not missing:
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]):
            subprocess.run(command, env=quiet, capture_output=True, check=False)
    if any(not shutil.which(tool) for tool in TOOLS):
        raise Impossible(f"needs {', '.join(missing)} (Debian: apt install {' '.join(missing)})")


def cache() -> Path:
    """Give the folder of images."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "noderrd-boot"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def say(text: str) -> None:
    """Tell on stderr what takes long."""
    print(f"boot-test: {text}", file=sys.stderr, flush=True)


def _key(*parts: bytes | str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
        digest.update(b"\0")
    return digest.hexdigest()[:16]


class Broken(Exception):
    """This tree cannot be put into a machine; the text says what failed."""


def _run(command: list[str | Path], what: str, failure: type[Exception] = Broken, **more: object) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)  # type: ignore[call-overload]
    if done.returncode:
        raise failure(f"{what}: {(done.stderr or done.stdout)[-800:]}")


def base() -> Path:
    """Give an archive of the bare system, made once for a list of packages. Raises Impossible."""
    archive = cache() / f"base-{_key(*PACKAGES)}.tar"
    if not archive.exists():
        say("building a Debian 12 system (about a minute, once)")
        part = archive.with_suffix(".part.tar")
        _run(["mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", "bookworm", part], "mmdebstrap", Impossible)
        part.replace(archive)
    return archive


def environment() -> Path:
    """Give a folder with /opt/noderrd/venv for the lock, made once for a lock. Raises Impossible."""
    folder = cache() / f"venv-{_key((ROOT / 'requirements.lock').read_bytes())}"
    if not Path(PYTHON).exists():
        raise Impossible(f"needs {PYTHON}, the Python of Debian 12 (apt install python3 python3-venv)")
    if not folder.exists():
        say("installing the locked packages (half a minute, once)")
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        _install(part, Impossible)
        part.rename(folder)
    return folder


def _install(folder: Path, failure: type[Exception] = Broken) -> None:
    command: list[str | Path] = [ROOT / "scripts/install", "--destdir", folder, "--units", "/usr/lib/systemd/system"]
    _run(command, "scripts/install", failure, env={**os.environ, "PYTHON": PYTHON})


def source() -> bytes:
    """Give what the installed code is made of."""
    rooms = ("core", "rules", "noderrd", "systemd", "etc")
    files = sorted(f for room in rooms for f in (ROOT / room).rglob("*") if f.is_file() and "__pycache__" not in f.parts)
    return "".join(f"{f.relative_to(ROOT)} {hashlib.sha256(f.read_bytes()).hexdigest()}\n" for f in files).encode()


def disk(files: dict[str, str]) -> tuple[Path, Path, Path]:
    """Give disk image, kernel and initial RAM disk of a machine with this tree installed and `files` in it. Raises Impossible, Broken."""
    tools()
    archive, packages = base(), environment()
    folder = cache() / f"disk-{_key(archive.name, packages.name, source(), repr(sorted(files.items())), repr(CPU))}"
    if not folder.exists():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        _make(part, archive, packages, files)
        part.rename(folder)
        _prune()
    return folder / "disk.ext4", folder / "vmlinuz", folder / "initrd"


def _make(folder: Path, archive: Path, packages: Path, files: dict[str, str]) -> None:
    root = folder / "root"
    root.mkdir()
    say("putting this tree into the system")
    _run(["tar", "-C", root, "-xf", archive], "tar")
    _run(["cp", "-a", packages / "opt", root], "cp")
    _install(root)
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if text.startswith("#!"):
            path.chmod(0o755)
    _run([*_inside(root), "systemd-sysusers", "noderrd.conf"], "systemd-sysusers")
    _compile(root)
    _run(["chroot", root, "chown", "-R", "noderrd:noderrd", "/var/cache/noderrd"], "chown")
    (root / "etc/fstab").write_text("/dev/vda / ext4 rw 0 0\n")
    (root / "etc/hostname").write_text("box\n")
    boot = root / "boot"
    shutil.copy(next(boot.glob("vmlinuz-*")), folder / "vmlinuz")
    shutil.copy(next(boot.glob("initrd.img-*")), folder / "initrd")
    say("making the disk")
    _run(["mkfs.ext4", "-q", "-F", "-d", root, folder / "disk.ext4", SIZE], "mkfs.ext4")
    shutil.rmtree(root)


def _inside(root: Path) -> list[str | Path]:
    """Give the words before a command that runs it in the system's folder, with /proc and /dev of its own."""
    mounts = f"mount -t proc proc {root}/proc && mount -t tmpfs tmpfs {root}/dev && mkdir {root}/dev/shm && mknod -m 666 {root}/dev/null c 1 3"
    mounts += f" && mknod -m 666 {root}/dev/urandom c 1 9 && mount -t tmpfs tmpfs {root}/run && mkdir {root}/run/sim"
    return ["unshare", "--mount", "--pid", "--fork", "sh", "-c", f'{mounts} && exec chroot {root} "$@"', "sh"]


def _compile(root: Path) -> None:
    """Fill the machine's kernel cache: the node's kernels, the policy's strategies, the exchange's. Kept by the sources that they depend on."""
    held = cache() / f"kernels-{_key(lane_cache.key(), repr(CPU))}"
    inside = root / CPU["NUMBA_CACHE_DIR"].lstrip("/")
    if held.exists():
        shutil.copytree(held, inside)
    else:
        say("compiling kernels for it (a minute or two)")
    environment = {**CPU, "PATH": "/usr/bin:/bin", "CACHE_DIRECTORY": "/var/cache/noderrd", "CREDENTIALS_DIRECTORY": "/tmp/keys"}
    python = [*_inside(root), "env", "-i", *(f"{key}={value}" for key, value in environment.items()), "/opt/noderrd/venv/bin/python", "-P"]
    program = [*python, "-m", "noderrd.main"]
    _run(["sh", "-c", f"mkdir -p {root}/tmp/keys && cp {root}/etc/noderrd/keys/nsdq {root}/tmp/keys/keys_nsdq"], "keys")
    _run([*program, "warm"], "noderrd warm")
    _run([*program, "run", "--check", "--config", "/etc/noderrd/noderrd.toml"], "noderrd run --check")
    _run([*python, "-c", EXCHANGE], "the exchange's kernels")
    shutil.rmtree(root / "tmp/keys")
    shutil.rmtree(held, ignore_errors=True)
    shutil.copytree(inside, held)


def _prune() -> None:
    """Keep the newest few disks."""
    disks = sorted(cache().glob("disk-*"), key=lambda f: f.stat().st_mtime, reverse=True)
    for old in disks[KEEP:]:
        shutil.rmtree(old, ignore_errors=True)


def boot(files: dict[str, str], log: Path, seconds: float) -> str:
    """Boot a machine with `files`, wait until it powers itself off, give what it wrote to its second serial line. The console goes to `log`."""
    image, kernel, initrd = disk(files)
    out = log.with_name("serial")
    parameters = "root=/dev/vda rw console=ttyS0 quiet net.ifnames=0 isolcpus=1 nohz_full=1 rcu_nocbs=1 mitigations=off systemd.wants=checks.service"
    command = [
        "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "3", "-m", "3072", "-nodefaults", "-no-reboot", "-display", "none",
        "-kernel", kernel, "-initrd", initrd, "-append", parameters,
        "-drive", f"file={image},if=virtio,format=raw,snapshot=on,cache=unsafe", "-serial", f"file:{log}", "-serial", f"file:{out}",
        "-netdev", "user,id=n0,restrict=on", "-device", "virtio-net-pci,netdev=n0", "-device", "virtio-rng-pci",
    ]  # fmt: skip
    say("booting it")
    try:
        subprocess.run([*map(str, command)], timeout=seconds, check=False, capture_output=True, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        say(f"did not power off within {seconds:.0f} s")
    return out.read_text(errors="replace") if out.exists() else ""
