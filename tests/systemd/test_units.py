"""Units, and what scripts/install lays down: accepted by systemd, as closed as promised, idempotent; what a stopped daemon leaves is ended."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from noderrd.host import reap, sysctls

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted(f for f in (ROOT / "systemd").iterdir() if f.suffix in {".service", ".socket", ".slice"})
LIMITS = {"noderrd.service": 22, "noderrd-tune.service": 55, "noderrd-place@.service": 22}  # ten times systemd's score

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")


@needs_systemd
def test_systemd_has_nothing_to_say_about_the_units(tmp_path):
    """In a copy whose programs are there: verify complains about a missing one, and /opt/noderrd is not installed where tests run."""
    for unit in UNITS:
        text = unit.read_text().replace("/opt/noderrd/venv/bin/python", sys.executable)
        (tmp_path / unit.name).write_text(re.sub(r"^Documentation=.*\n", "", text, flags=re.MULTILINE))
    files = [str(tmp_path / unit.name) for unit in UNITS]
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *files], capture_output=True, text=True, check=False)
    mine = [line for line in done.stderr.splitlines() if "noderrd" in line]
    assert (done.returncode, mine) == (0, [])


@needs_systemd
@pytest.mark.parametrize(("unit", "limit"), LIMITS.items())
def test_exposure_stays_below_its_limit(unit, limit):
    asked = ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={limit}", ROOT / "systemd" / unit]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert float(re.search(r"exposure level.*?: ([\d.]+)", done.stdout)[1]) * 10 <= limit


def settings(unit):
    """Give a unit's settings, each with all its values in order."""
    found = {}
    for line in (ROOT / "systemd" / unit).read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def test_the_daemon_is_what_its_design_needs():
    said = settings("noderrd.service")
    assert said["Type"] == ["notify"]
    assert said["CapabilityBoundingSet"] == [""]
    assert "MemoryDenyWriteExecute" not in said  # numba writes machine code
    assert "PrivateDevices" not in said  # /dev/cpu_dma_latency
    assert "RemoveIPC" not in said  # lanes outlive a daemon that crashed, and so must their shared memory
    assert "PrivateUsers" not in said  # and be seen by the next one
    assert said["DeviceAllow"] == ["/dev/cpu_dma_latency rw"]
    assert " -P " in said["ExecStart"][0]  # a stray ./core cannot shadow ours
    assert said["ExecReload"][0].endswith(" -P -m noderrd.ctl.main reload")  # which answers, as a signal does not
    for newer in ("CPUSetPartition", "MemoryZSwapMax", "FileDescriptorStorePreserve"):  # unknown to 252
        assert newer not in said
    assert "notify-reload" not in said["Type"]


def test_sysctl_file_wants_what_the_tuner_wants():
    wanted = {line.name: line.value for line in sysctls.NETWORK}
    lines = [line.split("=") for line in (ROOT / "etc/sysctl.d/90-noderrd.conf").read_text().splitlines() if line and not line.startswith("#")]
    assert lines
    for name, value in lines:
        assert wanted[name.strip()] == value.strip()


def laid_down(folder):
    return {
        str(f.relative_to(folder)): (f.lstat().st_mode, f.readlink() if f.is_symlink() else f.read_bytes())
        for f in folder.rglob("*")
        if not f.is_dir()
    }


def test_install_is_idempotent_and_keeps_what_is_there(tmp_path):
    command = [ROOT / "scripts/install", "--destdir", tmp_path, "--no-environment"]
    subprocess.run(command, check=True, capture_output=True)
    first = laid_down(tmp_path)
    assert {f"etc/systemd/system/{unit.name}" for unit in UNITS} <= set(first)
    assert {"usr/lib/sysusers.d/noderrd.conf", "usr/lib/tmpfiles.d/noderrd.conf", "usr/bin/noderrctl", "etc/sysctl.d/90-noderrd.conf"} <= set(first)
    subprocess.run(command, check=True, capture_output=True)
    assert laid_down(tmp_path) == first
    mine = next(name for name in first if name.startswith("etc/noderrd/"))
    (tmp_path / mine).write_text("edited\n")
    subprocess.run(command, check=True, capture_output=True)
    assert (tmp_path / mine).read_text() == "edited\n"


@pytest.mark.parametrize("script", ["install", "uninstall"])
def test_scripts_refuse_what_they_do_not_know(script):
    done = subprocess.run([ROOT / "scripts" / script, "--nonsense"], capture_output=True, text=True, check=False)
    assert done.returncode == 64
    assert "usage" in done.stderr


def test_reap_finds_what_is_left_and_spares_itself(tmp_path):
    files = {
        "proc/self/cgroup": "0::/noderrd.slice/noderrd.service/.control\n",
        "sys/fs/cgroup/noderrd.slice/noderrd.service/cgroup.procs": "11\n12\n",
        "sys/fs/cgroup/noderrd.slice/noderrd.service/.control/cgroup.procs": f"{os.getpid()}\n",
        "sys/fs/cgroup/noderrd.slice/noderrd.service/lane/cgroup.procs": "13\n",
        "sys/fs/cgroup/noderrd_lanes.slice/cgroup.procs": "14\n",
        "sys/fs/cgroup/system.slice/other.service/cgroup.procs": "15\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert sorted(reap.leftover(tmp_path)) == [11, 12, 13, 14]


@pytest.mark.parametrize(("result", "ended"), [("success", True), ("timeout", True), ("signal", False), ("watchdog", False), ("exit-code", False)])
def test_reap_ends_processes_after_a_stop_only(monkeypatch, result, ended):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    monkeypatch.setenv("SERVICE_RESULT", result)
    monkeypatch.setattr(reap, "leftover", lambda: [child.pid])
    try:
        assert reap.main() == 0
        if ended:
            assert child.wait(30) == -9
        else:
            assert child.poll() is None
    finally:
        child.kill()
        child.wait()
