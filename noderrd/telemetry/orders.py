"""Single orders and executions as metrics: what can only be kept up while they come, given out at the scrape."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from noderrd.telemetry.catalog import TRADING
from noderrd.telemetry.figures import Figures
from noderrd.telemetry.metrics import LaneView, path_family
from noderrd.telemetry.waterfall import Paths


class OrderCollector(Collector):
    """`take` is to be called a few times a second; `class_of` gives a symbol's class."""

    def __init__(self, class_of: Callable[[str], str]) -> None:
        self.paths, self.figures = Paths(class_of), Figures()

    def take(self, view: LaneView, now_ns: int) -> None:
        """Take what a lane did since the last time."""
        self.paths.take(view)
        self.figures.take(view, now_ns)

    def describe(self) -> Iterable[Metric]:
        """Promise nothing beforehand."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Give every family."""
        yield path_family(self.paths.counts)
        found = self.figures.rows()
        found["noderrd_orders_unread_total"] = [((), float(self.paths.missed))]
        found["noderrd_orders_stamped_late_total"] = [((), float(self.paths.early))]
        for name, (kind, labels, words) in TRADING.items():
            if kind != "histogram":
                make = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
                family = make(name.removesuffix("_total"), words, labels=labels)
                for values, value in found.get(name, []):
                    family.add_metric(values, value)
                yield family
