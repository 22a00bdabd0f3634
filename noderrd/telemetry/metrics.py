"""From the lanes' shared memory to metric families, at the moment of a scrape.

Nothing is counted here and nothing is remembered: a scrape reads what the lanes counted. Cardinality is bounded by the configuration: venues x
symbols x strategies.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from core import position
from core.codes import Session
from noderrd.lane.memory import Shared
from noderrd.lane.spec import LaneSpec
from noderrd.telemetry import hdr
from noderrd.telemetry.catalog import BOUNDS_NS, COUNTERS, OTHERS, STAGES, TRADING
from noderrd.telemetry.scores import Score

LIMITS = (*(repr(bound / 1e9) for bound in BOUNDS_NS), "+Inf")
PREFIX = "noderrd_"
SECOND = 1_000_000_000
Sample = tuple[tuple[str, ...], float]


@dataclasses.dataclass(frozen=True)
class LaneView:
    """A lane as telemetry reads it."""

    name: str
    spec: LaneSpec
    shared: Shared
    restarts: int
    up: bool
    probes: Mapping[tuple[str, str], int] = dataclasses.field(default_factory=dict)  # ns by venue and part
    scores: Mapping[str, Score] = dataclasses.field(default_factory=dict)  # by venue


class LaneCollector(Collector):
    """Gives the families of all lanes; `lanes` is asked at every scrape, `clock` gives ns since the epoch."""

    def __init__(self, version: str, lanes: Callable[[], Iterable[LaneView]], clock: Callable[[], int]) -> None:
        self._version, self._lanes, self._clock = version, lanes, clock

    def describe(self) -> Iterable[Metric]:
        """Promise nothing beforehand: the registry then does not scrape at registration."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Give every family."""
        lanes, now_ns = list(self._lanes()), self._clock()
        for counter, (name, words) in COUNTERS.items():
            family = CounterMetricFamily(PREFIX + name, words, labels=["lane"])
            for lane in lanes:
                family.add_metric([lane.name], int(lane.shared.control[0]["counters"][counter]))
            yield family
        yield from self._others(lanes, now_ns)
        yield _latency(lanes)

    def _others(self, lanes: list[LaneView], now_ns: int) -> Iterator[Metric]:
        found: dict[str, list[Sample]] = {name: [] for name in OTHERS}
        found["noderrd_build_info"].append(((self._version,), 1.0))
        for lane in lanes:
            _lane(found, lane, now_ns)
            _venues(found, lane, now_ns)
            _books(found, lane)
            _positions(found, lane)
        for name, (kind, labels, words) in OTHERS.items():
            if kind == "histogram":
                continue
            make = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
            family = make(name.removesuffix("_total"), words, labels=labels)
            for values, value in found[name]:
                family.add_metric(values, value)
            yield family


def _lane(found: dict[str, list[Sample]], lane: LaneView, now_ns: int) -> None:
    control = lane.shared.control[0]
    name = (lane.name,)
    found["noderrd_lane_up"].append((name, float(lane.up)))
    found["noderrd_lane_restarts_total"].append((name, lane.restarts))
    found["noderrd_lane_heartbeat_age_seconds"].append((name, (now_ns - int(control["heartbeat_ns"])) / SECOND))
    found["noderrd_journal_backlog_records"].append((name, int(control["journal_head"]) - int(control["journal_tail"])))
    found["noderrd_open_orders"].append((name, int(lane.shared.lane[0]["n_live"])))
    found["noderrd_lane_clock_drift_seconds"].append((name, int(control["drift_ns"]) / SECOND))
    halted = found["noderrd_halted"]
    halted.append((("node", lane.name), float(control["halt_node"] != 0)))
    halted += [(("venue", v.name), float(control["halt_venue"][k] != 0)) for k, v in enumerate(lane.spec.venues)]
    halted += [(("strategy", s.name), float(control["halt_strategy"][k] != 0)) for k, s in enumerate(lane.spec.strategies)]
    for p, symbol in enumerate(lane.spec.products):
        halted.append((("symbol", symbol), float((lane.shared.halt_symbol[lane.shared.insts["product"] == p] != 0).any())))


def _venues(found: dict[str, list[Sample]], lane: LaneView, now_ns: int) -> None:
    found["noderrd_venue_probe_seconds"] += [(names, ns / SECOND) for names, ns in lane.probes.items()]
    for venue_name, score in lane.scores.items():
        if score.value is not None:
            found["noderrd_venue_score"].append(((venue_name,), score.value))
        if score.lost is not None:
            found["noderrd_venue_probe_loss_ratio"].append(((venue_name,), score.lost))
    for k, venue in enumerate(lane.spec.venues):
        row, name = lane.shared.venues[k], (venue.name,)
        for line, letter in enumerate("AB"):
            found["noderrd_feed_line_datagrams_total"].append(((venue.name, letter), int(row["received"][line])))
        found["noderrd_feed_next_sequence"].append((name, int(row["next_seq"])))
        if row["feed_ns"]:
            found["noderrd_feed_age_seconds"].append((name, (now_ns - int(row["feed_ns"])) / SECOND))
        found["noderrd_feed_live"].append((name, float(row["state"] == 0)))
        found["noderrd_order_session_up"].append((name, float(row["session_state"] == Session.UP)))
        found["noderrd_order_session_next_sequence"].append((name, int(row["order_seq"])))


def _books(found: dict[str, list[Sample]], lane: LaneView) -> None:
    shared = lane.shared
    for k, it in enumerate(lane.spec.instruments):
        row, names = shared.insts[k], (lane.spec.venues[it.venue].name, it.symbol)
        state = int(row["state"]) | int(shared.venues[it.venue]["state"])
        found["noderrd_book_live"].append((names, float(state == 0)))
        for side, name in enumerate(("bid", "ask")):
            n = int(row["n"][side])
            if n > 0:
                found[f"noderrd_book_best_{name}_price"].append((names, int(shared.px[k, side, n - 1]) / it.unit))


def _positions(found: dict[str, list[Sample]], lane: LaneView) -> None:
    n = len(lane.spec.instruments)
    for s, strategy in enumerate(lane.spec.strategies):
        for k, it in enumerate(lane.spec.instruments):
            if it.symbol not in strategy.symbols:
                continue
            row, names = lane.shared.positions[s * n + k], (lane.spec.venues[it.venue].name, it.symbol, strategy.name)
            found["noderrd_position_shares"].append((names, int(row["position"])))
            found["noderrd_open_shares"].append(((*names, "buy"), int(row["open_buy"])))
            found["noderrd_open_shares"].append(((*names, "sell"), int(row["open_sell"])))
            found["noderrd_realised_pnl"].append(
                ((*names, it.currency), float(position.wide(int(row["realised"]), int(row["realised_high"])) * it.value))
            )
            found["noderrd_fees_paid"].append(((*names, it.currency), float(int(row["fees"]) * it.value)))


def path_family(counts: Mapping[tuple[str, str], np.ndarray]) -> Metric:
    """Give the histograms of single orders by venue and class."""
    _, labels, words = TRADING["noderrd_order_path_seconds"]
    family = HistogramMetricFamily("noderrd_order_path_seconds", words, labels=labels)
    for key, rows in counts.items():
        for stage, row in zip(STAGES, rows, strict=True):
            family.add_metric([*key, stage], *histogram(row))
    return family


def histogram(counts: np.ndarray) -> tuple[list[tuple[str, float]], float]:
    """Give the buckets and the sum, which is of each bucket's highest value: as precise as the buckets are."""
    reached = hdr.below(counts, (*BOUNDS_NS, hdr.HIGHEST * 2))
    return list(zip(LIMITS, reached, strict=True)), hdr.total(counts) / SECOND


def _latency(lanes: list[LaneView]) -> Metric:
    """Give the histogram family."""
    _, labels, words = OTHERS["noderrd_latency_seconds"]
    family = HistogramMetricFamily("noderrd_latency_seconds", words, labels=labels)
    for lane in lanes:
        for k, stage in enumerate(STAGES):
            family.add_metric([lane.name, stage], *histogram(lane.shared.histograms[k].copy()))
    return family
