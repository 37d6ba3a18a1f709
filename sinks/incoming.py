"""What the shim takes in: plain JSON, or CloudEvents; either gets a new envelope from its data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sinks import cloudevent, inputs, jsondata
from sinks.attributes import is_json
from sinks.cloudevent import Event, Mode
from sinks.envelope import Trace, page_change_event, with_trace
from sinks.errors import MalformedEvent, UnsupportedMediaType, safe_id
from sinks.inputs import Readers


class Incoming(NamedTuple):
    """One request, its document read but not yet checked.

    id:     the CloudEvent's, or else the document's `meta.id`, if that is safe to repeat.
    mode:   content mode of the CloudEvent; None for plain JSON.
    trace:  `traceparent` and `tracestate`: the CloudEvent's own, or else of the HTTP request.
    """

    id: str | None
    document: Any
    mode: Mode | None
    trace: Mapping[str, str]


def receive(headers: Mapping[str, str], body: bytes) -> Incoming:
    """Return a CloudEvent's data, or plain JSON, as a document.

    A CloudEvent's data is read as JSON whatever its type: KafkaSource hands over the records of a
    topic without one.
    raises: MalformedEvent, UnsupportedMediaType.
    """
    if cloudevent.is_event(headers):
        event = with_trace(cloudevent.decode(headers, body), headers)
        data = jsondata.loads(event.data) if isinstance(event.data, bytes) else event.data
        return Incoming(event.id, data, event.mode, event.attributes)
    if not is_json(headers.get("content-type", "")):
        raise UnsupportedMediaType(
            "unsupported_media_type", "send application/json, or a CloudEvent"
        )
    return received(jsondata.loads(body), headers)


def received(document: Any, headers: Mapping[str, str]) -> Incoming:
    """Return a plain document.

    headers:  of the request that it came in.
    raises:   MalformedEvent if it is no object.
    """
    if not isinstance(document, dict):
        raise MalformedEvent("malformed_data", "this has to be one JSON object: one document")
    meta = document.get("meta")
    meta_id = meta.get("id") if isinstance(meta, dict) else None
    return Incoming(safe_id(meta_id), document, None, headers)


def typed(incoming: Incoming, readers: Readers, schema_base_uri: str, trace: Trace) -> Event:
    """Return the CloudEvent of the document.

    trace:  what becomes its own if it has come without one: it begins here, and is carried on by
            a Broker, too, that has no traces.
    raises: InvalidEvent.
    """
    change = inputs.parse(incoming.document, readers)
    event = page_change_event(change, incoming.document, schema_base_uri, incoming.mode or "binary")
    return with_trace(with_trace(event, incoming.trace), trace)
