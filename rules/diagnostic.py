"""What is wrong with a policy, and how it is shown: a place, a sentence, and where possible what was meant."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from rules.span import Source, Span

SHOWN = 100  # columns of a source line that are shown around a fault


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding. `severity` is error or warning; `code` names the check; `hint` is empty or says what to write."""

    span: Span
    severity: str
    code: str
    message: str
    hint: str = ""

    def as_dict(self) -> dict[str, object]:
        """Give the object of `rules check --json`."""
        place = asdict(self.span)
        return {**place, "severity": self.severity, "code": self.code, "message": self.message, "hint": self.hint}


def render(found: Diagnostic, sources: Mapping[str, Source]) -> str:
    """Give `file:line:col: severity[code]: message`, the source line with a caret under the place, and the hint."""
    lines = [f"{found.span}: {found.severity}[{found.code}]: {found.message}"]
    source = sources.get(found.span.file)
    if source is not None and found.span.line <= len(source.starts):
        lines += _caret(source.line(found.span.line), found.span)
    if found.hint:
        lines.append(f"    hint: {found.hint}")
    return "\n".join(lines)


def _caret(text: str, span: Span) -> list[str]:
    """Give the source line and the carets under it; of a long line the part around the place."""
    first = max(0, span.col - 1 - SHOWN // 2) if len(text) > SHOWN else 0
    part = "".join(c if c.isprintable() else ("\t" if c == "\t" else "?") for c in text[first : first + SHOWN])
    before = "".join("\t" if c == "\t" else " " for c in part[: span.col - 1 - first])
    width = max(1, min(span.end_col, first + SHOWN + 1) - span.col)
    return [f"    {part}", f"    {before}{'^' * width}"]


def nearest(name: str, known: Iterable[str]) -> str:
    """Give the known name that `name` was most likely meant to be, or an empty string."""
    from difflib import get_close_matches

    choices = {word.casefold(): word for word in known}
    found = get_close_matches(name.casefold()[:64], choices, n=1, cutoff=0.6 if len(name) > 3 else 0.5)
    return choices[found[0]] if found else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Give the hint for a misspelled name; empty if nothing is like it."""
    found = nearest(name, known)
    return f"did you mean '{found}'?" if found else ""
