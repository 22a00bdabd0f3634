"""The documents name every key, verb and flag that there is, and the file that is shipped is one."""

import argparse
import dataclasses
import importlib
import re
import typing
from pathlib import Path

import pytest

from noderrd import config as configuration
from noderrd.ctl import main as ctl

ROOT = Path(__file__).parents[2]
OWN = ("status", "books", "positions", "orders", "latency", "slow", "counters", "logs", "reconcile", "halt", "resume", "cancel-all", "flatten")
OWN += ("kill", "release", "pause", "continue", "arm", "disarm", "drill", "reload", "stop", "reasons", "position", "day")


def test_the_shipped_file_is_valid_and_on_paper():
    config = configuration.read(ROOT / "etc" / "noderrd" / "noderrd.toml")
    assert not any(venue.armed for venue in config.venues.values())
    assert config.node.two_person
    assert [path.name for path in config.rules_paths()] == ["10-limits.rules", "20-alerts.rules"]


@pytest.mark.parametrize("section", ["node", "rules", "lane", "telemetry", "day", "journal", "venue", "instrument"])
def test_every_key_is_documented_in_its_section(section):
    text = (ROOT / "docs" / "configuration.md").read_text()
    parts = re.split(r"^## ", text, flags=re.MULTILINE)
    told = next(part for part in parts if re.match(rf"\[+{section}\b", part))
    fields = {f.metadata.get("key", f.name): f.name for f in dataclasses.fields(configuration.Config)}
    kind = typing.get_type_hints(configuration.Config)[fields[section]]
    kind = kind if dataclasses.is_dataclass(kind) else next(a for a in typing.get_args(kind) if dataclasses.is_dataclass(a))
    keys = [f.metadata.get("key", f.name) for f in dataclasses.fields(kind)]
    missing = [key for key in keys if f"`{key}`" not in told]
    assert missing == []


@pytest.mark.parametrize("verb", OWN)
def test_every_verb_and_flag_is_documented(verb):
    text = (ROOT / "docs" / "operating.md").read_text()
    assert re.search(rf"`[^`]*\b{verb}\b", text)
    parser = argparse.ArgumentParser()
    parser.set_defaults(verb=verb)
    importlib.import_module(ctl.VERBS[verb][0]).arguments(parser)
    flags = [flag for action in parser._actions for flag in action.option_strings if flag.startswith("--") and flag not in {"--help", "--follow"}]
    assert [flag for flag in flags if flag not in text] == []
