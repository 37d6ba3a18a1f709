"""`sinks contract check` without its terminal: bytes in, what they are and all findings out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sinks import jsondata
from sinks.attributes import is_json
from sinks.cloudevent import is_event
from sinks.contract.check.attribute_rules import attribute_findings
from sinks.contract.check.broker_view import Role, Verdict, verdicts
from sinks.contract.check.capture import payload_of
from sinks.contract.check.data_rules import data_findings, own_types
from sinks.contract.check.envelope_rules import read
from sinks.contract.check.eventgate_view import request_findings
from sinks.contract.check.go_rules import go_findings
from sinks.contract.check.json_text import duplicates, why_not_json
from sinks.contract.check.payload import Payload
from sinks.contract.check.reading import Reading, ce_headers
from sinks.contract.check.reply_status import status_findings
from sinks.contract.check.rules import found
from sinks.contract.finding import Finding
from sinks.errors import MalformedEvent, SinkError


@dataclass(frozen=True, slots=True)
class Checked:
    """One payload with what was found.

    verdicts:  what each neighbour does with it, whether or not anything is wrong.
    """

    reading: Reading
    verdicts: tuple[Verdict, ...]
    findings: tuple[Finding, ...]

    def errors(self) -> int:
        """Return how many findings are no mere warnings."""
        return sum(finding.severity == "error" for finding in self.findings)


def check(content: bytes, role: Role = "reply", streams: Collection[str] = ()) -> Checked:
    """Return all that is to be said of a payload.

    role:     what structured JSON is meant as; HTTP captures say it themselves.
    streams:  allowed besides those that are known.
    raises:   payload.Unreadable.
    """
    payload = payload_of(content)
    reading = _reading(payload)
    findings = [*payload.findings, *status_findings(payload), *request_findings(reading)]
    findings += reading.findings
    ours = reading.attributes.get("type") in own_types()
    if reading.mode in ("binary", "structured"):
        findings += go_findings(reading, ours)
    findings += data_findings(reading, streams)
    findings += attribute_findings(reading)
    unique = tuple(dict.fromkeys(findings))
    return Checked(reading, tuple(verdicts(reading, unique, role)), unique)


def _reading(payload: Payload) -> Reading:
    if payload.status is not None and not 200 <= payload.status < 300:
        return Reading(payload, "none", {}, {})  # nobody looks for an event in a failure
    if payload.kind == "HTTP response" and not payload.body and not is_event(payload.joined()):
        return Reading(payload, "none", {}, {})  # nothing to say, which a reply may
    document = _document(payload)
    return read(payload) if document is None else document


def _document(payload: Payload) -> Reading | None:
    """Return the reading of a bare document, which no rule of CloudEvents is for, or None."""
    bare = payload.kind == "event-platform document"
    content_type = payload.joined().get("content-type", "")
    if not bare and (payload.kind != "HTTP request" or ce_headers(payload.joined())):
        return None
    try:
        if not bare and (not is_json(content_type) or "cloudevents" in content_type.lower()):
            return None
        value = jsondata.loads(payload.body)
    except MalformedEvent as error:
        problem = why_not_json(payload.body, error.detail)
        finding = found("data_json", "body", problem)
        return Reading(payload, "none", {}, {}, None, False, findings=(finding,)) if bare else None
    except SinkError:
        return None
    if isinstance(value, list) and bare:
        finding = found("batch", "body", f"is a JSON array of {len(value)} documents")
        return Reading(payload, "batch", {}, {}, None, False, findings=(finding,))
    findings = tuple(duplicates(payload.body))
    reading = Reading(payload, "none", {}, {}, value, findings=findings)
    return reading if reading.is_document() else None
