"""New tables for a running lane: journaled first, a record a turn, then taken all at once; nothing of them binds before."""

import dataclasses
import json

import numpy as np
import pytest

from core import layout as at
from core.codes import JournalKind, Known, Limit, Op
from core.jit import entry
from noderrd.control import staging
from noderrd.journal.decode import Names
from noderrd.lane import limits, staged
from noderrd.lane.record import RESERVE
from noderrd.lane.spec import ActSpec, InstrumentSpec, LaneSpec, LimitSpec, ModelSpec, StrategySpec, VenueSpec

N = 3


@entry
def look(lane, now_ns):
    staged.look(lane, now_ns)


@entry
def binding(lane, tables, row, column):
    """Read a limit as the loop does: the table that binds is an array of its own."""
    limits = tables[lane[0]["staged"][0]["bound"]]
    return limits[row]["limit"][column]


def spec(limit, params, maker=-20, budget=50_000, file="/dev/null", act=()):
    venue = VenueSpec("V", "", "", "", "", "", "u", "secret", maker, 30)
    instruments = [InstrumentSpec(f"S{k}", 0, f"S{k}", 100, 1) for k in range(N)]
    found = [LimitSpec(0, k, {"MAX_POSITION": (limit + k, k)}) for k in range(N)]
    strategy = StrategySpec("a", file, ["S0"], params, budget)
    models = [ModelSpec("m", "/dev/null", [], [], act=ActSpec(list(act), [1.5], "", 0))] if act else []
    return LaneSpec(
        "l", "", "", [venue], instruments, [f"S{k}" for k in range(N)], [strategy], found, models, ["a.rules:1", "a.rules:2", "a.rules:3"]
    )


@pytest.fixture
def lane():
    state = np.zeros(1, at.LANE)
    control = state[0]["control"][0]
    control["n_strategies"], control["n_venues"] = 1, 1
    return state


def stage(lane, table, wanted, words):
    """Do what noderrd.control.staging does, on arrays."""
    row = lane[0]["staged"][0]
    limits.fill(wanted, table[1 - row["bound"]])
    limits.fill_acts(wanted, lane[0]["acts"][1 - row["bound"]])
    told = wanted.told()
    row["params"][0][: len(words)] = words
    row["budget_ns"][0], row["fees"][0] = wanted.strategies[0].budget_ns, (wanted.venues[0].maker_mils, wanted.venues[0].taker_mils)
    row["text"][: len(told)] = np.frombuffer(told, np.uint8)
    row["text_at"], row["text_size"], row["terms"] = 0, len(told), wanted.terms()
    row["seq"] += 1
    return told


def test_tables_are_taken_with_the_last_record(lane):
    table = np.zeros((2, at.MAX_STRATEGIES * N), at.LIMITS)
    before, after = spec(100, {"x": 1}), spec(200, {"x": 2}, maker=-30, budget=70_000)
    limits.fill(before, table[0])
    lane[0]["strategies"][0]["budget_ns"] = 50_000
    told = stage(lane, table, after, [2])
    row, control = lane[0]["staged"][0], lane[0]["control"][0]
    turns = 0
    while row["seq"] != row["done"]:
        assert table[row["bound"], 1]["limit"][Limit.MAX_POSITION] == 101
        assert lane[0]["params"][0, 0] == 0
        look(lane, 1_000 + turns)
        turns += 1
        assert control["journal_head"] == turns
    assert turns == -(-len(told) // at.JOURNAL_DATA)
    assert [int(table[row["bound"], k]["limit"][Limit.MAX_POSITION]) for k in range(N)] == [200, 201, 202]
    assert (lane[0]["params"][0, 0], lane[0]["strategies"][0]["fresh"]) == (2, 2)
    assert lane[0]["strategies"][0]["budget_ns"] == 70_000
    assert (lane[0]["venues"][0]["maker_mils"], lane[0]["venues"][0]["taker_mils"]) == (-30, 30)
    assert row["running"] == after.terms()
    names = Names()
    learned = [names.learn(record) for record in lane[0]["journal"][:turns]]
    assert learned == [False] * (turns - 1) + [True]
    assert names.spec["limits"] == json.loads(told)["spec"]["limits"]
    assert b"secret" not in told
    assert {int(kind) for kind in lane[0]["journal"][:turns]["kind"]} == {JournalKind.SPEC}
    look(lane, 5_000)
    assert control["journal_head"] == turns


def test_unchanged_parameters_tell_a_strategy_nothing(lane):
    table = np.zeros((2, at.MAX_STRATEGIES * N), at.LIMITS)
    stage(lane, table, spec(200, {"x": 0}), [0])
    for k in range(1_000):
        look(lane, k)
    assert lane[0]["staged"][0]["done"] == 1
    assert lane[0]["strategies"][0]["fresh"] == 0


def test_one_table_binds_while_the_other_is_written(lane):
    table = np.zeros((2, at.MAX_STRATEGIES * N), at.LIMITS)
    for k, limit in enumerate((100, 200, 300)):
        before = table[lane[0]["staged"][0]["bound"]].copy()
        stage(lane, table, spec(limit, {"x": 0}), [0])
        assert (table[lane[0]["staged"][0]["bound"]] == before).all()
        for turn in range(1_000):
            look(lane, turn)
        assert lane[0]["staged"][0]["bound"] == (k + 1) % 2
        assert table[lane[0]["staged"][0]["bound"], 0]["limit"][Limit.MAX_POSITION] == limit
        assert binding(lane, table, 0, Limit.MAX_POSITION) == limit
        assert binding(lane, table, 2, Limit.MAX_POSITION) == limit + 2


def test_limits_and_decisions_change_with_one_word(lane):
    table, never = np.zeros((2, at.MAX_STRATEGIES * N), at.LIMITS), (Op.LOAD, Known.EDGE, Op.CONSTANT, 0, Op.GREATER, 0)
    stage(lane, table, spec(200, {"x": 0}, act=never), [0])
    while lane[0]["staged"][0]["done"] == 0:
        bound = lane[0]["staged"][0]["bound"]
        assert (table[bound, 0]["limit"][Limit.MAX_POSITION], lane[0]["acts"][bound, 0]["n"]) == (0, 0)
        look(lane, 1)
    bound = lane[0]["staged"][0]["bound"]
    assert (table[bound, 0]["limit"][Limit.MAX_POSITION], lane[0]["acts"][bound, 0]["n"]) == (200, 3)
    assert lane[0]["acts"][bound, 0]["code"][:3].tolist() == [[Op.LOAD, Known.EDGE], [Op.CONSTANT, 0], [Op.GREATER, 0]]
    assert lane[0]["acts"][bound, 0]["constants"][0] == 1.5


def test_a_full_journal_waits(lane):
    table = np.zeros((2, at.MAX_STRATEGIES * N), at.LIMITS)
    stage(lane, table, spec(200, {"x": 2}), [2])
    control = lane[0]["control"][0]
    control["journal_head"] = at.JOURNAL_SLOTS - RESERVE + 1
    look(lane, 1)
    assert control["journal_head"] == at.JOURNAL_SLOTS - RESERVE + 1
    assert lane[0]["staged"][0]["done"] == 0


def test_the_widest_turn_is_noted(lane):
    for now in (100, 105, 140, 150):
        look(lane, now)
        if now == 100:
            lane[0]["staged"][0]["widest_ns"] = 0
    assert lane[0]["staged"][0]["widest_ns"] == 35


def test_only_tables():
    before = spec(100, {"x": 1})
    assert staging.only_tables(before, spec(200, {"x": 2}, maker=-1, budget=7))
    assert not staging.only_tables(before, spec(100, {"x": 1}, file="/dev/zero"))
    assert staging.only_tables(spec(100, {}, act=(1, 0)), spec(100, {}, act=(2, 0)))
    edited = dataclasses.replace(before, strategies=[dataclasses.replace(before.strategies[0], sha256="other")])
    assert not staging.only_tables(before, edited), "another text under the same name is another strategy"


def test_parameters_become_words(tmp_path):
    file = tmp_path / "s.py"
    file.write_text(
        "import numpy as np\n"
        "from noderrd.strategies import strategy\n"
        'PARAMS = (("whole", "shares", 1, 100, 7), ("half", "ticks", 0.0, 10.0, 1.5))\n'
        'STATE = np.dtype([("x", "i8")], align=True)\n'
        '@strategy(timer="1ms")\n'
        "def on_event(event, view, params, state, out):\n"
        "    return 0\n"
    )
    words = staging.params(file, {"half": 2.5})
    assert words[0] == 7
    assert words[1:2].view(np.float64)[0] == 2.5
    assert not words[2:].any()
