"""Spans of deliveries, and of the calls made for them, for whoever collects them.

What belongs together goes as headers from one to the next, through threads too: a span says what
has to be sent on, and whoever calls somebody hands that over. Nothing is ambient. Without a
collector there is no Tracer, and what is sent on is the event's own trace.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from sinks.envelope import Trace
from sinks.reasons import Stage


class Span(Protocol):
    """A delivery that is being worked on, or a call that waits for its answer."""

    @property
    def trace(self) -> Trace:
        """What those who are called for it are told."""

    def end(self, status: int | None, fields: Mapping[str, Any]) -> None:
        """Say how it ended, once.

        status: of the HTTP answer; None for none.
        fields: of the log line about it, those at least that tell which event it was.
        """


class Tracer(Protocol):
    """Makes spans."""

    def delivery(self, rule: str, path: str, own: Trace, hop: Trace, begun: float) -> Span:
        """Return the span of a delivery: child of its HTTP hop, where that is of the event's own
        trace, and else of what the event says, linked to its hop.

        rule:   that the path of the request goes by: of these there are few.
        path:   of the request, whatever that is.
        own:    trace of the event; that of the hop where the event has none.
        hop:    trace of the HTTP request.
        begun:  reading of `time.perf_counter()`.
        """

    def call(self, upstream: Stage, method: str, url: str, trace: Trace) -> Span:
        """Return the span of a request to an upstream.

        trace: what the delivery says has to be sent on.
        """


class Untraced(NamedTuple):
    """A delivery that nobody collects."""

    trace: Trace

    def end(self, status: int | None, fields: Mapping[str, Any]) -> None:
        """Nothing is said of it."""
