"""EventGate's intake as a client: one event per request, and what each answer means.

A 500 of EventGate is permanent for events it can never take and temporary for Kafka's troubles, so
the body decides. Source: wikimedia/eventgate, routes/events.js; its Wikimedia factory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sinks import jsondata
from sinks.deadline import Deadline
from sinks.errors import BadAnswer, MalformedEvent, Rejected, SinkError, Unavailable
from sinks.http_client import HttpClient, blame
from sinks.http_message import HttpResponse
from sinks.http_transport import Sends

# What the texts of a permanent 500 contain; every other 500 may pass with time.
_PERMANENT_500 = ("is not allowed in stream", "could not be extracted", "Message size too large")
_NO_SCHEMA = "Failed loading schema"


class ThisEventOnly(Unavailable):
    """It cannot take this event now, perhaps never; others it can."""


class EventGate:
    """Posts events to one address's `/v1/events`, never `hasty`: 201 means that Kafka has it.

    url:  full URL of the intake.
    """

    def __init__(self, http: HttpClient, url: str) -> None:
        self._http = http
        self._url = url

    def post(
        self,
        document: bytes,
        headers: Mapping[str, str],
        deadline: Deadline,
        share_seconds: float,
        sends: Sends,
    ) -> None:
        """Return once the event has been produced.

        document:       JSON with its own `meta.id`: nobody behind us removes duplicates.
        share_seconds:  how much of the time this address may take.
        sends:          what became of the same document at other addresses.
        raises:         Rejected; Unavailable, ThisEventOnly, BadAnswer, DeadlineExceeded.
        """
        sent = {"Content-Type": "application/json", **headers}
        response = self._http.post(
            self._url, document, sent, deadline, share_seconds=share_seconds, sends=sends
        )
        if response.status == 504:
            sends.unanswered += 1  # a proxy has waited in vain, so EventGate may have it
        if response.status != 201:
            raise _failure(response)


def _failure(response: HttpResponse) -> SinkError:
    status = response.status
    answer = _read(response.body)
    text = _text(answer)
    error: SinkError
    if status == 400 or (status == 500 and _is_permanent(answer, text)):
        error = Rejected("rejected_by_eventgate", f"EventGate answered {status}: it never takes it")
    elif status in (202, 207) or status < 200 or 300 <= status < 400:
        error = BadAnswer(
            "upstream_bad_answer", f"EventGate answered {status}, which says of one event nothing"
        )
    else:
        # The schema's registry may be down, or the schema not yet there; a proxy may take less.
        kind = ThisEventOnly if status == 413 or _NO_SCHEMA in text else Unavailable
        advice = "check EVENTGATE_URLS" if status in (401, 403, 404, 405) else "repeat later"
        error = kind("eventgate_failed", f"EventGate answered {status}: {advice}")
    return blame("eventgate", error, response, text)


def _is_permanent(answer: Mapping[str, Any], text: str) -> bool:
    """True if the body of a 500 says that the request or the event itself is at fault."""
    return answer.get("type") == "internal_error" or any(part in text for part in _PERMANENT_500)


def _read(body: bytes) -> Mapping[str, Any]:
    try:
        answer = jsondata.loads(body)
    except MalformedEvent:
        return {}
    return answer if isinstance(answer, dict) else {}


def _text(answer: Mapping[str, Any]) -> str:
    """What EventGate says of our one event: `errorsText` if invalid, `message` if in error."""
    texts = [answer.get("title"), answer.get("detail")]
    for entries in (answer.get("invalid"), answer.get("error")):
        for entry in entries if isinstance(entries, list) else ():
            context = entry.get("context") if isinstance(entry, dict) else None
            if isinstance(context, dict):
                texts += [context.get("errorsText"), context.get("message")]
    return "; ".join(text for text in texts if isinstance(text, str))
