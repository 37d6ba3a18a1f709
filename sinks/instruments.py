"""The metrics of one sink, as prometheus_client keeps them: a registry of their own, and `sink` as
the first label of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from sinks.histogram import Histogram


class Instruments:
    """Makes metrics, and shows them; those of the process are there from the start."""

    def __init__(self, sink: str) -> None:
        self._sink = sink
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """Return a counter, exposed with `_total` behind its name."""
        return Counter(name, text, ["sink", *labels], registry=self._registry)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """Return what goes up and down."""
        return Gauge(name, text, ["sink", *labels], registry=self._registry)

    def histogram(self, name: str, text: str, bounds: Sequence[float], *labels: str) -> Histogram:
        """Return a histogram. bounds: of its buckets, each inclusive, ascending."""
        histogram = Histogram(name, text, ["sink", *labels], bounds)
        self._registry.register(histogram)
        return histogram

    def read(self, name: str, text: str, value: Callable[[], float | None]) -> None:
        """Show a gauge that is read for each scrape; None shows none, as a number would be
        wrong."""
        self._registry.register(_Read(self._sink, name, text, value))

    def render(self) -> bytes:
        """Return all metrics in the Prometheus text format."""
        return generate_latest(self._registry)


class _Read(Collector):
    def __init__(self, sink: str, name: str, text: str, value: Callable[[], float | None]) -> None:
        self._sink = sink
        self._name = name
        self._text = text
        self._value = value

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(self._name, self._text, labels=["sink"])
        if (value := self._value()) is not None:
            family.add_metric([self._sink], value)
        yield family
