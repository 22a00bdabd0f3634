"""The Debian package: installed, removed and purged over an overlay of the running root, which then looks as before."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLACES = "/etc /opt /usr/bin /usr/lib/systemd /usr/lib/sysusers.d /usr/lib/tmpfiles.d /usr/share/doc /var/lib /var/cache"  # where it may put anything
LOOK = f"find {PLACES} -maxdepth 5 -path /var/lib/dpkg -prune -o -path '*noderr*' -print"
INSIDE = f"""
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cp "$2" "$1/upper/noderrd.deb"
cd "$1/root"
mount -t proc proc proc
mount -t tmpfs tmpfs tmp
for node in null urandom; do mknod -m 666 dev/$node c 1 $([ $node = null ] && echo 3 || echo 9) 2>/dev/null || true; done
cat > tmp/try <<"END"
set -e
look() {{ {LOOK} | sort; getent passwd noderrd || true; }}
look > /tmp/before
dpkg --force-depends -i /noderrd.deb >/dev/null 2>&1
look > /tmp/installed
dpkg --force-depends -i /noderrd.deb >/dev/null 2>&1
look > /tmp/again
echo edited >> /etc/sysctl.d/90-noderrd.conf
dpkg -r noderrd >/dev/null 2>&1
look > /tmp/removed
dpkg -P noderrd >/dev/null 2>&1
look > /tmp/purged
for what in before installed again removed purged; do echo "== $what"; cat /tmp/$what; done
END
exec chroot . /bin/sh /tmp/try
"""


def test_it_installs_and_leaves_without_a_trace(tmp_path):
    if os.geteuid() != 0 or not all(map(shutil.which, ("dpkg-deb", "unshare", "systemd-sysusers"))):
        pytest.skip("needs root, dpkg and systemd")
    built = subprocess.run([ROOT / "scripts/package", "--out", tmp_path, "--no-environment"], capture_output=True, text=True, check=True)
    package = Path(built.stdout.strip())
    (tmp_path / "box").mkdir()
    (tmp_path / "inside").write_text(INSIDE)
    command = ["unshare", "--mount", "--pid", "--net", "--fork", "sh", tmp_path / "inside", tmp_path / "box", package]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if "overlay" in done.stderr and done.returncode:
        pytest.skip(f"no overlay here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    said = {part.splitlines()[0]: part.splitlines()[1:] for part in done.stdout.split("== ")[1:]}
    installed = set(said["installed"])
    assert {"/usr/lib/systemd/system/noderrd.service", "/usr/bin/noderrctl", "/etc/sysctl.d/90-noderrd.conf", "/var/lib/noderrd"} <= installed
    assert any(line.startswith("noderrd:") for line in installed)  # the user
    assert said["again"] == said["installed"]
    assert "/etc/sysctl.d/90-noderrd.conf" in said["removed"]  # a configuration file that was edited stays until the purge
    assert "/usr/lib/systemd/system/noderrd.service" not in said["removed"]
    assert said["purged"] == said["before"]
