"""Spans as OpenTelemetry makes them, for the collector that OTEL_EXPORTER_OTLP_ENDPOINT names.

The only module, with otlp.py, that imports `opentelemetry`: it is loaded where that is set. All
that the SDK would else read from the environment is given to it.
Source: OpenTelemetry specification, trace/sdk.md; W3C Trace Context.
"""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from opentelemetry import trace as api
from opentelemetry.context import Context
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import SpanKind, StatusCode

from sinks import __version__
from sinks.envelope import Trace
from sinks.otlp import TIMEOUT_SECONDS, Otlp
from sinks.reasons import Stage
from sinks.settings import SinkSettings
from sinks.telemetry import Telemetry
from sinks.upstreams import http_client

# So that what waits for a dead collector is a few MiB.
_MOST_WAITING: Final = 2048
# Encoding a batch holds up all deliveries: this many take some 5 ms.
_BATCH: Final = 128
_BATCH_SECONDS: Final = 1.0
_MOST_VALUE_CHARS: Final = 256
_MOST_ATTRIBUTES: Final = 16
# Field of a log line -> attribute; those of CloudEvents and HTTP are OpenTelemetry's.
_ATTRIBUTES: Final = {
    "ce_id": "cloudevents.event_id",
    "ce_source": "cloudevents.event_source",
    "ce_type": "cloudevents.event_type",
    "outcome": "sinks.outcome",
    "reason": "sinks.reason",
    "detail": "sinks.detail",
    "model_name": "sinks.model",
    "wiki_id": "sinks.wiki_id",
    "client": "sinks.client",
}


class _Span:
    """A span, and what is sent on of it."""

    def __init__(self, span: api.Span, state: str, ended: Callable[[float], None]) -> None:
        self._span = span
        self._ended = ended
        context = span.get_span_context()
        ids = f"{context.trace_id:032x}-{context.span_id:016x}"
        parent = {"traceparent": f"00-{ids}-{context.trace_flags:02x}"}
        self.trace: Trace = parent | ({"tracestate": state} if state else {})

    def end(self, status: int | None, fields: Mapping[str, Any]) -> None:
        if self._span.is_recording():
            about: dict[str, str | int] = {
                _ATTRIBUTES[name]: value
                for name, value in fields.items()
                if value and name in _ATTRIBUTES
            }
            if status is not None:
                about["http.response.status_code"] = status
            self._span.set_attributes(about)
            if status is None or status >= 400 or fields.get("outcome") == "rejected":
                self._span.set_status(StatusCode.ERROR, fields.get("reason"))
            self._ended(1)
        self._span.end()


class OpenTelemetry:
    """A sink's tracer; what waits to be sent is sent when the process ends."""

    def __init__(
        self, sink: str, provider: TracerProvider, exporter: Otlp, ended: Callable[[float], None]
    ) -> None:
        self._sink = sink
        self._ended = ended
        self._tracer = provider.get_tracer("sinks", __version__)
        weakref.finalize(self, _stop, provider, exporter)

    def delivery(self, rule: str, path: str, own: Trace, hop: Trace, begun: float) -> _Span:
        event, caller = _context(own, is_remote=True), _context(hop, is_remote=True)
        parent, state, links = event, own.get("tracestate", ""), list[api.Link]()
        if caller is not None:
            if event is not None and caller.trace_id == event.trace_id:
                parent, state = caller, hop.get("tracestate", "")
            else:
                links = [api.Link(caller)]
        then = time.time_ns() - int((time.perf_counter() - begun) * 1e9)
        about = {"http.request.method": "POST", "http.route": rule, "url.path": path}
        name = f"{self._sink} {rule}"
        span = self._begun(name, SpanKind.SERVER, parent, about, links, then)
        return _Span(span, state, self._ended)

    def call(self, upstream: Stage, method: str, url: str, trace: Trace) -> _Span:
        parts = urlsplit(url)
        about = {
            "http.request.method": method,
            "server.address": parts.hostname or "",
            "url.full": url,
        }
        parent = _context(trace, is_remote=False)
        span = self._begun(upstream, SpanKind.CLIENT, parent, about)
        return _Span(span, trace.get("tracestate", ""), self._ended)

    def _begun(
        self,
        name: str,
        kind: SpanKind,
        parent: api.SpanContext | None,
        about: Mapping[str, str],
        links: Sequence[api.Link] = (),
        then: int | None = None,
    ) -> api.Span:
        context = Context()  # and not the thread's, which knows nothing of deliveries
        if parent is not None:
            context = api.set_span_in_context(api.NonRecordingSpan(parent), context)
        return self._tracer.start_span(name, context, kind, about, links, then)


def tracer_of(sink: str, settings: SinkSettings, telemetry: Telemetry) -> OpenTelemetry:
    """Return what sends spans to the collector that the settings name."""
    # Its lines are one for each span that finds no place; ours says it once.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    meters = NoOpMeterProvider()
    provider = TracerProvider(
        sampler=ParentBasedTraceIdRatio(settings.otel_traces_sampler_arg),
        resource=Resource(
            {
                "service.name": settings.otel_service_name or sink,
                "service.version": __version__,
                "deployment.environment.name": settings.environment,
            }
        ),
        shutdown_on_exit=False,
        span_limits=SpanLimits(
            max_attributes=_MOST_ATTRIBUTES,
            max_span_attributes=_MOST_ATTRIBUTES,
            max_link_attributes=_MOST_ATTRIBUTES,
            max_event_attributes=_MOST_ATTRIBUTES,
            max_events=_MOST_ATTRIBUTES,
            max_links=_MOST_ATTRIBUTES,
            max_attribute_length=_MOST_VALUE_CHARS,
            max_span_attribute_length=_MOST_VALUE_CHARS,
        ),
        meter_provider=meters,
    )
    http = http_client("collector", settings, telemetry)
    exporter = Otlp(http, settings.otel_exporter_otlp_endpoint, telemetry)
    waiting = BatchSpanProcessor(
        exporter,
        max_queue_size=_MOST_WAITING,
        schedule_delay_millis=_BATCH_SECONDS * 1000,
        max_export_batch_size=_BATCH,
        export_timeout_millis=TIMEOUT_SECONDS * 1000,
        meter_provider=meters,
    )
    provider.add_span_processor(waiting)
    return OpenTelemetry(sink, provider, exporter, telemetry.spans("ended"))


def _stop(provider: TracerProvider, exporter: Otlp) -> None:
    exporter.stop()
    provider.shutdown()


def _context(trace: Trace, *, is_remote: bool) -> api.SpanContext | None:
    """The context of a well-formed trace; None of none."""
    parent = trace.get("traceparent")
    if parent is None:
        return None
    state = trace.get("tracestate")
    return api.SpanContext(
        int(parent[3:35], 16),
        int(parent[36:52], 16),
        is_remote,
        api.TraceFlags(int(parent[53:55], 16)),
        api.TraceState.from_header([state]) if state else None,
    )
