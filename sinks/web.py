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
from sinks.delivery_log import Identified, fields_of, log_failure
from sinks.envelope import with_trace
from sinks.errors import SinkError, let_go
from sinks.event_app import EventApp, response_of
from sinks.http_message import HttpResponse
from sinks.responses import answered, bug, error_of, failed
from sinks.server_settings import STOPPING
from sinks.settings import SinkSettings, shown
from sinks.telemetry import Telemetry
from sinks.wsgi_request import Environ, body_of, deadline_of, expected_bytes, headers_of

T = TypeVar("T", bound=Identified)


class Sink:
    """One WSGI app's shared parts."""

    def __init__(self, name: str, settings: SinkSettings) -> None:
        log.configure(settings.log_level)  # before anything of the sink can log
        self.name = name
        self._settings = settings
        most = max(settings.max_body_bytes, MAX_BYTES)
        self._admission = Admission(settings.max_in_flight, most)
        self.telemetry = Telemetry(name, lambda: self._admission.in_flight)

    def create_app(self) -> EventApp:
        """Return an app with `/healthz`, `/readyz`, `/metrics` and JSON errors."""
        app = EventApp(f"sinks.{self.name}")
        app.add_url_rule("/healthz", "healthz", lambda: {"status": "ok"})
        app.add_url_rule("/readyz", "readyz", _ready)
        app.add_url_rule("/metrics", "metrics", self._metrics)
        app.register_error_handler(HTTPException, self._http_error)
        log.write(logging.INFO, "starting", {"sink": self.name, "settings": shown(self._settings)})
        return app

    def deliver(
        self,
        environ: Environ,
        decode: Callable[[Mapping[str, str], bytes], T],
        handle: Callable[[T, Deadline], Answer],
        caller: Caller | None = None,
        **known: Any,
    ) -> HttpResponse:
        """Return the answer to one delivery: decode, handle, and whatever they raise.

        caller:  gets the Authorization header and returns who calls, or raises.
        known:   more fields for the log line.
        """
        begun = time.perf_counter()
        client: Client | None = None
        decoded: T | None = None
        error: SinkError | None = None
        unforeseen: Exception | None = None
        headers = headers_of(environ)
        try:
            deadline = deadline_of(environ, self._settings.event_deadline_seconds)
            if caller is not None:  # who may have to ask an issuer: that is the event's time too
                client = caller(environ.get("HTTP_AUTHORIZATION"))
                known["client"] = client.name
            most = self._settings.max_body_bytes
            with self._admission.admitted(expected_bytes(environ, most)) as measured:
                decoded = decode(headers, measured(body_of(environ, most, deadline)))
                answer = handle(decoded, deadline)
            response = answered(answer)
            outcome, reason = answer.outcome, answer.reason
        except Exception as raised:
            unforeseen = None if isinstance(raised, SinkError) else raised
            error = raised if isinstance(raised, SinkError) else bug(raised)
            response = failed(error, decoded.id if decoded else headers.get("ce-id"))
            outcome, reason = error.outcome, error.reason
        seconds = time.perf_counter() - begun
        self.telemetry.count(outcome, seconds, error, client.label if client else None)
        if error is not None or log.LOGGER.isEnabledFor(logging.DEBUG):
            known = {"ce_id": headers.get("ce-id"), **fields_of(decoded), **known}
            known |= {"outcome": outcome, "reason": reason, "duration_seconds": round(seconds, 6)}
            self._log(error, known, unforeseen)
        let_go(unforeseen or error)
        return response

    def _log(
        self, error: SinkError | None, known: dict[str, Any], unforeseen: Exception | None = None
    ) -> None:
        """One line: DEBUG for what went well, ERROR for what somebody has to repair."""
        fields = {**known, "sink": self.name}
        if error is None:
            log.write(logging.DEBUG, str(known["outcome"]), fields)
        else:
            log_failure(error, fields, unforeseen)

    def _http_error(self, raised: HTTPException) -> Response:
        """A path or method that is none of ours: answered, logged and counted like an event's."""
        rules = (
            rule for rule in current_app.url_map.iter_rules() if "POST" in (rule.methods or ())
        )
        error = error_of(raised, ", ".join(rule.rule for rule in rules))
        self.telemetry.count(error.outcome, 0.0, error)
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


def _ready() -> tuple[dict[str, str], int]:
    """Settings and Triggers are loaded once there is an app, so only stopping is left to ask."""
    stopping = current_app.config.get(STOPPING)
    return ({"status": "stopping"}, 503) if stopping and stopping() else ({"status": "ready"}, 200)
