"""Prometheus metrics of one process; every name is declared here and nowhere else.

sinks_events_total{sink,outcome}         events by outcome
sinks_errors_total{sink,stage,reason}    rejected and deferred events by where and why
sinks_handle_seconds{sink}               from the head of the request to the answer
sinks_upstream_seconds{sink,upstream}    one call of a predictor, EventGate, subscriber or Broker
sinks_in_flight{sink}                    events being worked on
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from sinks.errors import Outcome, Reason, SinkError, Stage

# A predictor takes from 150 ms to 4 s; the last bounds are the deadlines of score and egress.
_SECONDS: Final = (0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 140, 300)


class Telemetry:
    """The metrics of one sink in a registry of their own."""

    content_type: Final = CONTENT_TYPE_LATEST

    def __init__(self, sink: str, in_flight: Callable[[], float]) -> None:
        self._registry = CollectorRegistry()
        self._sink = sink
        events = Counter(
            "sinks_events", "Events by outcome", ["sink", "outcome"], registry=self._registry
        )
        self._errors = Counter(
            "sinks_errors",
            "Rejected and deferred events by where and why",
            ["sink", "stage", "reason"],
            registry=self._registry,
        )
        handle = Histogram(
            "sinks_handle_seconds",
            "Seconds from the head of the request to the answer",
            ["sink"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._upstream = Histogram(
            "sinks_upstream_seconds",
            "Seconds of one call of an upstream",
            ["sink", "upstream"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        gauge = Gauge(
            "sinks_in_flight", "Events being worked on", ["sink"], registry=self._registry
        )
        gauge.labels(sink).set_function(in_flight)
        ProcessCollector(registry=self._registry)
        # Children are kept: labels() costs more than counting.
        self._events = {name: events.labels(sink, name) for name in get_args(Outcome)}
        self._handle = handle.labels(sink)
        self._error_child = cache(self._errors_of)

    def count(self, outcome: Outcome, seconds: float, error: SinkError | None) -> None:
        """Count one event that has been answered."""
        self._events[outcome].inc()
        self._handle.observe(seconds)
        if error is not None:
            self._error_child(error.stage, error.reason).inc()

    def upstream(self, stage: Stage) -> Callable[[float], None]:
        """Return what observes the seconds of each call of one kind of upstream."""
        return self._upstream.labels(self._sink, stage).observe

    def render(self) -> bytes:
        """Return all metrics in the Prometheus text format."""
        return generate_latest(self._registry)

    def _errors_of(self, stage: Stage, reason: Reason) -> Counter:
        return self._errors.labels(self._sink, stage, reason)
