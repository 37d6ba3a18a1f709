"""Prometheus metrics of one process; every name is declared here and nowhere else.

docs/metrics.md says what each means, with which labels, and which sinks have it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import Final, Literal, get_args

from prometheus_client import Counter
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from sinks.errors import SinkError
from sinks.instruments import Instruments
from sinks.reasons import Outcome, Reason, Stage

# A predictor takes from 150 ms to 4 s; the last bounds are the deadlines of score and egress.
_SECONDS: Final = (0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 140, 300)
# To an hour finely, as alerts ask; to the day that a stopped stream takes to catch up.
_LAG_SECONDS: Final = (
    1,
    2,
    5,
    10,
    30,
    60,
    120,
    300,
    600,
    1800,
    3600,
    10_800,
    21_600,
    43_200,
    86_400,
)
# In the first is what has used up its deadline, whatever that was.
_LEFT_SECONDS: Final = (0, 1, 2, 5, 10, 20, 30, 45, 60, 100, 140, 200, 300)
# Of labels whose values come from outside; no stream, and no name in TOKENS_FILE, has brackets.
OTHERS: Final = "(others)"
# What ended is sent or failed, unless it still waits, or has found no place to wait.
SpanFate = Literal["ended", "sent", "failed"]


class Telemetry:
    """The metrics of one sink in a registry of their own."""

    content_type: Final = CONTENT_TYPE_LATEST

    def __init__(self, sink: str, in_flight: Callable[[], float]) -> None:
        self._sink = sink
        self._instruments = made = Instruments(sink)
        events = made.counter("sinks_events", "Events by outcome", "outcome")
        self._errors = made.counter(
            "sinks_errors", "Rejected and deferred events by where and why", "stage", "reason"
        )
        handle = made.histogram(
            "sinks_handle_seconds", "Seconds from the head of the request to the answer", _SECONDS
        )
        lag = made.histogram(
            "sinks_event_lag_seconds",
            "Seconds from a change to the answer to its event, of what is replied or relayed",
            _LAG_SECONDS,
        )
        left = made.histogram(
            "sinks_deadline_left_seconds",
            "Seconds left of its deadline when an event was answered, 0 for none, unless ignored",
            _LEFT_SECONDS,
        )
        self._upstream = made.histogram(
            "sinks_upstream_seconds", "Seconds of one call of an upstream", _SECONDS, "upstream"
        )
        made.read("sinks_in_flight", "Events being worked on", in_flight)
        self._register_rare(made)
        # Children are kept: labels() costs more than counting.
        self._events = {name: events.labels(sink, name) for name in get_args(Outcome)}
        self._handle, self._lag, self._left = (each.labels(sink) for each in (handle, lag, left))
        self._canary_children: dict[object, Counter] = {}
        self._error_child = cache(self._errors_of)
        self._client_child = cache(partial(self._clients.labels, sink))

    def _register_rare(self, made: Instruments) -> None:
        """What is not counted for every event."""
        self._clients = made.counter(
            "sinks_client_events", "Events of callers known by name", "client", "outcome"
        )
        self._resent = made.counter(
            "sinks_resent", "Requests sent again without an answer to the first", "upstream"
        )
        self._already = made.counter(
            "sinks_already_relayed", "Redelivered events that were not published again"
        )
        self._canaries = made.counter(
            "sinks_canaries", "Canary events by the stream that they came from", "stream"
        )
        self._dropped = made.counter("sinks_letters_dropped", "Dead letters dropped", "cause")
        self._untold = made.counter(
            "sinks_console_dropped", "Routed events that the console was not told of"
        )
        self._avoided = made.gauge(
            "sinks_eventgate_avoided", "1 while an EventGate stands behind the others", "host"
        )
        self._spans = made.counter("sinks_spans", "Spans of sampled traces by fate", "fate")

    def count(
        self,
        outcome: Outcome,
        seconds: float,
        error: SinkError | None,
        client: str | None = None,
        *,
        left: float | None = None,
        lag: float | None = None,
    ) -> None:
        """Count one event that has been answered.

        client: label of who sent it, if that is known.
        left:   seconds until its deadline; None if it had none.
        lag:    seconds since the change that it is about, where that says something.
        """
        self._events[outcome].inc()
        if client is not None:
            self._client_child(client, outcome).inc()
        self._handle.observe(seconds)
        if left is not None and outcome != "ignored":
            self._left.observe(left if left > 0 else 0.0)
        if lag is not None:
            self._lag.observe(lag)
        if error is not None:
            self.failed(error)

    def failed(self, error: SinkError) -> None:
        """Count a failure of what is no event: a call of an API."""
        self._error_child(error.stage, error.reason).inc()

    def expect_canaries(self, streams: Iterable[str]) -> None:
        """Show these streams from now on, with 0 canaries: what never comes is not missed else."""
        for stream in (*streams, OTHERS):
            self._canary_children[stream] = self._canaries.labels(self._sink, stream)

    def canary(self, stream: object) -> None:
        """Count a canary; one of a stream that is not expected is one of the others.

        stream: its `meta.stream`, whatever that is.
        """
        known = isinstance(stream, str) and stream in self._canary_children
        self._canary_children[stream if known else OTHERS].inc()

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
        """Count dead letters dropped by `age`, `size` or `command`, or `discarded` on arrival."""
        self._dropped.labels(self._sink, cause).inc(letters)

    def pending(self, count: Callable[[], int | None]) -> None:
        """Show how many dead letters are pending.

        count: asked for each scrape; None shows none, as a number would be wrong.
        """
        text = "Dead letters that no replay has settled"
        self._instruments.read("sinks_letters_pending", text, count)

    def console_dropped(self) -> None:
        """Count a routed event that the console was not told of."""
        self._untold.labels(self._sink).inc()

    def spans(self, fate: SpanFate) -> Callable[[float], None]:
        """Return what counts so many spans that have come to this."""
        return self._spans.labels(self._sink, fate).inc

    def render(self) -> bytes:
        """Return all metrics in the Prometheus text format."""
        return self._instruments.render()

    def _errors_of(self, stage: Stage, reason: Reason) -> Counter:
        return self._errors.labels(self._sink, stage, reason)
