"""What Go's SDK, and so Knative's broker, refuses of an event that `cloudevent.decode` accepts.

Values are judged by `subscriber.reply_of`, each alone in an otherwise faultless reply.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from sinks import jsondata
from sinks.attributes import MAX_ATTRIBUTE_CHARS, is_sendable
from sinks.cloudevent import STRUCTURED_JSON, NoData
from sinks.contract.check.envelope_rules import DATA_MEMBERS
from sinks.contract.check.reading import Reading
from sinks.contract.check.rules import found, shown
from sinks.contract.check.value_rules import FAULTLESS
from sinks.contract.finding import Finding, Severity
from sinks.errors import BadAnswer, SinkError
from sinks.subscriber import reply_of

_JUDGED: Final = ("time", "source", "dataschema", "datacontenttype")
_MAX_JUDGED_CHARS: Final = 2 * MAX_ATTRIBUTE_CHARS
_NOT_PLAIN = re.compile(r"[^!#$&-~]")
_BASE64 = re.compile(rb'"data_base64"\s*:(?P<space>\s+")?(?P<null>\s*null)?')


def go_findings(reading: Reading, ours: bool) -> Iterator[Finding]:
    """Yield what Go refuses, or reads otherwise, although `decode` accepts it.

    ours:  the event is of a type of ours, whose attributes are plain ASCII always.
    """
    for name, value in reading.wire.items():
        if name not in reading.attributes or reading.faulty(name):
            continue
        text = value if isinstance(value, str) else reading.attributes[name]
        text = text[:_MAX_JUDGED_CHARS]
        if name in _JUDGED and (finding := _refused(reading, name, text)):
            yield finding
        elif not is_sendable(name, text[:MAX_ATTRIBUTE_CHARS]):
            # A specversion that has to be decoded is none at all to Go.
            severity: Severity = "error" if ours or name == "specversion" else "warning"
            problem = f"is {shown(text)}; should be ASCII without space, quote and %"
            yield found("attribute_not_plain", reading.place(name), problem, severity)
        if name.startswith("knative") and reading.payload.kind == "HTTP response":
            yield found("knative_attribute", reading.place(name), "is in a reply; should be absent")
    if reading.mode == "structured":
        yield from _structured_data(reading)


def _refusal(members: Mapping[str, Any]) -> SinkError | None:
    """Return why a reply with these members, and else faultless, is refused."""
    try:
        reply_of({"Content-Type": STRUCTURED_JSON}, jsondata.dumps({**FAULTLESS, **members}))
    except SinkError as error:
        return error
    return None


def _refused(reading: Reading, name: str, value: str) -> Finding | None:
    if name == "dataschema" and isinstance(_refusal({"source": value}), BadAnswer):
        problem = f"is no URI: {shown(value)}"
        return found("go_dataschema_uri", reading.place(name), problem)
    error = _refusal({name: value})
    if error is not None and not isinstance(error, BadAnswer):
        # Refused by our shim alone if it is only for what would have to be encoded.
        error = _refusal({name: _NOT_PLAIN.sub("x", value)[:MAX_ATTRIBUTE_CHARS]})
    if error is None:
        return None
    return found(f"go_{name}", reading.place(name), f"{error.detail}; it is {shown(value)}")


def _structured_data(reading: Reading) -> Iterator[Finding]:
    envelope = reading.envelope
    if "data_base64" in envelope and _misreads_base64(reading.payload.body):
        problem = "is null, or has a space before it, and stands before datacontenttype"
        yield found("go_data_base64", "/data_base64", problem)
    for name, value in envelope.items():
        if value is None and name not in DATA_MEMBERS and not is_sendable(name, "x"):
            problem = f"is {shown(name)}; null is not the same as absent to Go"
            yield found("attribute_name", f"/{name}", problem)
    kind, data = reading.attributes.get("datacontenttype"), envelope.get("data")
    if kind and reading.data_read and not isinstance(data, str | NoData | None):
        alone = {"datacontenttype": kind, "data": []}
        if isinstance(error := _refusal(alone), BadAnswer):
            yield found("go_data", "/data", f"{error.detail}; its type is {shown(kind)}")


def _misreads_base64(body: bytes) -> bool:
    """True if Go keeps `data_base64` as the bytes after the colon, and takes the first and the last
    of them for quotes: it does so until it knows version and content type."""
    match = _BASE64.search(body)
    before = body[: match.start()] if match else b""
    version, kind = b'"specversion"' in before, b'"datacontenttype"' in before
    if match is None or version and kind:
        return False
    return bool(match["null"]) or bool(match["space"] and version)
