"""What stood there before: one JSON file, on the disk before the first knob is turned.

It belongs to one boot of one kernel and one network namespace: after a reboot the kernel has forgotten what was set, and there is nothing to undo.
"""

import dataclasses
import json
import os
from pathlib import Path

from noderrd.host.knob import Denied

DEFAULT = Path("/var/lib/noderrd-tune")
NAME = "before.json"
REFUSED = "refused.json"
VERSION = 1


@dataclasses.dataclass(frozen=True)
class Era:
    """Which kernel and which namespace values were read from."""

    boot: str
    namespace: str

    @staticmethod
    def now() -> "Era":
        """Give the present one."""
        return Era(Path("/proc/sys/kernel/random/boot_id").read_text().strip(), str(Path("/proc/self/ns/net").readlink()))


class Saved:
    """The saved values of a folder: knob id to what its port's `restore` takes."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._path = folder, folder / NAME

    def read(self, era: Era) -> dict[str, str]:
        """Give what is saved, in the order in which it was set; {} when nothing is, or it is of an earlier boot.

        Raises Denied when it is of another network namespace or cannot be read: then it must be neither overwritten nor undone here.
        """
        try:
            held = json.loads(self._path.read_text())
            if held["version"] != VERSION:
                message = f"{self._path} was written by another version"
                raise Denied(message)
            values: dict[str, str] = {str(name): str(value) for name, value in held["values"].items()}
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            message = f"{self._path} cannot be read: {error}"
            raise Denied(message) from error
        if held["boot"] != era.boot:
            return {}
        if held["namespace"] != era.namespace:
            message = f"{self._path} holds values of another network namespace ({held['namespace']}; this one is {era.namespace})"
            raise Denied(message)
        return values

    def refused(self, era: Era) -> dict[str, str]:
        """Give the knobs that the kernel refused to set in this era, and its words; {} when nothing is known."""
        try:
            held = json.loads((self._folder / REFUSED).read_text())
            good = held["boot"] == era.boot and held["namespace"] == era.namespace
            return {str(name): str(why) for name, why in held["values"].items()} if good else {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def refuse(self, values: dict[str, str], era: Era) -> None:
        """Remember refusals: a knob that cannot be set is denied from now on, not different. Raises OSError."""
        part = self._folder / f"{REFUSED}.part"
        part.write_text(json.dumps({"boot": era.boot, "namespace": era.namespace, "values": values}))
        part.replace(self._folder / REFUSED)

    def write(self, values: dict[str, str], era: Era) -> None:
        """Put values on the disk, whole or not at all: written aside, fsynced, renamed, and the folder fsynced. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = self._path.with_suffix(".part")
        with part.open("w") as file:
            json.dump({"version": VERSION, "boot": era.boot, "namespace": era.namespace, "values": values}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._path)
        self._sync()

    def forget(self) -> None:
        """Everything is as it was."""
        self._path.unlink(missing_ok=True)
        self._path.with_suffix(".part").unlink(missing_ok=True)
        (self._folder / REFUSED).unlink(missing_ok=True)
        if self._folder.is_dir():
            self._sync()

    def _sync(self) -> None:
        fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
