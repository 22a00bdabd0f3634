"""Text to tokens: one pass of one regular expression, so that ten thousand lines take a fraction of a second.

A line break ends a field, unless the line ends, or the next one begins, with something that cannot stand there alone (a comma, an
operator, an opening or closing bracket, `and`, `or`, `then`, `for`, `over`, `is`). Such an end is a token (END), as in Go. A number and
its unit are one token. Words are words here; which of them are keywords depends on where they stand and is the parser's to say.
"""

import re
from dataclasses import dataclass, field
from fractions import Fraction

from rules.diagnostic import Diagnostic, did_you_mean
from rules.span import Source
from rules.units import ALIASES, DIGITS, NUMBER, UNITS, UNKNOWN, Dimension, Quantity, product

MAX_FILE = 4 << 20  # bytes
MAX_NAME = 64
MAX_STRING = 1024
MAX_NESTING = 32  # brackets of any kind inside one another
MAX_DIAGNOSTICS = 200  # a file

_UNIT = "|".join(sorted((re.escape(unit) for unit in UNITS if unit != "%"), key=len, reverse=True))
_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_TOKEN = re.compile(
    rf"""[ \t\r]*(?:
      (?P<NEWLINE>\n)
    | (?P<COMMENT>\#[^\n]*)
    | (?P<DATE>\d{{4}}-\d\d-\d\d(?!\w))
    | (?P<CLOCK>\d\d?:\d\d(?:-\d\d?:\d\d)?(?!\w)(?:[ \t]+(?P<zone>[A-Za-z][\w+/-]*))?)
    | (?P<NUMBER>(?P<digits>\d[\d_]*(?:\.\d[\d_]*)?)(?:(?P<glued>%|[A-Za-z_]\w*)|[ \t]+(?P<unit>%|(?:{_UNIT})(?!\w)))?
        (?:[ \t]?/[ \t]?(?P<per>{_UNIT})(?!\w))?)
    | (?P<DAYS>{_DAY}(?:-{_DAY})?(?!\w))
    | (?P<WORD>[A-Za-z_]\w*(?:\.\w+)*)
    | (?P<STRING>"[^"\n\\]*(?:\\[^\n][^"\n\\]*)*"?)
    | (?P<SIGN>[<>=!]=|[-+*/<>=(),\[\]{{}}])
    | (?P<OTHER>.)
    )""",
    re.VERBOSE | re.ASCII,
)
_HIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
_CLOSED = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"')
_ESCAPE = re.compile(r"\\(.)")
_SIGNS = {"(": "LPAR", ")": "RPAR", "[": "LSQB", "]": "RSQB", "{": "LBRACE", "}": "RBRACE", ",": "COMMA", "=": "EQUAL", "-": "MINUS", "+": "PLUS"}
_SIGNS |= {"*": "TIMES", "/": "TIMES"} | dict.fromkeys(("<", ">", "<=", ">=", "==", "!="), "COMPARE")
_CLOSES = {"RPAR": "LPAR", "RSQB": "LSQB", "RBRACE": "LBRACE"}
_MEANT = {
    "&": "write 'and'", "|": "write 'or'", "!": "write 'not'", ";": "each stands on a line of its own", "'": 'strings stand in "',
    "$": "write 5 USD", ":": "a field's value follows its name, with nothing between them",
}  # fmt: skip
# A line that ends with one of these goes on; so does one whose next line begins with one.
_GOES_ON = frozenset(
    ("COMMA", "LPAR", "LSQB", "LBRACE", "EQUAL", "MINUS", "PLUS", "TIMES", "COMPARE", "and", "or", "not", "over", "when", "is", "END")
)
_CARRIES_ON = frozenset(("COMMA", "RPAR", "RSQB", "EQUAL", "MINUS", "PLUS", "TIMES", "COMPARE", "and", "or", "then", "for", "over", "is"))


@dataclass(slots=True)
class Token:
    """A piece of text. `value` is what it stands for: a Quantity for NUMBER, the content of a STRING, else its text."""

    type: str
    at: int
    end: int
    value: str | Quantity


@dataclass(slots=True)
class Scan:
    """What a text is made of. Comments are kept for the formatter: (offset, text)."""

    source: Source
    tokens: list[Token] = field(default_factory=list)
    comments: list[tuple[int, str]] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    open: list[Token] = field(default_factory=list)  # brackets not yet closed
    quantities: dict[str, Quantity] = field(default_factory=dict)  # texts of numbers already read

    def error(self, at: int, end: int, code: str, message: str, hint: str = "") -> None:
        """Note an error at a place; after MAX_DIAGNOSTICS the rest of the file is not told of."""
        if len(self.diagnostics) < MAX_DIAGNOSTICS:
            self.diagnostics.append(Diagnostic(self.source.span(at, end), "error", code, message, hint))

    def add(self, kind: str, at: int, end: int, value: str | Quantity) -> None:
        """Append a token."""
        self.tokens.append(Token(kind, at, end, value))


def scan(source: Source) -> Scan:
    """Split a text into tokens. Faults are noted in the result's diagnostics, and scanning goes on after them."""
    out = Scan(source)
    for hidden in list(_HIDDEN.finditer(source.text))[:MAX_DIAGNOSTICS]:
        out.error(hidden.start(), hidden.end(), "character", f"control or direction-changing character U+{ord(hidden[0]):04X} is not allowed")
    broken, last = False, "END"  # a line break was seen; what the token before it was
    for match in _TOKEN.finditer(source.text):
        kind = match.lastgroup
        at, end = match.start(kind or 0), match.end()
        if kind == "NEWLINE":
            broken = True
            continue
        if kind == "COMMENT":
            out.comments.append((at, match[kind].rstrip()))
            continue
        if kind == "OTHER" or kind is None:
            found = match[0].strip(" \t\r")  # nothing: blanks at the end of the text
            if found and not _HIDDEN.match(found) and (found not in "&|" or source.text[end - 2 : end] != 2 * found):  # of && one is enough
                out.error(at, end, "character", f"character {found!r} means nothing here", _MEANT.get(found, ""))
            continue
        text = match[kind]
        now = _SIGNS[text] if kind == "SIGN" else text if kind == "WORD" else kind
        if (broken and last not in _GOES_ON and now not in _CARRIES_ON) or (now == "RBRACE" and last not in {"END", "LBRACE"}):
            previous = out.tokens[-1].end
            out.add("END", previous, previous + 1, "")
        broken, last = False, now
        if kind == "WORD":
            if end - at > MAX_NAME:
                out.error(at, end, "bound", f"a name of {end - at} characters: at most {MAX_NAME} are allowed")
            out.add("NAME", at, end, text)
        elif kind == "NUMBER":
            out.add(kind, at, end, _number(out, match, at, text))
        elif kind == "SIGN":
            if not _bracket(out, now, at, end):
                break
            out.add(now, at, end, text)
        elif kind == "STRING":
            out.add(kind, at, end, _string(out, at, end, text))
        elif kind == "CLOCK" and match["zone"]:
            clock = match.start("zone")
            out.add(kind, at, at + len(source.text[at:clock].rstrip()), source.text[at:clock].rstrip())
            out.add("ZONE", clock, end, match["zone"])
        else:
            out.add(kind, at, end, text)
    if out.tokens and out.tokens[-1].type != "END":
        out.add("END", out.tokens[-1].end, out.tokens[-1].end, "")
    for opened in out.open[:1]:
        out.error(opened.at, opened.end, "bracket", f"'{opened.value}' is not closed")
    return out


def _bracket(out: Scan, kind: str, at: int, end: int) -> bool:
    """Follow opening and closing brackets; False when they are nested too deep to go on."""
    if kind in {"LPAR", "LSQB", "LBRACE"}:
        out.open.append(Token(kind, at, end, out.source.text[at:end]))
        if len(out.open) > MAX_NESTING:
            out.error(at, end, "bound", f"brackets nested deeper than {MAX_NESTING}", "the rest of this file was not read")
            out.open.clear()
            return False
    elif kind in _CLOSES:
        # A brace closes everything inside it: one missing parenthesis must not spoil the rest of the file.
        while kind == "RBRACE" and out.open and out.open[-1].type != "LBRACE":
            lost = out.open.pop()
            out.error(lost.at, lost.end, "bracket", f"'{lost.value}' is not closed")
        if out.open and out.open[-1].type == _CLOSES[kind]:
            out.open.pop()
        elif kind != "RBRACE" or not out.open:
            out.error(at, end, "bracket", f"'{out.source.text[at:end]}' closes nothing")
    return True


def _string(out: Scan, at: int, end: int, text: str) -> str:
    if not _CLOSED.fullmatch(text):
        out.error(at, at + len(text.rstrip()), "string", "this string is not closed on its line", 'end it with "')
        while out.open and out.open[-1].type != "LBRACE":
            out.open.pop()  # what would have closed it is in the string
        return text[1:]
    if end - at - 2 > MAX_STRING:
        out.error(at, end, "bound", f"a string of {end - at - 2} characters: at most {MAX_STRING} are allowed")
    for escape in _ESCAPE.finditer(text):
        if escape[1] not in {'"', "\\"}:
            out.error(at + escape.start(), at + escape.end(), "string", f"unknown escape '{escape[0]}'", 'known are \\" and \\\\')
    return _ESCAPE.sub(r"\1", text[1:-1])


def _number(out: Scan, match: re.Match[str], at: int, text: str) -> Quantity:
    known = out.quantities.get(text)
    if known is None:
        known = out.quantities[text] = _read_number(out, match, at)
    return known


def _read_number(out: Scan, match: re.Match[str], at: int) -> Quantity:
    """Read digits, unit and per-unit. A text that is wrong is told of once; a number cannot be more wrong than that."""
    digits = match["digits"]
    if len(digits) - digits.count("_") - digits.count(".") > DIGITS:
        out.error(at, at + len(digits), "bound", f"a number of {len(digits)} characters: at most {DIGITS} digits are allowed")
        return Quantity(Fraction(0), UNKNOWN)
    if "__" in digits or digits.endswith("_") or "_." in digits or "._" in digits:
        out.error(at, at + len(digits), "number", f"'{digits}': an underscore stands between two digits")
    value, dimension = Fraction(digits.replace("_", "").rstrip(".")), NUMBER
    if match["glued"]:
        value, dimension = _apply(out, value, match["glued"], match.start("glued"))
    elif match["unit"]:
        unit = UNITS[match["unit"]]
        value, dimension = value * unit[1], unit[0]
    if match["per"]:
        unit = UNITS[match["per"]]
        value, dimension = value / unit[1], product(dimension, unit[0], -1)
    return Quantity(value, dimension)


def unit_hint(unit: str) -> str:
    """Give the hint for what is no unit."""
    meant = ALIASES.get(unit.casefold())
    return f"did you mean '{meant}'?" if meant else did_you_mean(unit, UNITS) or f"units are {', '.join(UNITS)}"


def _apply(out: Scan, value: Fraction, unit: str, at: int) -> tuple[Fraction, Dimension]:
    found = UNITS.get(unit)
    if found is None:
        hint = unit_hint(unit)
        if unit[0] in "eE" and unit[1:].isdigit():
            hint = "write the number out; digits may be grouped with _"
        out.error(at, at + len(unit), "unit", f"unknown unit '{unit[:MAX_NAME]}'", hint)
        return value, UNKNOWN
    return value * found[1], found[0]
