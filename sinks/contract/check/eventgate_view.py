"""What EventGate does with a payload: with a request as it stands, else with the document in it.

Source: wikimedia/eventgate 1.8, routes/events.js, and the Wikimedia factory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from sinks.contract.check.data_rules import schema_for
from sinks.contract.check.reading import Reading
from sinks.contract.check.rules import found, shown
from sinks.contract.finding import Finding

_PATH: Final = "/v1/events"
_TYPES: Final = ("application/json", "text/plain", "application/reports+json")
# It looks the stream up before it validates, and answers 500 for what is not the event's fault.
_ERRORS: Final = (
    "stream_missing",
    "stream_not_allowed",
    "schema_missing",
    "schema_uri",
    "message_size",
)


def request_findings(reading: Reading) -> Iterator[Finding]:
    """Yield what is wrong with a request as a request."""
    payload = reading.payload
    if payload.kind != "HTTP request":
        return
    if payload.method != "POST":
        yield found("method", "request line", f"is {shown(payload.method)}, has to be POST")
    target = urlsplit(payload.target)
    if target.path.rstrip("/") == _PATH and dict(parse_qsl(target.query)).get("hasty"):
        yield found("hasty", "request line", f"is {shown(payload.target)}; has to be without hasty")


def eventgate_verdict(reading: Reading, findings: tuple[Finding, ...]) -> str:
    """Return what EventGate does; empty where there is no document for it."""
    payload = reading.payload
    data = reading.data
    if payload.kind == "event-platform document" and reading.mode == "batch":
        return "takes an array, and answers 207 if it takes only some: check one at a time"
    document = isinstance(data, dict) and ("$schema" in data or reading.is_document())
    if not document and "schema_missing" not in {each.rule for each in findings}:
        if payload.kind == "HTTP response" and not payload.body:
            return ""
        return "nothing for it: there is no event-platform document"
    if reading.mode == "none" and payload.media_type() not in _TYPES:
        return f"400, for it reads {', '.join(_TYPES)} only"
    answer = _answer(reading, findings)
    if reading.mode == "none":
        return answer
    return f"needs unwrapping, it takes no CloudEvents; of the data alone: {answer}"


def _answer(reading: Reading, findings: tuple[Finding, ...]) -> str:
    broken = {each.rule for each in findings}
    if slugs := [slug for slug in _ERRORS if slug in broken]:
        return f"answers 500, which here is for good ({slugs[0]})"
    if "document_invalid" in broken:
        return "answers 400 invalid, for good (document_invalid)"
    schemas = schema_for(reading.data)
    meta = reading.data.get("meta")
    there = meta if isinstance(meta, dict) else {}
    sets = [f"meta.{name}" for name in ("dt", "id") if name not in there]
    taken = f"takes it, 201{', and sets ' + ' and '.join(sets) if sets else ''}"
    if "stream_unknown" in broken:
        taken += ", if the stream is configured"
    if schemas.known == "exactly":
        return taken
    schema = reading.data["$schema"]
    seen = "only what our sinks read of it" if schemas.known == "as read" else "nothing of it"
    return f"{taken}, if its registry has {schema} and that agrees: {seen} was checked here"
