"""A knob: where a value is read and written, what is wanted there, and why.

A port reads and writes one value as text. What it reads is what it takes back, so the text that was saved restores the state exactly; a port whose
state is more than what it shows overrides `save` and `restore`.
"""

import dataclasses
from collections.abc import Callable

ABSENT, DENIED, OK, CHANGE = "absent", "denied", "ok", "change"


class Absent(Exception):
    """This kernel, driver or machine has no such knob; the text says what is missing."""


class Denied(Exception):
    """It is there and may not be changed; the text says by whom or why."""


def lacks(capability: int, name: str) -> str:
    """Give "" when this process has a capability (linux/capability.h), else what it needs."""
    with open("/proc/self/status") as status:  # noqa: PTH123 - a pseudo file
        held = next(int(line.split()[1], 16) for line in status if line.startswith("CapEff:"))
    return "" if held >> capability & 1 else f"needs {name}"


class Port:
    """Where a value lives."""

    def read(self) -> str:
        """Give the value as text, in one form only. Raises Absent."""
        raise NotImplementedError

    def write(self, value: str) -> None:
        """Set the value. Raises Absent, Denied or OSError."""
        raise NotImplementedError

    def words(self, value: str) -> str:
        """Give a value as a command takes that reverts it by hand."""
        return value

    def may_write(self) -> str:
        """Give "" when `write` has a chance, else why it has none."""
        return ""

    def save(self) -> str:
        """Give what `restore` needs. Raises Absent."""
        return self.read()

    def restore(self, saved: str) -> None:
        """Bring back what `save` gave. Raises Absent, Denied or OSError."""
        self.write(saved)


def exactly(value: str) -> Callable[[str], str]:
    """Want this value."""
    return lambda _now: value


def at_least(value: str) -> Callable[[str], str]:
    """Want each number to be this or more: a larger buffer that somebody chose stays."""

    def wanted(now: str) -> str:
        have, least = now.split(), value.split()
        if len(have) != len(least):
            return value
        return " ".join(str(max(int(h), int(low))) for h, low in zip(have, least, strict=True))

    return wanted


@dataclasses.dataclass(frozen=True)
class Knob:
    """One value that should be something. `wanted` maps what is there to what should be."""

    id: str
    area: str
    wanted: Callable[[str], str]
    why: str
    source: str
    port: Port
    revert: str = ""  # the command that undoes it by hand, with {before} for the value


@dataclasses.dataclass(frozen=True)
class Look:
    """A knob as it was found: `state` is ok, change, absent or denied; `detail` says why for the last two."""

    id: str
    area: str
    now: str | None
    wanted: str
    why: str
    source: str
    state: str
    detail: str = ""
    revert: str = ""


def look(knob: Knob) -> Look:
    """Read a knob and say what is to be done with it."""
    try:
        now = knob.port.read()
    except Absent as missing:
        return Look(knob.id, knob.area, None, knob.wanted(""), knob.why, knob.source, ABSENT, str(missing))
    except (Denied, OSError) as refused:
        return Look(knob.id, knob.area, None, knob.wanted(""), knob.why, knob.source, DENIED, str(refused))
    wanted = knob.wanted(now)
    revert = knob.revert.format(before=knob.port.words(now))
    if now == wanted:
        return Look(knob.id, knob.area, now, wanted, knob.why, knob.source, OK, "", revert)
    refused_because = knob.port.may_write()
    state = DENIED if refused_because else CHANGE
    return Look(knob.id, knob.area, now, wanted, knob.why, knob.source, state, refused_because, revert)
