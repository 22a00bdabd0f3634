"""Tokens to syntax: Lark's LALR(1) tables, driven a statement at a time, with recovery at the end of a field.

Lark makes the tables from grammar.lark and runs them; what is done here is (a) the contextual part of lexing: a word is a keyword only
in a state that has a use for it, and the first word of a field is the terminal that the catalogue gives it; (b) panic-mode recovery:
after a mistake the parser goes back to where the field began and goes on behind its end, so that one mistake does not hide the next;
(c) messages by example: a mistake that leads to the same state and token as an example gets the example's message.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar, cast

from lark import Lark, Transformer
from lark.exceptions import UnexpectedToken
from lark.lexer import Lexer
from lark.lexer import Token as LarkToken

from rules import catalog, syntax
from rules.diagnostic import Diagnostic, nearest
from rules.scan import Scan, Token, scan, unit_hint
from rules.span import Source
from rules.units import Quantity

_T = TypeVar("_T")

MAX_OPERATORS = 128  # in one field: bounds how deep an expression can be

KEYWORDS = {
    word: word.upper()
    for word in (
        "and",
        "at",
        "by",
        "every",
        "for",
        "from",
        "is",
        "not",
        "on",
        "or",
        "otherwise",
        "over",
        "rising",
        "then",
        "to",
        "weight",
        "when",
        "within",
    )
}
POLICY = {"let": "LET", "include": "INCLUDE", "on": "ON"} | dict.fromkeys(catalog.BLOCKS, "BLOCK")
SCENARIOS = {"let": "LET"} | dict.fromkeys(catalog.SCENARIO, "BLOCK")
_OPERATORS = frozenset(("PLUS", "MINUS", "TIMES", "COMPARE", "AND", "OR"))
_PUNCTUATION = ("LPAR", "RPAR", "LSQB", "RSQB", "LBRACE", "RBRACE", "COMMA", "EQUAL", "PLUS", "MINUS", "TIMES", "COMPARE", "END")
_SHAPES = (
    "AMOUNT",
    "DEADLINE",
    "CHARGES",
    "SHARES",
    "TEXT",
    "TARGET",
    "NAMES",
    "SETTINGS",
    "CONDITION",
    "GUARD",
    "ACTIONS",
    "MOMENT",
    "WINDOW",
    "DATES",
    "FAULT",
    "TIER",
    "GIVEN",
    "EXPECTATION",
    "TRIAL",
)
_TERMINALS = ("NAME", "NUMBER", "STRING", "DAYS", "DATE", "CLOCK", "ZONE", "LET", "INCLUDE", "BLOCK", *_PUNCTUATION, *_SHAPES, *KEYWORDS.values())

# How a terminal is called in "expected ...".
_CALLED = {
    "NAME": "a name",
    "NUMBER": "a number",
    "STRING": 'a "string"',
    "DAYS": "a weekday",
    "DATE": "a date (2026-12-25)",
    "CLOCK": "a time (09:30)",
    "ZONE": "a time zone (Etc/UTC)",
    "END": "the end of the line",
    "LPAR": "'('",
    "RPAR": "')'",
    "LSQB": "'['",
    "RSQB": "']'",
    "LBRACE": "'{'",
    "RBRACE": "'}'",
    "COMMA": "','",
    "EQUAL": "'='",
    "COMPARE": "a comparison",
    "PLUS": "an operator",
    "MINUS": "'-'",
    "TIMES": "an operator",
}
_CALLED |= {kind: f"'{word}'" for word, kind in KEYWORDS.items()}

# Messages by example: each mistake below is parsed when the first syntax error is met, and the state that it ends in is remembered.
EXAMPLES: dict[str, tuple[str, ...]] = {
    "a comparison needs a value on its right side": ("alert a info {\nwhen edge >\n}", "alert a info {\nwhen edge > )\n}"),
    "comparisons do not chain; join two with 'and'": ("alert a info {\nwhen 1 < edge < 2\n}",),
    "'=' gives a setting its value; to compare, write '=='": ("alert a info {\nwhen edge = 2\n}",),
    "'for' wants a duration, such as 5s": ("alert a info {\nwhen edge > 2 for\n}", "alert a info {\ndo log for\n}"),
    "'over' wants a duration, such as 10s": ("alert a info {\nwhen p99(ack) over\n}", "alert a info {\nwhen p99(ack) over > 5\n}"),
    "'then' wants what is done, such as halt": ("risk default {\nmax_daily_loss 5 USD then\n}",),
    "'is' wants a state, such as stale": ("alert a info {\nwhen book is\n}", "alert a info {\nwhen book is not\n}"),
    "a tier ends with its weight: weight 1.0": ("reputation {\ntier a when score > 0.5\n}", "reputation {\ntier a otherwise\n}"),
    "a tier says 'when' and a condition, or 'otherwise'": ("reputation {\ntier a\n}", "reputation {\ntier a weight 1\n}"),
    "this field has no value": (
        "risk default {\nmax_position\n}",
        "venue a {\nfee\n}",
        "venue a {\nweight\n}",
        "strategy a {\nfile\n}",
        "strategy a {\nsymbols\n}",
        "strategy a {\nset\n}",
        "alert a info {\nwhen\n}",
        "alert a info {\ndo\n}",
        "chaos a {\nevery\n}",
        "chaos a {\ninject\n}",
    ),
    "a list ends with a comma; another entry is missing": (
        "strategy a {\nsymbols A,\n}",
        "strategy a {\nset b = 1,\n}",
        "venue a {\nweight b 1,\n}",
        "venue a {\nfee 1 mils maker,\n}",
        "alert a info {\ndo log,\n}",
    ),
    "one value stands here; digits are grouped with _": ("risk default {\nmax_position 1,000 shares\n}",),
    "a fee says which: maker or taker": ("venue a {\nfee 1 mils\n}", "venue a {\nfee 1 mils, 2 mils\n}"),
    "a time needs its time zone, such as Etc/UTC": (
        "blackout a {\nMon 09:30\n}",
        "blackout a {\nMon 09:30-10:00\n}",
        "chaos a {\nevery Mon 09:30\n}",
    ),
    "'act' and 'abort' are followed by 'when'": ("model a {\nact edge > 2\n}", "model a {\nact\n}"),
    "'recover' is followed by 'within'": ("chaos a {\nrecover 2s\n}", "chaos a {\nrecover\n}"),
    "a block's head is followed by '{'": ("venue a\n", "venue\n"),
    "a constant is declared as: let NAME = VALUE": ("let\n", "let a\n", "let a 5\n", "let = 5\n", "let a =\n"),
    "'given' says: METRIC = VALUE, METRIC rising RATE, or SUBJECT is STATE": ("scenario a {\ngiven edge\n}", "scenario a {\ngiven edge 2\n}"),
    "'expect' says: ALERT is [not] STATE at TIME": ("scenario a {\nexpect b\n}", "scenario a {\nexpect b is firing\n}"),
    'an include names its files in a string: include "rules.d/*.rules"': ("include\n", "include a\n"),
}


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file's statements, its tokens and comments, and what is wrong with it. Statements with faults in them are kept as far as they go."""

    source: Source
    statements: tuple[syntax.Statement, ...]
    scanned: Scan

    @property
    def diagnostics(self) -> list[Diagnostic]:
        """All syntax errors, in the order of the text."""
        return sorted(self.scanned.diagnostics, key=lambda d: (d.span.line, d.span.col))


def parse(source: Source, starts: Mapping[str, str] = POLICY) -> Parsed:
    """Read a text of statements that begin with the words of `starts`: POLICY or SCENARIOS.

    Never raises for what the text holds: its faults are in the result's diagnostics.
    """
    scanned = scan(source)
    return Parsed(source, tuple(_Parser(scanned, starts).statements()), scanned)


class _NoLexer(Lexer):
    """Lark is given tokens: rules/scan.py makes them."""

    def __init__(self, _conf: object) -> None:
        pass

    def lex(self, *_: object) -> Any:
        """Give nothing."""
        return iter(())


@cache
def _lark() -> Lark:
    """Make the tables: once a process, in about a tenth of a second."""
    text = files("rules").joinpath("grammar.lark").read_text("utf-8") + f"\n%declare {' '.join(_TERMINALS)}\n"
    return Lark(text, parser="lalr", lexer=_NoLexer, transformer=_Build(), maybe_placeholders=False)


class _Parser:
    """Feeds a scan's tokens to Lark, a statement at a time."""

    def __init__(self, scanned: Scan, starts: Mapping[str, str], *, learning: bool = False) -> None:
        self.scanned = scanned
        self.starts = starts
        self.tokens = scanned.tokens
        self.at = 0
        self.learning = learning  # reading an example: its first mistake is wanted, not a message
        self.mistake: tuple[int, str] | None = None
        self.lark = _lark()
        self.interactive = self.lark.parse_interactive()
        self.operators = 0
        self.told = {fault.span.line for fault in scanned.diagnostics}  # a line whose tokens are wrong says no more of its grammar

    def statements(self) -> list[syntax.Statement]:
        """Read all."""
        found: list[syntax.Statement] = []
        while self.at < len(self.tokens):
            if self.tokens[self.at].type == "END":
                self.at += 1
                continue
            statement = self.statement()
            if statement is not None:
                found.append(statement)
        return found

    def statement(self) -> syntax.Statement | None:
        """Read one, or tell why not and skip it."""
        head = self.tokens[self.at]
        kind = self._start_of(head)
        if kind is None:
            self._skip_statement()
            return None
        self.interactive = self.lark.parse_interactive()
        self.operators = 0
        self._feed(head, kind)
        self.at += 1
        if kind == "BLOCK":
            return self._block()
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if not self._try(token):
                self._skip_statement()
                return None
            self.at += 1
            if token.type == "END":
                break
        return self._finish()

    def _start_of(self, head: Token) -> str | None:
        """Give the terminal of a statement's first word. A word that is nearly one is told of and taken for it."""
        text = str(head.value)
        if head.type == "NAME" and text in self.starts:
            return self.starts[text]
        if head.type != "NAME":
            self._error(head, "syntax", f"expected a block ({', '.join(self.starts)}), found {_found(head)}")
            return None
        meant = nearest(text, self.starts)
        if meant and not self._opens(self.at) and self.starts[meant] == "BLOCK":
            meant = ""
        self._error(head, "block", f"unknown block '{text}'", f"did you mean '{meant}'?" if meant else f"known are {', '.join(self.starts)}")
        if not meant:
            return None
        head.value = meant
        return self.starts[meant]

    def _block(self) -> syntax.Statement | None:
        """Read a block behind its first word."""
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if not self._try(token):
                self._skip_statement()
                return None
            self.at += 1
            if token.type == "LBRACE":
                break
        kind = self._kind()
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token.type == "END":
                self.at += 1
            elif token.type == "RBRACE":
                self._feed(token)
                self.at += 1
                self._end_of_block()
                return self._finish()
            elif (
                token.type == "NAME"
                and str(token.value) in self.starts
                and (str(token.value) not in catalog.KINDS[kind].fields or self._opens(self.at))
            ):
                break  # the next block begins: this one lacks its brace, which the scan has told
            else:
                self._field(kind)
        end = self.tokens[self.at - 1].end
        self._feed(Token("RBRACE", end, end, "}"))
        self._feed(Token("END", end, end, ""))
        return self._finish()

    def _kind(self) -> str:
        """Give the kind of the block being read: the first value on Lark's stack."""
        return str(cast("Token", self.interactive.parser_state.value_stack[0]).value)

    def _end_of_block(self) -> None:
        token = self.tokens[self.at] if self.at < len(self.tokens) else None
        if token is not None and token.type == "END":
            self._feed(token)
            self.at += 1
            return
        if token is not None:
            self._error(token, "syntax", f"expected the end of the line after '}}', found {_found(token)}")
        last = self.tokens[self.at - 1].end
        self._feed(Token("END", last, last, ""))

    def _field(self, kind: str) -> None:
        """Read a field up to its END, or tell why not, go back to where it began, and skip it."""
        shape = self._shape_of(kind, self.tokens[self.at])
        if shape is None:
            self._skip_field()
            return
        state = self.interactive.parser_state
        self._feed(self.tokens[self.at], shape)
        begin = len(state.state_stack) - 1
        self.at += 1
        self.operators = 0
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if broken := self._broken_off(kind):
                self._error(self.tokens[self.at - 1], "syntax", broken)
                del state.state_stack[begin:]
                del state.value_stack[begin - 1 :]
                return
            if not self._try(token, kind):
                del state.state_stack[begin:]
                del state.value_stack[begin - 1 :]
                self._skip_field()
                return
            self.at += 1
            if token.type == "END" and len(state.state_stack) == begin + 2:
                return
        del state.state_stack[begin:]  # the text ends inside the field, which the scan has told
        del state.value_stack[begin - 1 :]

    def _broken_off(self, kind: str) -> str:
        """Say what is missing where a line that should go on is followed by another field; "" where that is not so."""
        before, token = self.tokens[self.at - 1], self.tokens[self.at]
        if before.type != "COMMA" and before.type not in _OPERATORS:
            return ""
        if str(token.value) not in catalog.KINDS[kind].fields or "\n" not in self.scanned.source.text[before.end : token.at]:
            return ""
        after = self.tokens[self.at + 1].type if self.at + 1 < len(self.tokens) else "END"
        if before.type == "COMMA":
            return "" if after in {"COMMA", "END", "EQUAL"} else "a list ends with a comma; another entry is missing"
        if before.type == "COMPARE":
            return "a comparison needs a value on its right side"
        return f"'{before.value}' needs something on its right side"

    def _shape_of(self, kind: str, token: Token) -> str | None:
        """Give the terminal of a field's first word. A word that is nearly a field is told of and taken for it."""
        fields, text = catalog.KINDS[kind].fields, str(token.value)
        if token.type == "DAYS" and kind in {"blackout", "schedule"}:
            return "WINDOW"
        if token.type != "NAME":
            self._error(token, "syntax", f"expected a field of {kind} ({', '.join(fields)}), found {_found(token)}")
            return None
        if text in fields:
            return fields[text].shape
        meant = nearest(text, fields)
        self._error(token, "field", f"unknown field '{text}' in {kind}", f"did you mean '{meant}'?" if meant else f"known are {', '.join(fields)}")
        if not meant:
            return None
        token.value = meant
        return fields[meant].shape

    def _try(self, token: Token, kind: str = "") -> bool:
        """Feed a token; False, with a message, where the grammar has no use for it."""
        try:
            self._feed(token)
        except UnexpectedToken:
            self._explain(token, kind)
            return False
        if token.type in _OPERATORS:
            self.operators += 1
            if self.operators > MAX_OPERATORS:
                self._error(token, "bound", f"more than {MAX_OPERATORS} operators in one expression")
                return False
        return True

    def _feed(self, token: Token, kind: str = "") -> None:
        """Feed a token as a terminal; a word as the keyword that it is in this state, if it is one."""
        state = self.interactive.parser_state
        if kind:
            token.type = kind
        elif token.type == "NAME":
            keyword = KEYWORDS.get(token.value)  # type: ignore[arg-type]  # a NAME's value is its text
            if keyword is not None and keyword in state.parse_conf.states[state.position]:
                token.type = keyword
        elif token.type == "DAYS" and "DAYS" not in state.parse_conf.states[state.position] and "-" not in str(token.value):
            token.type = "NAME"  # a strategy may be called Sun
        state.feed_token(cast("LarkToken", token))

    def _finish(self) -> syntax.Statement | None:
        """End the statement."""
        state = self.interactive.parser_state
        result = state.feed_token(cast("LarkToken", Token("$END", 0, 0, "")), is_end=True)
        return _placed(result, self.scanned.source)

    def _opens(self, at: int) -> bool:
        """Whether the line from token `at` on opens a brace."""
        while at < len(self.tokens) and self.tokens[at].type not in {"END", "LBRACE", "RBRACE"}:
            at += 1
        return at < len(self.tokens) and self.tokens[at].type == "LBRACE"

    def _skip_field(self) -> None:
        """Go behind the field's END, or up to the brace that closes its block."""
        depth = 0
        while self.at < len(self.tokens):
            kind = self.tokens[self.at].type
            if kind == "RBRACE" and depth == 0:
                return
            depth += (kind == "LBRACE") - (kind == "RBRACE")
            self.at += 1
            if kind == "END" and depth == 0:
                return

    def _skip_statement(self) -> None:
        """Go behind the END of the statement, its braces included; at least one token."""
        depth = 0
        while self.at < len(self.tokens):
            kind = self.tokens[self.at].type
            depth = max(0, depth + (kind == "LBRACE") - (kind == "RBRACE"))
            self.at += 1
            if kind == "END" and depth == 0:
                return

    def _error(self, token: Token, code: str, message: str, hint: str = "") -> None:
        if not self.learning and self.scanned.source.span(token.at, token.end).line not in self.told:
            self.scanned.error(token.at, max(token.end, token.at + 1), code, message, hint)

    def _explain(self, token: Token, kind: str) -> None:
        """Say what was wrong with a token: by the unit that it should have been, by example, or by what was expected."""
        position = self.interactive.parser_state.position
        if self.learning:
            self.mistake = self.mistake or (position, token.type)
            return
        before = self.tokens[self.at - 1]
        fields = catalog.KINDS[kind].fields if kind else {}
        if before.type == "NUMBER" and token.type == "NAME" and str(token.value) not in fields:
            text = str(token.value)
            self._error(token, "unit", f"unknown unit '{text}'", unit_hint(text))
        elif token.type in {"NAME", *_SHAPES} and str(token.value) in fields:
            self._error(token, "syntax", f"'{token.value}' begins another field: one field a line")
        else:
            message = _examples().get((position, token.type)) or f"expected {_list(self._accepts())}, found {_found(token)}"
            self._error(token, "syntax", message)

    def _accepts(self) -> list[str]:
        accepted: set[str] = self.interactive.accepts()  # type: ignore[no-untyped-call]
        return sorted({_CALLED.get(kind, kind) for kind in accepted if kind != "$END"})


@cache
def _examples() -> dict[tuple[int, str], str]:
    """Parse the examples: the state and token of each one's mistake, and its message."""
    learned: dict[tuple[int, str], str] = {}
    for message, texts in EXAMPLES.items():
        for text in texts:
            parser = _Parser(scan(Source("example", text)), POLICY | SCENARIOS, learning=True)
            parser.statements()
            if parser.mistake is not None:
                learned.setdefault(parser.mistake, message)
    return learned


def _found(token: Token) -> str:
    if token.type == "END":
        return "the end of the line"
    return f"'{str(token.value)[:40]}'" if token.type != "NUMBER" else f"the number {token.value}"


def _list(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}" if words else "nothing"


def _placed(statement: Any, source: Source) -> syntax.Statement:
    """Give a statement its source, which Lark's callbacks do not know."""
    make, at, end, *rest = statement
    return cast("syntax.Statement", make(at, end, source, *rest))


def _word(token: Token) -> syntax.Word:
    return syntax.Word(token.at, token.end, str(token.value))


def _words(items: Sequence[Any], *kinds: str) -> tuple[syntax.Word, ...]:
    return tuple(item if isinstance(item, syntax.Word) else _word(item) for item in items if isinstance(item, syntax.Word) or item.type in kinds)


def _nodes(items: Sequence[Any], kind: type[_T]) -> tuple[_T, ...]:
    return tuple(item for item in items if isinstance(item, kind))


class _Build(Transformer[Any, Any]):
    """Makes syntax nodes: a method for each rule of the grammar, called by Lark with what the rule's parts became."""

    def start(self, items: list[Any]) -> Any:
        return items[0]

    def let(self, items: list[Any]) -> Any:
        return syntax.Let, items[0].at, items[3].end, _word(items[1]), items[3]

    def include(self, items: list[Any]) -> Any:
        return syntax.Include, items[0].at, items[1].end, _word(items[1])

    def loss(self, items: list[Any]) -> Any:
        after = (_word(items[3]), items[4]) if items[3] is not None and len(items) > 4 else None
        return syntax.Loss, items[0].at, items[-2].end if items[-2] is not None else items[2].end, _word(items[1]), _word(items[2]), after

    def block(self, items: list[Any]) -> Any:
        brace = next(k for k, item in enumerate(items) if isinstance(item, Token) and item.type == "LBRACE")
        words, fields = tuple(items[1:brace]), tuple(items[brace + 1 : -2])
        return syntax.Block, items[0].at, items[-2].end, str(items[0].value), items[brace - 1].end, words, fields

    def field(self, items: list[Any]) -> Any:
        return items[0]

    def amount(self, items: list[Any]) -> Any:
        then = _word(items[3]) if len(items) > 2 else None
        return syntax.Amount(items[0].at, items[-1].end, _word(items[0]), items[1], then)

    def deadline(self, items: list[Any]) -> Any:
        return syntax.Amount(items[0].at, items[-1].end, _word(items[0]), items[2], None)

    def charges(self, items: list[Any]) -> Any:
        return syntax.Entries(items[0].at, items[-1].end, _word(items[0]), _nodes(items, syntax.Named))

    shares = settings = charges

    def charge(self, items: list[Any]) -> Any:
        return syntax.Named(items[0].at, items[1].end, _word(items[1]), items[0])

    def share(self, items: list[Any]) -> Any:
        return syntax.Named(items[0].at, items[-1].end, _word(items[0]), items[-1])

    setting = share

    def text(self, items: list[Any]) -> Any:
        return syntax.Text(items[0].at, items[1].end, _word(items[0]), _word(items[1]))

    def target(self, items: list[Any]) -> Any:
        options = tuple(syntax.Named(name.at, value.end, _word(name), _word(value)) for name, value in zip(items[2::2], items[3::2], strict=True))
        return syntax.Target(items[0].at, items[-1].end, _word(items[0]), _word(items[1]), options)

    def names(self, items: list[Any]) -> Any:
        return syntax.Names(items[0].at, items[-1].end, _word(items[0]), _nodes(items, syntax.Word))

    def condition(self, items: list[Any]) -> Any:
        return syntax.Condition(items[0].at, items[-1].end, _word(items[0]), items[1], items[3] if len(items) > 2 else None)

    def guard(self, items: list[Any]) -> Any:
        return syntax.Condition(items[0].at, items[-1].end, _word(items[0]), items[2], None)

    def actions(self, items: list[Any]) -> Any:
        return syntax.Actions(items[0].at, items[-1].end, _word(items[0]), _nodes(items, syntax.Action))

    def action(self, items: list[Any]) -> Any:
        lasting = items[-1] if len(items) > 1 and isinstance(items[-2], Token) and items[-2].type == "FOR" else None
        return syntax.Action(items[0].at, items[-1].end, _word(items[0]), _nodes(items, syntax.Word), lasting)

    def argument(self, items: list[Any]) -> Any:
        return syntax.Word(items[0].at, items[-1].end, " ".join(item.text for item in items))

    def moment(self, items: list[Any]) -> Any:
        if isinstance(items[1], Token) and items[1].type == "DAYS":
            return syntax.Moment(items[0].at, items[-1].end, _word(items[0]), _words(items, "DAYS"), _word(items[-2]), _word(items[-1]))
        return syntax.Amount(items[0].at, items[-1].end, _word(items[0]), items[1], None)

    def window(self, items: list[Any]) -> Any:
        return syntax.Window(items[0].at, items[-1].end, _word(items[0]), _words(items, "WINDOW", "DAYS"), _word(items[-2]), _word(items[-1]))

    def dates(self, items: list[Any]) -> Any:
        timed = items[-1].type == "ZONE"
        clock, zone = (_word(items[-2]), _word(items[-1])) if timed else (None, None)
        return syntax.Dates(items[0].at, items[-1].end, _word(items[0]), _words(items, "DATE"), clock, zone)

    def fault(self, items: list[Any]) -> Any:
        return syntax.Fault(items[0].at, items[-1].end, _word(items[0]), _word(items[1]), _nodes(items, syntax.Named))

    def param(self, items: list[Any]) -> Any:
        name, value = items[:2]
        return syntax.Named(name.at, value.end, _word(name), _number(value) if value.type == "NUMBER" else _word(value))

    def tier(self, items: list[Any]) -> Any:
        when = items[3] if items[2].type == "WHEN" else None
        return syntax.Tier(items[0].at, items[-1].end, _word(items[0]), _word(items[1]), when, items[-1])

    def given(self, items: list[Any]) -> Any:
        lasting = {items[k].type: items[k + 1] for k in range(4, len(items), 2)}
        value = _word(items[3]) if isinstance(items[3], Token) else items[3]
        times = (lasting.get("EVERY"), lasting.get("FROM"), lasting.get("TO"))
        return syntax.Given(items[0].at, items[-1].end, _word(items[0]), items[1], str(items[2].value), value, *times)

    def expectation(self, items: list[Any]) -> Any:
        negated = items[3].type == "NOT"
        return syntax.Expectation(items[0].at, items[-1].end, _word(items[0]), _word(items[1]), negated, _word(items[3 + negated]), items[-1])

    def trial(self, items: list[Any]) -> Any:
        word, side, quantity, symbol, _, price, _, venue, _, strategy, _, moment, _, verdict, *limit = items
        end = items[-1].end
        last = limit[0] if limit else None
        return syntax.Trial(word.at, end, _word(word), _word(side), quantity, symbol, price, venue, strategy, moment, verdict, last)

    def name(self, items: list[Any]) -> Any:
        return _word(items[0])

    def logic(self, items: list[Any]) -> Any:
        return syntax.Binary(items[0].at, items[2].end, str(items[1].value), items[0], items[2])

    sum = term = logic

    def test(self, items: list[Any]) -> Any:
        if items[1].type == "IS":
            return syntax.Is(items[0].at, items[-1].end, items[0], len(items) == 4, _word(items[-1]))
        return self.logic(items)

    def negation(self, items: list[Any]) -> Any:
        return syntax.Unary(items[0].at, items[1].end, str(items[0].value), items[1])

    factor = negation

    def parenthesis(self, items: list[Any]) -> Any:
        return items[1]

    def number(self, items: list[Any]) -> Any:
        return _number(items[0])

    def metric(self, items: list[Any]) -> Any:
        return syntax.Metric(items[0].at, items[-1].end, str(items[0].value), _nodes(items, syntax.Label))

    def label(self, items: list[Any]) -> Any:
        return syntax.Label(items[0].at, items[-1].end, _word(items[0]), items[1].value != "!=", items[2])

    def call(self, items: list[Any]) -> Any:
        window = items[-1] if isinstance(items[-2], Token) and items[-2].type == "OVER" else None
        last = -2 if window is not None else len(items)
        arguments = tuple(item for item in items[1:last] if not isinstance(item, Token))
        return syntax.Call(items[0].at, items[-1].end, _word(items[0]), arguments, window)


def _number(token: Token) -> syntax.Number:
    return syntax.Number(token.at, token.end, cast("Quantity", token.value))
