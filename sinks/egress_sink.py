"""egress-sink: our output events in at `/`, their documents on to EventGate."""

from __future__ import annotations

from flask import Flask, Request, Response

from sinks.answer import Answer
from sinks.cloudevent import Event
from sinks.deadline import Deadline
from sinks.egress_settings import EgressSettings
from sinks.environment import or_exit
from sinks.eventgate import EventGate
from sinks.relaying import Relaying, load_outputs, relay
from sinks.upstreams import http_client
from sinks.web import Sink, decode_event


def create_app(settings: EgressSettings | None = None) -> Flask:
    """Return the WSGI app; without settings they come from the environment."""
    settings = settings or or_exit(EgressSettings.from_env)
    sink = Sink("egress-sink", settings)
    http = http_client(
        "eventgate",
        settings,
        sink.telemetry,
        connect_timeout_seconds=settings.eventgate_connect_timeout_seconds,
        read_timeout_seconds=settings.eventgate_read_timeout_seconds,
    )
    relaying = Relaying(
        outputs=load_outputs(),
        streams=settings.egress_streams,
        eventgate=EventGate(http, settings.eventgate_urls[0]),
    )
    app = sink.create_app()

    def events(request: Request, _: str) -> Response:
        def handle(event: Event, deadline: Deadline) -> Answer:
            return relay(event, relaying, deadline)

        return sink.deliver(request, decode_event, handle)

    app.add_event_rule("/", events)
    return app
