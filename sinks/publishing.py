"""What may be published: our own kinds of documents, to streams on the allow-list."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sinks.cloudevent import Event
from sinks.errors import InvalidEvent, MalformedEvent, UnsupportedMediaType, safe_id
from sinks.models import ROWS
from sinks.schema import DocumentSchema, InvalidDocument, output_schema

Outputs = Mapping[str, DocumentSchema]


@dataclass(frozen=True, slots=True)
class Publishing:
    """What may be published in this environment; made once per process.

    outputs:  the schemas that may be published, by `$schema`.
    streams:  the only streams that may be published to.
    withheld: streams that may not, whatever `streams` says.
    """

    outputs: Outputs
    streams: Collection[str]
    withheld: Collection[str]


def load(streams: Collection[str], stream_names: str) -> Publishing:
    """Return what may be published with this allow-list; compiles the schemas."""
    return Publishing(load_outputs(), streams, withheld_streams(stream_names))


def load_outputs() -> Outputs:
    """Return the schemas of all documents that our sinks make."""
    outputs = {row.output.schema: row.output for row in ROWS}
    return {
        schema: output_schema(output.title, output.version) for schema, output in outputs.items()
    }


def withheld_streams(stream_names: str) -> frozenset[str]:
    """Return production's streams for `test` names: nothing that is a test may get there."""
    return frozenset(row.stream for row in ROWS) if stream_names == "test" else frozenset()


def publishable(event: Event, publishing: Publishing) -> dict[str, Any]:
    """Return the event's data, which may be published as it is.

    raises: SinkError, permanent.
    """
    document = event.data
    if isinstance(document, bytes):
        raise UnsupportedMediaType("unsupported_media_type", "the data has to be application/json")
    if not isinstance(document, dict):
        raise MalformedEvent("malformed_data", "the data has to be a JSON object: one document")
    schema = document.get("$schema")
    output = publishing.outputs.get(schema) if isinstance(schema, str) else None
    if output is None:
        raise InvalidEvent(
            "unsupported_schema", f"$schema has to be one of {', '.join(publishing.outputs)}"
        )
    try:
        output.validate(document)
    except InvalidDocument as error:
        raise InvalidEvent("invalid_document", error.detail) from None
    stream = document["meta"]["stream"]
    if stream not in publishing.streams:
        raise InvalidEvent("stream_not_allowed", "/meta/stream is not one of EGRESS_STREAMS")
    if stream in publishing.withheld:
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
