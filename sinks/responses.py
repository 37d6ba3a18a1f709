"""HTTP answers of the sinks: the only bodies that a broker accepts, and bounded errors."""

from __future__ import annotations

import re
from typing import Any

from flask import Response
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

_RETRY_AFTER = re.compile(r"\d{1,6}", re.ASCII)


def answered(answer: Answer) -> Response:
    """Return 200 with exactly one event or document, or 202 and empty: Knative takes no other.

    `Sinks-Outcome` and `Sinks-Reason` tell the shim, and people with curl, which 202 it is.
    """
    if answer.reply is not None:
        message = cloudevent.encode(answer.reply, answer.reply.mode)
        response = Response(message.body, 200, message.headers)
    elif answer.document is not None:
        response = document(answer.document)
    else:
        response = Response(status=202)
        del response.headers["Content-Type"]
    response.headers["Sinks-Outcome"] = answer.outcome
    if answer.reason:
        response.headers["Sinks-Reason"] = answer.reason
    return response


def document(value: Any) -> Response:
    """Return 200 with a JSON value."""
    return Response(jsondata.dumps(value), 200, content_type="application/json")


def failed(error: SinkError, ce_id: object) -> Response:
    """Return the error as JSON `{"reason", "detail", "ce_id"}` of at most 768 bytes."""
    body = error_document(error, ce_id)
    response = Response(body, error.status, content_type="application/json")
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after and _RETRY_AFTER.fullmatch(error.retry_after):
        response.headers["Retry-After"] = error.retry_after
    return response


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
