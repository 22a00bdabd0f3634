"""How good each venue is just now, from 0 to 1: four parts, and the weights that the policy's `venue` block gives them.

latency      the nearest venue's distance over this one's; distances come from probes, smoothed; not known before the first
cost         1 for the cheapest mean of maker and taker fee, less 1 for each tick of a cent (100 mils) above that, 0 at least
liquidity    shares at the best bid and ask over the most that any venue shows in that symbol, mean over its symbols, smoothed
reliability  how much of the time feed and order session were up, smoothed, times the share of probes that were answered

A part that is not known has no weight. Where the policy gives none, all parts weigh the same.
"""

import dataclasses
import math
from collections.abc import Mapping
from decimal import Decimal

import numpy as np

from core.codes import Session
from noderrd.lane.memory import Shared
from noderrd.lane.spec import LaneSpec

SECOND = 1_000_000_000
HALF_LIFE_NS = 60 * SECOND  # of what is sampled once a second
PROBED = 0.25  # what the newest probe counts in the mean of them
TICK_MILS = 100.0
PARTS = ("latency", "cost", "liquidity", "reliability")  # rules.catalog.WEIGHTS


@dataclasses.dataclass(frozen=True)
class Score:
    """A venue's. `value` and `parts` are 0 to 1, None for what is not known; `weights` as they were used; `distance_ns` and `lost` are smoothed."""

    value: float | None
    parts: dict[str, float | None]
    weights: dict[str, float]
    distance_ns: int | None
    lost: float | None


@dataclasses.dataclass
class _Kept:
    """What is remembered of a venue between two looks."""

    distance_ns: float | None = None
    lost: float | None = None
    size: float | None = None
    up: float | None = None


class Scores:
    """Of the venues of a node; `now` has them by name as of the last look."""

    def __init__(self) -> None:
        self.now: dict[str, Score] = {}
        self._kept: dict[str, _Kept] = {}
        self._at_ns = 0

    def probed(self, venue: str, distance_ns: int | None, sent: int, lost: int) -> None:
        """Take a probe: the distance, if anything was answered, and how many of the questions were."""
        kept = self._kept.setdefault(venue, _Kept())
        kept.distance_ns = None if distance_ns is None else _smooth(kept.distance_ns, float(distance_ns), PROBED)
        if sent:
            kept.lost = _smooth(kept.lost, lost / sent, PROBED)

    def look(self, spec: LaneSpec, shared: Shared, weights: Mapping[str, Mapping[str, Decimal]], now_ns: int) -> None:
        """Look at what the lane sees; `weights` are the policy's, by venue."""
        fresh = 1.0 - 0.5 ** (max(now_ns - self._at_ns, 0) / HALF_LIFE_NS)
        self._at_ns = now_ns
        sizes = _sizes(spec, shared)
        for v, venue in enumerate(spec.venues):
            kept, row = self._kept.setdefault(venue.name, _Kept()), shared.venues[v]
            up = row["state"] == 0 and row["session_state"] == Session.UP and row["feed_ns"] != 0
            kept.up = _smooth(kept.up, float(up), fresh)
            if (size := sizes[v]) is not None:
                kept.size = _smooth(kept.size, size, fresh)
        fees = [(venue.maker_mils + venue.taker_mils) / 2 for venue in spec.venues]
        distances = [ns for venue in spec.venues if (ns := self._kept[venue.name].distance_ns) is not None]
        nearest = min(distances, default=math.nan)
        self.now = {
            venue.name: self._score(venue.name, nearest, max(0.0, 1.0 - (fee - min(fees)) / TICK_MILS), weights.get(venue.name, {}))
            for venue, fee in zip(spec.venues, fees, strict=True)
        }

    def _score(self, name: str, nearest: float, cost: float, wanted: Mapping[str, Decimal]) -> Score:
        kept = self._kept[name]
        away = None if kept.distance_ns is None else nearest / kept.distance_ns
        if away is None and kept.lost is not None:
            away = 0.0  # it was asked and did not answer
        reliable = None if kept.up is None else kept.up * (1 - (kept.lost or 0.0))
        parts = {"latency": away, "cost": cost, "liquidity": kept.size, "reliability": reliable}
        weights = {part: float(wanted.get(part, 0)) for part in PARTS} if wanted else dict.fromkeys(PARTS, 1 / len(PARTS))
        known = {part: value for part, value in parts.items() if value is not None and weights[part]}
        total = sum(weights[part] for part in known)
        value = sum(weights[part] * found for part, found in known.items()) / total if total else None
        return Score(value, parts, weights, None if kept.distance_ns is None else round(kept.distance_ns), kept.lost)


def _smooth(before: float | None, value: float, fresh: float) -> float:
    """Give a mean in which the newest value counts `fresh`; the first counts alone."""
    return value if before is None else before + fresh * (value - before)


def _sizes(spec: LaneSpec, shared: Shared) -> list[float | None]:
    """Give each venue's part of liquidity as it is now; None for one that lists nothing."""
    shown = np.zeros(len(spec.instruments))
    for k, it in enumerate(spec.instruments):
        row = shared.insts[k]
        if int(row["state"]) | int(shared.venues[it.venue]["state"]):
            continue  # not to be traded on
        shown[k] = sum(int(shared.qty[k, side, int(row["n"][side]) - 1]) for side in range(2) if row["n"][side] > 0)
    found: list[list[float]] = [[] for _ in spec.venues]
    for k, it in enumerate(spec.instruments):
        most = max(shown[other] for other, its in enumerate(spec.instruments) if its.symbol == it.symbol)
        if most > 0:
            found[it.venue].append(shown[k] / most)
    return [float(np.mean(shares)) if shares else None for shares in found]
