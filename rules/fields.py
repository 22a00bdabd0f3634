"""The fields of one block as typed values. A fault is told where it stands, and its value is None: the rest of the block is still read."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TypeVar
from urllib.parse import urlsplit

from rules import calendar, catalog, syntax
from rules.diagnostic import did_you_mean
from rules.expression import Expression
from rules.include import Reports
from rules.model import Action, Condition, Fault, Moment, Param, Special, Tier, Window
from rules.resolve import MAX_WINDOW, Resolver
from rules.scan import MAX_NAME
from rules.span import Span
from rules.units import BYTES, NUMBER, PRICE, RATE, RATIO, TIME, Dimension, Quantity, decimal, describe, show, unit_name

_F = TypeVar("_F", bound=syntax.Field)

MAX_LIST = 256  # entries of one field
WEEK = 7 * catalog.DAY
# Parts of a target: the code of what they must look like, in words, and an example.
_TARGETS = {
    "webhook": ("url", "an http or https URL", "http://127.0.0.1:9099/hook"),
    "alertmanager": ("url", "an http or https URL", "http://127.0.0.1:9093"),
    "mail": ("mail", "a mail address", "desk@example.org"),
    "command": ("path", "an absolute path", "/usr/local/bin/page"),
    "secret": ("credential", "the name of a credential: letters, digits, '.', '_' and '-'", "ops-hook"),
    "via": ("address", "host:port of an SMTP server", "mx.example.org:25"),
    "from": ("mail", "a mail address", "node@example.org"),
}
_PATTERNS = {
    "mail": re.compile(r"[^@<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9.-]{1,253}"),
    "path": re.compile(r"/[^\0]+"),
    "credential": re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}"),
}


class Fields:
    """Reads a block. `where` gives the place of each field, by its name; a calendar's windows have the name of their day."""

    def __init__(
        self, block: syntax.Block, lets: Mapping[str, Quantity | None], strategies: Sequence[str], reports: Reports, faulty: set[int]
    ) -> None:
        self.block = block
        self.spec = catalog.KINDS[block.kind]
        self._reports = reports
        self._resolver = Resolver(lets, self.report, strategies=strategies)
        self.where: dict[str, Span] = {}
        self._fields: dict[str, list[syntax.Field]] = {}
        for field in block.fields:
            name = "" if isinstance(field, syntax.Window) else field.word.text
            if name in self._fields and name and not self.spec.fields[name].many:
                self.error(field.word, "duplicate", f"'{name}' is given twice", f"first on line {self.where[name].line}")
                continue
            self._fields.setdefault(name, []).append(field)
            self.where.setdefault(field.word.text, self.span(field))
        first, last = self.span(block).line, block.source.span(block.end - 1, block.end).line
        if not any(first <= line <= last for line in faulty):  # else what is missing was perhaps there, and could not be read
            if block.kind in {"schedule", "blackout"} and not self._fields.keys() - {"except"}:
                self.fault(self.head, "never", f"{block.title} never begins: it has no times", "such as: Mon-Fri 09:30-16:00 America/New_York")
            if block.kind == "notify" and not self._fields:
                known = ", ".join(self.spec.fields)
                self.fault(self.head, "missing", f"{block.title} reaches nobody", f"say how, by one of {known}")
            for name, spec in self.spec.fields.items():
                if spec.required and name not in self._fields:
                    self.fault(self.head, "missing", f"{block.title} has no '{name}'", f"{name}: {spec.meaning}")

    @property
    def head(self) -> Span:
        """Where the block's kind and name stand."""
        return self.block.source.span(self.block.at, self.block.head)

    def span(self, node: syntax.Node) -> Span:
        """Give a node's place."""
        return self.block.source.span(node.at, node.end)

    def report(self, node: syntax.Node, severity: str, code: str, message: str, hint: str = "") -> None:
        """Note a finding."""
        self._reports.add(self.span(node), severity, code, message, hint)

    def fault(self, span: Span, code: str, message: str, hint: str = "") -> None:
        """Note an error at a place."""
        self._reports.add(span, "error", code, message, hint)

    def error(self, node: syntax.Node, code: str, message: str, hint: str = "") -> None:
        """Note an error."""
        self.report(node, "error", code, message, hint)

    def _one(self, name: str, kind: type[_F]) -> _F | None:
        for field in self._fields.get(name, ()):
            if isinstance(field, kind):
                return field
        return None

    def _all(self, name: str, kind: type[_F]) -> list[_F]:
        return [field for field in self._fields.get(name, ()) if isinstance(field, kind)]

    # Single values.

    def amount(self, name: str) -> tuple[Quantity, str, Span] | None:
        """Read an amount with its `then`, within the bounds of the catalogue."""
        field = self._one(name, syntax.Amount)
        if field is None:
            return None
        spec = self.spec.fields[name]
        then = field.then.text if field.then is not None else ""
        if field.then is not None and then not in spec.then:
            known = f"known are {', '.join(spec.then)}" if spec.then else f"an order that breaks {name} is denied, and nothing else"
            self.error(field.then, "name", f"'{name}' has no 'then {then}'", did_you_mean(then, spec.then) or known)
        found = self._quantity(field.value, name, spec.dimensions)
        if found is None or not self._within(field.value, name, found, spec):
            return None
        return found, then, self.span(field)

    def duration(self, name: str) -> int | None:
        """Read an amount of time in nanoseconds."""
        found = self.amount(name)
        return int(found[0].value) if found is not None else None

    def _quantity(self, node: syntax.Expression, what: str, dimensions: Sequence[Dimension]) -> Quantity | None:
        """Resolve a constant of one of these dimensions."""
        found = self._resolver.constant(node)
        if found is None or found.dimension in dimensions or (NUMBER in dimensions and found.dimension == RATIO):
            return found
        wanted = " or ".join(dict.fromkeys(describe(d) for d in dimensions))
        hint = f"write {show(found)} {unit_name(dimensions[0])}" if found.dimension == NUMBER and unit_name(dimensions[0]) else ""
        if found.dimension == NUMBER and dimensions[0] == RATIO:
            hint = f"write {show(found)}%, or {show(Quantity(found.value, RATIO))}"
        if found.dimension == NUMBER and dimensions[0] == TIME:
            hint = f"write {show(found)}s, or another unit of time"
        if found.dimension == NUMBER and dimensions[0] == RATE:
            hint = f"write {show(found)}/s"
        if found.dimension == NUMBER and dimensions[0] == BYTES:
            hint = f"write {show(found)} MiB"
        kind = "a plain number" if found.dimension == NUMBER else describe(found.dimension)
        shown = f"{found} is {kind}" if kind != unit_name(found.dimension) else f"found {found}"
        self.error(node, "unit", f"'{what}' wants {wanted}, {shown}", hint)
        return None

    def _within(self, node: syntax.Node, what: str, found: Quantity, spec: catalog.FieldSpec) -> bool:
        low, high = (None if bound is None else Quantity(bound, found.dimension) for bound in (spec.low, spec.high))
        if (low is not None and found.value < low.value) or (high is not None and found.value > high.value):
            least, most = f"at least {low}" if low is not None else "", f"at most {high}" if high is not None else ""
            self.error(node, "bound", f"'{what}' must be {' and '.join(filter(None, (least, most)))}, found {found}")
            return False
        step = spec.step or _step(found.dimension)
        if spec.whole and (found.value / step).denominator != 1:
            self.error(node, "bound", f"'{what}' goes in steps of {Quantity(step, found.dimension)}, found {found}")
            return False
        return True

    def _plain(self, node: syntax.Expression, what: str, low: int, high: int) -> Fraction | None:
        """Resolve a plain number or ratio within bounds."""
        found = self._quantity(node, what, (NUMBER,))
        if found is None:
            return None
        if not low <= found.value <= high:
            self.error(node, "bound", f"'{what}' must be at least {low} and at most {high}, found {found}")
            return None
        return found.value

    def text(self, name: str) -> str:
        """Read a string that is not empty; "" when there is none."""
        field = self._one(name, syntax.Text)
        if field is None:
            return ""
        if not field.value.text.strip():
            self.error(field.value, "empty", f"'{name}' is empty")
        return field.value.text

    def target(self) -> tuple[str, str, dict[str, str]]:
        """Read how somebody is told: the one field of a notify block, its value, and what follows it."""
        fields = [field for found in self._fields.values() for field in found if isinstance(field, syntax.Target)]
        for extra in fields[1:]:
            self.error(extra, "duplicate", f"{self.block.title} has a target already", "declare another notify: an alert may tell several")
        if not fields:
            return "", "", {}
        how, to, known = fields[0].word.text, fields[0].value, self.spec.fields[fields[0].word.text].options
        code, wanted, example = _TARGETS[how]
        if not _looks(code, to.text):
            self.error(to, code, f"'{how}' wants {wanted}", f'such as "{example}"')
        options: dict[str, str] = {}
        for option in fields[0].options:
            name, value = option.name.text, option.value
            assert isinstance(value, syntax.Word)
            if name not in known:
                hint = did_you_mean(name, known) or (f"known are {', '.join(known)}" if known else "nothing follows it")
                self.error(option.name, "name", f"'{how}' has no '{name}'", hint)
            elif name in options:
                self.error(option, "duplicate", f"'{name}' is given twice")
            else:
                options[name] = value.text
                code, wanted, example = _TARGETS[name]
                if not _looks(code, value.text):
                    self.error(value, code, f"'{name}' wants {wanted}", f'such as "{example}"')
        if how == "mail":
            for name in (name for name in known if name not in options and all(o.name.text in known for o in fields[0].options)):
                self.error(
                    fields[0],
                    "missing",
                    f"'mail' has no '{name}'",
                    'such as: mail "desk@example.org" via "mx.example.org:25" from "node@example.org"',
                )
        return how, to.text, options

    def condition(self, name: str, longest_ns: int = MAX_WINDOW) -> Condition | None:
        """Read a condition and how long it must hold."""
        field = self._one(name, syntax.Condition)
        if field is None:
            return None
        found = self._resolver.condition(field.value)
        lasting = self._resolver.duration(field.lasting, 1, longest_ns) if field.lasting is not None else 0
        return Condition(found, lasting) if found is not None and lasting is not None else None

    def guard(self, name: str, known: Sequence[str] | None = None) -> Expression | None:
        """Read the condition of `act when` or `abort when`, about no metrics but those `known`, if given."""
        field = self._one(name, syntax.Condition)
        if field is None:
            return None
        return replace(self._resolver, known=known).condition(field.value)

    # Lists.

    def names(self, name: str, known: Sequence[str] | None = None, called: str = "") -> tuple[str, ...]:
        """Read a list of names without doubles; of `known` ones, if given."""
        field = self._one(name, syntax.Names)
        if field is None:
            return ()
        found: list[str] = []
        for word in field.names[:MAX_LIST]:
            if word.text in found:
                self.error(word, "duplicate", f"'{word.text}' is listed twice")
            elif known is not None and word.text not in known:
                hint = did_you_mean(word.text, known) or (f"known are {', '.join(known)}" if known else f"there is no {called or name}")
                self.error(word, "name", f"unknown {called or name} '{word.text}'", hint)
            elif self.name(word):
                found.append(word.text)
        if len(field.names) > MAX_LIST:
            self.error(field.names[MAX_LIST], "bound", f"more than {MAX_LIST} names")
        return tuple(found)

    def choice(self, name: str) -> str:
        """Read one of the words that the catalogue has for a field; "" if there is none."""
        found = self.names(name, self.spec.fields[name].choices, f"value of {name}")
        if len(found) > 1:
            self.fault(self.where[name], "arguments", f"'{name}' is one of {', '.join(self.spec.fields[name].choices)}")
        return found[0] if found else ""

    def single(self, name: str) -> str:
        """Read one name; "" when there is none."""
        field, found = self._one(name, syntax.Names), self.names(name)
        if field is not None and len(field.names) > 1:
            self.error(field.names[1], "bound", f"'{name}' wants one name")
        return found[0] if found else ""

    def name(self, word: syntax.Word) -> bool:
        """Say whether a word, or a string in its place, may be a name."""
        if not word.text or len(word.text) > MAX_NAME or not word.text.isprintable() or " " in word.text:
            self.error(word, "name", f"a name has 1 to {MAX_NAME} characters and no spaces")
            return False
        return True

    def _entries(self, field: syntax.Entries, known: Sequence[str] | None) -> list[tuple[str, syntax.Named]]:
        found: dict[str, syntax.Named] = {}
        for entry in field.entries[:MAX_LIST]:
            name = entry.name.text
            if known is not None and name not in known:
                self.error(entry.name, "name", f"'{field.word.text}' has no '{name}'", did_you_mean(name, known) or f"known are {', '.join(known)}")
            elif name in found:
                self.error(entry, "duplicate", f"'{name}' is given twice")
            else:
                found[name] = entry
        if len(field.entries) > MAX_LIST:
            self.error(field.entries[MAX_LIST], "bound", f"more than {MAX_LIST} entries")
        return list(found.items())

    def fees(self) -> dict[str, Quantity]:
        """Read `fee`: whole mils, or a ratio of the value."""
        field, found = self._one("fee", syntax.Entries), {}
        for name, entry in self._entries(field, catalog.FEES) if field is not None else ():
            assert not isinstance(entry.value, syntax.Word)
            fee = self._quantity(entry.value, f"fee {name}", (PRICE, RATIO))
            if fee is None:
                continue
            most = Quantity(Fraction(1), PRICE) if fee.dimension == PRICE else Quantity(Fraction(1, 10), RATIO)
            if abs(fee.value) > most.value:
                self.error(entry.value, "bound", f"a fee of {fee}: at most {most} either way is believed")
            elif fee.dimension == PRICE and (fee.value * 10_000).denominator != 1:
                self.error(entry.value, "bound", f"a fee goes in steps of 1 mils, found {fee}")
            else:
                found[name] = fee
        return found

    def weights(self) -> dict[str, Fraction]:
        """Read `weight`: shares of one."""
        field = self._one("weight", syntax.Entries)
        if field is None:
            return {}
        found, whole = {}, True
        for name, entry in self._entries(field, catalog.WEIGHTS):
            assert not isinstance(entry.value, syntax.Word)
            weight = self._plain(entry.value, f"weight {name}", 0, 1)
            if weight is None:
                whole = False
            else:
                found[name] = weight
        total = sum(found.values())
        if whole and len(found) == len(field.entries) and total != 1:
            parts = " + ".join(show(Quantity(weight)) for weight in found.values())
            self.error(field, "sum", f"weights must sum to 1: {parts} = {show(Quantity(Fraction(total)))}")
        return found

    def params(self) -> dict[str, Param]:
        """Read `set` lines: values in base units, and the unit."""
        found: dict[str, Param] = {}
        for field in self._all("set", syntax.Entries):
            for name, entry in self._entries(field, None):
                assert not isinstance(entry.value, syntax.Word)
                if name in found:
                    self.error(entry, "duplicate", f"'{name}' is set twice", f"first on line {found[name].span.line}")
                    continue
                quantity = self._resolver.constant(entry.value)
                if quantity is None:
                    continue
                try:
                    found[name] = Param(decimal(quantity.value), unit_name(quantity.dimension), self.span(entry), quantity)
                except ValueError:
                    self.error(entry.value, "bound", f"'{name}' has no exact decimal: {quantity}")
        return found

    @staticmethod
    def _scope(text: str, kind: str, strategies: Sequence[str]) -> bool:
        """Tell whether an argument is a kind of scope and a name. Which venues and symbols there are only the node knows."""
        scope, _, name = text.partition(" ")
        return kind in {"scope", "part"} and scope in catalog.SCOPED and bool(name) and (scope != "strategy" or name in strategies)

    def actions(self, notifies: Sequence[str], strategies: Sequence[str]) -> tuple[Action, ...]:
        """Read `do`."""
        field = self._one("do", syntax.Actions)
        found = []
        for action in field.actions[:MAX_LIST] if field is not None else ():
            name = action.name.text
            spec = catalog.ACTIONS.get(name)
            if spec is None:
                hint = did_you_mean(name, catalog.ACTIONS) or f"known are {', '.join(catalog.ACTIONS)}"
                self.error(action.name, "name", f"unknown action '{name}'", hint)
                continue
            known = {"notify": notifies, "scope?": ("node", *strategies), "part": ("node", *catalog.PARTS)}.get(spec.argument, ())
            kind = spec.argument.rstrip("?")
            most, least = int(bool(kind)), int(bool(kind) and not spec.argument.endswith("?"))
            if not least <= len(action.arguments) <= most:
                wanted = f"one {kind}" if least else f"a {kind} or nothing" if most else "nothing"
                self.error(action, "arguments", f"'{name}' takes {wanted}, {len(action.arguments) or 'nothing'} given")
                continue
            wrong = next((word for word in action.arguments if word.text not in known and not self._scope(word.text, kind, strategies)), None)
            if wrong is not None:
                hint = did_you_mean(wrong.text, known) or (
                    f"known are {', '.join(known)}" if known else f"no block '{kind} {wrong.text}' is declared"
                )
                self.error(wrong, "name", f"unknown {kind} '{wrong.text}'", hint)
                continue
            lasting: int | None = 0
            if action.lasting is not None and not spec.lasts:
                self.error(action.lasting, "arguments", f"'{name}' is done at once: no 'for'")
                continue
            if action.lasting is not None:
                lasting = self._resolver.duration(action.lasting, 1, MAX_WINDOW)
            if lasting is not None:
                found.append(Action(name, tuple(word.text for word in action.arguments), lasting))
        return tuple(found)

    # Times.

    def _zone(self, word: syntax.Word) -> str | None:
        if word.text in calendar.zones():
            return word.text
        self.error(
            word,
            "zone",
            f"unknown time zone '{word.text}'",
            did_you_mean(word.text, calendar.zones()) or "names are those of the IANA time zone database",
        )
        return None

    def _between(self, clock: syntax.Word) -> tuple[int, int] | None:
        try:
            begin, end = calendar.clock(clock.text)
        except ValueError as fault:
            self.error(clock, "time", str(fault))
            return None
        if end is None:
            self.error(clock, "time", "this wants both ends, such as 09:30-16:00")
            return None
        return begin, end

    def windows(self) -> tuple[Window, ...]:
        """Read a calendar's weekly windows."""
        found = []
        for field in self._all("", syntax.Window):
            zone, clock = self._zone(field.zone), self._between(field.clock)
            if zone is not None and clock is not None:
                found.append(Window(calendar.days([day.text for day in field.days]), *clock, zone))
        return tuple(found)

    def specials(self) -> tuple[Special, ...]:
        """Read `on` lines."""
        found = []
        for field in self._all("on", syntax.Dates):
            if field.clock is None or field.zone is None:
                self.error(field, "time", "'on' wants times and a zone: on 2026-11-27 09:30-13:00 America/New_York")
                continue
            zone, clock, dates = self._zone(field.zone), self._between(field.clock), self._dates(field)
            if zone is not None and clock is not None:
                found += [Special(date, *clock, zone) for date in dates]
        return tuple(found)

    def left_out(self) -> tuple[str, ...]:
        """Read `except` lines."""
        found: list[str] = []
        for field in self._all("except", syntax.Dates):
            if field.clock is not None:
                self.error(field.clock, "time", "'except' leaves out whole days", "for other times on a day write: on DATE TIMES ZONE")
            found += self._dates(field)
        return tuple(found)

    def _dates(self, field: syntax.Dates) -> list[str]:
        found: list[str] = []
        for word in field.dates:
            try:
                calendar.date(word.text)
            except ValueError:
                self.error(word, "date", f"there is no date {word.text}")
                continue
            if word.text in found:
                self.error(word, "duplicate", f"{word.text} is listed twice")
            found.append(word.text)
        return found

    def moment(self, name: str) -> Moment | None:
        """Read `every`."""
        interval = self._one(name, syntax.Amount)
        if interval is not None:
            found = self.amount(name)
            return Moment(frozenset(), 0, "", int(found[0].value)) if found is not None else None
        field = self._one(name, syntax.Moment)
        if field is None:
            return None
        zone = self._zone(field.zone)
        try:
            minute, end = calendar.clock(field.clock.text)
        except ValueError as fault:
            self.error(field.clock, "time", str(fault))
            return None
        if end is not None:
            self.error(field.clock, "time", "this wants one time, such as 03:00")
            return None
        return Moment(calendar.days([day.text for day in field.days]), minute, zone, 0) if zone is not None else None

    # The rest.

    def faults(self) -> tuple[Fault, ...]:
        """Read `inject` lines."""
        return tuple(found for field in self._all("inject", syntax.Fault) if (found := self._fault(field)) is not None)

    def _fault(self, field: syntax.Fault) -> Fault | None:
        kind, spec = field.kind.text, catalog.FAULTS.get(field.kind.text)
        if spec is None:
            hint = did_you_mean(kind, catalog.FAULTS) or f"known are {', '.join(catalog.FAULTS)}"
            self.error(field.kind, "name", f"unknown fault '{kind}'", hint)
            return None
        params: dict[str, str | Quantity] = {}
        for param in field.params:
            name = param.name.text
            if name not in spec.params:
                hint = did_you_mean(name, spec.params) or f"known are {', '.join(spec.params)}"
                self.error(param.name, "name", f"{kind} has no '{name}'", hint)
            elif name in params:
                self.error(param, "duplicate", f"'{name}' is given twice")
            elif (value := self._parameter(param, spec.params[name])) is not None:
                params[name] = value
        missing = [name for name in spec.params if name not in spec.optional and name not in {p.name.text for p in field.params}]
        if missing and all(p.name.text in spec.params for p in field.params):
            self.error(field.kind, "missing", f"{kind} has no '{missing[0]}'")
        return Fault(kind, params)

    def _parameter(self, param: syntax.Named, wanted: Dimension | None) -> str | Quantity | None:
        name, value = param.name.text, param.value
        if wanted is None or isinstance(value, syntax.Word):
            if isinstance(value, syntax.Word) and wanted is None:
                return value.text if self.name(value) else None
            self.error(value, "unit", f"'{name}' wants {'a name' if wanted is None else describe(wanted)}")
            return None
        found = self._quantity(value, name, (wanted,))
        if found is not None and (not 0 <= found.value <= WEEK or (wanted == RATIO and found.value > 1)):
            self.error(value, "bound", f"'{name}' is out of bounds: {found}")
            return None
        return found

    def tiers(self) -> tuple[Tier, ...] | None:
        """Read `tier` lines; None if any has a fault, for then nothing can be said of holes."""
        found, seen = [], set()
        fields = self._all("tier", syntax.Tier)
        for field in fields:
            if field.name.text in seen:
                self.error(field.name, "duplicate", f"tier '{field.name.text}' is given twice")
                continue
            seen.add(field.name.text)
            when = self._resolver.condition(field.when) if field.when is not None else None
            weight = self._plain(field.weight, "weight", 0, 1)
            if weight is None or (field.when is not None and when is None):
                continue
            try:
                found.append(Tier(field.name.text, when, decimal(weight), self.span(field)))
            except ValueError:
                self.error(field.weight, "bound", "a weight has an exact decimal")
        return tuple(found) if len(found) == len(fields) and fields else None


def _looks(code: str, text: str) -> bool:
    """Say whether a part of a target looks as it must."""
    if not text.isascii() or " " in text or not text.isprintable():
        return False
    if code in {"url", "address"}:
        try:
            parts = urlsplit(text if code == "url" else f"smtp://{text}")
            whole = parts.scheme in {"http", "https"} if code == "url" else parts.port is not None and parts.netloc == text
            return whole and bool(parts.hostname) and parts.port != 0
        except ValueError:
            return False
    return _PATTERNS[code].fullmatch(text) is not None


def _step(dimension: Dimension) -> Fraction:
    """Give the step of a whole amount: of rates 1/s, of ratios 1e-6, of money 1e-4, else 1 of the base unit."""
    if dimension == RATE:
        return Fraction(1, catalog.SECOND)
    if dimension == RATIO:
        return Fraction(1, 1_000_000)
    return Fraction(1, 10_000) if dimension in catalog.MONEY else Fraction(1)
