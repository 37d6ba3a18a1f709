"""A dead letter: an event that could not be delivered, and what Knative says of the failure.

Everything about it is text of the sender: it is kept as it came, and read tolerantly.
Source: knative/eventing, pkg/kncloudevents/attributes/knative_error.go.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from sinks import cloudevent, jsondata
from sinks.attributes import media_type
from sinks.cloudevent import STRUCTURED_JSON, Event
from sinks.errors import MalformedEvent, SinkError

# What Knative's Go dispatcher keeps of an error's body.
MAX_ERROR_BYTES: Final = 768
_ROW = re.compile(r".*/models/([a-z0-9-]{1,63})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One dead letter; texts are empty where the sender does not say.

    headers:      lower-case content-type and `ce-` headers, as received.
    body:         as received.
    source, ce_id, destination:  which letter it is; for what is no CloudEvent, ce_id is made of
                  the body.
    type:         of the event.
    destination:  URL that the event could not be delivered to.
    status:       last status of the destination; None where nothing answered.
    error:        body of the destination's last answer, decoded and cut by the sender.
    row:          of which model, by the destination.
    wiki_id:      `wikiid` of the event.
    reason:       the slug in an error of our own sinks.
    """

    headers: Mapping[str, str]
    body: bytes
    source: str = ""
    ce_id: str
    type: str = ""
    destination: str = ""
    status: int | None = None
    error: str = ""
    row: str = ""
    wiki_id: str = ""
    reason: str = ""

    @property
    def id(self) -> str:
        return self.ce_id

    @property
    def trace(self) -> Mapping[str, str]:
        """What may hold the event's `traceparent` and `tracestate`."""
        if media_type(self.headers.get("content-type", "")) == STRUCTURED_JSON:
            return _attributes(self.headers, self.body)
        return {name[3:]: text for name, text in self.headers.items() if name[:3] == "ce-"}


def letter_of(headers: Mapping[str, str], body: bytes) -> Letter:
    """Return the letter that a request to the dead-letter sink holds; whatever it is, it is one."""
    attributes = _attributes(headers, body)
    error = _decoded(attributes.get("knativeerrordata", ""))
    destination = attributes.get("knativeerrordest", "")
    code = attributes.get("knativeerrorcode", "")
    row = _ROW.fullmatch(_path(destination))
    return Letter(
        headers=headers,
        body=body,
        source=attributes.get("source", ""),
        ce_id=attributes.get("id") or f"sha256:{hashlib.sha256(body).hexdigest()}",
        type=attributes.get("type", ""),
        destination=destination,
        status=int(code) if re.fullmatch(r"\d{3}", code, re.ASCII) else None,
        error=error,
        row=row[1] if row else attributes.get("model", ""),
        wiki_id=attributes.get("wikiid", ""),
        reason=_reason(error),
    )


def event_of(letter: Letter) -> Event:
    """Return the event as it was before it failed: id and source kept, Knative's own left out.

    raises: MalformedEvent, UnsupportedMediaType for what is no CloudEvent.
    """
    event = cloudevent.decode(letter.headers, letter.body)
    own = {name: text for name, text in event.attributes.items() if not name.startswith("knative")}
    return Event(own, event.data, event.mode)


def undeliverable(event: Event, destination: str, status: int, error: bytes) -> Event:
    """Return the event as Knative sends it to a dead-letter sink."""
    failure = {"knativeerrordest": destination, "knativeerrorcode": str(status)}
    if error:
        failure["knativeerrordata"] = base64.b64encode(error[:MAX_ERROR_BYTES]).decode()
    return Event({**event.attributes, **failure}, event.data, event.mode)


def _attributes(headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
    """What can be read, even of something that is only nearly a CloudEvent."""
    try:
        return cloudevent.decode(headers, body).attributes
    except SinkError:
        pass
    found: Mapping[str, Any] = {
        name[3:]: value for name, value in headers.items() if name.startswith("ce-")
    }
    if not found:
        try:
            envelope = jsondata.loads(body)
        except MalformedEvent:
            envelope = None
        found = envelope if isinstance(envelope, dict) and "specversion" in envelope else {}
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _decoded(data: str) -> str:
    """Kafka's data plane cuts the body at 1024 bytes, wherever that is in a character."""
    try:
        return base64.b64decode(data, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return data


def _reason(error: str) -> str:
    try:
        document = jsondata.loads(error.encode("utf-8", "replace"))
    except MalformedEvent:
        return ""
    reason = document.get("reason") if isinstance(document, dict) else None
    return reason if isinstance(reason, str) and len(reason) <= 64 else ""


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""
