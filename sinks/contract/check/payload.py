"""What a file holds that is to be checked: recognised, but not yet judged.

One payload a file: a CloudEvent as structured JSON, an event-platform document as bare JSON, or one
HTTP message as captured. JSON is an event if it has `specversion`, a document if it has `$schema`
or `meta`; what begins with a request line or a status line is HTTP.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, Literal

from sinks import jsondata
from sinks.attributes import media_type
from sinks.cloudevent import STRUCTURED_JSON
from sinks.contract.finding import Finding
from sinks.errors import MalformedEvent

Kind = Literal["structured JSON", "HTTP request", "HTTP response", "event-platform document"]
MAX_PAYLOAD_BYTES: Final = 16 * 1024 * 1024

_MAX_MEMBERS: Final = 1000
_MORE_OF_AN_EVENT = ("id", "source", "type", "data", "data_base64")


class Unreadable(ValueError):
    """Nothing that could be checked; the text says what there is, and what would be right."""


@dataclass(frozen=True, slots=True)
class Payload:
    """One payload.

    headers:   as written, repeated ones repeated, one Latin-1 character a byte.
    body:      all of a JSON file; of a capture what follows the head, chunks undone.
    method:    of a request, `target` too; else empty.
    status:    of a response; else None.
    findings:  what is wrong with the capture itself.
    """

    kind: Kind
    headers: tuple[tuple[str, str], ...]
    body: bytes
    method: str = ""
    target: str = ""
    status: int | None = None
    findings: tuple[Finding, ...] = ()

    def joined(self) -> dict[str, str]:
        """Return the headers by lower-case name, repeated ones joined as gunicorn joins them."""
        result: dict[str, str] = {}
        for name, value in self.headers:
            lowered = name.lower()
            result[lowered] = f"{result[lowered]},{value}" if lowered in result else value
        return result

    def media_type(self) -> str:
        """Return the media type of the body, in lower case; empty if there is none."""
        return media_type(self.joined().get("content-type", ""))

    def size(self) -> int:
        """Return the bytes on the wire: headers and body."""
        return sum(len(name) + len(value) + 4 for name, value in self.headers) + len(self.body)


def read_limited(source: BinaryIO) -> bytes:
    """Return all bytes of the source, and never hold more than the limit and one byte.

    raises: Unreadable for more; OSError.
    """
    content = source.read(MAX_PAYLOAD_BYTES + 1)
    if len(content) > MAX_PAYLOAD_BYTES:
        raise Unreadable(
            f"is larger than {MAX_PAYLOAD_BYTES // 2**20} MiB, which no receiver would take"
        )
    return content


def json_payload(content: bytes) -> Payload:
    """Return the payload of a file that begins as a JSON object or array.

    Faults that leave it plain what it is (NaN, a byte order mark, ...) are left to the rules.
    raises: Unreadable for a syntax error, and for JSON that is neither event nor document.
    """
    value = _value(content)
    members = next((item for item in value if isinstance(item, dict)), {})
    members = members if isinstance(value, list) else value
    check_members(len(members))
    if "specversion" in members:
        return _event(content)
    if "$schema" in members or "meta" in members:
        headers = (("Content-Type", "application/json"),)
        return Payload("event-platform document", headers, content)
    if sum(name in members for name in _MORE_OF_AN_EVENT) >= 2:
        return _event(content)
    raise Unreadable(
        "is JSON, but neither a CloudEvent (no specversion) nor an event-platform document (no"
        " $schema, no meta)"
    )


def check_members(number: int) -> None:
    """Raise Unreadable for more members than any event or document has."""
    if number > _MAX_MEMBERS:
        raise Unreadable(f"has {number} members, more than {_MAX_MEMBERS}: it is no event")


def _event(content: bytes) -> Payload:
    return Payload("structured JSON", (("Content-Type", STRUCTURED_JSON),), content)


def _value(content: bytes) -> Any:
    """Return the JSON value, read as leniently as it takes to see what it is meant to be."""
    try:
        return jsondata.loads(content)
    except MalformedEvent as error:
        text = content.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
        try:
            value, end = json.JSONDecoder().raw_decode(text)
        except (ValueError, RecursionError):
            raise Unreadable(error.detail.replace("the body is", "is", 1)) from None
        if text[end:].lstrip()[:1] in ("{", "["):
            raise Unreadable(
                "holds several JSON documents, one after the other: check one at a time, for"
                " instance with `head -1 FILE | sinks contract check -`"
            ) from None
        return value
