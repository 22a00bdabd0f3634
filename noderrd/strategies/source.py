"""What can be seen in a strategy's text before anything of it runs: imports, the marked function, its parameters, and what may not be in it.

numba refuses what allocates, but lets through writes into what is read-only, `print`, and a `raise` that the caller would never see: those are found
here. A text is parsed and never executed.
"""

import ast
import dataclasses
import math
from pathlib import Path

from core.layout import MAX_PARAMS
from rules.diagnostic import Diagnostic
from rules.span import Source, Span

IMPORTS = {"numpy", "math", "noderrd.strategies"}
READ_ONLY = ("event", "view", "params")
ARGUMENTS = ("event", "view", "params", "state", "out")
WORDS = {
    "print": "a strategy writes to the log with note(view, code, value)",
    "open": "a strategy has no files",
    "input": "a strategy has no files",
    **dict.fromkeys(("exec", "eval", "compile", "__import__", "globals", "locals", "vars", "getattr", "setattr", "delattr", "breakpoint"), ""),
}
ATTRIBUTES = {
    "random": "chance comes from uniform(view), so that a run can be repeated",
    "datetime64": "time comes from event[0]['now_ns']",
    "ctypes": "addresses stay inside the lane",
}
STATEMENTS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Raise: ("raise", "a fault is told by returning a negative number"),
    ast.Assert: ("assert", "a fault is told by returning a negative number"),
    ast.Try: ("try", "nothing in a strategy may raise"),
    ast.With: ("with", ""),
    ast.Yield: ("yield", ""),
    ast.YieldFrom: ("yield from", ""),
    ast.Await: ("await", ""),
    ast.Global: ("global", "what lasts is kept in `state`"),
    ast.Nonlocal: ("nonlocal", "what lasts is kept in `state`"),
    ast.Delete: ("del", ""),
    ast.Lambda: ("lambda", "write a function and mark it with @kernel"),
    ast.Import: ("import", "imports stand at the top of the file"),
    ast.ImportFrom: ("import", "imports stand at the top of the file"),
}
MAKERS: dict[type[ast.AST], str] = {
    ast.List: "a list",
    ast.Dict: "a dictionary",
    ast.Set: "a set",
    ast.ListComp: "a list",
    ast.SetComp: "a set",
    ast.DictComp: "a dictionary",
    ast.GeneratorExp: "a generator",
    ast.JoinedStr: "a string",
}
MOST = 2**53  # a bound of a parameter: rules hand their values over as floats


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One of PARAMS: bounds are inclusive; `whole` ones are int64 in the record of parameters, others float64."""

    name: str
    unit: str
    low: float
    high: float
    default: float
    whole: bool


@dataclasses.dataclass(frozen=True)
class Text:
    """A strategy's text as read: the marked function's name and place, and the parameters it declares."""

    source: Source
    function: str
    line: int
    parameters: tuple[Parameter, ...]
    params_line: int
    state_line: int


class StrategyError(Exception):
    """A strategy that cannot run; the text has a line `file:line:col: error[code]: message` for each reason, `found` the same as diagnostics."""

    def __init__(self, found: list[Diagnostic]) -> None:
        self.found = sorted(found, key=lambda d: (d.span.line, d.span.col))
        lines = [f"{d.span}: {d.severity}[{d.code}]: {d.message}{f' ({d.hint})' if d.hint else ''}" for d in self.found]
        super().__init__("\n".join(lines))


def refuse(file: str, line: int, code: str, message: str, hint: str = "") -> StrategyError:
    """Give the error for one reason that is known by its line only."""
    return StrategyError([Diagnostic(Span(file, line, 1, 2), "error", code, message, hint)])


def read(path: Path) -> Text:
    """Read and check a file. Raises StrategyError with every reason that the text alone gives, OSError when it cannot be read."""
    content = path.read_bytes()
    try:
        return read_text(str(path), content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise refuse(str(path), 1, "encoding", f"not UTF-8: {error.reason}") from error


def read_text(file: str, text: str) -> Text:
    """Check a text; `file` is how it is called. Raises StrategyError."""
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise refuse(file, error.lineno or 1, "syntax", error.msg) from error
    except (ValueError, RecursionError, MemoryError) as error:  # a null byte; thousands of nested brackets
        raise refuse(file, 1, "syntax", f"not Python: {error}") from error
    reader = _Reader(Source(file, text))
    reader.module(tree)
    if reader.found:
        raise StrategyError(reader.found)
    assert reader.function is not None
    return Text(reader.source, reader.function.name, reader.function.lineno, tuple(reader.parameters), reader.params_line, reader.state_line)


class _Reader:
    """Collects what is found and what is wrong."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.found: list[Diagnostic] = []
        self.function: ast.FunctionDef | None = None
        self.parameters: list[Parameter] = []
        self.params_line = self.state_line = 1

    def say(self, node: ast.AST, code: str, message: str, hint: str = "") -> None:
        line, col = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
        same = getattr(node, "end_lineno", line) == line
        end = getattr(node, "end_col_offset", col) + 1 if same else len(self.source.line(line)) + 1
        self.found.append(Diagnostic(Span(self.source.file, line, col, end), "error", code, message, hint))

    def module(self, tree: ast.Module) -> None:
        """Go through a file's statements."""
        for node in tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                self.imports(node)
            elif isinstance(node, ast.FunctionDef):
                self.one_function(node)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                self.assignment(node)
            elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
                self.say(node, "statement", "only imports, constants and functions may stand at the top level of a strategy")
        for one in ast.walk(tree):
            if isinstance(one, ast.Name) and one.id in WORDS:
                self.say(one, "forbidden", f"{one.id} may not be used in a strategy", WORDS[one.id])
            if isinstance(one, ast.Attribute) and (one.attr in ATTRIBUTES or one.attr.startswith("__")):
                self.say(one, "forbidden", f".{one.attr} may not be used in a strategy", ATTRIBUTES.get(one.attr, ""))
        if self.function is None and not self.found:
            self.say(tree, "strategy", "no function is marked with @strategy(...)", "noderrctl strategy new NAME writes a template")

    def imports(self, node: ast.Import | ast.ImportFrom) -> None:
        """An import at the top level."""
        plain = isinstance(node, ast.Import)
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or "."]
        for name in names:
            if plain and name == "noderrd.strategies":
                self.say(node, "import", "written as: from noderrd.strategies import strategy, ...")
            elif name not in IMPORTS:
                self.say(node, "import", f"{name} may not be imported by a strategy", f"allowed are {', '.join(sorted(IMPORTS))}")

    def assignment(self, node: ast.Assign | ast.AnnAssign) -> None:
        """A constant; PARAMS and STATE are two."""
        names = [n.id for n in (node.targets if isinstance(node, ast.Assign) else [node.target]) if isinstance(n, ast.Name)]
        if "STATE" in names:
            self.state_line = node.lineno
        if "PARAMS" in names and node.value is not None:
            self.params_line = node.lineno
            self.params(node.value)

    def params(self, node: ast.expr) -> None:
        """PARAMS: a literal, so that it can be read without running anything."""
        try:
            rows = ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError):
            rows = None
        if not isinstance(rows, tuple | list) or not all(isinstance(row, tuple | list) for row in rows):
            self.say(
                node,
                "params",
                "PARAMS must be a tuple of tuples of literals",
                '(("clip", "shares", 1, 1000, 100),): name, unit, least, most, default',
            )
            return
        if len(rows) > MAX_PARAMS:
            self.say(node, "params", f"{len(rows)} parameters: a strategy may have {MAX_PARAMS}")
        places = node.elts if isinstance(node, ast.Tuple | ast.List) else [node] * len(rows)
        for row, place in zip(rows, places, strict=True):
            self.parameter(place, tuple(row))

    def parameter(self, place: ast.expr, row: tuple[object, ...]) -> None:
        """One row of PARAMS."""
        if len(row) != 5 or not isinstance(row[0], str) or not isinstance(row[1], str) or not row[0].isidentifier():
            self.say(place, "params", "a parameter is (name, unit, least, most, default)")
            return
        numbers = row[2:]
        if not all(isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x) and abs(x) <= MOST for x in numbers):
            self.say(place, "params", f"{row[0]}: least, most and default are numbers within +-2**53")
            return
        low, high, default = (x for x in numbers if isinstance(x, int | float))
        if not low <= default <= high:
            self.say(place, "params", f"{row[0]}: its default {default} is not between {low} and {high}")
        if any(row[0] == other.name for other in self.parameters):
            self.say(place, "params", f"{row[0]} is declared twice")
        self.parameters.append(Parameter(row[0], row[1], low, high, default, all(isinstance(x, int) for x in numbers)))

    def one_function(self, node: ast.FunctionDef) -> None:
        """A function: the marked one, or a kernel that it calls."""
        marks = [d.func if isinstance(d, ast.Call) else d for d in node.decorator_list]
        names = [m.id if isinstance(m, ast.Name) else m.attr if isinstance(m, ast.Attribute) else "" for m in marks]
        read_only: tuple[str, ...] = ()
        if names == ["strategy"]:
            if self.function is not None:
                self.say(node, "strategy", f"a second function is marked: {self.function.name} is the first one", "one file, one strategy")
            self.function = node
            read_only = self.signature(node)
        elif names != ["kernel"]:
            self.say(
                node, "function", f"{node.name} is marked neither with @strategy(...) nor with @kernel", "functions that it calls are marked @kernel"
            )
        for statement in node.body:
            self.body(statement)
        _Writes(self, read_only).visit(node)

    def signature(self, node: ast.FunctionDef) -> tuple[str, ...]:
        """The marked function's arguments; gives the names of those that may not be written to."""
        a = node.args
        names = tuple(one.arg for one in a.args)
        if len(names) != len(ARGUMENTS) or a.posonlyargs or a.kwonlyargs or a.vararg or a.kwarg or a.defaults:
            self.say(node, "signature", f"{node.name}({', '.join(names)}): five arguments are wanted, in this order: {', '.join(ARGUMENTS)}")
            return ()
        mark = node.decorator_list[0]
        if not isinstance(mark, ast.Call) or mark.args or any(k.arg != "timer" for k in mark.keywords):
            self.say(mark, "signature", 'the mark is written @strategy() or @strategy(timer="1ms")')
        return names[: len(READ_ONLY)]

    def body(self, statement: ast.stmt) -> None:
        """What may not stand in a function."""
        for node in ast.walk(statement):
            if type(node) in STATEMENTS:
                word, hint = STATEMENTS[type(node)]
                self.say(node, "forbidden", f"{word} may not stand in a strategy's function", hint)
            elif type(node) in MAKERS:
                self.say(
                    node,
                    "allocation",
                    f"{MAKERS[type(node)]} is made here, which takes memory: the lane has none to give",
                    "what lasts is kept in `state`",
                )
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                self.say(node, "forbidden", "functions stand at the top level of the file")


class _Writes(ast.NodeVisitor):
    """Finds writes into what is read-only, under whatever name; the order of the text is the order of the names."""

    def __init__(self, reader: _Reader, names: tuple[str, ...]) -> None:
        self.reader, self.names = reader, set(names)

    @staticmethod
    def root(node: ast.expr) -> str:
        """Give the name at the bottom of name[...][...]."""
        while isinstance(node, ast.Subscript | ast.Attribute):
            node = node.value
        return node.id if isinstance(node, ast.Name) else ""

    def target(self, node: ast.expr) -> None:
        """Check one target of an assignment."""
        if isinstance(node, ast.Tuple | ast.List):
            for one in node.elts:
                self.target(one)
        elif isinstance(node, ast.Subscript | ast.Attribute) and self.root(node) in self.names:
            self.reader.say(node, "read-only", f"{self.root(node)} is read-only: a strategy writes to `state` and `out`")

    def visit_Assign(self, node: ast.Assign) -> None:
        """Check the targets, and follow a new name for a part of what is read-only."""
        for one in node.targets:
            self.target(one)
            if isinstance(one, ast.Name):
                alias = isinstance(node.value, ast.Subscript | ast.Name) and self.root(node.value) in self.names
                (self.names.add if alias else self.names.discard)(one.id)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        """Check the target."""
        self.target(node.target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Check the target."""
        self.target(node.target)

    def visit_For(self, node: ast.For) -> None:
        """Check the target, then what the loop does."""
        self.target(node.target)
        self.generic_visit(node)
