"""From a spec's limits to the table that risk reads. No kernel here: the daemon stages tables too."""

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
