"""Delivering one event to one subscriber, and judging what comes back as strictly as Knative.

Source: knative/eventing, pkg/broker/filter and pkg/broker/ingress; docs of their behaviour in
knative/specs, specs/eventing/data-plane.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast, get_args

from sinks import cloudevent, jsondata
from sinks.attributes import REQUIRED, media_type, unsendable
from sinks.cloudevent import STRUCTURED_JSON, Event, NoData
from sinks.deadline import Deadline
from sinks.delivery import Delivery, Failure
from sinks.envelope import Trace, trace_of
from sinks.errors import RETRIED_4XX, BadAnswer, MalformedEvent, Rejected, SinkError
from sinks.http_client import HttpClient
from sinks.http_message import HttpResponse
from sinks.reasons import Reason
from sinks.triggers import Trigger

_REASONS: Final = frozenset(get_args(Reason))
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(?:\s*;\s*[\w!#$&^.+-]+=[^;]+)*", re.ASCII)
_GO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_GO_SOURCE = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:|(?![^/?#]*:))(?:[^%]|%[0-9A-Fa-f]{2})*")


def deliver(
    http: HttpClient,
    trigger: Trigger,
    event: Event,
    deadline: Deadline,
    trace: Trace | None = None,
) -> Delivery:
    """Return the outcome of POSTing the event to the Trigger's subscriber; raises nothing.

    trace: what the subscriber is told of it besides the event's own; None: no more than that.
    """
    try:
        message = cloudevent.encode(event, event.mode)
        headers = {
            **message.headers,
            "Prefer": "reply",
            "Kn-Namespace": trigger.namespace,
            "Event-Timeout-Ms": str(int(deadline.remaining() * 1000)),
            **(trace_of(event.attributes) if trace is None else trace),
        }
        return _judged(
            http.post(trigger.subscriber, message.body, headers, deadline), trigger, event
        )
    except SinkError as error:
        failure = Failure(trigger.subscriber, error.status)
        return Delivery(
            trigger.name, event, error.outcome, error.reason, detail=error.detail, failure=failure
        )


def _judged(response: HttpResponse, trigger: Trigger, event: Event) -> Delivery:
    status = response.status
    if not 200 <= status < 300:
        final = 300 <= status < 500 and status not in RETRIED_4XX
        reason, words = _error_in(response.body)
        return Delivery(
            trigger.name,
            event,
            "rejected" if final else "deferred",
            reason or ("rejected_by_subscriber" if final else "subscriber_failed"),
            detail=f"{trigger.subscriber} answered {status}: {words}",
            failure=Failure(trigger.subscriber, status, response.body),
        )
    reply = reply_of(response.headers, response.body)
    if reply is not None:
        return Delivery(trigger.name, event, "replied", None, reply)
    outcome, said = response.headers.get("sinks-outcome"), response.headers.get("sinks-reason")
    return Delivery(
        trigger.name,
        event,
        "ignored" if outcome == "ignored" else "relayed",
        cast(Reason, said) if said in _REASONS else None,
    )


def _error_in(body: bytes) -> tuple[Reason | None, str]:
    """Reason and detail in an error body of our own sinks; of others the text, for the log."""
    try:
        document = jsondata.loads(body)
    except MalformedEvent:
        document = None
    reason = document.get("reason") if isinstance(document, dict) else None
    if isinstance(reason, str) and reason in _REASONS:
        return cast(Reason, reason), str(document.get("detail"))
    return None, body.decode("utf-8", "replace")


def reply_of(headers: Mapping[str, str], body: bytes, plain: bool = True) -> Event | None:
    """Return the event in a 2xx answer, None if it is empty.

    plain:  whether attributes that need encoding are refused: Knative passes them on, undecoded.
    raises: BadAnswer for what makes Knative's filter answer 502, Rejected for what its ingress
            refuses.
    """
    if not cloudevent.is_event(headers):
        if body:
            raise BadAnswer("upstream_bad_answer", "a 2xx body has to be one CloudEvent or empty")
        return None
    try:
        reply = cloudevent.decode(headers, body)
    except SinkError as error:
        if _lacks_required(headers, body):
            raise Rejected("invalid_reply", error.detail) from error
        raise BadAnswer("upstream_bad_answer", error.detail) from error
    if problem := _go_problem(reply):
        raise BadAnswer("upstream_bad_answer", problem)
    attributes = {
        name: value for name, value in reply.attributes.items() if not name.startswith("knative")
    }
    if not _MEDIA_TYPE.fullmatch(attributes.get("datacontenttype", "application/json")):
        raise Rejected("invalid_reply", "datacontenttype has to be a media type")
    schema = attributes.get("dataschema", "x:")
    if ":" not in schema.partition("/")[0]:
        raise Rejected("invalid_reply", "dataschema has to be absolute")
    if plain and unsendable(attributes) is not None:
        raise Rejected("invalid_reply", "attributes have to be ASCII without space, quote and %")
    return Event(attributes, reply.data, reply.mode)


def _lacks_required(headers: Mapping[str, str], body: bytes) -> bool:
    """True if the reply is an event in all but id, source or type: final, as at the ingress."""
    found: Mapping[str, Any] = {
        name.lower()[3:]: value for name, value in headers.items() if name.lower()[:3] == "ce-"
    }
    content_type = {name.lower(): value for name, value in headers.items()}.get("content-type", "")
    if media_type(content_type) == STRUCTURED_JSON:
        try:
            envelope = jsondata.loads(body)
        except MalformedEvent:
            return False
        found = envelope if isinstance(envelope, dict) else {}
    return found.get("specversion") == "1.0" and not all(found.get(name) for name in REQUIRED)


def _go_problem(reply: Event) -> str | None:
    """What Go's SDK refuses although the specification allows it, or leaves it open."""
    if "time" in reply.attributes and not _GO_TIME.fullmatch(reply.attributes["time"]):
        return "time has to be written with upper-case T and Z"
    if not _GO_SOURCE.fullmatch(reply.source):
        return "source is no URI reference"
    kind = media_type(reply.attributes.get("datacontenttype", "application/json"))
    if reply.mode == "structured" and kind not in ("application/json", "text/json"):
        if not isinstance(reply.data, bytes | str | NoData):
            return "structured data of this datacontenttype has to be a string"
    return None
