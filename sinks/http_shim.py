"""http-shim: plain JSON or CloudEvents in at `/events`; typed events to a Broker, or routed here.

It keeps no queue and repeats nothing: what it has not handed on it has not acknowledged.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import cast

from flask import Flask, Request, Response
from werkzeug.datastructures import MultiDict

from sinks import inputs, log, triggers
from sinks.answer import Answer
from sinks.broker import Broker
from sinks.callers import Callers, InvalidTokens
from sinks.deadline import Deadline
from sinks.environment import InvalidSettings, stop
from sinks.errors import InvalidEvent
from sinks.incoming import Incoming, receive, typed
from sinks.routing import Route, Router
from sinks.settings import ShimSettings
from sinks.subscriber import deliver
from sinks.summary import handed_on, ignored, summed
from sinks.triggers import InvalidTrigger, Trigger
from sinks.upstreams import http_client
from sinks.web import Sink


def create_app(settings: ShimSettings | None = None) -> Flask:
    """Return the WSGI app; without settings they come from the environment."""
    settings, callers, routes = _loaded(settings)
    sink = Sink("http-shim", settings)
    readers = inputs.load_readers()
    subscribers = http_client("subscriber", settings, sink.telemetry)
    ingress = http_client("broker", settings, sink.telemetry, ca_certs=settings.k_ca_certs)
    broker = Broker(ingress, settings.k_sink, settings.k_ce_overrides) if settings.k_sink else None
    app = sink.create_app()

    def events(request: Request, _: str) -> Response:
        arguments = request.args

        def handle(incoming: Incoming, deadline: Deadline) -> Answer:
            only = _only(arguments, routes)
            if reason := inputs.unwanted(incoming.document):
                return ignored(incoming, reason)
            event = typed(incoming, readers, settings.schema_base_uri)
            if broker is not None:
                broker.post(event, deadline)
                return handed_on(incoming, event)
            router = Router(
                routes, lambda trigger, each: deliver(subscribers, trigger, each, deadline)
            )
            routed = router.route(event, only)
            _log_failures(routed)
            return summed(incoming, event, routed)

        return sink.deliver(request, receive, handle, callers.client)

    app.add_event_rule("/events", events)
    return app


def _loaded(
    settings: ShimSettings | None,
) -> tuple[ShimSettings, Callers, tuple[Trigger, ...]]:
    """Settings and the files that they name, or the end of the process with all that is wrong."""
    problems: list[str] = []
    try:
        settings = settings or ShimSettings.from_env()
    except InvalidSettings as error:
        problems.append(str(error))
        settings = cast(ShimSettings, error.settings)
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
    return settings, callers, routes


def _only(arguments: MultiDict[str, str], routes: Sequence[Trigger]) -> list[str] | None:
    """The Triggers that the caller restricts the event to; None without `?trigger=`.

    raises: InvalidEvent(unknown_trigger), for a misspelt parameter too: it would mean all.
    """
    only = arguments.getlist("trigger")
    if arguments.keys() - {"trigger"} or not set(only) <= {trigger.name for trigger in routes}:
        known = ", ".join(trigger.name for trigger in routes) or "none: the Broker routes"
        raise InvalidEvent("unknown_trigger", f"?trigger=NAME is the only parameter: {known}")
    return only or None


def _log_failures(routed: Sequence[Route]) -> None:
    """One line for each delivery that failed: the answer has room for the reason only."""
    for delivery in (delivery for route in routed for delivery in route.deliveries):
        if delivery.outcome in ("deferred", "rejected"):
            fields = {
                "sink": "http-shim",
                "trigger": delivery.trigger,
                "outcome": delivery.outcome,
                "reason": delivery.reason,
                "stage": "subscriber",
                "detail": delivery.detail,
                "ce_id": delivery.event.id,
                "ce_type": delivery.event.type,
                "ce_source": delivery.event.source,
            }
            log.write(logging.WARNING, "delivery failed", fields)
