"""A node that traded, and its journal: the decisions come out the same when they are taken again, and not by accident."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.codes import JournalKind
from noderrd import strategies
from noderrd.journal.explain import explain
from noderrd.journal.read import records
from noderrd.journal.verify import verify

TAKER = Path(strategies.__file__).with_name("taker.py")


def run(module, *words):
    done = subprocess.run([sys.executable, "-P", "-m", module, *map(str, words)], capture_output=True, text=True, check=False, timeout=900)
    assert done.stdout, done.stderr[-4000:]
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def traded(tmp_path_factory):
    state = tmp_path_factory.mktemp("replay") / "state"
    code, said = run("noderrd.demo", "--seconds", 6, "--state", state, "--json")
    assert code == 0, said
    return state


@pytest.mark.slow
def test_every_intent_and_verdict_comes_out_the_same(traded):
    rows = [row for block in records(traded / "journal") for row in block]
    intents = sum(row["kind"] == JournalKind.INTENT for row in rows)
    code, said = run("noderrd.main", "replay", traded / "journal", "--json")
    assert (code, said["equal"], said["first_difference"]) == (0, True, None)
    assert said["intents"] == intents > 10
    assert said["verdicts"] >= sum(row["kind"] == JournalKind.DENIED for row in rows)


@pytest.mark.slow
def test_another_strategy_decides_differently_and_is_told(traded):
    code, said = run("noderrd.main", "replay", traded / "journal", "--strategy", TAKER, "--json")
    assert (code, said["equal"]) == (1, False)
    assert said["first_difference"]["reason"]


@pytest.mark.slow
def test_journal_of_a_node_verifies_and_explains_its_orders(traded):
    verdict = verify(traded / "journal")
    assert (verdict.ok, verdict.torn_tail) == (True, False)
    sent = next(row for block in records(traded / "journal") for row in block if row["kind"] == JournalKind.SENT and row["data"][0] == ord("O"))
    said = explain(traded / "journal", int(sent["ref"]))
    assert all(said[stage] is not None for stage in ("tick", "features", "model", "strategy", "risk"))
    assert said["events"][0]["message"]["Type"] == "O"
    assert len(said["features"]) == 32
