"""New tables for a running lane, without stopping it: written beside those that bind, taken by the loop between two events.

Only where nothing but tables differs: limits, when models may be acted on, parameters, budgets, fees, and the table of rules. Strategies, models and
modes are the RELOAD command's, for they are code and connections.
"""

import dataclasses
from pathlib import Path

import numpy as np
import trio

from core import layout as at
from noderrd.control.lanes import Lane
from noderrd.lane import limits
from noderrd.lane.spec import LaneSpec
from noderrd.strategies.source import read

TAKEN_S = 5.0
POLL_S = 0.001


def only_tables(before: LaneSpec, after: LaneSpec) -> bool:
    """Say whether two specs differ in nothing but tables."""
    return _code(before) == _code(after)


def _code(spec: LaneSpec) -> LaneSpec:
    """Give a spec without its tables."""
    strategies = [dataclasses.replace(it, params={}, budget_ns=0) for it in spec.strategies]
    venues = [dataclasses.replace(it, maker_mils=0, taker_mils=0) for it in spec.venues]
    models = [dataclasses.replace(it, act=None) for it in spec.models]
    return dataclasses.replace(spec, strategies=strategies, venues=venues, models=models, limits=[], rules=[])


def params(file: Path, given: dict[str, float]) -> np.ndarray:
    """Give the words of a strategy's record of parameters, int64[MAX_PARAMS]: ints, or the bits of doubles. Values were checked before."""
    words = np.zeros(at.MAX_PARAMS, np.int64)
    for k, it in enumerate(read(file).parameters):
        value = given.get(it.name, it.default)
        words[k] = int(value) if it.whole else np.float64(value).view(np.int64)
    return words


async def stage(lane: Lane, spec: LaneSpec) -> bool:
    """Have a lane take a spec's tables; False when it is not there, does not take them in time, or they are too long to be journaled.

    Raises OSError when a strategy's file cannot be read.
    """
    told = spec.told()
    row = lane.shared.staged[0]
    if not lane.ready or len(told) > at.STAGED_TEXT or int(row["seq"]) != int(row["done"]):
        return False
    limits.fill(spec, lane.shared.next_limits)
    limits.fill_acts(spec, lane.shared.acts[1 - int(row["bound"])])
    for k, it in enumerate(spec.strategies):
        row["params"][k] = params(Path(it.file), it.params)
        row["budget_ns"][k] = it.budget_ns
    for v, venue in enumerate(spec.venues):
        row["fees"][v] = venue.maker_mils, venue.taker_mils
    row["text"][: len(told)] = np.frombuffer(told, np.uint8)
    row["text_at"], row["text_size"], row["terms"] = 0, len(told), spec.terms()
    row["seq"] += 1
    with trio.move_on_after(TAKEN_S):
        while int(row["done"]) != int(row["seq"]):  # noqa: ASYNC110 - another process raises it, and tells nobody
            await trio.sleep(POLL_S)
        return True
    row["seq"] = int(row["done"])  # taken back: a lane that comes round after all must not run by what nobody believes it runs by
    return False
