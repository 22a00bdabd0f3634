"""Plan, apply, verify, undo: on a tree of files that looks like a machine's, and in a network namespace of our own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from host.tree import Kernel

from noderrd.host import address, files, saved, tune
from noderrd.host.knob import Absent, Denied, Knob, Port, at_least, exactly, look
from noderrd.host.settings import HostSettings
from noderrd.host.wanted import Machine, knobs

ERA = saved.Era("boot", "net")
MORTAL = Path(__file__).with_name("mortal.py")


@pytest.fixture
def kernel(tmp_path):
    return Kernel(tmp_path / "root")


@pytest.fixture
def wanted(kernel):
    return knobs(Machine(HostSettings(), frozenset({3}), kernel.root))


def by_id(looks):
    return {found.id: found for found in looks}


def test_plan_says_what_each_knob_is(wanted):
    found = by_id(tune.plan(wanted))
    assert (found["sysctl:net.core.rmem_max"].now, found["sysctl:net.core.rmem_max"].wanted) == ("212992", "67108864")
    assert found["sysctl:net.core.wmem_max"].state == "ok"  # larger than wanted stays
    assert found["sysctl:net.ipv4.tcp_rmem"].wanted == "4096 131072 33554432"
    assert found["sysctl:net.ipv4.tcp_low_latency"].state == "absent"
    assert found["choice:/sys/kernel/mm/transparent_hugepage/enabled"].now == "always"
    assert found["sysctl:vm.swappiness"].revert == "sysctl -w vm.swappiness='60'"
    assert all(one.why and one.source for one in found.values())
    assert all(one.revert for one in found.values() if one.now is not None)
    assert found["mask:/sys/devices/virtual/workqueue/cpumask"].revert == "echo ff > /sys/devices/virtual/workqueue/cpumask"


def test_a_lane_keeps_its_core_to_itself(wanted):
    found = by_id(tune.plan(wanted))
    assert found["file:/proc/irq/24/smp_affinity_list"].wanted == "0-2,4-7"
    assert found["file:/proc/irq/25/smp_affinity_list"].wanted == "0-2,4-7"  # was bound to the lane's core alone
    assert found["file:/proc/irq/26/smp_affinity_list"].state == "ok"  # bound to another core stays there
    assert found["mask:/sys/devices/virtual/workqueue/cpumask"].wanted == "0-2,4-7"
    assert found["file:/sys/devices/system/cpu/cpu3/cpufreq/scaling_governor"].now == "powersave"
    assert "file:/sys/devices/system/cpu/cpu2/cpufreq/scaling_governor" not in found


def test_apply_then_undo_is_exact(kernel, wanted, tmp_path):
    kept = saved.Saved(tmp_path / "state")
    before = kernel.look()
    done = tune.apply(wanted, kept, ERA)
    assert {one.result for one in done} == {"set"}
    assert (kernel.root / "sys/devices/virtual/workqueue/cpumask").read_text() == "f7\n"
    assert kernel.look() != before
    assert not tune.differs(tune.plan(wanted))
    assert tune.apply(wanted, kept, ERA) == []
    assert {one.result for one in tune.undo(lambda name: address.port(name, kernel.root), kept, ERA)} == {"restored"}
    assert kernel.look() == before
    assert tune.undo(lambda name: address.port(name, kernel.root), kept, ERA) == []


def test_a_second_apply_keeps_the_first_values(kernel, wanted, tmp_path):
    kept = saved.Saved(tmp_path)
    before = kernel.look()
    tune.apply(wanted, kept, ERA)
    kernel.settle()
    (kernel.root / "proc/sys/vm/swappiness").write_text("33\n")  # somebody meddled
    tune.apply(wanted, kept, ERA)
    kernel.settle()
    tune.undo(lambda name: address.port(name, kernel.root), kept, ERA)
    assert kernel.look() == before


class Stubborn(Port):
    """Takes every value and keeps its own."""

    def read(self):
        return "1"

    def write(self, value):
        self.asked = value


def test_a_kernel_that_ignores_a_value_is_reported(tmp_path):
    done = tune.apply([Knob("x", "network", exactly("2"), "", "", Stubborn())], saved.Saved(tmp_path), ERA)
    assert [(one.result, one.detail) for one in done] == [("kept", "wrote 2, reads back 1")]


def test_what_may_not_be_written_is_denied_and_never_tried(tmp_path):
    class Locked(Stubborn):
        def may_write(self):
            return "fixed by the driver"

    port = Locked()
    found = look(Knob("x", "interface", exactly("2"), "", "", port))
    assert (found.state, found.detail) == ("denied", "fixed by the driver")
    assert tune.apply([Knob("x", "interface", exactly("2"), "", "", port)], saved.Saved(tmp_path), ERA) == []
    assert not hasattr(port, "asked")


def test_a_refusal_is_told_and_the_others_are_set(kernel, tmp_path):
    class Refusing(Stubborn):
        def write(self, value):
            raise Denied("the kernel refused")

    good = Knob("sysctl:vm.swappiness", "memory", exactly("1"), "", "", address.port("sysctl:vm.swappiness", kernel.root))
    done = tune.apply([Knob("x", "network", exactly("2"), "", "", Refusing()), good], saved.Saved(tmp_path), ERA)
    assert [(one.id, one.result) for one in done] == [("x", "refused"), ("sysctl:vm.swappiness", "set")]
    # From then on it is denied in the kernel's words, and not tried again, until the next undo or boot.
    kept, stubborn = saved.Saved(tmp_path), Knob("x", "network", exactly("2"), "", "", Refusing())
    assert [(one.state, one.detail) for one in tune.plan([stubborn], kept.refused(ERA))] == [("denied", "the kernel refused")]
    assert tune.apply([stubborn], kept, ERA) == []
    assert kept.refused(saved.Era("next boot", "net")) == {}
    kept.forget()
    assert kept.refused(ERA) == {}


def test_after_a_reboot_there_is_nothing_to_undo(kernel, wanted, tmp_path):
    kept = saved.Saved(tmp_path)
    tune.apply(wanted, kept, ERA)
    assert tune.undo(lambda name: address.port(name, kernel.root), kept, saved.Era("next boot", "net")) == []


def test_values_of_another_namespace_are_not_touched(kernel, wanted, tmp_path):
    kept, elsewhere = saved.Saved(tmp_path), saved.Era("boot", "other")
    tune.apply(wanted, kept, ERA)
    with pytest.raises(Denied, match="another network namespace"):
        tune.undo(lambda name: address.port(name, kernel.root), kept, elsewhere)
    (kernel.root / "proc/sys/vm/swappiness").write_text("60\n")
    with pytest.raises(Denied, match="another network namespace"):
        tune.apply(wanted, kept, elsewhere)
    assert kept.read(ERA)["sysctl:vm.swappiness"] == "60"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 1}', '{"version": 9, "values": {}}', '{"version": 1, "values": 3, "boot": "boot", "namespace": "net"}']
)
def test_a_damaged_state_is_neither_undone_nor_overwritten(tmp_path, wanted, text):
    (tmp_path / saved.NAME).write_text(text)
    with pytest.raises(Denied):
        saved.Saved(tmp_path).read(ERA)
    with pytest.raises(Denied):
        tune.apply(wanted, saved.Saved(tmp_path), ERA)
    assert (tmp_path / saved.NAME).read_text() == text


def test_state_is_on_the_disk_before_the_first_write(wanted, tmp_path, monkeypatch):
    order = []
    fsync, write = os.fsync, files.File.write
    monkeypatch.setattr(os, "fsync", lambda fd: (order.append("fsync"), fsync(fd))[1])
    monkeypatch.setattr(files.File, "write", lambda self, value: (order.append("write"), write(self, value))[1])
    tune.apply(wanted, saved.Saved(tmp_path), ERA)
    assert order[:3] == ["fsync", "fsync", "write"]  # the file, its folder, the first knob
    assert "fsync" not in order[3:]


@pytest.mark.parametrize(("text", "cpus"), [("0-3,7", {0, 1, 2, 3, 7}), ("", set()), ("5", {5}), ("0-1,3-4", {0, 1, 3, 4})])
def test_processor_lists(text, cpus):
    assert files.processors(text) == cpus
    assert files.listed(cpus) == text


@pytest.mark.parametrize(("mask", "cpus"), [("f7", "0-2,4-7"), ("1,00000000", "32"), ("0", "none"), ("3,00000001", "0,32-33")])
def test_processor_masks(tmp_path, mask, cpus):
    (tmp_path / "mask").write_text(mask + "\n")
    port = files.Mask(tmp_path / "mask")
    assert port.read() == cpus
    port.write(cpus)
    assert (tmp_path / "mask").read_text() == mask + "\n"


def test_an_interface_with_dots_in_its_name(tmp_path):
    assert files.sysctl(tmp_path, "net.ipv4.conf.eth1/100.rp_filter") == tmp_path / "proc/sys/net/ipv4/conf/eth1.100/rp_filter"


def test_at_least_keeps_what_is_larger():
    assert at_least("4096 8 100")("1 9 200") == "4096 9 200"
    assert at_least("10")("") == "10"


def test_a_knob_of_no_known_kind_is_absent():
    with pytest.raises(Absent):
        address.port("nonsense:x")


def mortal(*arguments, inside=()):
    done = subprocess.run([*inside, sys.executable, "-P", MORTAL, *arguments], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_killed_at_every_step_undo_is_exact(tmp_path):
    assert mortal("tree", tmp_path) > 20


NAMESPACE = """
set -e
mount -t sysfs sysfs /sys
ip link add eth1 type veth peer name peer1
ip addr add 10.77.0.1/24 dev eth1
ip link set eth1 up; ip link set peer1 up; ip link set lo up
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do ip -6 addr show tentative | grep -q . || break; sleep 0.2; done
ip route add 10.78.0.0/24 via 10.77.0.2
ip route add 10.79.0.0/24 via 10.77.0.3 metric 7 initcwnd 12
ip neigh add 10.77.0.2 lladdr 02:00:00:00:00:02 dev eth1 nud stale
{extra}
exec "$@"
"""


@pytest.fixture
def namespace():
    """Give the words before a command that runs it in a new network namespace with eth1, one end of a veth pair."""

    def words(extra=""):
        return [
            *(["unshare"] if os.geteuid() == 0 else ["unshare", "--map-root-user"]),
            "--net",
            "--mount",
            "sh",
            "-c",
            NAMESPACE.format(extra=extra),
            "sh",
        ]

    if not all(map(shutil.which, ("unshare", "ip", "tc"))):
        pytest.skip("no unshare or iproute2 here")
    tried = subprocess.run([*words(), "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no network namespace to be had: {tried.stderr.strip()}")
    return words


@pytest.mark.slow
@pytest.mark.parametrize(
    ("extra", "stride", "areas", "least"),
    [("tc qdisc add dev eth1 root handle 7: pfifo limit 55", 1, ["interface", "route"], 70), ("", 9, ["network", "interface", "route"], 20)],
)
def test_in_a_namespace_every_line_is_as_before(namespace, tmp_path, extra, stride, areas, least):
    assert mortal("netns", tmp_path, str(stride), *areas, inside=namespace(extra)) > least


def test_every_knob_of_an_interface_says_how_to_revert_it(namespace):
    command = [sys.executable, "-P", "-m", "noderrd.ctl.main", "host", "plan", "--interface", "eth1", "--json"]
    done = subprocess.run([*namespace(), *command], capture_output=True, text=True, check=False)
    knobs = {knob["id"]: knob for knob in json.loads(done.stdout)["knobs"]}
    assert {"link:eth1:txqlen", "route:eth1:10.79.0.0/24 metric 7", "gateway:eth1:10.77.0.2", "qdisc:eth1"} <= set(knobs)
    assert [name for name, knob in knobs.items() if knob["now"] is not None and not knob["revert"]] == []
    assert knobs["feature:eth1:rx-gro"]["revert"].startswith("ethtool -K eth1 rx-gro o")


def test_a_discipline_with_classes_is_left_alone(namespace, tmp_path):
    command = [sys.executable, "-P", "-m", "noderrd.ctl.main", "host", "plan", "--interface", "eth1", "--area", "interface", "--json"]
    done = subprocess.run([*namespace("tc qdisc add dev eth1 root handle 1: htb"), *command], capture_output=True, text=True, check=False)
    found = {knob["id"]: knob for knob in json.loads(done.stdout)["knobs"]}
    assert found["qdisc:eth1"]["state"] == "denied"
    assert "htb" in found["qdisc:eth1"]["detail"]
    assert done.returncode == 2


TMPFS = """
set -e
mkdir -p {place}
mount -t tmpfs -o size=32m,mode=1777 tmpfs {place}
exec "$@"
"""
HUGE = """
import mmap, os, sys
from pathlib import Path
from noderrd.host import memory, mount
place = sys.argv[1]
knob, mine = mount.Huge(Path("/"), place), lambda: next(line for line in Path("/proc/self/mountinfo").read_text().splitlines() if place in line)
before, saved = mine(), knob.save()
knob.write("advise")
fd = os.open(place + "/state", os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 4 << 20)
pages = mmap.mmap(fd, 4 << 20)
pages.madvise(mmap.MADV_HUGEPAGE)
memory.touch(pages)
huge = sum(int(line.split()[1]) for line in Path("/proc/self/smaps_rollup").read_text().splitlines() if line.startswith("ShmemPmdMapped"))
during = knob.read(), mine()
knob.restore(saved)
print(saved, during[0], during[1] == before + ",huge=advise", mine() == before, huge)
"""


def test_a_tmpfs_gives_huge_pages_to_who_asks_and_is_as_before(tmp_path):
    """In a mount namespace: only the option that is named changes, and a file there then lies on huge pages."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("needs root and unshare")
    place = tmp_path / "shm"
    inside = ["unshare", "--mount", "sh", "-c", TMPFS.format(place=place), "sh", sys.executable, "-P", "-c", HUGE, place]
    done = subprocess.run(inside, capture_output=True, text=True, timeout=60, check=False)
    if "mount:" in done.stderr or "cannot change it" in done.stderr:
        pytest.skip(f"no tmpfs with huge pages here: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["never", "advise", "True", "True", "4096"]


def test_a_place_where_nothing_is_mounted_has_no_such_knob(tmp_path):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text(
        "25 24 0:23 / /dev/shm\\040x rw - tmpfs tmpfs rw,huge=within_size\n26 24 0:1 / /mnt rw - ext4 /dev/vda rw\n"
    )
    assert address.port("huge:/dev/shm x", tmp_path).read() == "within_size"
    for place in ("/dev/shm", "/mnt"):
        with pytest.raises(Absent):
            address.port(f"huge:{place}", tmp_path).read()
