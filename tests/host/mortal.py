"""Kill `apply` and `undo` at every step, then undo: run as a program of its own, so that it may fork. Prints how many kills there were.

A step is a write of a knob, an fsync or a rename: the process dies by SIGKILL before it and after it.

    python -P mortal.py tree FOLDER | netns FOLDER STRIDE AREA...
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from host.tree import Kernel

from noderrd.host import address, ethernet, files, qdisc, route, rtnetlink, saved, tune
from noderrd.host.settings import HostSettings
from noderrd.host.wanted import Machine, knobs

MOST = 2000
PORTS = (files.File, files.Mask, ethernet.Link, ethernet.Feature, ethernet.Setting, qdisc.Qdisc, route.Route, route.Neighbour)


class Fate:
    """Counts steps and dies at one of them."""

    def __init__(self, at: int) -> None:
        self.left = at

    def step(self) -> None:
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1

    def around(self, owner: object, name: str) -> None:
        real = getattr(owner, name)

        def mortal(*given: object, **named: object) -> object:
            self.step()
            result = real(*given, **named)
            self.step()
            return result

        setattr(owner, name, mortal)

    def everywhere(self) -> None:
        self.around(os, "fsync")
        self.around(os, "write")
        self.around(Path, "replace")
        self.around(Path, "unlink")
        self.around(rtnetlink, "send")
        for port in PORTS:
            self.around(port, "write")


def survives(at: int, what: object) -> bool:
    """Run it in a child that dies at a step; tell whether it came to its end."""
    child = os.fork()
    if child == 0:
        Fate(at).everywhere()
        what()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert status == 0 or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL), status
    return status == 0


def trials(apply: object, undo: object, look: object, stride: int = 1) -> int:
    """Kill apply at each step, or each stride-th, and the undo that follows at one of its own; gives the number of kills."""
    before, kills = look(), 0
    for at in range(0, MOST, stride):
        done = survives(at, apply)
        kills += not done
        kills += not survives(3 + at % 7, undo)
        undo()
        after = look()
        assert after == before, f"killed at step {at}: {set(after.items()) ^ set(before.items())}"
        if done:
            return kills
    raise AssertionError("apply has no end")


def tree(folder: Path) -> int:
    kernel = Kernel(folder / "root")
    kept, era = saved.Saved(folder / "state"), saved.Era("boot", "net")
    machine = Machine(HostSettings(), frozenset({3}), kernel.root)

    def undo() -> None:
        kernel.settle()
        tune.undo(lambda name: address.port(name, kernel.root), kept, era)

    def apply() -> None:
        tune.apply(knobs(machine), kept, era)

    return trials(apply, undo, kernel.look)


def said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def namespace() -> dict[str, str]:
    """Give everything that a network namespace holds, line by line."""
    found = {}
    for file in Path("/proc/sys/net").rglob("*"):
        if file.is_file() and "random" not in file.name and "stable_secret" not in file.name and file.name not in {"flush", "tcp_fastopen_key"}:
            try:
                found[str(file)] = file.read_text()
            except OSError:
                continue
    folder = Path("/sys/class/net/eth1")
    for file in (*folder.iterdir(), *(folder / "queues").rglob("*")):
        if file.is_file():
            try:
                found[str(file)] = file.read_text()
            except OSError:
                continue
    for command in ("ip -d link show eth1", "ip route", "ip neigh", "tc qdisc show dev eth1"):
        found[command] = said(*command.split())
    with ethernet.Feature("eth1", "rx-gro").driver() as ioctl:
        features = ioctl.get_features()
    for name in features.keys():  # noqa: SIM118 - no mapping
        found[name] = f"{features.is_active(name)} {features.is_requested(name)}"
    return found


def netns(folder: Path, stride: int, areas: tuple[str, ...]) -> int:
    settings = HostSettings(interfaces=("eth1",), areas=areas, mtu=1400, neighbours=("10.77.0.9 02:00:00:00:00:09",))
    kept, era = saved.Saved(folder / "state"), saved.Era.now()

    def apply() -> None:
        done = tune.apply(knobs(Machine(settings, frozenset())), kept, era)
        assert not [one for one in done if one.result != "set"], done

    def undo() -> None:
        done = tune.undo(address.port, kept, era)
        assert not [one for one in done if one.result != "restored"], done

    before = namespace()
    apply()
    during = namespace()
    changed = {key for key in before if before[key] != during.get(key)}
    assert {"ip route", "ip neigh", "tc qdisc show dev eth1", "ip -d link show eth1", "/proc/sys/net/ipv4/conf/eth1/rp_filter"} <= changed, changed
    assert not tune.differs(tune.plan(knobs(Machine(settings, frozenset()))))
    undo()
    assert namespace() == before
    return trials(apply, undo, namespace, stride)


if __name__ == "__main__":
    place = Path(sys.argv[2])
    print(tree(place) if sys.argv[1] == "tree" else netns(place, int(sys.argv[3]), tuple(sys.argv[4:])))
