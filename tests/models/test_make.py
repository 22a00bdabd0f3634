"""The script that makes the model: its arithmetic, its determinism, and what it has learned."""

import json

import numpy as np
import onnxruntime
import pytest

from core.layout import FEATURES
from noderrd.models import make
from noderrd.models.market import Market


@pytest.fixture(scope="module")
def unseen():
    """A market with a seed that nobody was taught."""
    return make.sample(990, 60)


def test_the_gradient_is_the_slope():
    rng = np.random.default_rng(2)
    weights = [rng.normal(0, 1, shape) for shape in ((4, 5), (5,), (5, 3), (3,))]
    x, labels = rng.normal(0, 1, (7, 4)), rng.integers(0, 3, 7)
    found = make.gradients(weights, x, labels)
    for k, weight in enumerate(weights):
        for place in np.ndindex(weight.shape):
            at = weight[place]
            weight[place] = at + 1e-6
            above = make.loss(make.softmax(make.forward(weights, x)[-1]), labels)
            weight[place] = at - 1e-6
            below = make.loss(make.softmax(make.forward(weights, x)[-1]), labels)
            weight[place] = at
            assert np.isclose(found[k][place], (above - below) / 2e-6, atol=1e-5)


def test_the_same_seed_gives_the_same_market_and_another_one_another():
    def mids(seed):
        market = Market(seed)
        return [market.products["last_mid"].copy() for _ in market.run(1.0, 100_000_000)]

    assert np.array_equal(mids(4), mids(4))
    assert not np.array_equal(mids(4), mids(5))


def test_the_same_seed_gives_the_same_bytes(unseen, tmp_path):
    for name in ("one", "two"):
        make.write(make.train(unseen, unseen, 3, 1), tmp_path / f"{name}.onnx")
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()


def test_onnx_says_what_the_weights_say(unseen, tmp_path):
    """Standardising is folded into the first layer: the file takes rows as they are."""
    weights = make.train(unseen, unseen, 3, 1)
    make.write(weights, tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    for row in unseen.rows[:50]:
        assert np.allclose(session.run(None, {"row": row[None]})[0], make.softmax(make.forward(weights, row[None])[-1]), atol=1e-5)


def test_labels_are_what_the_mid_did(unseen):
    assert np.array_equal(unseen.labels == 2, unseen.moves >= make.MOVE_TICKS)
    assert np.array_equal(unseen.labels == 0, unseen.moves <= -make.MOVE_TICKS)
    assert unseen.rows.shape == (len(unseen.labels), FEATURES)
    assert np.isfinite(unseen.rows).all()


def test_the_model_that_ships_knows_more_than_the_shares_of_the_outcomes(unseen):
    session = onnxruntime.InferenceSession(str(make.ROOM / "alpha.onnx"), providers=["CPUExecutionProvider"])
    chances = np.vstack([session.run(None, {"row": row[None]})[0] for row in unseen.rows])
    shares = np.bincount(unseen.labels, minlength=3) / len(unseen.labels)
    assert make.loss(chances, unseen.labels) < 0.9 * -(shares * np.log(shares)).sum()
    lean = chances[:, 2] - chances[:, 0]
    assert unseen.moves[lean > 0.5].mean() > 1, "ticks, when it is sure of up"
    assert unseen.moves[lean < -0.5].mean() < -1
    held_out = json.loads((make.ROOM / "alpha.json").read_text())["held_out"]
    assert held_out["loss"] < held_out["loss_of_shares"]
