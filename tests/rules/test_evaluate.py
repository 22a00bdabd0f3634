"""What expressions are worth: a table that is the definition, and the compiled program against the plain evaluator, NaN included."""

import math
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policies import load, policy

from core import layout as at
from core import program
from core.codes import Known
from core.feature import Feature
from core.jit import entry
from core.layout import ACT, MAX_MODELS
from noderrd.control import resolve
from noderrd.control.explain import acted_on
from noderrd.lane import acting
from noderrd.lane.limits import fill_acts
from noderrd.lane.spec import ActSpec
from rules import catalog
from rules.compile import compile_condition
from rules.evaluate import evaluate, headline, leaves, trace, truth
from rules.expression import MAX_HELD, Apply, Arithmetic, Compare, Constant, Logic, Measured, Not, text
from rules.span import Span
from rules.units import NUMBER, Quantity

NAN = math.nan
STACK = np.zeros(program.STACK)
ROWS = np.zeros(MAX_MODELS, ACT)


def condition(text):
    return policy(f"alert a info {{\n  when  {text}\n  do    log\n}}\n").alerts[0].when.when


def value(text, **values):
    e = condition(text)
    return evaluate(e, {leaf: values[leaf.name] for leaf in leaves(e) if isinstance(leaf, Measured) and leaf.name in values})


@entry
def compute(code, n, constants, row, stack):
    return program.run(code, n, constants, row, stack)


def run(e, values):
    """Compile, and compute as a lane does: from a record of its shared memory, where a longer condition was before."""
    known = leaves(e)
    compiled = compile_condition(e, known.index)
    code = [word for pair in compiled.code for word in pair]
    spec = SimpleNamespace(models=[SimpleNamespace(move=0.0, act=ActSpec(code, compiled.constants, text(e), 0))])
    ROWS.view(np.uint8)[...] = 0xFF
    fill_acts(spec, ROWS)
    row = np.array([values.get(leaf, NAN) for leaf in known] or [NAN])
    return compute(ROWS[0]["code"], ROWS[0]["n"], ROWS[0]["constants"], row, STACK)


def test_the_stack_is_as_large_as_the_checker_allows():
    assert program.STACK == MAX_HELD


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("edge > 2 ticks", {"edge": 3}, True),
        ("edge > 2 ticks", {"edge": 2}, False),
        ("edge >= 2 ticks", {"edge": 2}, True),
        ("edge > 2 ticks", {}, None),
        ("edge != 2 ticks", {}, None),
        ("not edge > 2 ticks", {}, None),
        ("edge > 2 ticks and spread > 1 tick", {"spread": 0}, False),
        ("edge > 2 ticks and spread > 1 tick", {"spread": 2}, None),
        ("edge > 2 ticks or spread > 1 tick", {"spread": 2}, True),
        ("edge > 2 ticks or spread > 1 tick", {"spread": 0}, None),
        ("not (edge > 2 ticks and spread > 1 tick)", {"spread": 0}, True),
        ("edge + spread > 1 tick", {"spread": 2}, None),
        ("edge / (spread - 1 tick) > 1", {"edge": 4, "spread": 3}, True),
        ("edge / (spread - 1 tick) > 1", {"edge": 4, "spread": 1}, None),  # a division by zero is missing, not infinite
        ("max(edge, spread) > 1 tick", {"spread": 2}, None),
        ("max(edge, spread) > 1 tick", {"edge": 0, "spread": 2}, True),
        ("min(edge, spread) > 1 tick", {"edge": 0, "spread": 2}, False),
        ("-edge > 1 tick", {"edge": -2}, True),
        ("p99(ack) over 1s > 1ms", {}, None),
        ("book is stale", {}, None),
        ("1 tick < edge and edge < 4 ticks", {"edge": 3}, True),
    ],
)
def test_meaning(text, values, expected):
    assert truth(value(text, **values)) is expected


def test_values_are_in_base_units():
    e = condition("p99(ack) over 10s > 50us")
    assert headline(e, {leaves(e)[0]: 60_000.0}) == (60_000.0, 50_000.0)
    e = condition("rate(orders) over 1s > 100/s")
    assert headline(e, {leaves(e)[0]: 2e-7})[1] == pytest.approx(1e-7)


def test_the_headline_is_the_comparison_that_decided():
    e = condition("edge > 9 ticks or spread > 1 tick")
    values = {leaf: {"edge": 1.0, "spread": 3.0}[leaf.name] for leaf in leaves(e)}
    assert headline(e, values) == (3.0, 1.0)
    assert all(math.isnan(v) for v in headline(condition("book is stale"), {}))


def test_a_trace_shows_every_part_inner_first():
    e = condition("edge > 2 ticks and not spread + 1 tick > 3 ticks")
    values = {leaf: {"edge": 3.0, "spread": 1.0}[leaf.name] for leaf in leaves(e)}
    assert [(str(step), step.value) for step in trace(e, values)] == [
        ("edge", 3.0),
        ("edge > 2 ticks", 1.0),
        ("spread", 1.0),
        ("spread + 1 ticks", 2.0),
        ("spread + 1 ticks > 3 ticks", 0.0),
        ("not spread + 1 ticks > 3 ticks", 1.0),
        ("edge > 2 ticks and not spread + 1 ticks > 3 ticks", 1.0),
    ]


LEAVES = [Measured(name, (), NUMBER, None, None) for name in catalog.ACT]
NUMBERS = st.sampled_from([NAN, 0.0, 1.0, -1.0, 2.5, 1e308, -1e308, math.inf, -math.inf, 1e-300])


@st.composite
def numeric(draw, depth=3):
    kind = draw(st.integers(0, 3 if depth else 1))
    if kind == 0:
        return draw(st.sampled_from(LEAVES))
    if kind == 1:
        return Constant(Quantity(Fraction(draw(st.integers(-3, 3)), draw(st.integers(1, 4)))))
    if kind == 2:
        return Arithmetic(draw(st.sampled_from("+-*/")), draw(numeric(depth - 1)), draw(numeric(depth - 1)), NUMBER)
    return Apply(draw(st.sampled_from(["max", "min"])), tuple(draw(st.lists(numeric(depth - 1), min_size=2, max_size=4))), 0, NUMBER)


@st.composite
def conditions(draw, depth=3):
    kind = draw(st.integers(0, 3 if depth else 0))
    if kind in {0, 1}:
        return Compare(draw(st.sampled_from(["<", "<=", ">", ">=", "==", "!="])), draw(numeric()), draw(numeric()))
    if kind == 2:
        return Not(draw(conditions(depth - 1)))
    return Logic(draw(st.sampled_from(["and", "or"])), draw(conditions(depth - 1)), draw(conditions(depth - 1)))


@settings(max_examples=600, deadline=None)
@given(conditions(), st.lists(NUMBERS, min_size=4, max_size=4))
def test_program_equals_evaluator(e, row):
    values = dict(zip(LEAVES, row, strict=True))
    plain, compiled = evaluate(e, values), run(e, values)
    assert plain == compiled or (math.isnan(plain) and math.isnan(compiled))


CHANCES = st.floats(0, 1, width=32)
LANE, PRODUCTS, KNOWN = np.zeros(1, at.LANE), np.zeros(2, at.PRODUCT), np.zeros(len(Known))


@entry
def held(lane, known, stack, products, product, model):
    return acting.held(lane, known, stack, products, product, model)


def block(e):
    return SimpleNamespace(act=e, where={"act": Span("a.rules", 3, 1, 2)})


@settings(max_examples=300, deadline=None)
@given(conditions(), st.lists(CHANCES, min_size=3, max_size=3), st.floats(-5, 5, width=32), st.integers(0, 3), st.sampled_from([0.0, 2.5]))
def test_a_lane_holds_scores_as_the_evaluator_says(e, score, row, books, move):
    """From the model of a condition to the word that keeps a score from strategies, by what production runs, NaN included."""
    PRODUCTS[1]["score"] = score
    PRODUCTS[1]["row"] = row
    PRODUCTS[1]["row"][Feature.BID_VENUES], PRODUCTS[1]["row"][Feature.ASK_VENUES] = books & 1, books >> 1
    act = resolve._act(block(e), resolve.Rules())
    fill_acts(SimpleNamespace(models=[SimpleNamespace(move=1.0, act=None), SimpleNamespace(move=move, act=act)]), LANE[0]["acts"][1])
    LANE[0]["staged"][0]["bound"] = 1
    known = acted_on(PRODUCTS[1], move)
    holds = truth(evaluate(e, {leaf: known[leaf.name] for leaf in LEAVES}))
    assert held(LANE, KNOWN, STACK, PRODUCTS, 1, 1) == (0 if holds is True else 1)
    assert held(LANE, KNOWN, STACK, PRODUCTS, 1, 0) == 0, "a model without a condition"
    LANE[0]["staged"][0]["bound"] = 0
    assert held(LANE, KNOWN, STACK, PRODUCTS, 1, 1) == 0, "the other table does not bind"


def test_the_longest_condition_fits():
    e = policy('model a {\n  file  "a.onnx"\n  act when  ' + " or ".join(f"edge > {k}.5 ticks" for k in range(64)) + "\n}\n").models[0].act
    act = resolve._act(block(e), resolve.Rules())
    fill_acts(SimpleNamespace(models=[SimpleNamespace(move=1.0, act=act)]), ROWS)
    assert ROWS[0]["n"] == 64 * 3 + 63
    longest = Constant(Quantity(Fraction(0)))
    for k in range(128):  # as many operators as a condition may have, each with a constant of its own
        longest = Arithmetic("+", longest, Constant(Quantity(Fraction(k + 1, 7))), NUMBER)
    act = resolve._act(block(longest), resolve.Rules())
    assert len(act.code) // 2 <= at.ACT_OPS
    assert len(act.constants) <= at.ACT_CONSTANTS


def test_programs_of_written_conditions():
    written = (Path(__file__).parent / "expressions.good.rules").read_text()
    for alert in load({"a": written})[0].alerts:
        e = alert.when.when
        for seed in range(50):
            rng = np.random.default_rng(seed)
            values = {leaf: float(rng.choice([NAN, 0.0, 1.0, 1e-9, 1e9])) for leaf in leaves(e)}
            plain, compiled = evaluate(e, values), run(e, values)
            assert plain == compiled or (math.isnan(plain) and math.isnan(compiled))
