"""Rules files on disk: how they are read, what an include's pattern names, and where the files are that rules name.

A relative path in a rule is looked for beside the rules file, then (for rules.d/*.rules) beside that folder, then among what noderrd ships:
`strategies/quotes.py` works with nothing installed, and a user's own file of that name wins.
"""

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from rules import check, model
from rules.diagnostic import Diagnostic
from rules.scan import MAX_FILE
from rules.span import Source

SHIPPED = Path(__file__).parent


def read(path: str) -> bytes:
    """Read a rules file, up to one byte more than is allowed. Raises OSError, also for what is no plain file."""
    if Path(path).exists() and not Path(path).is_file():
        raise OSError(0, "not a plain file")
    with Path(path).open("rb") as file:
        return file.read(MAX_FILE + 1)


def expand(pattern: str, file: str) -> list[str]:
    """Give the paths that an include in `file` names, sorted."""
    found = glob.glob(os.path.normpath(Path(file).parent / pattern))  # noqa: PTH207 - Path.glob takes no absolute pattern
    return [path for path in sorted(found) if Path(path).is_file()]


def under(paths: Sequence[Path], *patterns: str) -> list[str]:
    """Give the files that paths name: a folder stands for its files of these patterns (*.rules), sorted."""
    found: list[str] = []
    for path in paths:
        inside = sorted(p for pattern in patterns or ("*.rules",) for p in path.glob(pattern))
        found += [str(p) for p in inside] if path.is_dir() else [str(path)]
    return found


def load(paths: Sequence[Path]) -> tuple[model.Policy | None, list[Diagnostic], dict[str, Source]]:
    """Read a policy from files and folders: rules.check.load with this disk; a file that a rule names and that is missing is a warning."""
    policy, diagnostics, sources = check.load(under(paths), read, expand)
    if policy is not None:
        diagnostics = [*diagnostics, *missing(policy)]
    return policy, diagnostics, sources


def locate(file: str, rule: str) -> Path | None:
    """Find a strategy's or model's file as it is written in the rules file `rule`; None if it is nowhere."""
    beside = Path(rule).parent
    folders = [beside, beside.parent] if beside.suffix == ".d" else [beside]
    for folder in (*folders, SHIPPED):
        if (folder / file).is_file():
            return (folder / file).absolute()
    return None


def missing(policy: model.Policy) -> Iterator[Diagnostic]:
    """Warn of every strategy or model whose file is nowhere."""
    named: list[model.Strategy | model.Model] = [*policy.strategies, *policy.models]
    for block in named:
        if locate(block.file, block.span.file) is None:
            message = f"{block.file} is not there"
            yield Diagnostic(
                block.where["file"], "warning", "file", message, "a relative path is looked for beside this file, then among what noderrd ships"
            )
