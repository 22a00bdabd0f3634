"""The pages say what the code has."""

import ast
import json
from pathlib import Path

import pytest

from core import layout as at
from core.codes import EventKind
from core.feature import Feature
from noderrd import strategies
from noderrd.strategies import source

UNSEEN = {"product", "strat", "seed", "n_notes", "note_code", "note_value"}  # of a view: for the helpers
DOCS = Path(__file__).parents[2] / "docs"


def test_every_feature_is_described():
    text = (DOCS / "models.md").read_text()
    for feature in Feature:
        assert f"| `{feature.name.lower()}` |" in text


@pytest.mark.parametrize("name", ["quotes", "taker"])
def test_every_parameter_of_what_ships_is_described_with_its_default(name):
    text = (DOCS / f"{name}.md").read_text()
    for it in source.read(Path(strategies.__file__).with_name(f"{name}.py")).parameters:
        default = f"{it.default / 1e6:g} ms" if it.unit == "ns" else f"{it.default:g} {it.unit}"
        row = next((line for line in text.splitlines() if line.startswith(f"| `{it.name}` |")), "")
        assert default.removesuffix("s") in row, f"{it.name}: {default}"


def test_every_event_field_and_call_is_described():
    text = (DOCS / "strategies.md").read_text()
    for kind in EventKind:
        assert f"`{kind.name}`" in text
    for name in at.VIEW.names:
        if not name.startswith("pad") and name not in UNSEEN:
            assert f"`{name}`" in text or f"`{name}[" in text, name
    for name in ("enter", "replace", "cancel", "cancel_all", "uniform", "note"):
        assert f"{name}(" in text
    for number in (at.MAX_PARAMS, at.STATE_BYTES, at.MAX_INTENTS, at.VIEW_ORDERS):
        assert str(number) in text


def test_the_example_compiles(tmp_path):
    from noderrd.strategies.compile import load

    text = (DOCS / "strategies.md").read_text().split("## The file\n\n")[1].split("\n\n- **")[0]
    file = tmp_path / "mine.py"
    file.write_text("\n".join(line.removeprefix("    ") for line in text.splitlines()))
    assert ast.parse(file.read_text())
    assert load(file).timer_ns == 50_000_000


def test_the_model_s_score_is_the_card_s():
    text = (DOCS / "models.md").read_text()
    card = json.loads((Path(strategies.__file__).parents[1] / "models" / "alpha.json").read_text())["held_out"]
    for said in (
        f"{card['loss']:.3f}",
        f"{card['loss_of_shares']:.3f}",
        f"{card['accuracy'] * 100:.1f} %",
        f"{card['accuracy_of_shares'] * 100:.1f} %",
    ):
        assert said in text
