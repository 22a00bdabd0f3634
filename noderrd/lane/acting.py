"""May a score be acted on? The model's `act when`, computed the moment that the score is there. A score that may not is kept from strategies."""

import math

import numpy as np

from core import layout as at
from core import program
from core.codes import Known
from core.feature import Feature
from core.integer import i64
from core.jit import kernel

EVEN = 1.0 / at.SCORES  # each chance of a model that knows nothing


@kernel
def held(lane: np.ndarray, known: np.ndarray, stack: np.ndarray, products: np.ndarray, product: int, model: int) -> int:
    """Give 1 where the condition of a model is false or unknown for a product's score, else 0. `known`: float64[Known]; `stack`: float64[STACK]."""
    act = lane[0]["acts"][lane[0]["staged"][0]["bound"], model]
    if act["n"] == 0:
        return i64(0)
    score, row = products[product]["score"], products[product]["row"]
    down, flat, up = np.float64(score[0]), np.float64(score[1]), np.float64(score[2])
    both = row[Feature.BID_VENUES] > 0.0 and row[Feature.ASK_VENUES] > 0.0
    known[Known.EDGE] = abs(up - down) * act["move"]
    known[Known.UNCERTAINTY] = min(max((1.0 - max(down, flat, up)) / (1.0 - EVEN), 0.0), 1.0)
    known[Known.SPREAD] = np.float64(row[Feature.SPREAD]) if both else math.nan
    known[Known.IMBALANCE] = np.float64(row[Feature.IMBALANCE]) if both else math.nan
    return i64(0) if program.run(act["code"], act["n"], act["constants"], known, stack) == 1.0 else i64(1)
