"""What the WSGI apps share around one delivery: limits, deadline, errors, probes, telemetry.

The views only decode and handle; whatever they raise becomes an answer here, in one place.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from flask import Flask, Request, Response, current_app
from werkzeug.exceptions import HTTPException

from sinks import cloudevent, log
from sinks.answer import Answer
from sinks.cloudevent import Event
from sinks.deadline import Deadline
from sinks.envelope import with_trace
from sinks.errors import BodyTooLarge, MalformedEvent, SinkError, Unavailable
from sinks.responses import answered, bug, failed, http_error
from sinks.settings import STOPPING, SinkSettings, shown
from sinks.telemetry import Telemetry

_MILLISECONDS = re.compile(r"-?\d{1,10}", re.ASCII)
_WANTS_REPAIR = ("bug", "predictor_misconfigured", "unknown_row")


class Identified(Protocol):
    """What a delivery decodes to: something with the event's id, if that is known."""

    @property
    def id(self) -> str | None: ...


T = TypeVar("T", bound=Identified)


class Sink:
    """One WSGI app's shared parts."""

    def __init__(self, name: str, settings: SinkSettings) -> None:
        self.name = name
        self.telemetry = Telemetry(name, lambda: self._in_flight)
        self._settings = settings
        self._lock = threading.Lock()
        self._in_flight = 0

    def create_app(self) -> Flask:
        """Return a Flask app with `/healthz`, `/readyz`, `/metrics` and JSON errors."""
        app = Flask(f"sinks.{self.name}", static_folder=None)
        app.url_map.merge_slashes = False  # it would redirect, and a redirected event is lost
        app.add_url_rule("/healthz", "healthz", lambda: {"status": "ok"})
        app.add_url_rule("/readyz", "readyz", _ready)
        app.add_url_rule("/metrics", "metrics", self._metrics)
        app.register_error_handler(HTTPException, http_error)
        log.write(logging.INFO, "starting", {"sink": self.name, "settings": shown(self._settings)})
        return app

    def deliver(
        self,
        request: Request,
        decode: Callable[[Mapping[str, str], bytes], T],
        handle: Callable[[T, Deadline], Answer],
        caller: Callable[[str | None], str] | None = None,
        **known: str,
    ) -> Response:
        """Return the answer to one delivery: decode, handle, and whatever they raise.

        caller:  gets the Authorization header and returns who calls, or raises.
        known:   more fields for the log line.
        """
        begun = time.perf_counter()
        decoded: T | None = None
        error: SinkError | None = None
        headers = event_headers(request)
        try:
            if caller is not None:
                known["client"] = caller(request.environ.get("HTTP_AUTHORIZATION"))
            deadline = self._deadline(request)
            decoded = decode(headers, self._body(request))
            with self._admitted():
                answer = handle(decoded, deadline)
            response = answered(answer)
            outcome, reason = answer.outcome, answer.reason
        except Exception as raised:
            error = raised if isinstance(raised, SinkError) else bug(raised)
            ce_id = decoded.id if decoded else headers.get("ce-id")
            response = failed(error, ce_id)
            outcome, reason = error.outcome, error.reason
            self._log_error(error, {"ce_id": ce_id, **_fields(decoded), **known}, error is raised)
        seconds = time.perf_counter() - begun
        self.telemetry.count(outcome, seconds, error)
        if error is None and log.LOGGER.isEnabledFor(logging.DEBUG):
            line = {"outcome": outcome, "reason": reason, "duration_seconds": round(seconds, 6)}
            log.write(
                logging.DEBUG, outcome, {"sink": self.name, **_fields(decoded), **known, **line}
            )
        return response

    def _deadline(self, request: Request) -> Deadline:
        """The earlier of our own and the caller's `Event-Timeout-Ms`; a malformed one is none."""
        own = Deadline.after(self._settings.event_deadline_seconds)
        text = request.environ.get("HTTP_EVENT_TIMEOUT_MS", "")
        if not _MILLISECONDS.fullmatch(text):
            return own
        if int(text) <= 0:
            raise Unavailable("deadline", "Event-Timeout-Ms says that no time is left")
        return own.within(int(text) / 1000)

    def _body(self, request: Request) -> bytes:
        """The body, of which at most one byte over the limit is read."""
        most = self._settings.max_body_bytes
        declared = request.content_length or 0
        body = b"" if declared > most else _read(request, most + 1)
        if max(declared, len(body)) > most:
            raise BodyTooLarge("body_too_large", f"the body may have at most {most} bytes")
        if len(body) < declared:
            raise MalformedEvent("client_disconnected", "the body ended early: send all of it")
        return body

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        """Count an event in and out; over the limit it is deferred at once."""
        with self._lock:
            if self._in_flight >= self._settings.max_in_flight:
                error = Unavailable("overloaded", "MAX_IN_FLIGHT events are being worked on")
                error.retry_after = "1"
                raise error
            self._in_flight += 1
        try:
            yield
        finally:
            with self._lock:
                self._in_flight -= 1

    def _log_error(self, error: SinkError, known: Mapping[str, Any], foreseen: bool) -> None:
        level = logging.ERROR if error.reason in _WANTS_REPAIR else logging.WARNING
        fields = {
            **known,
            "sink": self.name,
            "outcome": error.outcome,
            "reason": error.reason,
            "stage": error.stage,
            "detail": error.detail,
            "status": error.status,
            "upstream_text": error.upstream_text,
        }
        log.write(level, error.outcome, fields, bug=not foreseen)

    def _metrics(self) -> Response:
        return Response(self.telemetry.render(), content_type=self.telemetry.content_type)


def _read(request: Request, most: int) -> bytes:
    parts: list[bytes] = []
    try:
        while most and (part := request.stream.read(most)):
            parts.append(part)
            most -= len(part)
    except Exception as error:  # every server has errors of its own for a broken body
        raise MalformedEvent(
            "client_disconnected", "the body is broken or ended early: send all of it"
        ) from error
    return b"".join(parts)


def event_headers(request: Request) -> dict[str, str]:
    """Return the lower-case headers that make an event: content type, `ce-` and trace ones."""
    headers = {
        name[5:].lower().replace("_", "-"): value
        for name, value in request.environ.items()
        if name.startswith(("HTTP_CE_", "HTTP_TRACE"))
    }
    if content_type := request.environ.get("CONTENT_TYPE"):
        headers["content-type"] = content_type
    return headers


def decode_event(headers: Mapping[str, str], body: bytes) -> Event:
    """Return the CloudEvent of a request, with the trace of its hop if it has none of its own."""
    return with_trace(cloudevent.decode(headers, body), headers)


def _fields(decoded: object) -> dict[str, Any]:
    if not isinstance(decoded, Event):
        return {}
    wiki_id, _, rest = decoded.attributes.get("subject", "").partition("/")
    return {
        "ce_id": decoded.id,
        "ce_type": decoded.type,
        "ce_source": decoded.source,
        "wiki_id": decoded.get("wikiid") or wiki_id,
        "rev_id": rest.rpartition("/")[2],
        "trace_id": decoded.attributes.get("traceparent", "")[3:35],
    }


def _ready() -> tuple[dict[str, str], int]:
    """Settings and Triggers are loaded once there is an app, so only stopping is left to ask."""
    stopping = current_app.config.get(STOPPING)
    return ({"status": "stopping"}, 503) if stopping and stopping() else ({"status": "ready"}, 200)
