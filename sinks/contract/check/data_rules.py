"""Rules of event-platform documents: `$schema`, what the schema says, stream and ids.

The same for a bare document and for the data of an event.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

from sinks import inputs
from sinks.cloudevent import NoData
from sinks.contract.check.reading import Reading
from sinks.contract.check.rules import found, shown
from sinks.contract.check.streams import KNOWN, streams_of
from sinks.contract.finding import Finding
from sinks.envelope import event_type
from sinks.errors import InvalidEvent, safe_id
from sinks.inputs import Readers
from sinks.models import ROWS
from sinks.schema import DocumentSchema, output_schema

MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024
OUTPUT_TITLES: Final = frozenset(row.output.title for row in ROWS)
_MAX_SCHEMA_FINDINGS: Final = 20
# Up to this size all that a schema refuses is looked for; one problem a byte would take minutes.
_MAX_BYTES_FOR_ALL: Final = 64 * 1024
_KNOWN_TITLES: Final = OUTPUT_TITLES.union(inputs.CHANGES)

# How a document's schema is known here: as published, by the members that our sinks read, not.
Known = Literal["exactly", "as read", "no"]


@dataclass(frozen=True, slots=True)
class Schemas:
    """The schema for one document, as far as we have it."""

    known: Known
    schema: DocumentSchema | None


@cache
def readers() -> Readers:
    """Return what reads our inputs."""
    return inputs.load_readers()


def own_types() -> frozenset[str]:
    """Return the event types that are ours: of what our sinks read and make."""
    made = frozenset(row.output_type for row in ROWS)
    return made.union(event_type(title, major) for title, major in readers())


def schema_for(document: Mapping[str, Any]) -> Schemas:
    """Return what we have to judge the document by; raises InvalidEvent for a bad `$schema`."""
    title, major = inputs.schema_of(document)
    version = str(document["$schema"]).rpartition("/")[2]
    try:
        return Schemas("exactly", output_schema(title, version))
    except LookupError:
        reader = readers().get((title, major))
        return Schemas("as read", reader.schema) if reader else Schemas("no", None)


def data_findings(reading: Reading, streams: Collection[str]) -> Iterator[Finding]:
    """Yield what is wrong with the document in a payload, if there should be one.

    streams:  allowed besides those that are known.
    """
    ours = reading.attributes.get("type") in own_types()
    data = reading.data
    if not reading.data_read:
        return
    if isinstance(data, dict) and (ours or "$schema" in data or reading.is_document()):
        yield from _document_findings(reading, data, streams)
    elif not ours:
        return
    elif isinstance(data, NoData):
        yield found("data_missing", reading.pointer(""), "there is no data; has to be the document")
    elif isinstance(data, bytes):
        kind = reading.attributes.get("datacontenttype")
        problem = f"is {shown(kind) if kind else 'absent'}; has to be application/json"
        yield found("data_content_type", reading.place("datacontenttype"), problem)
    else:
        yield found(
            "data_not_object", reading.pointer(""), f"is a JSON {_kind(data)}; has to be an object"
        )


def _kind(data: object) -> str:
    return {list: "array", str: "string", bool: "boolean", type(None): "null"}.get(
        type(data), "number"
    )


def _document_findings(
    reading: Reading, document: Mapping[str, Any], streams: Collection[str]
) -> Iterator[Finding]:
    size = len(reading.payload.body)
    if size > MAX_MESSAGE_BYTES:
        yield found(
            "message_size", reading.pointer(""), f"has {size} bytes, at most {MAX_MESSAGE_BYTES}"
        )
    if "$schema" not in document:
        yield found("schema_missing", reading.pointer("/$schema"), "is missing")
        return
    try:
        schemas = schema_for(document)
    except InvalidEvent:
        problem = f"is {shown(document['$schema'])}; has to be /<title>/<x.y.z>"
        yield found("schema_uri", reading.pointer("/$schema"), problem)
        return
    yield from _dataschema_findings(reading, document)
    yield from _schema_findings(reading, document, schemas)
    yield from _meta_findings(reading, document, streams)


def _dataschema_findings(reading: Reading, document: Mapping[str, Any]) -> Iterator[Finding]:
    dataschema, schema = reading.attributes.get("dataschema"), document["$schema"]
    if dataschema and not reading.faulty("dataschema") and not dataschema.endswith(schema):
        problem = f"is {shown(dataschema)}, but $schema is {shown(schema)}"
        yield found("schema_differs", reading.place("dataschema"), problem)


def _schema_findings(
    reading: Reading, document: Mapping[str, Any], schemas: Schemas
) -> Iterator[Finding]:
    title, _ = inputs.schema_of(document)
    if schemas.schema is None:
        if title in _KNOWN_TITLES:
            problem = f"is {shown(document['$schema'])}, a version that is not known here"
            yield found("schema_unknown", reading.pointer("/$schema"), problem)
        return
    if len(reading.payload.body) <= _MAX_BYTES_FOR_ALL:
        problems = schemas.schema.problems(document, _MAX_SCHEMA_FINDINGS)
    else:
        first = schemas.schema.first_problem(document)
        problems = [first] if first else []
    for pointer, text in problems:
        if pointer != "/meta/stream":  # which has findings of its own
            yield found("document_invalid", reading.pointer(pointer), text)
    if not problems and schemas.known == "as read":
        try:
            inputs.parse(document, readers())
        except InvalidEvent as error:
            place = error.detail.partition(" ")[0] if error.detail[:1] == "/" else ""
            yield found("document_unreadable", reading.pointer(place), error.detail)


def _meta_findings(
    reading: Reading, document: Mapping[str, Any], streams: Collection[str]
) -> Iterator[Finding]:
    title, _ = inputs.schema_of(document)
    meta = document.get("meta")
    if not isinstance(meta, dict):
        return  # whoever knows the schema has said so
    stream = meta.get("stream")
    place = reading.pointer("/meta/stream")
    if not stream or not isinstance(stream, str):
        yield found("stream_missing", place, "is missing, or no text")
        return
    if stream in KNOWN and KNOWN[stream] != title:
        problem = f"is {shown(stream)}, which is for {KNOWN[stream]}, not for {title}"
        yield found("stream_not_allowed", place, problem)
    elif stream not in KNOWN and stream not in streams:
        slug = "stream_not_allowed" if title in OUTPUT_TITLES else "stream_unknown"
        known = ", ".join(streams_of(title)) or "none of this schema"
        yield found(slug, place, f"is {shown(stream)}; known: {known}")
    if stream == inputs.PRIVATE_STREAM:
        yield found("private_stream", place, f"is {stream}, of private wikis")
    identity = reading.pointer("/meta/id")
    if "id" not in meta:
        yield found("meta_id_missing", identity, "is missing")
    elif title in OUTPUT_TITLES and safe_id(meta["id"]) is None:
        problem = 'has to be 1-128 printable ASCII without space, ", %'
        yield found("document_unreadable", identity, problem)
