"""Makes the model that ships: `python -P -m noderrd.models.make`. The same seed gives the same weights on the same machine.

A network of 32-64-64-3 with ReLU learns, from rows of the simulated market, whether the mid of a product stands at least MOVE_TICKS lower, in
between, or at least so much higher HORIZON_NS later; its output are the chances of the three. Cross-entropy, Adam (Kingma and Ba, 2015), the epoch
that did best on markets kept for validation. The score that is printed and kept beside the model is that of markets that training never saw: other
seeds, other times of the day. Inputs are standardised; that is folded into the first layer, so that the model takes rows as they are.
"""

import argparse
import dataclasses
import hashlib
import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from core.layout import FEATURES, SCORES

ROOM = Path(__file__).parent
HIDDEN = 64
HORIZON_NS = 2_000_000_000
MOVE_TICKS = 1.5
EVERY_NS = 20_000_000  # from row to row, a product
WARM_NS = 16_000_000_000  # two of the longest half-lives: rows before are not used
BATCH, EPOCHS, RATE = 512, 6, 3e-4
CLIP = 6.0  # standard deviations: what lies beyond is a rare event and no teacher

Weights = list[np.ndarray]  # weight and bias of each layer, in turn


@dataclasses.dataclass(frozen=True)
class Sample:
    """Rows float32[n, 32], what came of them int64[n] (0 down, 1 flat, 2 up), and by how much float64[n] (ticks)."""

    rows: np.ndarray
    labels: np.ndarray
    moves: np.ndarray


def sample(seed: int, seconds: float) -> Sample:
    """Let a market run and look `HORIZON_NS` ahead of each row."""
    from noderrd.models.market import Market

    market = Market(seed)
    rows, mids = [], []
    for now_ns in market.run(seconds, EVERY_NS):
        if now_ns >= WARM_NS:
            rows.append(market.products["row"].copy())
            mids.append(market.products["last_mid"].copy())
    ahead = HORIZON_NS // EVERY_NS
    moves = (np.array(mids[ahead:]) - np.array(mids[:-ahead])).ravel()
    labels = 1 + (moves >= MOVE_TICKS).astype(np.int64) - (moves <= -MOVE_TICKS).astype(np.int64)
    return Sample(np.array(rows[:-ahead]).reshape(-1, FEATURES), labels, moves)


def samples(seeds: range, seconds: float) -> Sample:
    """Give the samples of several markets as one: different times of the day, different chance."""
    each = [sample(seed, seconds) for seed in seeds]
    return Sample(*(np.concatenate([getattr(one, field.name) for one in each]) for field in dataclasses.fields(Sample)))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Give chances [n, 3]."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def forward(weights: Weights, x: np.ndarray) -> list[np.ndarray]:
    """Give the input of each layer, and the logits last."""
    layers = [x]
    for k in range(0, len(weights), 2):
        y = layers[-1] @ weights[k] + weights[k + 1]
        layers.append(np.maximum(y, 0) if k + 2 < len(weights) else y)
    return layers


def gradients(weights: Weights, x: np.ndarray, labels: np.ndarray) -> Weights:
    """Give the gradient of the mean cross-entropy by each weight."""
    layers = forward(weights, x)
    error = softmax(layers[-1])
    error[np.arange(len(labels)), labels] -= 1
    error /= len(labels)
    found: Weights = []
    for k in range(len(weights) - 2, -1, -2):
        found[:0] = [layers[k // 2].T @ error, error.sum(axis=0)]
        error = (error @ weights[k].T) * (layers[k // 2] > 0)
    return found


def batches(n: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Give the indexes of an epoch, shuffled."""
    order = rng.permutation(n)
    for k in range(0, n - BATCH + 1, BATCH):
        yield order[k : k + BATCH]


def loss(chances: np.ndarray, labels: np.ndarray) -> float:
    """Give the mean cross-entropy, in nats."""
    return float(-np.log(np.maximum(chances[np.arange(len(labels)), labels], 1e-12)).mean())


def train(taught: Sample, checked: Sample, seed: int, epochs: int) -> Weights:
    """Give the weights of the epoch that did best on `checked`, for rows as they are."""
    rng = np.random.default_rng(seed)
    mean, deviation = taught.rows.mean(axis=0), np.maximum(taught.rows.std(axis=0), 1e-3)

    def standard(rows: np.ndarray) -> np.ndarray:
        return np.clip((rows - mean) / deviation, -CLIP, CLIP).astype(np.float32)

    x, held = standard(taught.rows), standard(checked.rows)
    sizes = [FEATURES, HIDDEN, HIDDEN, SCORES]
    weights: Weights = []
    for a, b in itertools.pairwise(sizes):
        weights += [rng.normal(0, np.sqrt(2 / a), (a, b)).astype(np.float32), np.zeros(b, np.float32)]
    first, second = ([np.zeros_like(w) for w in weights] for _ in range(2))
    best, best_loss, step = weights, np.inf, 0
    for _ in range(epochs):
        for batch in batches(len(x), rng):
            step += 1
            for k, gradient in enumerate(gradients(weights, x[batch], taught.labels[batch])):
                first[k] += 0.1 * (gradient - first[k])
                second[k] += 0.001 * (gradient * gradient - second[k])
                weights[k] -= RATE * (first[k] / (1 - 0.9**step)) / (np.sqrt(second[k] / (1 - 0.999**step)) + 1e-8)
        now = loss(softmax(forward(weights, held)[-1]), checked.labels)
        print(f"validation loss {now:.4f}", file=sys.stderr, flush=True)
        if now < best_loss:
            best, best_loss = [w.copy() for w in weights], now
    scale = (1 / deviation).astype(np.float32)
    return [best[0] * scale[:, None], best[1] - (mean * scale) @ best[0], *best[2:]]


def score(weights: Weights, unseen: Sample) -> dict[str, float]:
    """Give how good the chances are on a market that training did not see, beside the best that can be said without looking at a row."""
    chances = softmax(forward(weights, unseen.rows)[-1])
    shares = np.bincount(unseen.labels, minlength=SCORES) / len(unseen.labels)
    lean = chances[:, 2] - chances[:, 0]
    sure = np.abs(lean) > 0.5
    return {
        "rows": len(unseen.labels),
        "loss": round(loss(chances, unseen.labels), 4),
        "loss_of_shares": round(float(-(shares * np.log(shares)).sum()), 4),
        "accuracy": round(float((chances.argmax(axis=1) == unseen.labels).mean()), 4),
        "accuracy_of_shares": round(float(shares.max()), 4),
        "sure": round(float(sure.mean()), 4),
        "ticks_when_sure": round(float((np.sign(lean) * unseen.moves)[sure].mean()) if sure.any() else 0.0, 3),
        "mean_move_ticks": round(float(np.abs(unseen.moves[unseen.labels != 1]).mean()), 3),
    }


def write(weights: Weights, path: Path) -> None:
    """Write ONNX: one input float32[1, n], one output float32[1, 3], the chances of down, flat and up."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, tensors, last = [], [], "row"
    n = len(weights) // 2
    for k in range(n):
        tensors += [numpy_helper.from_array(weights[2 * k], f"w{k}"), numpy_helper.from_array(weights[2 * k + 1], f"b{k}")]
        nodes.append(helper.make_node("Gemm", [last, f"w{k}", f"b{k}"], [f"sum{k}"]))
        last = f"sum{k}" if k == n - 1 else f"layer{k}"
        if k < n - 1:
            nodes.append(helper.make_node("Relu", [f"sum{k}"], [last]))
    nodes.append(helper.make_node("Softmax", [last], ["chances"], axis=1))
    graph = helper.make_graph(
        nodes,
        "alpha",
        [helper.make_tensor_value_info("row", TensorProto.FLOAT, [1, weights[0].shape[0]])],
        [helper.make_tensor_value_info("chances", TensorProto.FLOAT, [1, weights[-1].shape[0]])],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8, producer_name="noderrd")
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def main() -> int:
    """Simulate, train, score, write alpha.onnx and alpha.json."""
    parser = argparse.ArgumentParser(prog="noderrd.models.make", description="Train the model that ships on a simulated market.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=120.0, help="length of each of the 16 markets: 10 teach, 3 check, 3 score")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--out", type=Path, default=ROOM / "alpha.onnx")
    args = parser.parse_args()
    from noderrd.lane import cache

    cache.prepare()
    from core.feature import NAMES

    first = 16 * args.seed
    taught, checked, unseen = (samples(range(first + a, first + b), args.seconds) for a, b in ((0, 10), (10, 13), (13, 16)))
    weights = train(taught, checked, args.seed, args.epochs)
    write(weights, args.out)
    card = {
        "features": NAMES,
        "scores": ["down", "flat", "up"],
        "horizon_ns": HORIZON_NS,
        "move_ticks": MOVE_TICKS,
        "seed": args.seed,
        "seconds": args.seconds,
        "sha256": hashlib.sha256(args.out.read_bytes()).hexdigest(),
        "held_out": score(weights, unseen),
    }
    args.out.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n")
    print(json.dumps(card["held_out"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
