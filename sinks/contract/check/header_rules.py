"""Rules of the headers beside an event, and of its size on the wire."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sinks.attributes import MAX_ATTRIBUTE_CHARS, header_text
from sinks.contract.check.reading import Reading
from sinks.contract.check.rules import found, shown
from sinks.contract.finding import Finding
from sinks.errors import MalformedEvent

_MAX_EVENT_BYTES: Final = 64 * 1024
_MAX_RECORD_BYTES: Final = 1024 * 1024
_MAX_HEADER_BYTES: Final = 8 * 1024


def header_findings(reading: Reading) -> Iterator[Finding]:
    """Yield what is wrong with the headers as headers, whatever they say."""
    headers = reading.payload.headers
    names = [name.lower() for name, _ in headers]
    for name in dict.fromkeys(names):
        if names.count(name) > 1 and (name.startswith("ce-") or name == "content-type"):
            problem = f"stands {names.count(name)} times, should stand once"
            yield found("repeated_header", name, problem)
        if name.startswith("ce_"):
            yield found(
                "kafka_header", name, f"is no CloudEvents header over HTTP; should be ce-{name[3:]}"
            )
    if reading.mode == "structured":
        yield from _contradictions(reading)
    encoding = reading.payload.joined().get("content-encoding", "identity")
    if encoding.lower() != "identity":
        yield found(
            "content_encoding", "Content-Encoding", f"is {shown(encoding)}; should be absent"
        )
    if reading.payload.media_type() == "text/html" and isinstance(reading.data, bytes):
        yield found("html_type", "Content-Type", "is text/html; should be what the data is")


def _contradictions(reading: Reading) -> Iterator[Finding]:
    for name, value in reading.payload.joined().items():
        if not name.startswith("ce-"):
            continue
        try:
            said = header_text(name, value)
        except MalformedEvent:
            said = value
        body = reading.attributes.get(name[3:])
        if body is not None and said != body:
            problem = f"is {shown(said)}, but the event says {shown(body)}"
            yield found("contradicting_header", name, problem)


def size_findings(reading: Reading) -> Iterator[Finding]:
    """Yield what is larger than everybody takes."""
    for name, value in reading.attributes.items():
        if len(value) > MAX_ATTRIBUTE_CHARS:
            problem = f"has {len(value)} characters, more than {MAX_ATTRIBUTE_CHARS}"
            yield found("attribute_length", reading.place(name), problem)
    # The next hop is in binary mode, whatever this one is.
    headers = sum(len(name) + len(value) + 7 for name, value in reading.attributes.items())
    if headers > _MAX_HEADER_BYTES:
        yield found(
            "header_size",
            "headers",
            f"the attributes make {headers} bytes; should be at most {_MAX_HEADER_BYTES}",
        )
    size = reading.payload.size()
    if size > _MAX_EVENT_BYTES:
        problem = f"the event has {size} bytes; should have at most {_MAX_EVENT_BYTES}"
        yield found("event_size", "body", problem)
    if size >= _MAX_RECORD_BYTES:
        problem = f"the event has {size} bytes; should have fewer than {_MAX_RECORD_BYTES}"
        yield found("record_size", "body", problem)
