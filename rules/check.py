"""Syntax to model: every block typed, every name looked up, every fault told. The one way from text to a policy.

`load` is what the daemon, `noderrctl rules` and the tests call; a policy comes out only when nothing is wrong with it. What one block can
tell by itself is in rules/fields.py, what only all of them together can tell is in rules/consistency.py.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from core.feature import NAMES as FEATURES
from rules import catalog, consistency, model, syntax
from rules.diagnostic import Diagnostic, did_you_mean
from rules.fields import Fields
from rules.include import Expand, Gathered, Read, Reports, gather
from rules.parse import KEYWORDS
from rules.resolve import Resolver
from rules.scan import MAX_NAME
from rules.span import Source, Span
from rules.units import RATE, RATIO, TIME, Quantity, decimal

LONGEST_LOSS_NS = 3600 * 10**9


def load(paths: Sequence[str], read: Read, expand: Expand) -> tuple[model.Policy | None, list[Diagnostic], dict[str, Source]]:
    """Read a policy from files. `read` gives a path's bytes or raises OSError; `expand(pattern, file)` the paths that an include names.

    Gives the policy, None if there are errors; all findings, in the order of the text; and the sources, by file, for showing them.
    """
    reports = Reports()
    gathered = gather(paths, read, expand, reports)
    policy = _Checker(gathered, reports).policy()
    order = {file: number for number, file in enumerate(gathered.sources)}
    found = sorted(reports.found, key=lambda d: (order.get(d.span.file, len(order)), d.span.line, d.span.col))
    return (None if any(d.severity == "error" for d in found) else policy), found, gathered.sources


@dataclass(slots=True)
class _Checker:
    """Checks the statements of all files as one policy."""

    gathered: Gathered
    reports: Reports
    lets: dict[str, Quantity | None] = field(default_factory=dict)
    constants: dict[str, model.Let] = field(default_factory=dict)
    declared: dict[tuple[str, ...], Span] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in catalog.BLOCKS})
    loss: model.Loss | None = None

    def policy(self) -> model.Policy:
        """Check everything; the result means something only if no error was reported."""
        statements = self.gathered.statements
        later = {s.name.text for s in statements if isinstance(s, syntax.Let)}
        blocks = []
        for statement in statements:
            if isinstance(statement, syntax.Let):
                later.discard(statement.name.text)
                self._let(statement, frozenset(later))
            elif isinstance(statement, syntax.Loss):
                self._on_loss(statement)
            elif self._head(statement):
                blocks.append(statement)
        built: dict[str, list[Any]] = {kind: [] for kind in catalog.BLOCKS}
        for block in blocks:
            faulty = self.gathered.faulty[block.source.file]
            one = self._build(Fields(block, self.lets, self.names["strategy"], self.reports, faulty))
            if one is not None:
                built[block.kind].append(one)
        policy = model.Policy(
            tuple(self.gathered.sources),
            self.constants,
            tuple(built["risk"]),
            tuple(built["venue"]),
            tuple(built["strategy"]),
            tuple(built["model"]),
            tuple(built["notify"]),
            tuple(built["alert"]),
            tuple(built["schedule"] + built["blackout"]),
            tuple(built["chaos"]),
            built["reputation"][0] if built["reputation"] else None,
            self.loss,
        )
        consistency.check(policy, self.names["strategy"], self.reports)
        return policy

    def _error(self, source: Source, node: syntax.Node, code: str, message: str, hint: str = "") -> None:
        self.reports.add(source.span(node.at, node.end), "error", code, message, hint)

    def _declare(self, source: Source, node: syntax.Node, *key: str) -> bool:
        """Note that something is declared; False, with a message, if it was already."""
        first = self.declared.get(key)
        if first is not None:
            self._error(source, node, "duplicate", f"'{' '.join(key)}' is declared twice", f"first at {first}")
            return False
        self.declared[key] = source.span(node.at, node.end)
        return True

    def _on_loss(self, it: syntax.Loss) -> None:
        """Read `on daemon_loss cancel after 10s`."""

        def report(node: syntax.Node, severity: str, code: str, message: str, hint: str) -> None:
            self.reports.add(it.source.span(node.at, node.end), severity, code, message, hint)

        for word, known, what in ((it.what, ("daemon_loss",), "event"), (it.then, tuple(catalog.LOSSES), "policy")):
            if word.text not in known:
                self._error(
                    it.source, word, "loss", f"unknown {what} '{word.text}'", did_you_mean(word.text, known) or f"known are {', '.join(known)}"
                )
                return
        if it.after is not None and it.after[0].text != "after":
            self._error(it.source, it.after[0], "loss", f"expected 'after' and a time, found '{it.after[0].text}'")
            return
        if not self._declare(it.source, it, "on", it.what.text):
            return
        after = Resolver(self.lets, report).constant(it.after[1]) if it.after is not None else Quantity(Fraction(0), TIME)
        if after is None:
            return
        if after.dimension != TIME or not 0 <= after.value <= LONGEST_LOSS_NS:
            self._error(it.source, it.after[1] if it.after is not None else it, "loss", "expected a time of at most an hour, such as 10s")
            return
        span = it.source.span(it.at, it.end)
        self.loss = model.Loss(kind="on", name=it.what.text, span=span, where={"then": span}, then=it.then.text, after_ns=int(after.value))

    def _let(self, let: syntax.Let, later: frozenset[str]) -> None:
        name = let.name.text
        if not self._declare(let.source, let.name, "let", name):
            return
        taken = _taken(name)
        if taken:
            self._error(let.source, let.name, "shadow", f"'{name}' is the name of a {taken}", "give the constant another name")

        def report(node: syntax.Node, severity: str, code: str, message: str, hint: str) -> None:
            self.reports.add(let.source.span(node.at, node.end), severity, code, message, hint)

        value = self.lets[name] = Resolver(self.lets, report, later).constant(let.value)
        if value is not None:
            self.constants[name] = model.Let(name, value, let.source.span(let.at, let.end))

    def _head(self, block: syntax.Block) -> bool:
        """Check the words before the brace; note what is declared."""
        spec, words = catalog.BLOCKS[block.kind], [word.text for word in block.words]
        head = syntax.Node(block.at, block.head)
        choices = {"risk": (block.words[:1], catalog.SCOPES), "alert": (block.words[1:], catalog.SEVERITIES)}.get(block.kind)
        count = {"reputation": 0, "alert": 2, "risk": 1 if words[:1] == ["default"] else 2}.get(block.kind, 1)
        if choices is not None and choices[0] and choices[0][0].text not in choices[1]:
            word, known = choices[0][0], choices[1]
            hint = did_you_mean(word.text, known) or f"known are {', '.join(known)}"
            what = "scope" if block.kind == "risk" else "severity"
            self._error(block.source, word, "head", f"unknown {what} '{word.text}'", hint)
            return False
        if len(words) != count:
            self._error(block.source, head, "head", f"a block of this kind begins: {block.kind} {spec.head}".rstrip(), spec.meaning)
            return False
        for word in block.words:
            if not word.text or len(word.text) > MAX_NAME or not word.text.isprintable() or " " in word.text:
                self._error(block.source, word, "name", f"a name has 1 to {MAX_NAME} characters and no spaces")
                return False
        key = words[:1] if block.kind == "alert" else words
        if not self._declare(block.source, head, block.kind, *key):
            return False
        self.names[block.kind].append(words[-1] if block.kind == "risk" else "".join(words[:1]))
        return True

    def _build(self, f: Fields) -> model.Block | None:
        """Read a block's fields; None if something without which it means nothing is missing."""
        kind, words = f.block.kind, [word.text for word in f.block.words]
        name = " ".join(words) if kind == "risk" else "".join(words[:1])
        head: dict[str, Any] = {"kind": kind, "name": name, "span": f.head, "where": f.where}
        if kind == "risk":
            return model.Risk(**head, scope=words[0], of="".join(words[1:]), limits=_limits(f))
        if kind == "venue":
            weights, cap = f.weights(), f.amount("cap")
            return model.Venue(
                **head,
                fees=f.fees(),
                weights={name: decimal(w) for name, w in weights.items()},
                cap=decimal(cap[0].value) if cap is not None else None,
            )
        if kind == "strategy":
            symbols = f.names("symbols")
            during = f.names("during", self.names["schedule"], "schedule")
            return model.Strategy(**head, file=f.text("file"), symbols=symbols, params=f.params(), budget_ns=f.duration("budget"), during=during)
        if kind == "model":
            features = f.names("features", FEATURES, "feature")
            return model.Model(**head, file=f.text("file"), features=features, symbols=f.names("symbols"), act=f.guard("act", catalog.ACT))
        if kind == "notify":
            how, to, options = f.target()
            return model.Notify(**head, how=how, to=to, options=options)
        if kind in {"schedule", "blackout"}:
            return model.Calendar(**head, windows=f.windows(), specials=f.specials(), left_out=f.left_out())
        quiet = f.names("blackout", self.names["blackout"], "blackout") if kind != "reputation" else ()
        if kind == "alert":
            when, until = f.condition("when"), f.condition("until")
            actions = f.actions(self.names["notify"], self.names["strategy"])
            severity, cooldown = words[1], f.duration("cooldown") or 0
            if when is None:
                return None
            more: dict[str, Any] = {"group": f.single("group"), "repeat_ns": f.duration("repeat") or 0}
            return model.Alert(**head, severity=severity, when=when, until=until, cooldown_ns=cooldown, actions=actions, blackout=quiet, **more)
        if kind == "chaos":
            every, faults, steady, abort, recover = f.moment("every"), f.faults(), f.condition("steady"), f.guard("abort"), f.duration("recover")
            if every is None or steady is None or recover is None:
                return None
            return model.Chaos(**head, every=every, blackout=quiet, faults=faults, steady=steady, recover_ns=recover, abort=abort)
        half_life, tiers = f.duration("half_life"), f.tiers()
        return model.Reputation(**head, half_life_ns=half_life, tiers=tiers) if half_life is not None and tiers is not None else None


def _limits(f: Fields) -> dict[str, model.Limit]:
    """Read the limits of a risk block. Contracts, shares, orders and ns are counted; money and ratios keep their decimals."""
    found = {}
    scope = f.block.words[0].text
    for name, spec in catalog.RISK.items():
        if name in f.where and spec.scopes and scope not in spec.scopes:
            hint = "it is about sums over all symbols and venues" if spec.scopes == catalog.SUMS else "it binds all strategies together"
            f.fault(f.where[name], "scope", f"'{name}' stands in risk {' or '.join(spec.scopes)}, not in risk {scope}", hint)
        elif spec.choices:
            if word := f.choice(name):
                place = spec.choices.index(word)
                found[name] = model.Limit(place, Quantity(Fraction(place)), "", "", f.where[name], (word,))
        elif spec.shape == "NAMES":
            if names := f.names(name):
                found[name] = model.Limit(0, Quantity(Fraction(0)), "", "", f.where[name], names)
        elif (amount := f.amount(name)) is not None:
            quantity, then, span = amount
            money = quantity.dimension in catalog.MONEY
            exact = money or spec.step is not None or spec.dimensions[0] == RATIO
            value = decimal(quantity.value) if exact else int(quantity.value * (catalog.SECOND if spec.dimensions[0] == RATE else 1))
            found[name] = model.Limit(value, quantity, quantity.dimension[0][0] if money else "", then, span)
    return found


def _taken(name: str) -> str:
    """Say what else is called so; "" if nothing."""
    kinds: dict[str, Collection[str]] = {
        "metric": catalog.METRICS,
        "function": catalog.FUNCTIONS,
        "block": catalog.BLOCKS,
        "word of the language": KEYWORDS,
    }
    return next((kind for kind, known in kinds.items() if name in known), "")
