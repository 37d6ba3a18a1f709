"""Prometheus metrics of one process; every name is declared here and nowhere else.

sinks_events_total{sink,outcome}         events by outcome
sinks_errors_total{sink,stage,reason}    rejected and deferred events by where and why
sinks_handle_seconds{sink}               from the head of the request to the answer
sinks_upstream_seconds{sink,upstream}    one call of a predictor, EventGate, subscriber or Broker
sinks_in_flight{sink}                    events being worked on
sinks_client_events_total{sink,client,outcome}  events of callers that are known by name; OIDC
                                         subjects after the first 1000 are `(others)`
sinks_resent_total{sink,upstream}        requests sent again, the first unanswered: maybe twice
sinks_already_relayed_total{sink}        redelivered events that were not published again
sinks_eventgate_avoided{sink,host}       1 while an EventGate stands behind the others
sinks_letters_dropped_total{sink,cause}  dead letters dropped: age, size, or by command
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from sinks.errors import SinkError
from sinks.reasons import Outcome, Reason, Stage

# A predictor takes from 150 ms to 4 s; the last bounds are the deadlines of score and egress.
_SECONDS: Final = (0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 140, 300)


class Telemetry:
    """The metrics of one sink in a registry of their own."""

    content_type: Final = CONTENT_TYPE_LATEST

    def __init__(self, sink: str, in_flight: Callable[[], float]) -> None:
        self._registry = CollectorRegistry()
        self._sink = sink
        events = self._counter("sinks_events", "Events by outcome", "outcome")
        self._errors = self._counter(
            "sinks_errors", "Rejected and deferred events by where and why", "stage", "reason"
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
        self._register_rare()
        ProcessCollector(registry=self._registry)
        # Children are kept: labels() costs more than counting.
        self._events = {name: events.labels(sink, name) for name in get_args(Outcome)}
        self._handle = handle.labels(sink)
        self._error_child = cache(self._errors_of)
        self._client_child = cache(partial(self._clients.labels, sink))

    def _register_rare(self) -> None:
        """What is not counted for every event."""
        self._clients = self._counter(
            "sinks_client_events", "Events of callers known by name", "client", "outcome"
        )
        self._resent = self._counter(
            "sinks_resent", "Requests sent again without an answer to the first", "upstream"
        )
        self._already = self._counter(
            "sinks_already_relayed", "Redelivered events that were not published again"
        )
        self._dropped = self._counter("sinks_letters_dropped", "Dead letters dropped", "cause")
        self._avoided = Gauge(
            "sinks_eventgate_avoided",
            "1 while an EventGate stands behind the others",
            ["sink", "host"],
            registry=self._registry,
        )

    def count(
        self, outcome: Outcome, seconds: float, error: SinkError | None, client: str | None = None
    ) -> None:
        """Count one event that has been answered.

        client: label of who sent it, if that is known.
        """
        self._events[outcome].inc()
        if client is not None:
            self._client_child(client, outcome).inc()
        self._handle.observe(seconds)
        if error is not None:
            self.failed(error)

    def failed(self, error: SinkError) -> None:
        """Count a failure of what is no event: a call of an API."""
        self._error_child(error.stage, error.reason).inc()

    def upstream(self, stage: Stage) -> Callable[[float], None]:
        """Return what observes the seconds of each call of one kind of upstream."""
        return self._upstream.labels(self._sink, stage).observe

    def resent(self, stage: Stage) -> Callable[[], None]:
        """Return what counts a request that went out a second time."""
        return self._resent.labels(self._sink, stage).inc

    def already_relayed(self) -> None:
        """Count a redelivered event that was not published again."""
        self._already.labels(self._sink).inc()

    def avoided(self, host: str, avoided: bool) -> None:
        """Show whether an EventGate is being avoided."""
        self._avoided.labels(self._sink, host).set(avoided)

    def dropped(self, cause: str, letters: int) -> None:
        """Count dead letters that were dropped: by `age`, `size` or `command`."""
        self._dropped.labels(self._sink, cause).inc(letters)

    def render(self) -> bytes:
        """Return all metrics in the Prometheus text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, ["sink", *labels], registry=self._registry)

    def _errors_of(self, stage: Stage, reason: Reason) -> Counter:
        return self._errors.labels(self._sink, stage, reason)
