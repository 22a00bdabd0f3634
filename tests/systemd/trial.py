#!/usr/bin/python3
"""Installs, looks and removes, inside an overlay of a root: prints a line of JSON for each check. Standard library only: the system's Python runs it.

The tree is in the working directory. /held keeps compiled kernels from one run to the next.
"""

import json
import os
import subprocess
import sys
import time

PLACES = "/etc /opt /usr /var/lib /var/cache /var/log"  # where anything may be put
LOOK = f"find {PLACES} -path /var/lib/dpkg -prune -o -path '*noderr*' -print | sort; getent passwd noderrd; getent group noderrd"
KERNELS = "find /var/cache/noderrd -name '*.nbc' | wc -l"
USER = "env -i CACHE_DIRECTORY=/var/cache/noderrd setpriv --reuid noderrd --regid noderrd --clear-groups"
CHECK = "cd / && /usr/bin/noderrd run --check --config /etc/noderrd/noderrd.toml"
KEPT = ("/etc/noderrd", "/var/lib/noderrd", "noderrd:")  # without --purge


def sh(command):
    """Give exit code, output and complaints of a command."""
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.strip(), done.stderr.strip()


class Trial:
    """Tells checks as they are made."""

    def __init__(self):
        self.began = time.monotonic()
        self.before = self.look()

    def that(self, name, holds, detail=""):
        """Tell one check."""
        at = round(time.monotonic() - self.began, 1)
        print(json.dumps({"name": name, "ok": bool(holds), "detail": "" if holds else str(detail)[-600:], "at_s": at}), flush=True)

    @staticmethod
    def look():
        """Give every path that has to do with the node, and its user."""
        return sh(LOOK)[1].splitlines()

    def left(self):
        """Give what is there besides what may stay without --purge."""
        return [path for path in self.look() if path not in self.before and not path.startswith(KEPT)]

    @staticmethod
    def warm():
        """Put compiled kernels there that an earlier run kept."""
        sh("[ ! -e /held/done ] || { mkdir -p /var/cache && cp -a /held/cache /var/cache/noderrd; }")

    def installs(self):
        """scripts/install, from nothing."""
        self.warm()
        code, _, said = sh("scripts/install")
        self.that("scripts/install", code == 0, said)
        if code == 0:
            sh("[ -e /held/done ] || { cp -a /var/cache/noderrd /held/cache && touch /held/done; }")
        there = self.look()
        wanted = {"/opt/noderrd/venv/bin/noderrd", "/etc/systemd/system/noderrd.service", "/etc/noderrd/noderrd.toml", "/usr/bin/noderrctl"}
        missing = wanted - set(there)
        self.that("environment, units, /etc, programs and user are there", not missing and any(p.startswith("noderrd:") for p in there), missing)
        code, out, said = sh(CHECK)
        self.that("what was installed runs", code == 0, out + said)
        before = sh(KERNELS)[1]
        code, out, said = sh(f"cd / && {USER} /opt/noderrd/venv/bin/python -P -m noderrd.main warm")
        self.that("the service's user finds every kernel compiled", code == 0 and before == sh(KERNELS)[1] != "0", (before, sh(KERNELS)[1], said))

    def again(self):
        """scripts/install when everything is up to date, and after an edit in /etc."""
        there = self.look()
        sh("echo '# edited' >> /etc/noderrd/noderrd.toml; touch /stamp; sleep 1.1")
        code, _, said = sh("scripts/install")
        self.that("scripts/install again", code == 0, said)
        anew = sh("find /opt/noderrd /etc/noderrd -type f -newer /stamp -not -name '*.pyc'")[1]
        self.that("it makes nothing anew", "making" not in said and "installing" not in said and not anew, (said, anew))
        self.that("what was edited in /etc stays", "# edited" in sh("cat /etc/noderrd/noderrd.toml")[1])
        differs = set(self.look()) ^ set(there)
        self.that("the same files are there", not [path for path in differs if not path.endswith(".pyc")], sorted(differs)[:5])

    def leaves(self):
        """scripts/uninstall, then with --purge."""
        code, _, said = sh("scripts/uninstall")
        self.that("scripts/uninstall keeps configuration, state and user only", code == 0 and not self.left(), (said, self.left()[:5]))
        self.that("it keeps those", "# edited" in sh("cat /etc/noderrd/noderrd.toml")[1])
        code, _, said = sh("scripts/uninstall --purge")
        self.that("scripts/uninstall --purge leaves nothing", code == 0 and self.look() == self.before, (said, self.look()[:5]))

    def packaged(self):
        """The Debian package: built, installed, removed, purged."""
        code, package, said = sh("scripts/package --out /tmp/out")
        self.that("scripts/package", code == 0 and package.endswith(".deb"), said)
        self.warm()
        code, _, said = sh(f"dpkg --force-depends -i {package}")
        self.that("dpkg -i", code == 0, said)
        code, out, said = sh(CHECK)
        self.that("what was installed runs", code == 0, out + said)
        code, _, said = sh("dpkg -r noderrd")
        left = [path for path in self.left() if not path.startswith("/etc/sysctl.d")]
        self.that("dpkg -r keeps configuration, state and user only", code == 0 and not left, (said, left[:5]))
        code, _, said = sh("dpkg -P noderrd")
        self.that("dpkg -P leaves nothing", code == 0 and self.look() == self.before, (said, self.look()[:5]))


def main():
    """Try all of it, in this order."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    trial = Trial()
    for step in (trial.installs, trial.again, trial.leaves, trial.packaged):
        step()


if __name__ == "__main__":
    sys.exit(main())
