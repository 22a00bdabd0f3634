"""scripts/install for real, twice, scripts/uninstall, and the Debian package built in full, over an overlay of the running root: `trial` looks.

Nothing of this machine changes: what is written goes to the overlay, a tmpfs. Packages come from where pip has them. Compiled kernels are kept
outside the repository, for the next run and for the package's postinst. Needs root, overlayfs, Debian and its Python.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from systemd.box import ROOT, Impossible

from noderrd.lane import cache as lane_cache
from systemd import image, trial

ENTER = """
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
mount -t tmpfs tmpfs dev
for node in null urandom; do touch dev/$node; mount --bind /dev/$node dev/$node; done
mkdir -m 1777 dev/shm
mount -t tmpfs tmpfs run
mkdir -p held tree
mount --bind "$2" held
cp -a "$3/." tree/
mount -t tmpfs tmpfs tmp
cp "$5" tmp/trial.py
exec chroot . sh -c 'cd /tree && exec "$0" /tmp/trial.py' "$4"
"""


def run(folder: Path) -> list[dict[str, Any]]:
    """Install, look, remove; gives the checks. Raises Impossible."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "dpkg-deb", "systemd-sysusers"))) or not Path(image.PYTHON).exists():
        raise Impossible(f"needs root, unshare, dpkg, systemd and {image.PYTHON}")
    held, tree, inside = image.cache() / f"kernels-here-{lane_cache.key()}", folder / "tree", folder / "inside"
    held.mkdir(exist_ok=True)
    inside.mkdir()
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for name in (f for f in files if (ROOT / f).exists()):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tree / name)
    arguments = [inside, held, tree, image.PYTHON, Path(trial.__file__)]
    done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "sh", "-c", ENTER, "sh", *arguments], capture_output=True, text=True, check=False)
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if not found:
        raise Impossible(f"it ended with {done.returncode}: {done.stderr[-800:]}")
    if done.returncode:
        found.append({"name": "all checks were made", "ok": False, "detail": done.stderr[-600:], "at_s": found[-1]["at_s"]})
    return found
