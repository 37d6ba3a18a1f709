"""The rules of CloudEvents over HTTP, each part of a message judged alone.

`cloudevent.decode` stops at the first fault. Here each part is put into an otherwise faultless
event and given to the very same functions: so all faults are seen, and no rule is written twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from sinks import jsondata
from sinks.attributes import CORE, canonical, header_text, is_json
from sinks.cloudevent import NO_DATA, STRUCTURED_JSON, decode
from sinks.contract.check.header_rules import header_findings, size_findings
from sinks.contract.check.json_text import duplicates, why_not_json
from sinks.contract.check.payload import Payload, check_members
from sinks.contract.check.reading import Reading, ce_headers
from sinks.contract.check.rules import found, shown
from sinks.contract.check.value_rules import FAULTLESS, attribute_faults
from sinks.contract.finding import Finding
from sinks.errors import MalformedEvent, SinkError, UnsupportedMediaType

DATA_MEMBERS: Final = ("data", "data_base64")


def read(payload: Payload) -> Reading:
    """Return the event of a payload in its parts, with all that its envelope breaks.

    Every payload that `decode` refuses has an error here, and no other has one, but for what
    `decode` is never told: repeated headers and Content-Encoding.
    raises: payload.Unreadable for JSON with thousands of members.
    """
    content_type = payload.joined().get("content-type", "")
    unread: list[Finding] = []
    try:
        decode({"content-type": content_type}, b"")
    except UnsupportedMediaType as error:
        if payload.media_type() != STRUCTURED_JSON:
            return _unreadable(payload, error)
        unread = [found("json_charset", "Content-Type", f"{error.detail}: {shown(content_type)}")]
    except MalformedEvent:
        pass  # not because of its type
    if payload.media_type() == STRUCTURED_JSON:
        reading = _structured(payload)
    else:
        reading = _binary(payload, content_type)
    if reading.mode == "none":
        return reading
    extra = [*unread, *header_findings(reading), *size_findings(reading)]
    return replace(reading, findings=(*reading.findings, *extra))


def _unreadable(payload: Payload, error: SinkError) -> Reading:
    kind = payload.media_type()
    batch = kind.startswith("application/cloudevents-batch")
    finding = found(
        "batch" if batch else "unreadable_format",
        "Content-Type",
        f"is {shown(kind)}: {error.detail}",
    )
    wire = ce_headers(payload.joined())
    return Reading(
        payload, "batch" if batch else "none", wire, {}, NO_DATA, False, findings=(finding,)
    )


def _binary(payload: Payload, content_type: str) -> Reading:
    headers = payload.joined()
    wire = ce_headers(headers)
    if not wire:
        what = f"is {shown(content_type)}" if content_type else "is absent"
        problem = f"there is no ce- header, and Content-Type {what}"
        return Reading(
            payload, "none", {}, {}, findings=(found("not_an_event", "headers", problem),)
        )
    attributes: dict[str, str] = {}
    findings: list[Finding] = []
    for name, value in wire.items():
        try:
            attributes[name] = header_text(name, headers[f"ce-{name}"])
        except MalformedEvent as error:
            problem = f"{error.detail}: {shown(value)}"
            findings.append(found("attribute_encoding", f"ce-{name}", problem))
    if "datacontenttype" in wire:
        attributes.pop("datacontenttype", None)
        problem = f"is {shown(wire.pop('datacontenttype'))}, beside Content-Type"
        findings.append(found("datacontenttype_header", "ce-datacontenttype", problem))
    if content_type:
        wire["datacontenttype"] = attributes["datacontenttype"] = content_type
    reading = Reading(payload, "binary", wire, attributes)
    data, faults = _binary_data(payload.body, content_type)
    findings += attribute_faults(reading) + faults
    errors = any(fault.severity == "error" for fault in faults)
    return replace(reading, data=data, data_read=not errors, findings=tuple(findings))


def _binary_data(body: bytes, content_type: str) -> tuple[Any, list[Finding]]:
    try:
        if not body or not is_json(content_type):
            return body or NO_DATA, []
        return jsondata.loads(body), duplicates(body)
    except UnsupportedMediaType as error:
        problem = f"{error.detail}: {shown(content_type)}"
        return NO_DATA, [found("json_charset", "Content-Type", problem)]
    except MalformedEvent as error:
        return NO_DATA, [found("data_json", "body", why_not_json(body, error.detail))]


def _structured(payload: Payload) -> Reading:
    nothing = Reading(payload, "structured", {}, {}, NO_DATA, False)
    try:
        envelope = jsondata.loads(payload.body)
    except MalformedEvent as error:
        problem = why_not_json(payload.body, error.detail)
        return replace(nothing, findings=(found("envelope_json", "body", problem),))
    if isinstance(envelope, list):
        problem = f"is a JSON array of {len(envelope)}: a batch"
        return replace(nothing, findings=(found("batch", "body", problem),))
    if not isinstance(envelope, dict):
        problem = "is JSON, but no object"
        return replace(nothing, findings=(found("envelope_object", "body", problem),))
    check_members(len(envelope))
    wire = {
        name: value
        for name, value in envelope.items()
        if value is not None and name not in DATA_MEMBERS
    }
    attributes: dict[str, str] = {}
    findings = duplicates(payload.body)
    for name, value in wire.items():
        try:
            attributes[name] = canonical(name, value)
        except MalformedEvent as error:
            fraction = name not in CORE and isinstance(value, float) and abs(value) < 2**31
            slug = "attribute_fraction" if fraction else "attribute_type"
            there = "an object or array" if isinstance(value, dict | list) else shown(value)
            findings.append(found(slug, f"/{name}", f"{error.detail}; it is {there}"))
    findings += attribute_faults(Reading(payload, "structured", wire, attributes))
    data, faults = _structured_data(envelope, wire, attributes)
    if any(fault.rule == "data_twice" for fault in faults):
        alone = {name: value for name, value in envelope.items() if name != "data"}
        faults += _structured_data(alone, wire, attributes)[1]
    if "data" in envelope:
        attributes.setdefault("datacontenttype", "application/json")
    reading = Reading(payload, "structured", wire, attributes, data, not faults, envelope)
    return replace(reading, findings=tuple(findings + faults))


def _structured_data(
    envelope: Mapping[str, Any], wire: Mapping[str, Any], attributes: Mapping[str, str]
) -> tuple[Any, list[Finding]]:
    """Return the data, judged in an event with nothing else."""
    alone: dict[str, Any] = dict(FAULTLESS)
    if "datacontenttype" in wire:
        alone["datacontenttype"] = attributes.get("datacontenttype", "application/json")
        if not alone["datacontenttype"]:
            return NO_DATA, []  # found already, and what it means for the data nobody can tell
    data = envelope.get("data")
    if "data" in envelope:
        alone["data"] = data if isinstance(data, str) else []  # all else is alike here
    if "data_base64" in envelope:
        alone["data_base64"] = envelope["data_base64"]
    try:
        decoded = decode({"content-type": STRUCTURED_JSON}, jsondata.dumps(alone)).data
    except SinkError as error:
        return NO_DATA, [_data_fault(envelope, error)]
    return (data if decoded == [] and "data" in envelope else decoded), []


def _data_fault(envelope: Mapping[str, Any], error: SinkError) -> Finding:
    if isinstance(error, UnsupportedMediaType):
        return found("json_charset", "/datacontenttype", error.detail)
    if "data" in envelope and envelope.get("data_base64") is not None:
        return found("data_twice", "/data_base64", error.detail)
    if error.reason == "malformed_data":
        return found("data_json", "/data_base64", f"decoded it is no JSON: {error.detail}")
    if "data_base64" in envelope:
        return found("data_base64", "/data_base64", error.detail)
    return found("data_text", "/data", error.detail)
