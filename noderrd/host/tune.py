"""Plan, apply, verify, undo: the smallest change from what is to what is wanted, and the way back.

The order is what makes a kill at any moment harmless: everything that will be changed is saved and fsynced, then knobs are written one by one and
read back. What an earlier run saved is kept, for that is the original; so a second apply, or an undo after a half-finished one, ends where it began.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from noderrd.host.knob import CHANGE, DENIED, Absent, Denied, Knob, Look, Port, look
from noderrd.host.saved import Era, Saved


@dataclasses.dataclass(frozen=True)
class Done:
    """What became of a knob: `result` is set, kept (the kernel ignored the value), refused, restored or gone."""

    id: str
    before: str | None
    now: str | None
    wanted: str
    result: str
    detail: str = ""


def plan(knobs: Sequence[Knob], refused: Mapping[str, str] | None = None) -> list[Look]:
    """Read every knob; changes nothing. `refused`: what the kernel would not take before, and its words; such a knob is denied."""
    return [_known(look(knob), refused or {}) for knob in knobs]


def _known(found: Look, refused: Mapping[str, str]) -> Look:
    if found.state != CHANGE or found.id not in refused:
        return found
    return dataclasses.replace(found, state=DENIED, detail=refused[found.id])


def differs(looks: Sequence[Look]) -> bool:
    """Tell whether anything is left to change."""
    return any(found.state == CHANGE for found in looks)


def apply(knobs: Sequence[Knob], saved: Saved, era: Era) -> list[Done]:
    """Set what is to be changed and give what became of it. Raises Denied when saved values are in the way, OSError when they cannot be kept."""
    due = [(knob, found) for knob, found in zip(knobs, plan(knobs, saved.refused(era)), strict=True) if found.state == CHANGE]
    before = saved.read(era)
    fresh = {knob.id: knob.port.save() for knob, _ in due if knob.id not in before}
    if due:
        saved.write({**before, **fresh}, era)
    done = [_set(knob, found) for knob, found in due]
    refused = {one.id: one.detail for one in done if one.result == "refused"}
    if refused:
        saved.refuse({**saved.refused(era), **refused}, era)
    return done


def _set(knob: Knob, found: Look) -> Done:
    """Write one knob and read it back."""
    try:
        knob.port.write(found.wanted)
        now = knob.port.read()
    except (Absent, Denied, OSError) as refused:
        return Done(knob.id, found.now, found.now, found.wanted, "refused", str(refused))
    if now != found.wanted:
        return Done(knob.id, found.now, now, found.wanted, "kept", f"wrote {found.wanted}, reads back {now}")
    return Done(knob.id, found.now, now, found.wanted, "set")


def undo(port: Callable[[str], Port], saved: Saved, era: Era) -> list[Done]:
    """Bring back what was saved, last first, and forget it once all of it is back. `port` makes a port of a knob's name.

    Raises Denied as Saved.read.
    """
    done = [_restore(port, name, value) for name, value in reversed(saved.read(era).items())]
    if all(one.result in {"restored", "gone"} for one in done):
        saved.forget()
    return done


def _restore(port: Callable[[str], Port], name: str, value: str) -> Done:
    """Restore one knob and compare with what was saved. What it belonged to may be gone by now, an interface for instance."""
    try:
        place = port(name)
        before = place.save()
        if before != value:
            place.restore(value)
        kept = place.save()
    except Absent as missing:
        return Done(name, None, None, value, "gone", str(missing))
    except (Denied, OSError) as refused:
        return Done(name, None, None, value, "refused", str(refused))
    return Done(name, before, kept, value, "restored" if kept == value else "kept", "" if kept == value else f"restored {value}, reads back {kept}")
