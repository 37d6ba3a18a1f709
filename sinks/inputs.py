"""Which documents can come in: recognised by their `$schema`, checked, and parsed to values."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sinks import page_change, prediction_classification, revision_create
from sinks.errors import InvalidEvent, MalformedEvent
from sinks.page_change import PageChange
from sinks.reasons import IgnoredReason
from sinks.schema import DocumentSchema, InvalidDocument, reader_schema

PRIVATE_STREAM = "mediawiki.page_change.private.v1"
_NUMBER = "(0|[1-9][0-9]{0,3})"
_SCHEMA = re.compile(rf"/([a-z][a-z0-9_/]{{0,99}})/{_NUMBER}\.{_NUMBER}\.{_NUMBER}")
_READERS: tuple[tuple[str, int, Callable[[Mapping[str, Any]], PageChange]], ...] = (
    (page_change.TITLE, 1, page_change.parse),
    (revision_create.TITLE, 1, revision_create.parse),
    (revision_create.TITLE, 2, revision_create.parse),
    (prediction_classification.OUTPUT.title, 1, prediction_classification.parse),
)
# What others send in; a prediction is read only by the row that feeds on it.
CHANGES = (page_change.TITLE, revision_create.TITLE)
STREAMS = (page_change.STREAM, revision_create.STREAM)


@dataclass(frozen=True, slots=True)
class Reader:
    """How one major version of one schema is checked and parsed."""

    schema: DocumentSchema
    parse: Callable[[Mapping[str, Any]], PageChange]


Readers = Mapping[tuple[str, int], Reader]


def load_readers(titles: Collection[str] = CHANGES) -> Readers:
    """Return the readers of these schemas by title and major version; compiles the schemas."""
    return {
        (title, major): Reader(reader_schema(title, major), parse)
        for title, major, parse in _READERS
        if title in titles
    }


def schema_of(document: Mapping[str, Any]) -> tuple[str, int]:
    """Return title and major version of a document's `$schema`.

    raises: InvalidEvent(unsupported_schema).
    """
    schema = document.get("$schema")
    match = _SCHEMA.fullmatch(schema) if isinstance(schema, str) else None
    if match is None:
        raise InvalidEvent(
            "unsupported_schema",
            "$schema is missing or not /<title>/<x.y.z>, such as /mediawiki/page/change/1.2.0",
        )
    return match[1], int(match[2])


def unwanted(document: object) -> IgnoredReason | None:
    """Return why nobody may look at this document any further, or None.

    document:  the data of an event, not yet checked.
    raises:    MalformedEvent(malformed_data) if it is not an object.
    """
    if not isinstance(document, dict):
        raise MalformedEvent("malformed_data", "the data has to be a JSON object: one document")
    meta = document.get("meta")
    if isinstance(meta, dict):
        if meta.get("domain") == "canary":
            return "canary"
        if meta.get("stream") == PRIVATE_STREAM:
            return "private_stream"
    return None


def stream_of(document: object) -> object:
    """Return `meta.stream` of a document that is not yet checked: anything, None without one."""
    meta = document.get("meta") if isinstance(document, dict) else None
    return meta.get("stream") if isinstance(meta, dict) else None


def parse(document: Mapping[str, Any], readers: Readers) -> PageChange:
    """Return the values of an input document.

    raises: InvalidEvent(unsupported_schema, invalid_document, ...), naming the member at fault.
    """
    reader = readers.get(schema_of(document))
    if reader is None:
        known = ", ".join(f"/{title}/{major}.x" for title, major in readers)
        raise InvalidEvent("unsupported_schema", f"$schema has to be one of {known}")
    try:
        reader.schema.validate(document)
    except InvalidDocument as error:
        raise InvalidEvent("invalid_document", error.detail) from None
    return reader.parse(document)
