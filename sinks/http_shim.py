"""http-shim: plain JSON or CloudEvents in at `/events`; typed events to a Broker, or routed here.

It keeps no queue and repeats nothing: what it has not handed on it has not acknowledged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, request

from sinks import cloudevent, inputs, jsondata, triggers
from sinks.answer import Answer
from sinks.attributes import is_json
from sinks.broker import Broker
from sinks.callers import Callers, InvalidTokens
from sinks.cloudevent import Event, Mode
from sinks.deadline import Deadline
from sinks.envelope import page_change_event, with_trace
from sinks.environment import or_exit, stop
from sinks.errors import (
    InvalidEvent,
    MalformedEvent,
    Rejected,
    Unavailable,
    UnsupportedMediaType,
    safe_id,
)
from sinks.inputs import Readers
from sinks.routing import Route, Router
from sinks.settings import ShimSettings
from sinks.subscriber import Delivery, deliver
from sinks.triggers import InvalidTrigger, Trigger
from sinks.upstreams import http_client
from sinks.web import Sink, decode_event


@dataclass(frozen=True, slots=True)
class Incoming:
    """One request, its document read but not yet checked.

    id:     the CloudEvent's, or else the document's `meta.id`, if that is safe to repeat.
    mode:   content mode of the CloudEvent; None for plain JSON.
    trace:  `traceparent` and `tracestate`: the CloudEvent's own, or else of the HTTP request.
    """

    id: str | None
    document: Any
    mode: Mode | None
    trace: Mapping[str, str]


def create_app(settings: ShimSettings | None = None) -> Flask:
    """Return the WSGI app; without settings they come from the environment."""
    settings = settings or or_exit(ShimSettings.from_env)
    sink = Sink("http-shim", settings)
    readers = inputs.load_readers()
    callers, routes = _loaded(settings)
    subscribers = http_client("subscriber", settings, sink.telemetry)
    ingress = http_client("broker", settings, sink.telemetry, ca_certs=settings.k_ca_certs)
    broker = Broker(ingress, settings.k_sink, settings.k_ce_overrides) if settings.k_sink else None
    app = sink.create_app()

    @app.post("/events")
    def events() -> Response:
        only = request.args.getlist("trigger")

        def handle(incoming: Incoming, deadline: Deadline) -> Answer:
            _check_triggers(only, routes)
            if reason := inputs.unwanted(incoming.document):
                return _ignored(incoming, reason)
            event = _typed(incoming, readers, settings.schema_base_uri)
            if broker is not None:
                broker.post(event, deadline)
                return _relayed(incoming, event)
            router = Router(
                routes, lambda trigger, each: deliver(subscribers, trigger, each, deadline)
            )
            return _summed(incoming, event, router.route(event, only or None))

        return sink.deliver(request, receive, handle, callers.client)

    return app


def _loaded(settings: ShimSettings) -> tuple[Callers, tuple[Trigger, ...]]:
    """The files that settings name, or the end of the process with all that is wrong in them."""
    problems: list[str] = []
    routes: tuple[Trigger, ...] = ()
    if not settings.k_sink:
        try:
            routes = triggers.load(settings.triggers_dir, settings.service_urls)
        except InvalidTrigger as error:
            problems.append(str(error))
    try:
        callers = Callers(settings.tokens_file, settings.allow_anonymous)
    except InvalidTokens as error:
        problems.append(str(error))
    if problems:
        stop("\n".join(problems))
    return callers, routes


def receive(headers: Mapping[str, str], body: bytes) -> Incoming:
    """Return a CloudEvent's data, or plain JSON, as a document.

    A CloudEvent's data is read as JSON whatever its type: KafkaSource hands over the records of a
    topic without one.
    raises: MalformedEvent, UnsupportedMediaType.
    """
    if cloudevent.is_event(headers):
        event = decode_event(headers, body)
        data = jsondata.loads(event.data) if isinstance(event.data, bytes) else event.data
        return Incoming(event.id, data, event.mode, event.attributes)
    if not is_json(headers.get("content-type", "")):
        raise UnsupportedMediaType(
            "unsupported_media_type", "send application/json, or a CloudEvent"
        )
    document = jsondata.loads(body)
    if not isinstance(document, dict):
        raise MalformedEvent("malformed_data", "the body has to be one JSON object, no array")
    meta = document.get("meta")
    meta_id = meta.get("id") if isinstance(meta, dict) else None
    return Incoming(safe_id(meta_id), document, None, headers)


def _typed(incoming: Incoming, readers: Readers, schema_base_uri: str) -> Event:
    change = inputs.parse(incoming.document, readers)
    event = page_change_event(change, incoming.document, schema_base_uri, incoming.mode or "binary")
    return with_trace(event, incoming.trace)


def _check_triggers(only: Sequence[str], routes: Sequence[Trigger]) -> None:
    if not set(only) <= {trigger.name for trigger in routes}:
        known = ", ".join(trigger.name for trigger in routes) or "none: the Broker routes"
        raise InvalidEvent("unknown_trigger", f"?trigger= has to be one of: {known}")


def _ignored(incoming: Incoming, reason: Any) -> Answer:
    outcome = {"trigger": None, "outcome": "ignored", "reason": reason, "stream": None}
    document = _document(incoming, incoming.id, [{**outcome, "ce_id": incoming.id}])
    return Answer("ignored", reason, document=document)


def _relayed(incoming: Incoming, event: Event) -> Answer:
    outcome = {"trigger": None, "outcome": "relayed", "reason": None, "stream": event.get("stream")}
    return Answer(
        "relayed", document=_document(incoming, event.id, [{**outcome, "ce_id": event.id}])
    )


def _summed(incoming: Incoming, event: Event, routed: Sequence[Route]) -> Answer:
    """One answer for all deliveries. raises: Unavailable if any is deferred, else Rejected."""
    deferred, rejected = _named("deferred", routed), _named("rejected", routed)
    if deferred:
        said = f"repeat with ?trigger=NAME for each deferred one; {deferred}"
        both = f"{said}; {rejected}" if rejected else said
        raise Unavailable("deliveries_deferred", both, stage="subscriber")
    if rejected:
        raise Rejected("deliveries_rejected", rejected, stage="subscriber")
    deliveries = [delivery for route in routed for delivery in route.deliveries]
    handed_on = any(delivery.outcome == "relayed" for delivery in deliveries)
    return Answer(
        "relayed" if handed_on else "ignored",
        None if handed_on else deliveries[-1].reason,
        document=_document(incoming, event.id, [_outcome(delivery) for delivery in deliveries]),
    )


def _document(
    incoming: Incoming, ce_id: str | None, outcomes: list[dict[str, Any]]
) -> dict[str, Any] | None:
    """What a caller that does not speak CloudEvents is told."""
    return None if incoming.mode else {"ce_id": ce_id, "outcomes": outcomes}


def _outcome(delivery: Delivery) -> dict[str, Any]:
    shown = delivery.reply or delivery.event
    return {
        "trigger": delivery.trigger,
        "outcome": delivery.outcome,
        "reason": delivery.reason,
        "stream": shown.get("stream"),
        "ce_id": shown.id,
    }


def _named(outcome: str, routed: Sequence[Route]) -> str:
    """How many Triggers had this outcome, and which with what reason; empty if none had."""
    reasons = {
        route.trigger: delivery.reason
        for route in routed
        for delivery in route.deliveries
        if delivery.outcome == outcome
    }
    where = ", ".join(f"{trigger} ({reason})" for trigger, reason in reasons.items())
    return f"{len(reasons)} of {len(routed)} Triggers {outcome}: {where}" if reasons else ""
