"""The use case: one of our output events in, and on to EventGate."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sinks.answer import Answer
from sinks.cloudevent import Event
from sinks.deadline import Deadline
from sinks.envelope import trace_of
from sinks.errors import InvalidEvent, MalformedEvent, UnsupportedMediaType, safe_id
from sinks.eventgate import EventGate
from sinks.models import ROWS
from sinks.schema import DocumentSchema, InvalidDocument, output_schema

Outputs = Mapping[str, DocumentSchema]


@dataclass(frozen=True, slots=True)
class Relaying:
    """What relaying needs besides the event; made once per process.

    outputs:  the schemas that may be published, by `$schema`.
    streams:  the only streams that may be published to.
    """

    outputs: Outputs
    streams: Collection[str]
    eventgate: EventGate


def load_outputs() -> Outputs:
    """Return the schemas of all documents that our sinks make."""
    outputs = {row.output.schema: row.output for row in ROWS}
    return {
        schema: output_schema(output.title, output.version) for schema, output in outputs.items()
    }


def relay(event: Event, relaying: Relaying, deadline: Deadline) -> Answer:
    """Return *relayed* once EventGate has the event's data.

    raises: SinkError.
    """
    document = _checked(event, relaying)
    headers = trace_of(event.attributes)
    if request_id := safe_id(document["meta"].get("request_id")):
        headers["x-request-id"] = request_id
    relaying.eventgate.post(document, headers, deadline)
    return Answer("relayed")


def _checked(event: Event, relaying: Relaying) -> dict[str, Any]:
    document = event.data
    if isinstance(document, bytes):
        raise UnsupportedMediaType("unsupported_media_type", "the data has to be application/json")
    if not isinstance(document, dict):
        raise MalformedEvent("malformed_data", "the data has to be a JSON object: one document")
    schema = document.get("$schema")
    output = relaying.outputs.get(schema) if isinstance(schema, str) else None
    if output is None:
        raise InvalidEvent(
            "unsupported_schema", f"$schema has to be one of {', '.join(relaying.outputs)}"
        )
    try:
        output.validate(document)
    except InvalidDocument as error:
        raise InvalidEvent("invalid_document", error.detail) from None
    stream = document["meta"]["stream"]
    if stream not in relaying.streams:
        raise InvalidEvent("stream_not_allowed", "/meta/stream is not one of EGRESS_STREAMS")
    if event.attributes.get("stream", stream) != stream:
        raise InvalidEvent("stream_mismatch", "attribute stream and /meta/stream differ")
    if safe_id(document["meta"].get("id")) is None:
        raise InvalidEvent(
            "invalid_id", '/meta/id has to be 1-128 printable ASCII without space, ", %'
        )
    return document
