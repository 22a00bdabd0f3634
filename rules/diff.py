"""What changes between two policies: meaning, not text. Constants are computed, units reduced, order of blocks forgotten."""

from dataclasses import asdict, dataclass

from rules import model
from rules.facts import facts


@dataclass(frozen=True, slots=True)
class Change:
    """A field that changed; None: it is not there. `field` is None where a whole block comes or goes; its facts are then told in one line."""

    block: str
    field: str | None
    old: str | None
    new: str | None

    def as_dict(self) -> dict[str, str | None]:
        """Give the object of `rules diff --json`."""
        return asdict(self)

    def __str__(self) -> str:
        if self.field is None:
            return f"- {self.block} {{ {self.old} }}" if self.new is None else f"+ {self.block} {{ {self.new} }}"
        old, new = (said if said is not None else "(none)" for said in (self.old, self.new))
        return f"~ {self.block}: {self.field}: {old} -> {new}"


def diff(old: model.Policy, new: model.Policy) -> list[Change]:
    """Give all changes, by block and field."""
    before, after = ({block.title: block for block in policy.blocks} for policy in (old, new))
    changes: list[Change] = []
    for title in sorted(before.keys() | after.keys()):
        if title not in after:
            changes.append(Change(title, None, _line(before[title]), None))
        elif title not in before:
            changes.append(Change(title, None, None, _line(after[title])))
        else:
            one, other = facts(before[title]), facts(after[title])
            changes += [Change(title, name, one.get(name), other.get(name)) for name in {**one, **other} if one.get(name) != other.get(name)]
    return changes


def _line(block: model.Block) -> str:
    return "; ".join(f"{name} {said}" for name, said in facts(block).items())
