"""Canonical text: the same tokens and comments, laid out in one way. Formatting twice changes nothing more, and nothing but layout changes.

Approach. A unit is what stands on a line of its own: a field, a constant, a block's head, its closing brace, a comment. Line breaks of the
text are forgotten, but for those that a comment inside a unit forces; a unit longer than WIDTH breaks after a comma or before `and`, `or`.
The values of a block's fields begin in one column. Of blank lines one is kept where there was any, and blocks have one around them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from rules.parse import Parsed
from rules.scan import Token
from rules.units import GLUED

WIDTH = 100
_INDENT = "  "
_OPERANDS = frozenset(("NAME", "NUMBER", "RPAR", "RSQB"))
_NUMBER = re.compile(r"([\d_.]*\d)\s*(%|[A-Za-z_]\w*)?\s*(?:/\s*(\w+))?")


@dataclass(slots=True)
class _Unit:
    """Tokens that belong on one line, and what stood around them."""

    tokens: list[Token]
    inside: dict[int, list[str]]  # comments in front of the token of that index
    blank: bool = False  # a blank line stood before it
    trailing: str = ""  # a comment on its line


@dataclass(slots=True)
class _Chunk:
    """A piece of a unit that is never broken. `logic`: it begins with `and` or `or`."""

    gap: str  # between it and the piece before, on one line
    text: str
    notes: list[str]  # comments in front of it
    logic: bool


@dataclass(slots=True)
class _Line:
    """A line of the result, with its continuation."""

    text: str
    blank: bool = False
    edge: str = ""  # "head" or "brace" of a block, "comment"


@dataclass(slots=True)
class _Layout:
    """Walks the tokens and comments of a text, and writes lines."""

    parsed: Parsed
    at: int = 0  # next token
    comment: int = 0  # next comment
    end: int = 0  # offset behind what was written last
    lines: list[_Line] = field(default_factory=list)

    def run(self) -> list[_Line]:
        """Write all."""
        while (head := self._peek()) is not None:
            self._comments(head.at, "")
            if head.type == "BLOCK":
                self._block()
            else:
                unit = self._unit("END")
                self._write(_text(unit, self._source, "", _INDENT), unit)
        self._comments(len(self._source) + 1, "")
        return self.lines

    @property
    def _source(self) -> str:
        return self.parsed.source.text

    def _peek(self) -> Token | None:
        """Give the next token that is not an END."""
        tokens = self.parsed.scanned.tokens
        while self.at < len(tokens) and tokens[self.at].type == "END":
            self.at += 1
        return tokens[self.at] if self.at < len(tokens) else None

    def _blank(self, at: int) -> bool:
        """Say whether a blank line stands between what was written last and an offset."""
        return self._source.count("\n", self.end, at) > 1 and bool(self.lines)

    def _comments(self, until: int, indent: str) -> None:
        """Write the comments before an offset, each on a line of its own."""
        comments = self.parsed.scanned.comments
        while self.comment < len(comments) and comments[self.comment][0] < until:
            at, text = comments[self.comment]
            self.lines.append(_Line(indent + text, self._blank(at), "comment"))
            self.end = at + len(text)
            self.comment += 1

    def _unit(self, *until: str) -> _Unit:
        """Take tokens up to the first of a kind outside all brackets: an END is left out, a brace is not."""
        comments, tokens = self.parsed.scanned.comments, self.parsed.scanned.tokens
        unit = _Unit([], {}, self._blank(tokens[self.at].at))
        depth = 0
        while True:
            token = tokens[self.at]
            if token.type in until and depth == 0 and token.type == "END":
                break
            self.at += 1
            if token.type != "END":
                while self.comment < len(comments) and comments[self.comment][0] < token.at:
                    unit.inside.setdefault(len(unit.tokens), []).append(comments[self.comment][1])
                    self.comment += 1
                unit.tokens.append(token)
            if token.type in until and depth == 0:
                break
            depth += (token.type == "LBRACE") - (token.type == "RBRACE")
        self.end = unit.tokens[-1].end
        after = self._peek()
        stop = self._source.find("\n", self.end)
        stop = min(stop if stop >= 0 else len(self._source), after.at if after is not None else len(self._source))
        if self.comment < len(comments) and comments[self.comment][0] < stop:
            at, unit.trailing = comments[self.comment]
            self.end = at + len(unit.trailing)
            self.comment += 1
        return unit

    def _write(self, text: str, unit: _Unit, edge: str = "") -> None:
        self.lines.append(_Line(f"{text}  {unit.trailing}" if unit.trailing else text, unit.blank, edge))

    def _block(self) -> None:
        head = self._unit("LBRACE")
        self._write(_text(head, self._source, "", _INDENT), head, "head")
        rows: list[tuple[list[_Line], _Unit | None]] = []  # comments above a field, and the field
        written, self.lines = self.lines, []
        while (token := self._peek()) is not None:
            self._comments(token.at, _INDENT)
            above, self.lines = self.lines, written  # _blank looks whether anything was written at all
            if token.type == "RBRACE":
                rows.append((above, None))
                break
            unit = self._unit("END")
            rows.append((above, unit))
            written, self.lines = self.lines, []
        fields = [unit for _, unit in rows if unit is not None]
        column = max((len(_first(unit, self._source)) for unit in fields if unit.tokens[0].type != "WINDOW"), default=0)
        tiers = _tier_widths(fields, self._source)
        for above, row in rows:
            self.lines += above
            if row is not None:
                self._write(_field(row, self._source, column, tiers), row)
        start = next(k for k in range(len(self.lines) - 1, -1, -1) if self.lines[k].edge == "head")
        if len(self.lines) > start + 1:
            self.lines[start + 1].blank = False
        brace = self._unit("RBRACE")
        brace.blank = False
        self._write("}", brace, "brace")


def format_text(parsed: Parsed) -> str:
    """Lay out a text that has no syntax errors. Raises ValueError for one that has."""
    if parsed.diagnostics:
        raise ValueError(str(parsed.diagnostics[0].span))
    lines = _Layout(parsed).run()
    for k, line in enumerate(lines):
        if line.edge == "head":
            first = k
            while first > 0 and lines[first - 1].edge == "comment" and not lines[first].blank:
                first -= 1
            lines[first].blank = True
        elif k > 0 and lines[k - 1].edge == "brace":
            line.blank = True
    return "".join(("\n" if line.blank and k else "") + line.text.rstrip() + "\n" for k, line in enumerate(lines))


def _first(unit: _Unit, source: str) -> str:
    token = unit.tokens[0]
    return source[token.at : token.end]


def _field(unit: _Unit, source: str, column: int, tiers: tuple[int, int]) -> str:
    if unit.tokens[0].type == "WINDOW":
        return _text(unit, source, _INDENT, _INDENT * 2)
    word = _INDENT + _first(unit, source).ljust(column) + "  "
    rest = _Unit(unit.tokens[1:], {k - 1: notes for k, notes in unit.inside.items()})
    if unit.tokens[0].type == "TIER" and not unit.inside:
        name, when, weight = _tier(rest, source)
        return f"{word}{name.ljust(tiers[0])}  {when.ljust(tiers[1])}  {weight}"
    return _text(rest, source, word, " " * len(word))


def _tier(rest: _Unit, source: str) -> tuple[str, str, str]:
    """Give the three columns of a tier: name, condition, weight."""
    tokens = rest.tokens
    weight = max(k for k, token in enumerate(tokens) if token.type == "WEIGHT")
    parts = (tokens[:1], tokens[1:weight], tokens[weight:])
    name, when, last = ("".join(c.gap + c.text for c in _chunks(_Unit(part, {}), source)) for part in parts)
    return name, when, last


def _tier_widths(fields: Sequence[_Unit], source: str) -> tuple[int, int]:
    cells = [_tier(_Unit(u.tokens[1:], {}), source) for u in fields if u.tokens[0].type == "TIER" and not u.inside]
    return max((len(c[0]) for c in cells), default=0), max((len(c[1]) for c in cells), default=0)


def _chunks(unit: _Unit, source: str) -> list[_Chunk]:
    """Space the tokens of a unit, and cut them where a line may or must break."""
    chunks: list[_Chunk] = []
    depth, braces, word = 0, 0, 0  # of parentheses; of braces; how many words since the fault's brace
    for k, token in enumerate(unit.tokens):
        gap = _gap(unit.tokens, k) if k else ""
        if braces and token.type not in {"LBRACE", "RBRACE"}:
            gap = "  " if word and word % 2 == 0 else " "
            word += 1
        text = source[token.at : token.end]
        shown = _number(text) if token.type == "NUMBER" else text
        notes = unit.inside.get(k, [])
        logic = depth == 0 and token.type in {"AND", "OR"}
        if not chunks or notes or logic or (depth == 0 and unit.tokens[k - 1].type == "COMMA"):
            chunks.append(_Chunk(gap, shown, notes, logic))
        else:
            chunks[-1].text += gap + shown
        depth += (token.type in {"LPAR", "LSQB"}) - (token.type in {"RPAR", "RSQB"})
        braces += (token.type == "LBRACE") - (token.type == "RBRACE")
    return chunks


def _text(unit: _Unit, source: str, start: str, indent: str) -> str:
    """Write a unit behind `start`; where it must be broken, lists are filled and every `and`, `or` begins a line with `indent`."""
    chunks = _chunks(unit, source)
    flat = start + "".join(chunk.gap + chunk.text for chunk in chunks)
    if len(flat) <= WIDTH and not unit.inside:
        return flat
    lines: list[str] = []
    line, fresh = start, True
    for chunk in chunks:
        for note in chunk.notes:
            lines.append(f"{line.rstrip()}  {note}" if line.strip() else indent + note)
            line, fresh = indent, True
        if not fresh and (chunk.logic or len(line + chunk.gap + chunk.text) > WIDTH):
            lines.append(line)
            line, fresh = indent, True
        line += chunk.text if fresh else chunk.gap + chunk.text
        fresh = False
    return "\n".join([*lines, line])


def _gap(tokens: Sequence[Token], k: int) -> str:
    """Give the space between token k and the one before it."""
    before, token = tokens[k - 1], tokens[k]
    if token.type in {"COMMA", "RPAR", "RSQB", "LSQB"} or before.type in {"LPAR", "LSQB"}:
        return ""
    if before.type == "MINUS" and (k < 2 or tokens[k - 2].type not in _OPERANDS):
        return ""
    if token.type == "LPAR":
        return "" if before.type == "NAME" else " "
    return " "


def _number(text: str) -> str:
    """Write a number: time units and % stand right behind it, other units after a space."""
    found = _NUMBER.fullmatch(text)
    assert found is not None
    digits, unit, per = found.groups()
    return digits + (("" if unit in GLUED else " ") + unit if unit else "") + (f"/{per}" if per else "")
