"""Which files a policy consists of: every file read once, includes followed where they stand, cycles and depth bounded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rules import syntax
from rules.diagnostic import Diagnostic
from rules.parse import parse
from rules.scan import MAX_DIAGNOSTICS, MAX_FILE
from rules.span import Source, Span

Read = Callable[[str], bytes]  # path to content; raises OSError
Expand = Callable[[str, str], Sequence[str]]  # an include's pattern, the file that it stands in: the paths that match, sorted

MAX_DEPTH = 8  # files that include one another
MAX_FILES = 256


@dataclass(slots=True)
class Reports:
    """Diagnostics of all files, at most MAX_DIAGNOSTICS a file."""

    found: list[Diagnostic] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, span: Span, severity: str, code: str, message: str, hint: str = "") -> None:
        """Note a finding."""
        count = self.counts[span.file] = self.counts.get(span.file, 0) + 1
        if count <= MAX_DIAGNOSTICS:
            self.found.append(Diagnostic(span, severity, code, message, hint))


@dataclass(slots=True)
class Gathered:
    """All statements but includes, in order; the sources by file, in the order read; which of their lines have syntax errors."""

    statements: list[syntax.Let | syntax.Loss | syntax.Block] = field(default_factory=list)
    sources: dict[str, Source] = field(default_factory=dict)
    faulty: dict[str, set[int]] = field(default_factory=dict)


def gather(paths: Sequence[str], read: Read, expand: Expand, reports: Reports) -> Gathered:
    """Read `paths` and what they include."""
    out = Gathered()
    for path in paths:
        _file(path, (), None, read, expand, out, reports)
    return out


def text_of(path: str, content: bytes, reports: Reports) -> str:
    """Decode a file; what is wrong with it is told, and the lines before that are given."""
    if len(content) > MAX_FILE:
        reports.add(Span(path, 1, 1, 2), "error", "bound", f"a file of {len(content):_} bytes: at most {MAX_FILE:_} are allowed")
        return ""
    content = content.removeprefix(b"\xef\xbb\xbf")  # some editors begin a file with a byte order mark
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as fault:
        before = content[: fault.start].decode("utf-8")
        line, col = before.count("\n") + 1, len(before) - before.rfind("\n")
        reports.add(Span(path, line, col, col + 1), "error", "character", f"this is not UTF-8: byte 0x{content[fault.start]:02X}")
        return before[: before.rfind("\n") + 1]


def _file(path: str, chain: tuple[str, ...], asked: Span | None, read: Read, expand: Expand, out: Gathered, reports: Reports) -> None:
    """Read one file. `chain` are the files that it is included by, `asked` the include's place."""
    if path in chain:
        circle = " -> ".join((*chain[chain.index(path) :], path))
        assert asked is not None
        reports.add(asked, "error", "include", f"files include one another in a circle: {circle}")
        return
    if path in out.sources:
        return
    if len(out.sources) >= MAX_FILES or len(chain) >= MAX_DEPTH:
        bound = f"more than {MAX_FILES} files" if len(out.sources) >= MAX_FILES else f"includes nested deeper than {MAX_DEPTH}"
        reports.add(asked or Span(path, 1, 1, 2), "error", "bound", bound)
        return
    try:
        content = read(path)
    except OSError as why:
        reports.add(asked or Span(path, 1, 1, 2), "error", "file", f"cannot read {path}: {why.strerror or why}")
        return
    parsed = parse(Source(path, text_of(path, content, reports)))
    out.sources[path] = parsed.source
    out.faulty[path] = {fault.span.line for fault in parsed.diagnostics}
    for fault in parsed.diagnostics:
        reports.add(fault.span, fault.severity, fault.code, fault.message, fault.hint)
    for statement in parsed.statements:
        if isinstance(statement, syntax.Include):
            _include(statement, path, chain, read, expand, out, reports)
        elif isinstance(statement, syntax.Let | syntax.Loss | syntax.Block):
            out.statements.append(statement)


def _include(statement: syntax.Include, path: str, chain: tuple[str, ...], read: Read, expand: Expand, out: Gathered, reports: Reports) -> None:
    place = statement.source.span(statement.pattern.at, statement.pattern.end)
    pattern = statement.pattern.text
    found = expand(pattern, path)
    if not found:
        severity = "warning" if any(c in pattern for c in "*?[") else "error"
        reports.add(place, severity, "include", f"no file is called {pattern}" if severity == "error" else f"no file matches {pattern}")
    for one in found:
        _file(one, (*chain, path), place, read, expand, out, reports)
