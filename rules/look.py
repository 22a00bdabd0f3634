"""What stands at a place of a text, what may stand there, and where it was declared: for editors. Works on tokens, so that half a line will do."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from core.feature import DESCRIPTIONS as BY_FEATURE
from rules import calendar, catalog, syntax
from rules.parse import KEYWORDS, parse
from rules.scan import Token, scan
from rules.span import Source, Span
from rules.units import UNITS, describe, unit_name

MAX_SUGGESTIONS = 200
DESCRIPTIONS: dict[str, str] = {feature.name.lower(): said for feature, said in BY_FEATURE.items()}


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A word that may stand here. `kind`: keyword, block, field, metric, function, state, label, constant, name, unit, value."""

    word: str
    kind: str
    about: str


@dataclass(slots=True)
class Place:
    """Where an offset is: in a block of a kind, in its head or in a field, behind these tokens of it. `word` is what is being written."""

    kind: str = ""
    head: bool = False
    line: list[Token] = field(default_factory=list)  # tokens of the field, or of the head, before the word
    used: set[str] = field(default_factory=set)  # fields that the block has
    word: str = ""

    @property
    def field(self) -> str:
        """The field's name; "" at its beginning."""
        return str(self.line[0].value) if self.line and not self.head else ""

    @property
    def before(self) -> str:
        """The type of the token before the word."""
        return self.line[-1].type if self.line else ""


def place(source: Source, offset: int) -> Place:
    """Find where an offset is."""
    found, depth = Place(), 0
    tokens = scan(source).tokens
    for token in tokens:
        if token.at >= offset or (token.end >= offset and token.type in {"NAME", "DAYS", "ZONE"}):
            found.word = source.text[token.at : offset] if token.at < offset else ""
            break
        if token.type == "END":
            if "\n" not in source.text[token.at : offset]:
                continue  # of a line that goes on where the cursor is
            if depth <= 1:
                found.line = []
            if depth == 0:
                found.kind, found.head, found.used = "", False, set()
        elif token.type == "LBRACE":
            depth += 1
            if depth == 1:
                found.head, found.line = False, []
        elif token.type == "RBRACE":
            depth -= 1
        else:
            if depth == 0 and not found.line and token.value in catalog.KINDS:
                found.kind, found.head = str(token.value), True
            if depth == 1 and not found.line:
                found.used.add(str(token.value))
            found.line.append(token)
            continue
        if token.type == "LBRACE" and depth > 1:
            found.line.append(token)
    if "\n" in source.text[found.line[-1].end if found.line else 0 : offset] and found.line and not _goes_on(found.line[-1]) and depth <= 1:
        found.line = []  # the line break that will be an END once something follows
    return found


def _goes_on(token: Token) -> bool:
    return token.type in {"COMMA", "LPAR", "LSQB", "LBRACE", "EQUAL", "MINUS", "PLUS", "TIMES", "COMPARE"} or token.value in {
        "and",
        "or",
        "not",
        "over",
    }


def suggest(source: Source, offset: int, names: Mapping[str, Sequence[str]], *, scenario: bool = False) -> list[Suggestion]:
    """Give what may stand at an offset. `names`: what is declared, by kind (let, notify, strategy, ...)."""
    here = place(source, offset)
    found = [one for one in _suggest(here, names, scenario=scenario) if one.word.casefold().startswith(here.word.casefold())]
    return list(dict.fromkeys(found))[:MAX_SUGGESTIONS]


def _suggest(here: Place, names: Mapping[str, Sequence[str]], *, scenario: bool) -> Iterator[Suggestion]:
    if not here.kind:
        if here.line and here.line[0].value == "let":
            yield from _values(names)
        elif not here.line:
            kinds = catalog.SCENARIO if scenario else catalog.BLOCKS
            yield from (Suggestion(kind, "block", f"{kind} {spec.head}: {spec.meaning}") for kind, spec in kinds.items())
            yield Suggestion("let", "keyword", "let NAME = VALUE: a constant")
            if not scenario:
                yield Suggestion("include", "keyword", 'include "rules.d/*.rules": more files')
    elif here.head:
        words = {"risk": catalog.SCOPES, "alert": catalog.SEVERITIES}.get(here.kind, ())
        if len(here.line) == {"risk": 1, "alert": 2}.get(here.kind, 0):
            yield from (Suggestion(word, "value", f"{here.kind} {catalog.KINDS[here.kind].head}") for word in words)
    elif not here.line:
        for name, spec in catalog.KINDS[here.kind].fields.items():
            if spec.many or name not in here.used:
                yield Suggestion(name, "field", spec.meaning)
        if here.kind in {"schedule", "blackout"}:
            yield from (Suggestion(day, "value", "Mon-Fri 09:30-16:00 America/New_York") for day in catalog.DAYS)
    else:
        yield from _in_field(here, names)


def _in_field(here: Place, names: Mapping[str, Sequence[str]]) -> Iterator[Suggestion]:
    spec = catalog.KINDS[here.kind].fields.get(here.field)
    shape = spec.shape if spec is not None else "WINDOW"
    called = _call(here.line)
    if here.before == "CLOCK":
        yield from (Suggestion(zone, "value", "time zone") for zone in sorted(calendar.zones()))
    elif here.before == "NUMBER" and shape in {"AMOUNT", "CONDITION", "GUARD", "CHARGES", "SETTINGS", "TIER", "DEADLINE", "GIVEN", "TRIAL"}:
        yield from _units()
        yield from _keywords()
        if shape == "CHARGES":
            yield from (Suggestion(name, "value", "fee") for name in catalog.FEES)
    elif shape == "ACTIONS":
        if called is not None:
            targets, strategies = names.get("notify", ()), names.get("strategy", ())
            kind = catalog.ACTIONS[called].argument if called in catalog.ACTIONS else ""
            known = {"notify": targets, "scope?": ("node", *strategies), "part": ("node", *catalog.PARTS)}.get(kind, ())
            yield from (Suggestion(name, "name", called) for name in known)
            if kind in {"scope?", "part"}:
                yield from (Suggestion(name, "keyword", "scope") for name in catalog.SCOPED)
        else:
            yield from (Suggestion(name, "function", action.meaning) for name, action in catalog.ACTIONS.items())
    elif shape == "NAMES":
        declared: dict[str, Sequence[str]] = {
            "features": tuple(DESCRIPTIONS),
            "blackout": names.get("blackout", ()),
            "during": names.get("schedule", ()),
        }
        yield from (Suggestion(name, "name", DESCRIPTIONS.get(name, here.field)) for name in declared.get(here.field, ()))
        if spec is not None:
            yield from (Suggestion(name, "value", spec.meaning) for name in spec.choices)
    elif shape == "SHARES":
        yield from (Suggestion(name, "value", "weight") for name in catalog.WEIGHTS)
    elif shape == "FAULT":
        yield from _faults(here)
    elif shape == "EXPECTATION":
        yield from (Suggestion(name, "name", "alert") for name in names.get("alert", ()))
    elif shape == "TARGET":
        options = spec.options if spec is not None else {}
        yield from (Suggestion(name, "field", looks) for name, looks in options.items() if here.before == "STRING")
    elif here.kind == "model" and shape == "GUARD":
        yield from _values(names)
        yield from (Suggestion(name, "metric", metric_about(name)) for name in catalog.ACT)
        yield from _keywords()
    elif shape not in {"TEXT", "DATES", "WINDOW"}:
        yield from _in_expression(here, names, called)


def _faults(here: Place) -> Iterator[Suggestion]:
    if len(here.line) == 1:
        yield from (Suggestion(name, "value", fault.meaning) for name, fault in catalog.FAULTS.items())
    elif str(here.line[1].value) in catalog.FAULTS:
        params = catalog.FAULTS[str(here.line[1].value)].params
        yield from (Suggestion(name, "field", describe(kind) if kind is not None else "a name") for name, kind in params.items())


def _in_expression(here: Place, names: Mapping[str, Sequence[str]], _called: str | None) -> Iterator[Suggestion]:
    subject = _labelled(here.line)
    if subject is not None:
        labels = catalog.METRICS[subject].labels if subject in catalog.METRICS else ()
        labels = labels or (catalog.STATES[subject][1] if subject in catalog.STATES else ())
        yield from (Suggestion(label, "label", f"label of {subject}") for label in labels)
        return
    if here.line[-1].value in {"is", "not"} and any(token.value == "is" for token in here.line[-2:]):
        subject = next((str(t.value) for t in reversed(here.line) if t.value in catalog.STATES), "")
        yield from (Suggestion(state, "state", f"state of {subject}") for state in catalog.STATES.get(subject, ((), ()))[0])
        return
    yield from _values(names)
    yield from (Suggestion(name, "metric", metric_about(name)) for name in catalog.METRICS)
    yield from (Suggestion(name, "function", one.meaning) for name, one in catalog.FUNCTIONS.items())
    yield from (Suggestion(name, "state", f"{name} is {' | '.join(states)}") for name, (states, _) in catalog.STATES.items())
    yield from _keywords()


def _keywords() -> Iterator[Suggestion]:
    yield from (Suggestion(word, "keyword", "") for word in KEYWORDS)


def _values(names: Mapping[str, Sequence[str]]) -> Iterator[Suggestion]:
    yield from (Suggestion(name, "constant", "constant") for name in names.get("let", ()))


def _units() -> Iterator[Suggestion]:
    yield from (Suggestion(unit, "unit", describe(dimension)) for unit, (dimension, _) in UNITS.items())


def _call(line: Sequence[Token]) -> str | None:
    """Give the name before the parenthesis that is open at the end of a line."""
    depth = 0
    for k in range(len(line) - 1, 0, -1):
        depth += (line[k].type == "RPAR") - (line[k].type == "LPAR")
        if depth < 0:
            return str(line[k - 1].value)
    return None


def _labelled(line: Sequence[Token]) -> str | None:
    """Give the name before the bracket that is open at the end of a line, if a label's name comes next."""
    for k in range(len(line) - 1, 0, -1):
        if line[k].type == "RSQB":
            return None
        if line[k].type == "LSQB":
            return str(line[k - 1].value) if line[-1].type in {"LSQB", "COMMA"} else ""
    return None


def metric_about(name: str) -> str:
    """Describe a metric in a line."""
    metric = catalog.METRICS[name]
    labels = f" [{', '.join(metric.labels)}]" if metric.labels else ""
    unit = unit_name(metric.dimension)
    return f"{metric.meaning}{f', in {unit}' if unit else ''}{labels}"


def about(source: Source, offset: int) -> tuple[str, Span] | None:
    """Describe the word at an offset, in Markdown; None if there is nothing to say."""
    token = next((t for t in scan(source).tokens if t.at <= offset < t.end and t.type in {"NAME", "DAYS"}), None)
    if token is None:
        return None
    word, here = str(token.value), place(source, token.at)
    said = ""
    if not here.line and not here.kind and word in catalog.KINDS:
        spec = catalog.KINDS[word]
        said = f"`{word} {spec.head}`: {spec.meaning}\n\n" + "\n".join(f"- `{name}`: {one.meaning}" for name, one in spec.fields.items())
    elif not here.line and here.kind and word in catalog.KINDS[here.kind].fields:
        one = catalog.KINDS[here.kind].fields[word]
        wanted = " or ".join(dict.fromkeys(describe(d) for d in one.dimensions))
        said = f"`{word}`: {one.meaning}" + (f"\n\nIn {wanted}." if wanted else "")
    elif here.field == "features" and word in DESCRIPTIONS:
        said = f"`{word}`: {DESCRIPTIONS[word]}"
    elif word in catalog.ACTIONS and here.field == "do":
        said = f"`{word}`: {catalog.ACTIONS[word].meaning}"
    elif word in catalog.FUNCTIONS:
        said = f"`{word}(METRIC) over DURATION`: {catalog.FUNCTIONS[word].meaning}"
    elif word in catalog.METRICS:
        said = f"`{word}`: {metric_about(word)}"
        if word in catalog.STATES:
            said += f"\n\n`{word} is` {' | '.join(catalog.STATES[word][0])}"
    elif word in catalog.STATES:
        said = f"`{word} is` {' | '.join(catalog.STATES[word][0])}"
    elif word in catalog.FAULTS:
        said = f"`{word}`: {catalog.FAULTS[word].meaning}"
    return (said, source.span(token.at, token.end)) if said else None


def declarations(source: Source) -> dict[tuple[str, str], Span]:
    """Give where what other rules refer to is declared: (kind, name) to the name's place."""
    found: dict[tuple[str, str], Span] = {}
    for statement in parse(source).statements:
        if isinstance(statement, syntax.Let):
            found.setdefault(("let", statement.name.text), source.span(statement.name.at, statement.name.end))
        elif isinstance(statement, syntax.Block) and statement.words:
            word = statement.words[0]
            found.setdefault((statement.kind, word.text), source.span(word.at, word.end))
    return found


def refers(source: Source, offset: int) -> list[tuple[str, str]]:
    """Say what the word at an offset may refer to: kinds and its name, the likeliest first."""
    token = next((t for t in scan(source).tokens if t.at <= offset < t.end and t.type in {"NAME", "STRING", "DAYS"}), None)
    if token is None:
        return []
    word, here = str(token.value), place(source, token.at)
    kinds = {"blackout": ["blackout"], "during": ["schedule"], "expect": ["alert"], "do": ["notify", "strategy"]}.get(here.field, ["let", "strategy"])
    if here.head:
        kinds = [str(here.line[-1].value)] if here.line else []
    return [(kind, word) for kind in kinds]
