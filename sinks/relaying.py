"""The use case: one of our output events in, and on to EventGate."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sinks import jsondata
from sinks.answer import Answer
from sinks.cloudevent import Event
from sinks.deadline import Deadline
from sinks.envelope import trace_of
from sinks.errors import InvalidEvent, MalformedEvent, UnsupportedMediaType, safe_id
from sinks.eventgates import EventGates
from sinks.models import ROWS
from sinks.relayed_events import RelayedEvents, relayed_event
from sinks.schema import DocumentSchema, InvalidDocument, output_schema

Outputs = Mapping[str, DocumentSchema]


@dataclass(frozen=True, slots=True)
class Relaying:
    """What relaying needs besides the event; made once per process.

    outputs:  the schemas that may be published, by `$schema`.
    streams:  the only streams that may be published to.
    withheld: streams that may not, whatever `streams` says.
    relayed:  what need not be published again; already_relayed is called for each of these.
    """

    outputs: Outputs
    streams: Collection[str]
    withheld: Collection[str]
    eventgates: EventGates
    relayed: RelayedEvents
    already_relayed: Callable[[], None]


def load_outputs() -> Outputs:
    """Return the schemas of all documents that our sinks make."""
    outputs = {row.output.schema: row.output for row in ROWS}
    return {
        schema: output_schema(output.title, output.version) for schema, output in outputs.items()
    }


def withheld_streams(stream_names: str) -> frozenset[str]:
    """Return production's streams for `test` names: nothing that is a test may get there."""
    return frozenset(row.stream for row in ROWS) if stream_names == "test" else frozenset()


def relay(event: Event, relaying: Relaying, deadline: Deadline) -> Answer:
    """Return *relayed* once EventGate has the event's data, or if it had got it from us before.

    raises: SinkError.
    """
    document = _checked(event, relaying)
    body = jsondata.dumps(document)
    relayed = relayed_event(event.source, event.id, body)
    if relayed in relaying.relayed:
        relaying.already_relayed()
        return Answer("relayed", "already_relayed")
    headers = trace_of(event.attributes)
    if request_id := safe_id(document["meta"].get("request_id")):
        headers["x-request-id"] = request_id
    relaying.eventgates.post(body, headers, deadline)
    relaying.relayed.add(relayed)
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
    if stream in relaying.withheld:
        raise InvalidEvent(
            "stream_not_allowed", "/meta/stream is production's, but STREAM_NAMES is test"
        )
    if event.attributes.get("stream", stream) != stream:
        raise InvalidEvent("stream_mismatch", "attribute stream and /meta/stream differ")
    if safe_id(document["meta"].get("id")) is None:
        raise InvalidEvent(
            "invalid_id", '/meta/id has to be 1-128 printable ASCII without space, ", %'
        )
    return document
