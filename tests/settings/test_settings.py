"""Typed TOML: every problem at once, with its key and what was expected."""

import dataclasses
from decimal import Decimal
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from noderrd.settings import SettingsError, address, read


@dataclasses.dataclass(frozen=True)
class Gate:
    host: str = dataclasses.field(metadata={"check": address})
    weight: Decimal = Decimal(1)


@dataclasses.dataclass(frozen=True)
class Thing:
    symbol: str
    tick: Decimal


@dataclasses.dataclass(frozen=True)
class File:
    name: str
    idle: Literal["spin", "sleep"] = "spin"
    core: int = dataclasses.field(default=-1, metadata={"low": -1, "high": 1023})
    ratio: float = 0.5
    on: bool = True
    where: Path | None = None
    gates: dict[str, Gate] = dataclasses.field(default_factory=dict, metadata={"key": "gate"})
    things: tuple[Thing, ...] = dataclasses.field(default=(), metadata={"key": "thing"})
    words: tuple[str, ...] = ()


def write(tmp_path, text):
    path = tmp_path / "file.toml"
    path.write_text(text) if isinstance(text, str) else path.write_bytes(text)
    return path


def test_a_whole_file_is_read_and_numbers_are_exact(tmp_path):
    text = """
    name = "n"
    core = 3
    ratio = 1
    on = false
    where = "/a"
    words = ["x", "y"]
    [gate.A]
    host = "1.2.3.4:5"
    weight = 0.1
    [[thing]]
    symbol = "S"
    tick = "0.01"
    """
    assert read(write(tmp_path, text), File) == File(
        "n", "spin", 3, 1.0, False, Path("/a"), {"A": Gate("1.2.3.4:5", Decimal("0.1"))}, (Thing("S", Decimal("0.01")),), ("x", "y")
    )


def test_all_problems_are_told_at_once(tmp_path):
    text = """
    idle = "spinn"
    core = 4096
    ratio = true
    on = 1
    zzz = "red"
    nmae = "n"
    words = "x"
    [gate.A]
    host = "nowhere"
    weight = nan
    [[thing]]
    symbol = 7
    """
    path = write(tmp_path, text)
    with pytest.raises(SettingsError) as told:
        read(path, File)
    assert [line.removeprefix(f"{path}: ") for line in str(told.value).splitlines()] == [
        "zzz: no such key (known are name, idle, core, ratio, on, where, gate, thing, words)",
        "nmae: no such key (did you mean name?)",
        "name: expected a string, found nothing",
        'idle: expected "spin" or "sleep", found "spinn"',
        "core: expected -1 to 1023, found 4096",
        "ratio: expected a number, found true",
        "on: expected true or false, found 1",
        'gate.A.host: expected host:port, found "nowhere"',
        "gate.A.weight: expected a number, found NaN",
        "thing[0].symbol: expected a string, found 7",
        "thing[0].tick: expected a number, found nothing",
        'words: expected a list, each a string, found "x"',
    ]


@pytest.mark.parametrize("text", ["name = ", b"\xff", "a = " + "[" * 5000, "name = 'a'\nname = 'b'"])
def test_a_file_that_is_no_toml_is_one_problem(tmp_path, text):
    with pytest.raises(SettingsError) as told:
        read(write(tmp_path, text), File)
    assert len(told.value.problems) == 1
    assert "file.toml: " in str(told.value)


def test_a_file_that_is_not_there_says_so(tmp_path):
    with pytest.raises(SettingsError, match="No such file"):
        read(tmp_path / "none.toml", File)


@pytest.mark.parametrize("text", ["", ":1", "h:", "h:x", "h:70000", "1.2.3.4"])
def test_bad_addresses(text):
    assert address(text) == "host:port"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    st.text(alphabet='nameidlcorwghtsyb[]{}="0123456789.,-+_ \n', max_size=200)
    | st.lists(st.sampled_from(["name", "core", "gate", "thing", "words"]), max_size=4).flatmap(
        lambda keys: st.just("\n".join(f"{k} = [[1], {{a = 2}}]" for k in dict.fromkeys(keys)))
    )
)
def test_any_text_is_read_or_refused(tmp_path, text):
    path = write(tmp_path, text)
    try:
        found = read(path, File)
    except SettingsError as refused:
        found = refused
    assert isinstance(found, File) or found.problems
