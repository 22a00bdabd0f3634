"""What the daemon says of itself, as metrics: alerts, circuits, the clock, how soon a lane met a halt. Who knows a figure gives it at the scrape."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from noderrd.telemetry.catalog import OWN
from noderrd.telemetry.metrics import histogram

Figure = tuple[str, tuple[str, ...], float | np.ndarray]  # a name of catalog.OWN, labels, a number or int64[BUCKETS] of ns


class OwnCollector(Collector):
    """`sources` are asked at every scrape."""

    def __init__(self) -> None:
        self.sources: list[Callable[[], Iterable[Figure]]] = []

    def describe(self) -> Iterable[Metric]:
        """Promise nothing beforehand."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Give every family; one without samples too, so that its meaning is known."""
        found: dict[str, list[tuple[tuple[str, ...], float | np.ndarray]]] = {name: [] for name in OWN}
        for source in self.sources:
            for name, labels, value in source():
                found[name].append((labels, value))
        for name, (kind, labels, words) in OWN.items():
            if kind == "histogram":
                family = HistogramMetricFamily(name, words, labels=labels)
                for values, counts in found[name]:
                    assert isinstance(counts, np.ndarray)
                    family.add_metric(values, *histogram(counts))
                yield family
                continue
            make = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
            plain = make(name.removesuffix("_total"), words, labels=labels)
            for values, value in found[name]:
                plain.add_metric(values, float(value))
            yield plain
