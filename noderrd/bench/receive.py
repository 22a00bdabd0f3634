"""A datagram from a wire into memory, three ways: recvmmsg as the lane calls it, AF_XDP past the network stack, a bare recv in C as the floor.

The wire is a veth pair in a network namespace of its own. A C sender stamps each datagram before it writes it to the far end; the time is taken once
the payload lies in the receiver's memory. The three take turns, block by block, on one core; the sender has another. The XDP program is attached only
while its turn lasts, since it changes the interface's way of receiving for everybody.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from noderrd.bench import compiler
from noderrd.bench.row import Row
from noderrd.host import cpu

HELP = "from the wire into memory on a veth pair: recvmmsg, af_xdp, and a floor in C"
NAME = "receive"
BLOCK = 2_000
GAP_NS = 20_000
SKIPPED = 200  # of each block: caches are cold after a turn
ADDRESS = "10.77.0.1"
PORTS = {"recvmmsg": 5001, "floor": 5002, "af_xdp": 5003}
WAIT_NS = 300_000_000
BATCH, SLOT = 64, 2048

SETUP = f"""
set -e
ip link add eth1 type veth peer name peer1
ip addr add {ADDRESS}/24 dev eth1
ip link set eth1 up; ip link set peer1 up; ip link set lo up
exec "$@"
"""


def run(quick: bool) -> Iterator[Row]:
    """Measure; quick: three rounds. Raises compiler.NoCompiler, also where no network namespace is to be had."""
    words = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--net", "sh", "-c", SETUP, "sh"]
    if not shutil.which("unshare") or not shutil.which("ip") or subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        raise compiler.NoCompiler("needs a network namespace of its own (root, or unprivileged user namespaces, and iproute2)")
    with tempfile.TemporaryDirectory(prefix="noderrd-bench-") as folder:
        compiler.build("receive", Path(folder))
        inside = [sys.executable, "-P", "-m", "noderrd.bench.receive", folder, "3" if quick else "30"]
        subprocess.run([*words, *inside], check=True)
        said = {name: np.fromfile(Path(folder) / name, np.int64) for name in PORTS if (Path(folder) / name).exists()}
        mode = (Path(folder) / "mode").read_text()
    print(f"{NAME}: AF_XDP {mode}", file=sys.stderr)
    floor = said["floor"]
    for name in ("recvmmsg", "af_xdp"):
        if len(said.get(name, ())):
            yield Row(NAME, name, "ns", said[name], "C floor", floor)
    yield Row(NAME, "floor", "ns", floor)


class _Helper:
    """A C process that takes a line and gives one."""

    def __init__(self, *command: object) -> None:
        self._process = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def start(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def answer(self) -> str:
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if not said:
            message = f"a helper ended with {self._process.wait()}"
            raise RuntimeError(message)
        return said.strip()

    def end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(5)
        self._process.stdout.close()


def _rounds(folder: Path, rounds: int) -> None:
    """Inside the namespace: let the three take turns; latencies go to files."""
    from noderrd.bench import receive_loop
    from noderrd.lane import xdp

    sender_core, core = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))
    mac = Path("/sys/class/net/eth1/address")
    address = mac.read_text().strip() if mac.exists() else _mac()
    sender = _Helper(folder / "receive", "send", sender_core, "peer1", address, ADDRESS)
    floor = _Helper(folder / "receive", "floor", core, ADDRESS, PORTS["floor"], folder / "floor.all")
    floor.answer()
    os.sched_setaffinity(0, {core})
    cpu.realtime(os.getpid())  # as the helpers; where it is not allowed neither has it
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    line.bind((ADDRESS, PORTS["recvmmsg"]))
    loop = receive_loop.Loop(BATCH, SLOT, BLOCK)
    kept: dict[str, list[np.ndarray]] = {name: [] for name in PORTS}
    mode = "was not to be had"

    def turn(name: str, take: Callable[[], np.ndarray]) -> None:
        sender.start(f"{PORTS[name]} {BLOCK} {GAP_NS}")
        kept[name].append(take()[SKIPPED:])
        sender.answer()

    def take_floor() -> np.ndarray:
        place = (folder / "floor.all").stat().st_size if (folder / "floor.all").exists() else 0
        floor.start(str(BLOCK))
        floor.answer()
        return np.fromfile(folder / "floor.all", np.int64, offset=place)

    for _ in range(rounds):
        turn("floor", take_floor)
        turn("recvmmsg", lambda: loop.recvmmsg(line.fileno(), WAIT_NS))
        try:
            fast = xdp.Queue("eth1", [(ADDRESS, PORTS["af_xdp"])])
        except xdp.Unavailable as why:
            mode = str(why)
            continue
        mode = fast.mode
        turn("af_xdp", lambda: loop.af_xdp(fast, WAIT_NS))  # noqa: B023 - called before the next round
        fast.close()
    sender.end()
    floor.end()
    for name, blocks in kept.items():
        np.concatenate([np.zeros(0, np.int64), *blocks]).tofile(folder / name)
    (folder / "mode").write_text(mode)


def _mac() -> str:
    """Give eth1's address by ioctl: /sys shows the namespace in which it was mounted."""
    import fcntl
    import struct

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        held = fcntl.ioctl(any_socket, 0x8927, struct.pack("256s", b"eth1"))  # SIOCGIFHWADDR
    return ":".join(f"{b:02x}" for b in held[18:24])


if __name__ == "__main__":
    from noderrd.lane import cache

    cache.prepare()
    _rounds(Path(sys.argv[1]), int(sys.argv[2]))
