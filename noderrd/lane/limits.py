"""From a spec to the flat tables that the lane reads: limits, and when models may be acted on. No kernel here: the daemon stages tables too."""

import math

import numpy as np

from core.codes import Limit
from core.layout import NO_LIMIT
from noderrd.lane.spec import LaneSpec

FIELDS = ("limit", "account", "rule", "account_rule")


def put(filled: np.ndarray, rows: np.ndarray) -> None:
    """Copy limits from one table to another; what was spent of them stays."""
    for name in FIELDS:
        rows[name] = filled[name]


def fill(spec: LaneSpec, rows: np.ndarray) -> None:
    """Put every limit in its place in LIMITS[strategies x instruments]; what the policy does not name is unlimited."""
    rows["limit"] = rows["account"] = NO_LIMIT
    rows["rule"] = rows["account_rule"] = -1
    n = len(spec.instruments)
    for it in spec.limits:
        row = rows[it.strategy * n + it.instrument]
        for values, rules, found in (("limit", "rule", it.limits), ("account", "account_rule", it.limits if it.account is None else it.account)):
            for name, (value, rule) in found.items():
                row[values][Limit[name]] = value
                row[rules][Limit[name]] = rule


def fill_acts(spec: LaneSpec, rows: np.ndarray) -> None:
    """Put every model's `act when` in its place in ACT[models]."""
    rows[...] = 0
    for row, it in zip(rows, spec.models, strict=False):
        row["move"] = it.move or math.nan
        if it.act is not None:
            code = np.array(it.act.code, np.int32).reshape(-1, 2)
            row["n"] = len(code)
            row["code"][: len(code)] = code
            row["constants"][: len(it.act.constants)] = it.act.constants
