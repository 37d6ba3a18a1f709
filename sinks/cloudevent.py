"""CloudEvents 1.0 over HTTP: strict decode and encode; the only place that touches `ce-` headers.

Nothing is invented and nothing repaired: what the specification calls an error is an error here.
Source: cloudevents/spec v1.0.2, bindings/http-protocol-binding.md and formats/json-format.md.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from sinks import jsondata
from sinks.attributes import (
    REQUIRED,
    are_plain,
    canonical,
    check,
    check_core,
    header_text,
    is_json,
    malformed,
    media_type,
    unsendable,
)
from sinks.errors import MalformedEvent, UnsupportedMediaType

Mode = Literal["binary", "structured"]
STRUCTURED_JSON: Final = "application/cloudevents+json"

_CLAIMS: Final = frozenset(f"ce-{name}" for name in (*REQUIRED, "specversion"))
_DATA_MEMBERS = ("data", "data_base64")


class NoData:
    """The type of `NO_DATA`: an event without data, which is not the same as data `null`."""

    def __repr__(self) -> str:
        return "NO_DATA"


NO_DATA: Final = NoData()


class Event(NamedTuple):
    """One CloudEvent.

    attributes:  context attributes but `specversion`, as canonical text; at least id, source, type.
    data:        a JSON value if `datacontenttype` is a JSON type, else bytes; or NO_DATA.
    mode:        the content mode it came in; a reply goes out in the same.
    """

    attributes: Mapping[str, str]
    data: Any
    mode: Mode = "binary"

    def get(self, name: str) -> str | None:
        """Return an attribute, or None if the event has not got it."""
        return self.attributes.get(name)

    @property
    def id(self) -> str:
        return self.attributes["id"]

    @property
    def source(self) -> str:
        return self.attributes["source"]

    @property
    def type(self) -> str:
        return self.attributes["type"]

    @property
    def trace(self) -> Mapping[str, str]:
        """What may hold `traceparent` and `tracestate`, not yet checked."""
        return self.attributes


class Message(NamedTuple):
    """What goes over the wire."""

    headers: dict[str, str]
    body: bytes


def is_event(headers: Mapping[str, str]) -> bool:
    """True if a request with these headers claims to be a CloudEvent in any mode."""
    lowered = {name.lower(): value for name, value in headers.items()}
    if not _CLAIMS.isdisjoint(lowered):
        return True
    return media_type(lowered.get("content-type", "")).startswith("application/cloudevents")


def decode(headers: Mapping[str, str], body: bytes) -> Event:
    """Return the event of one HTTP message.

    headers:  header values as WSGI and http_answer hand them over: one Latin-1 character a byte.
    raises:   MalformedEvent; UnsupportedMediaType for batches and formats other than JSON.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    content_type = lowered.get("content-type", "")
    kind = media_type(content_type)
    if kind == STRUCTURED_JSON:
        is_json(content_type)
        return _decode_structured(body)
    if kind == "application/cloudevents" or kind.startswith(
        ("application/cloudevents+", "application/cloudevents-batch")
    ):
        raise UnsupportedMediaType(
            "unsupported_media_type",
            f"of the structured formats only {STRUCTURED_JSON} is read, one event per request",
        )
    return _decode_binary(lowered, content_type, body)


def _decode_binary(headers: Mapping[str, str], content_type: str, body: bytes) -> Event:
    attributes = {name[3:]: value for name, value in headers.items() if name.startswith("ce-")}
    if not attributes:
        raise MalformedEvent(
            "malformed_event",
            f"no CloudEvent: send ce-specversion, ce-id, ... headers, or {STRUCTURED_JSON}",
        )
    if "datacontenttype" in attributes:
        raise malformed("ce-datacontenttype", "does not exist: Content-Type says it")
    texts = {"datacontenttype": content_type} if content_type else {}
    plain = are_plain(attributes | texts)
    if not plain:
        attributes = {name: header_text(f"ce-{name}", attributes[name]) for name in attributes}
    attributes |= texts
    check(attributes, plain)
    del attributes["specversion"]
    data: Any = body or NO_DATA
    if body and is_json(content_type):
        data = jsondata.loads(body)
    return Event(attributes, data, "binary")


def _decode_structured(body: bytes) -> Event:
    envelope = jsondata.loads(body)
    if not isinstance(envelope, dict):
        raise MalformedEvent("malformed_event", "a structured CloudEvent is a JSON object")
    attributes = {
        name: canonical(name, value)
        for name, value in envelope.items()
        if value is not None and name not in _DATA_MEMBERS
    }
    data = _structured_data(envelope, attributes.get("datacontenttype"))
    if "data" in envelope:
        attributes.setdefault("datacontenttype", "application/json")
    check(attributes, are_plain(attributes))
    del attributes["specversion"]
    return Event(attributes, data, "structured")


def _structured_data(envelope: Mapping[str, Any], content_type: str | None) -> Any:
    encoded = envelope.get("data_base64")
    if encoded is not None:
        if "data" in envelope:
            raise MalformedEvent("malformed_event", "either data or data_base64, not both")
        try:
            raw = base64.b64decode(encoded.encode("ascii"), validate=True)
        except (AttributeError, UnicodeEncodeError, binascii.Error):
            raise MalformedEvent("malformed_event", "data_base64 is not base64 text") from None
        return jsondata.loads(raw) if content_type and is_json(content_type) else raw
    if "data" not in envelope:
        return NO_DATA
    data = envelope["data"]
    if content_type is None or is_json(content_type):
        return data
    if not isinstance(data, str):
        raise MalformedEvent(
            "malformed_event", "data of a datacontenttype that is not JSON has to be a string"
        )
    return data.encode()


def encode(event: Event, mode: Mode) -> Message:
    """Return the event as one HTTP message in the given content mode.

    raises: ValueError for attributes that have to be encoded or are too long: whoever made the
            event has made a mistake, and it must not reach the wire.
    """
    name = "specversion" if "specversion" in event.attributes else unsendable(event.attributes)
    if name is not None:
        raise ValueError(f"attribute {name!r} cannot be written: {event.attributes[name][:80]!r}")
    try:
        check_core(event.attributes)
    except MalformedEvent as error:
        raise ValueError(f"cannot be written: attribute {error.detail}") from error
    return _encode_structured(event) if mode == "structured" else _encode_binary(event)


def _encode_binary(event: Event) -> Message:
    headers = {"ce-specversion": "1.0"}
    for name, value in event.attributes.items():
        headers["Content-Type" if name == "datacontenttype" else f"ce-{name}"] = value
    if isinstance(event.data, NoData):
        return Message(headers, b"")
    if is_json(headers.get("Content-Type", "")):
        return Message(headers, jsondata.dumps(event.data))
    return Message(headers, _as_bytes(event.data))


def _encode_structured(event: Event) -> Message:
    envelope: dict[str, Any] = {"specversion": "1.0", **event.attributes}
    if is_json(event.get("datacontenttype") or ""):
        if not isinstance(event.data, NoData):
            envelope["data"] = event.data
    elif not isinstance(event.data, NoData):
        envelope["data_base64"] = base64.b64encode(_as_bytes(event.data)).decode()
    return Message({"Content-Type": STRUCTURED_JSON}, jsondata.dumps(envelope))


def _as_bytes(data: Any) -> bytes:
    if not isinstance(data, bytes):
        raise ValueError("data without a JSON datacontenttype has to be bytes")
    return data
