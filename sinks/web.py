"""What the WSGI apps share around one delivery: limits, deadline, errors, probes, telemetry.

The views only decode and handle; whatever they raise becomes an answer here, in one place.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from flask import Response, current_app
from flask import request as current_request
from werkzeug.exceptions import HTTPException

from sinks import cloudevent, log
from sinks.admission import MAX_BYTES, Admission
from sinks.answer import Answer
from sinks.callers import Caller, Client
from sinks.cloudevent import Event
from sinks.deadline import Deadline
from sinks.delivery_log import Identified, fields_of, log_failure, unread_trace
from sinks.envelope import Trace, trace_id_of, trace_of, with_trace
from sinks.errors import SinkError, let_go
from sinks.event_app import EventApp, response_of
from sinks.http_message import HttpResponse
from sinks.responses import answered, bug, error_of, failed
from sinks.settings import SinkSettings, shown
from sinks.telemetry import Telemetry
from sinks.timestamp import lag_seconds
from sinks.tracing import Span, Tracer, Untraced
from sinks.wsgi_request import (
    Environ,
    body_of,
    deadline_of,
    expected_bytes,
    headers_of,
    path_of,
    rule_of,
)

T = TypeVar("T", bound=Identified)


class Sink:
    """One WSGI app's shared parts."""

    def __init__(self, name: str, settings: SinkSettings) -> None:
        log.configure(settings.log_level)  # before anything of the sink can log
        self.name = name
        self._settings = settings
        self._most = settings.max_body_bytes
        self._admission = Admission(settings.max_in_flight, max(self._most, MAX_BYTES))
        self.telemetry = Telemetry(name, lambda: self._admission.in_flight)
        self.tracer = _tracer(name, settings, self.telemetry)

    def create_app(self) -> EventApp:
        """Return an app with `/healthz`, `/readyz`, `/metrics` and JSON errors."""
        app = EventApp(f"sinks.{self.name}")
        app.add_url_rule("/healthz", "healthz", lambda: {"status": "ok"})
        app.add_url_rule("/readyz", "readyz", lambda: _ready(app))
        app.add_url_rule("/metrics", "metrics", self._metrics)
        app.register_error_handler(HTTPException, self._http_error)
        log.write(logging.INFO, "starting", {"sink": self.name, "settings": shown(self._settings)})
        return app

    def deliver(
        self,
        environ: Environ,
        decode: Callable[[Mapping[str, str], bytes], T],
        handle: Callable[[T, Deadline, Trace], Answer],
        caller: Caller | None = None,
        **known: Any,
    ) -> HttpResponse:
        """Return the answer to one delivery: decode, handle, and whatever they raise.

        handle:  gets the deadline too, and what upstreams are told of the trace.
        caller:  gets the Authorization header and returns who calls, or raises.
        known:   more fields for the log line.
        """
        begun = time.perf_counter()
        deadline: Deadline | None = None
        client: Client | None = None
        decoded: T | None = None
        span: Span | None = None
        result: Answer | SinkError
        raised: Exception | None = None
        headers = headers_of(environ)
        try:
            deadline = deadline_of(environ, self._settings.event_deadline_seconds)
            if caller is not None:  # who may have to ask an issuer: that is the event's time too
                client = caller(environ.get("HTTP_AUTHORIZATION"))
                known["client"] = client.name
            with self._admission.admitted(expected_bytes(environ, self._most)) as measured:
                decoded = decode(headers, measured(body_of(environ, self._most, deadline)))
                span = self._span(environ, decoded.trace, headers, begun)
                answer = handle(decoded, deadline, span.trace)
            response, result = answered(answer), answer
        except Exception as error:
            raised, result = error, error if isinstance(error, SinkError) else bug(error)
            response = failed(result, decoded.id if decoded else headers.get("ce-id"))
        seconds = self._count(result, begun, deadline, client)
        if self._is_told(result):
            known = {"ce_id": headers.get("ce-id"), **fields_of(decoded), **known}
            known |= {"outcome": result.outcome, "reason": result.reason}
            span = span or self._span(environ, unread_trace(headers), headers, begun)
            span.end(response.status, known)
            known |= {"duration_seconds": round(seconds, 6), "trace_id": trace_id_of(span.trace)}
            self._log(result, known, raised)
        let_go(raised)
        return response

    def _is_told(self, result: Answer | SinkError) -> bool:
        if isinstance(result, SinkError) or self.tracer is not None:
            return True
        return log.LOGGER.isEnabledFor(logging.DEBUG)

    def _span(
        self, environ: Environ, event: Mapping[str, str], headers: Mapping[str, str], begun: float
    ) -> Span:
        """The span, in the event's trace; the HTTP hop's counts only where it says nothing."""
        own = trace_of(event if "traceparent" in event else headers)
        if self.tracer is None:
            return Untraced(own)
        rule, path = rule_of(environ), path_of(environ)
        return self.tracer.delivery(rule, path, own, trace_of(headers), begun)

    def _count(
        self,
        result: Answer | SinkError,
        begun: float,
        deadline: Deadline | None,
        client: Client | None,
    ) -> float:
        """Return after how many seconds it was answered."""
        seconds = time.perf_counter() - begun
        left = deadline.remaining() if deadline is not None else 0.0
        label = client.label if client is not None else None
        if isinstance(result, SinkError):
            self.telemetry.count(result.outcome, seconds, result, label, left=left)
            return seconds
        lag = lag_seconds(result.dt, time.time()) if result.dt is not None else None
        self.telemetry.count(result.outcome, seconds, None, label, left=left, lag=lag)
        if result.reason == "canary":
            self.telemetry.canary(result.stream)
        return seconds

    def _log(
        self,
        result: Answer | SinkError,
        known: dict[str, Any],
        raised: Exception | None = None,
    ) -> None:
        """One line: DEBUG for what went well, ERROR for what somebody has to repair."""
        fields = {**known, "sink": self.name}
        if isinstance(result, SinkError):
            log_failure(result, fields, None if raised is result else raised)
        else:
            log.write(logging.DEBUG, result.outcome, fields)

    def _http_error(self, raised: HTTPException) -> Response:
        """A path or method that is none of ours: answered, logged, and counted as what it was."""
        rules = (
            rule for rule in current_app.url_map.iter_rules() if "POST" in (rule.methods or ())
        )
        error = error_of(raised, ", ".join(rule.rule for rule in rules))
        if current_request.method == "POST":
            self.telemetry.count(error.outcome, 0.0, error)
        else:  # whoever looks around sends no event
            self.telemetry.failed(error)
        self._log(error, {"path": current_request.path})
        response = response_of(failed(error, None))
        for name, value in raised.get_headers():
            if name == "Allow":
                response.headers[name] = value
        return response

    def _metrics(self) -> Response:
        return Response(self.telemetry.render(), content_type=self.telemetry.content_type)


def decode_event(headers: Mapping[str, str], body: bytes) -> Event:
    """Return the CloudEvent of a request, with the trace of its hop if it has none of its own."""
    return with_trace(cloudevent.decode(headers, body), headers)


def _tracer(name: str, settings: SinkSettings, telemetry: Telemetry) -> Tracer | None:
    if settings.otel_sdk_disabled or not settings.otel_exporter_otlp_endpoint:
        return None
    # Here, because it is slow to load, and takes memory.
    from sinks.open_telemetry import tracer_of

    return tracer_of(name, settings, telemetry)


def _ready(app: EventApp) -> tuple[dict[str, str], int]:
    """Settings and Triggers are loaded once there is an app, so only stopping is left to ask."""
    return ({"status": "stopping"}, 503) if app.is_stopping() else ({"status": "ready"}, 200)
