"""`noderrctl rules fmt FILE...`: lay files out in the one way, in place. `--check` changes nothing, and exits 1 if anything would change."""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from noderrd import rulefiles
from noderrd.ctl import rules_check
from rules.diagnostic import Diagnostic
from rules.format import format_text
from rules.include import Reports, text_of
from rules.parse import POLICY, SCENARIOS, parse
from rules.scan import MAX_FILE
from rules.span import Source, Span

STDIN = "-"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="rules and scenario files, or folders of them; - filters standard input")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if anything would change")


def main(args: argparse.Namespace) -> int:
    """Format. A file with syntax errors is told of and left as it is; the others are formatted all the same."""
    if STDIN in args.files:
        return _filter(check=args.check)
    faults: list[Diagnostic] = []
    sources: dict[str, Source] = {}
    changed: list[str] = []
    for file in rulefiles.under([Path(name) for name in args.files], "*.rules", "*.scenario"):
        try:
            source, formatted, found = _formatted(file, rulefiles.read(file))
        except OSError as why:
            faults.append(Diagnostic(Span(file, 1, 1, 2), "error", "file", f"cannot read {file}: {why.strerror or why}"))
            continue
        faults += found
        sources[file] = source
        if formatted is not None and formatted != source.text:
            changed.append(file)
            if not args.check:
                _replace(Path(file), formatted)
    if args.json:
        print(json.dumps({"changed": changed, "diagnostics": [found.as_dict() for found in faults]}))
    else:
        rules_check.tell(faults, sources)
        for file in changed:
            print(file)
    return 1 if faults or (args.check and changed) else 0


def _formatted(file: str, content: bytes) -> tuple[Source, str | None, list[Diagnostic]]:
    """Give a file's text and its canonical text; None, and what is wrong, where it has no syntax."""
    reports = Reports()
    parsed = parse(Source(file, text_of(file, content, reports)), POLICY | SCENARIOS)
    faults = [*reports.found, *parsed.diagnostics]
    return parsed.source, None if faults else format_text(parsed), faults


def _filter(*, check: bool) -> int:
    source, formatted, faults = _formatted("<stdin>", sys.stdin.buffer.read(MAX_FILE + 1))
    if formatted is None:
        rules_check.tell(faults, {source.file: source})
        return 1
    if not check:
        sys.stdout.write(formatted)
    return 1 if check and formatted != source.text else 0


def _replace(path: Path, text: str) -> None:
    """Replace a file's text at once, keeping its mode: a crash leaves the old text or the new one."""
    path = path.resolve()
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        file.write(text)
        os.fchmod(file.fileno(), path.stat().st_mode & 0o7777)
    Path(file.name).replace(path)
