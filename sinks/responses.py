"""HTTP answers of the sinks: the only bodies that a broker accepts, and bounded errors."""

from __future__ import annotations

import re
from typing import Any, Final

from werkzeug.exceptions import HTTPException, MethodNotAllowed

from sinks import cloudevent, jsondata
from sinks.answer import Answer
from sinks.errors import (
    Bug,
    MalformedEvent,
    NoSuchPath,
    SinkError,
    WrongMethod,
    error_document,
)
from sinks.http_message import HttpResponse

_JSON: Final = {"Content-Type": "application/json"}
_RETRY_AFTER = re.compile(r"\d{1,6}", re.ASCII)


def answered(answer: Answer) -> HttpResponse:
    """Return 200 with exactly one event or document, or 202 and empty: Knative takes no other.

    `Sinks-Outcome` and `Sinks-Reason` tell the shim, and people with curl, which 202 it is.
    """
    outcome: dict[str, str] = {"Sinks-Outcome": answer.outcome}
    if answer.reason:
        outcome["Sinks-Reason"] = answer.reason
    if answer.reply is not None:
        message = cloudevent.encode(answer.reply, answer.reply.mode)
        return HttpResponse(200, message.headers | outcome, message.body)
    if answer.document is not None:
        return HttpResponse(200, _JSON | outcome, jsondata.dumps(answer.document))
    return HttpResponse(202, outcome, b"")


def document(value: Any) -> HttpResponse:
    """Return 200 with a JSON value."""
    return HttpResponse(200, _JSON, jsondata.dumps(value))


def failed(error: SinkError, ce_id: object) -> HttpResponse:
    """Return the error as JSON `{"reason", "detail", "ce_id"}` of at most 768 bytes."""
    headers = dict(_JSON)
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after and _RETRY_AFTER.fullmatch(error.retry_after):
        headers["Retry-After"] = error.retry_after
    return HttpResponse(error.status, headers, error_document(error, ce_id))


def bug(raised: Exception) -> SinkError:
    """Return the answer to an exception nobody foresaw; says its class, never its text."""
    return Bug("bug", f"an error of ours ({type(raised).__name__}); the log has the traceback")


def error_of(raised: HTTPException, event_paths: str) -> SinkError:
    """Return Flask's own errors as ours: its pages would crash a dispatcher."""
    if isinstance(raised, MethodNotAllowed):
        methods = ", ".join(sorted(raised.valid_methods or ()))
        return WrongMethod("method_not_allowed", f"another method is wanted here: {methods}")
    if raised.code == 404:
        return NoSuchPath(
            "no_such_path", f"POST to {event_paths}; in a Trigger this is subscriber.uri"
        )
    if raised.code is not None and raised.code < 500:
        return MalformedEvent("malformed_event", f"{raised.name}: check the request line")
    return bug(raised)
