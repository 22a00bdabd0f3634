"""TOML files as dataclasses: what may stand in a file is said by types, and everything wrong with a file is said at once.

A field's annotation says what is expected; a default makes its key optional; `metadata` may name another key (`key`), bounds (`low`, `high`) or a
`check` that gives "" or what was expected. Numbers with a point become Decimal where a Decimal is wanted, exactly as written.
"""

import dataclasses
import difflib
import tomllib
import types
import typing
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
MAX_BYTES = 4 << 20
NAMES: dict[Any, str] = {str: "a string", int: "a whole number", float: "a number", bool: "true or false", Decimal: "a number", Path: "a path"}


class SettingsError(Exception):
    """What is wrong with a file, a line for each problem: `FILE: KEY: expected ..., found ...`."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def read(path: Path, kind: type[T]) -> T:
    """Read a file as a dataclass. Raises SettingsError, also for a file that cannot be read or is no TOML."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise SettingsError([f"{path}: larger than {MAX_BYTES} bytes"])
        table = tomllib.loads(content.decode("utf-8"), parse_float=Decimal)
    except OSError as error:
        raise SettingsError([f"{path}: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise SettingsError([f"{path}: not UTF-8 at byte {error.start}"]) from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError([f"{path}: {error}"]) from error
    reader = _Reader(path)
    found = reader.table(kind, table, "")
    if reader.problems:
        raise SettingsError(reader.problems)
    return typing.cast("T", found)


def address(text: str) -> str:
    """Check host:port."""
    host, colon, port = text.rpartition(":")
    good = colon and host and port.isascii() and port.isdigit() and int(port) < 1 << 16
    return "" if good else "host:port"


class _Reader:
    """Walks a table along a dataclass and gathers problems; a part with a problem comes back as None."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[str] = []

    def wrong(self, key: str, expected: str, found: object) -> None:
        self.problems.append(f"{self.path}: {key}: expected {expected}, found {_shown(found)}")

    def table(self, kind: Any, table: dict[str, Any], at: str) -> Any:
        """Read one table as a dataclass."""
        hints = typing.get_type_hints(kind)
        fields = {f.metadata.get("key", f.name): f for f in dataclasses.fields(kind)}
        for key in table:
            if key not in fields:
                near = difflib.get_close_matches(key, fields, n=1)
                hint = f" (did you mean {near[0]}?)" if near else f" (known are {', '.join(fields)})"
                self.problems.append(f"{self.path}: {_join(at, key)}: no such key{hint}")
        values: dict[str, Any] = {}
        before = len(self.problems)
        for key, field in fields.items():
            if key in table:
                values[field.name] = self.value(hints[field.name], table[key], _join(at, key))
                self.bounds(field, values[field.name], _join(at, key))
            elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                self.problems.append(f"{self.path}: {_join(at, key)}: expected {_wanted(hints[field.name])}, found nothing")
        return None if len(self.problems) > before else kind(**values)

    def bounds(self, field: "dataclasses.Field[Any]", value: Any, key: str) -> None:
        """Apply a field's own conditions."""
        if value is None:
            return
        low, high, check = (field.metadata.get(name) for name in ("low", "high", "check"))
        if (low is not None and value < low) or (high is not None and value > high):
            self.wrong(key, f"{low if low is not None else '...'} to {high if high is not None else '...'}", value)
        elif check is not None:
            for one in value if isinstance(value, tuple) else (value,):
                expected = check(one)
                if expected:
                    self.wrong(key, expected, one)

    def value(self, kind: Any, value: Any, key: str) -> Any:
        """Read a value as the annotation says."""
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin in {typing.Union, types.UnionType}:
            return self.value(next(a for a in arguments if a is not type(None)), value, key)
        if origin is typing.Literal:
            if value not in arguments or isinstance(value, bool):
                self.wrong(key, " or ".join(_shown(a) for a in arguments), value)
                return None
            return value
        if origin is tuple:
            if not isinstance(value, list):
                self.wrong(key, _wanted(kind), value)
                return None
            return tuple(self.value(arguments[0], one, f"{key}[{k}]") for k, one in enumerate(value))
        if origin is dict:
            if not isinstance(value, dict):
                self.wrong(key, _wanted(kind), value)
                return None
            return {name: self.value(arguments[1], one, _join(key, name)) for name, one in value.items()}
        if dataclasses.is_dataclass(kind):
            if not isinstance(value, dict):
                self.wrong(key, "a table", value)
                return None
            return self.table(kind, value, key)
        return self.scalar(kind, value, key)

    def scalar(self, kind: Any, value: Any, key: str) -> Any:
        """Read a string, number or truth. A Decimal may also stand in a string, so that it survives other tools."""
        if kind is Path and isinstance(value, str):
            return Path(value)
        if kind is Decimal and isinstance(value, str):
            try:
                value = Decimal(value)
            except ArithmeticError:
                self.wrong(key, "a number", value)
                return None
        number = isinstance(value, (int, Decimal)) and not isinstance(value, bool)
        if kind is Decimal and number:
            value = Decimal(value)
            if value.is_finite():
                return value
        elif kind is float and number:
            return float(value)
        elif (kind is int and number and isinstance(value, int)) or (kind in {str, bool} and isinstance(value, kind)):
            return value
        self.wrong(key, NAMES[kind], value)
        return None


def _join(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key


def _wanted(kind: Any) -> str:
    """Say an annotation in words."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in {typing.Union, types.UnionType}:
        return _wanted(next(a for a in arguments if a is not type(None)))
    if origin is typing.Literal:
        return " or ".join(_shown(a) for a in arguments)
    if origin is tuple:
        return f"a list, each {_wanted(arguments[0])}"
    if origin is dict:
        return "tables by name"
    return NAMES.get(kind, "a table")


def _shown(value: object) -> str:
    """Show what was found, in TOML's way, cut to a line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = '"' + value.encode("unicode_escape").decode() + '"'
    elif isinstance(value, dict):
        text = "a table"
    elif isinstance(value, list):
        text = "a list"
    else:
        text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."
