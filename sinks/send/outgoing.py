"""What `sinks send` puts on the wire: a document with the attributes that the shim would make, or a
CloudEvent as it is. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from sinks import cloudevent, inputs, jsondata
from sinks.attributes import REQUIRED, is_json
from sinks.cloudevent import STRUCTURED_JSON, Event
from sinks.contract.rows.sample import attributes_of
from sinks.errors import InvalidEvent, MalformedEvent
from sinks.incoming import received, typed
from sinks.sdk import written
from sinks.settings import SCHEMA_BASE_URI

Mode = Literal["binary", "structured", "plain"]
_JSON: Final = "application/json"


class Outgoing(NamedTuple):
    """One message.

    attributes:  of the event; empty for a plain document.
    """

    mode: Mode
    attributes: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


def outgoing(text: bytes, mode: Mode | None, changes: Mapping[str, str]) -> Outgoing:
    """Return the message for a bare document, or for a structured CloudEvent.

    mode:     None: a CloudEvent stays structured, a document goes out binary.
    changes:  attributes to set; an empty value removes one.
    raises:   SinkError, saying what is wrong with the text.
    """
    document = jsondata.loads(text)
    if not isinstance(document, dict):
        raise MalformedEvent("malformed_data", "this has to be one JSON object: one event")
    bare = "specversion" not in document
    mode = mode or ("binary" if bare else "structured")
    if mode == "plain" and changes:
        raise InvalidEvent("invalid_event", "a plain document has no attributes to set")
    if mode == "plain" and bare:
        return Outgoing(mode, {}, {"Content-Type": _JSON}, text)
    decoded = cloudevent.decode({"content-type": STRUCTURED_JSON}, text) if not bare else None
    event = decoded or _event_of(document)
    if mode == "plain":
        return Outgoing(mode, {}, {"Content-Type": _JSON}, _document_in(event))
    merged = {**event.attributes, **changes}
    attributes = {name: value for name, value in merged.items() if value}
    if missing := [name for name in REQUIRED if name not in attributes]:
        raise InvalidEvent("invalid_event", f"there is no event without {', '.join(missing)}")
    try:
        headers, body = written(event._replace(attributes=attributes), mode == "structured")
    except RecursionError:
        raise InvalidEvent("invalid_document", "the data is nested too deeply") from None
    return Outgoing(mode, attributes, headers, body)


def _event_of(document: dict[str, Any]) -> Event:
    title, _ = inputs.schema_of(document)
    if title in inputs.CHANGES:
        return typed(received(document, {}), inputs.load_readers(), SCHEMA_BASE_URI, {})
    try:
        attributes = {**attributes_of(document), "stream": str(document["meta"]["stream"])}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        told = f"the document lacks {error}, or it is not as its schema has it"
        raise InvalidEvent("invalid_document", told) from None
    return Event({**attributes, "datacontenttype": _JSON}, document)


def _document_in(event: Event) -> bytes:
    if not is_json(event.get("datacontenttype") or ""):
        raise InvalidEvent("invalid_event", "the data of this CloudEvent is no JSON document")
    return jsondata.dumps(event.data)
