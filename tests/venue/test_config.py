"""The venue's file: what may stand in it, and that its page says so."""

import dataclasses
import re
import typing
from decimal import Decimal
from pathlib import Path

import pytest

from noderrd.settings import SettingsError
from noderrd.venue import config, control

PAGE = (Path(__file__).parents[2] / "docs" / "venue.md").read_text()
GOOD = "\n".join(line[4:] for line in PAGE.split("## The file")[1].split("| table |")[0].splitlines() if line.startswith("    "))


def load(tmp_path, text):
    (tmp_path / "v.toml").write_text(text)
    return config.load(tmp_path / "v.toml")


def keys(kind):
    """Every key of a dataclass and of those below it."""
    for field in dataclasses.fields(kind):
        yield field.metadata.get("key", field.name)
        hint = typing.get_type_hints(kind)[field.name]
        for part in (hint, *typing.get_args(hint)):
            if dataclasses.is_dataclass(part):
                yield from keys(part)


def test_page_names_every_key_and_every_verb(make):
    for key in set(keys(config.Config)):
        assert re.search(rf"\b{key}\b", PAGE), key
    for verb in make().ask("help")["verbs"]:
        assert f"`{verb}`" in PAGE, verb
    assert set(control.VERBS) <= set(make().ask("help")["verbs"])


def test_example_of_the_page_is_a_venue(tmp_path):
    settings = load(tmp_path, GOOD)
    assert settings.itch.drop == config.Shares(0.01, 0.0)
    assert settings.instruments[0].tick == Decimal("0.01")
    whole = GOOD.replace('tick = "0.01"', "tick = 0.01")
    assert load(tmp_path, whole) == settings


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("seed = 7", 'seed = "7"'), "seed: expected a whole number"),
        (("31001", "310010"), "itch.a: expected host:port"),
        (("a = 0.01", "a = 1.5"), "itch.drop.a: expected 0.0 to 1.0"),
        (('"ONE"', '"TOOLONGNAME"'), "user: expected 1 to 6 ASCII characters"),
        (('"allow"', '"maybe"'), "self_match: expected"),
        (('reference = "190.00"', 'reference = "190.005"'), "AAPL: reference 190.005 is not a multiple of tick 0.01"),
        (('reference = "190.00"', 'reference = "-1"'), "reference: expected more than 0"),
        (("lot = 1", "lots = 1"), "did you mean lot?"),
        (("[admin]", '[flow]\nkind = "replay"\n[admin]'), "flow.file"),
        (("[admin]", '[session]\nopen = "16:00"\nclose = "09:30"\n[admin]'), "open is not before close"),
        (("[admin]", '[session]\nopen = "9"\nclose = "10:00"\n[admin]'), "HH:MM"),
        (("[admin]", '[[event]]\nat = "soon"\ndo = "halt"\n[admin]'), "seconds after the start"),
        (("[admin]", '[drop]\nlisten = "h:1"\nusers = [{ user = "D", password = "p", account = "NO" }]\n[admin]'), "no user has the account NO"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(tmp_path, change, said):
    assert GOOD.count(change[0]) >= 1
    with pytest.raises(SettingsError) as error:
        load(tmp_path, GOOD.replace(*change, 1))
    assert said in str(error.value)


def test_same_symbol_or_user_twice_is_said(tmp_path):
    with pytest.raises(SettingsError, match="AAPL stands there twice"):
        load(tmp_path, GOOD + "\n" + GOOD[GOOD.index("[[instrument]]") :])
