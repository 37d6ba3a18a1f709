"""What an answer's status means to Knative, and what is wrong with it.

Source: knative/eventing, pkg/kncloudevents/retries.go and event_dispatcher.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sinks.contract.check.payload import Payload
from sinks.contract.check.rules import found
from sinks.contract.finding import Finding
from sinks.errors import MAX_ERROR_BODY_BYTES, RETRIED_4XX

_FOLLOWED_AS_GET: Final = (301, 302, 303)


def status_findings(payload: Payload) -> Iterator[Finding]:
    """Yield what is wrong with the status of a response, and with the body of an error."""
    status = payload.status
    if status is None:
        return
    if not 200 <= status < 600:
        yield found("status_interim", "status", f"is {status}, not from 200 to 599")
    elif 300 <= status < 400:
        yield found("redirect", "status", f"is {status}: {_redirected(payload)}")
    elif status in RETRIED_4XX and status != 429:
        yield found(
            "status_retried",
            "status",
            f"is {status}, and will be asked for again, as if it were 503",
        )
    elif 200 < status < 300 and _has_event(payload):
        yield found("reply_status", "status", f"is {status}, with an event; has to be 200")
    if status >= 300 and len(payload.body) > MAX_ERROR_BODY_BYTES:
        problem = f"has {len(payload.body)} bytes, more than {MAX_ERROR_BODY_BYTES}"
        yield found("error_too_long", "body", problem)


def _has_event(payload: Payload) -> bool:
    return "ce-specversion" in payload.joined() or payload.media_type().startswith(
        "application/cloudevents"
    )


def _redirected(payload: Payload) -> str:
    if "location" not in payload.joined() or payload.status not in (*_FOLLOWED_AS_GET, 307, 308):
        return "a failure that is not retried"
    if payload.status in _FOLLOWED_AS_GET:
        return "followed as GET without the event, and a 200 from there counts as delivered"
    return "the event is sent once more to the new address"


def failed(payload: Payload) -> tuple[str, str] | None:
    """Return what the MT and the Kafka broker do about a response that is no 2xx, else None."""
    status = payload.status or 200
    if 200 <= status < 300:
        return None
    final = "a failure for good: the input is dead-lettered, without a retry"
    if 300 <= status < 400:
        return _redirected(payload), final
    if status in RETRIED_4XX or 500 <= status:
        again = "a failure that may pass: it calls the sink again, and dead-letters at last"
        return again, again
    return final, final
