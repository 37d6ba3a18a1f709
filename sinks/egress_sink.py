"""egress-sink: our output events in at `/`, their documents on to EventGate."""

from __future__ import annotations

from flask import Flask

from sinks import publishing
from sinks.answer import Answer
from sinks.callers import cluster_caller_of
from sinks.cloudevent import Event
from sinks.deadline import Deadline
from sinks.egress_settings import EgressSettings
from sinks.envelope import Trace
from sinks.environment import or_exit
from sinks.eventgates import EventGates
from sinks.http_message import HttpResponse
from sinks.relayed_events import RelayedEvents
from sinks.relaying import Relaying, relay
from sinks.telemetry import Telemetry
from sinks.tracing import Tracer
from sinks.upstreams import http_client
from sinks.web import Sink, decode_event
from sinks.wsgi_request import Environ


def create_app(settings: EgressSettings | None = None) -> Flask:
    """Return the WSGI app; without settings they come from the environment."""
    settings = settings or or_exit(EgressSettings.from_env)
    sink = Sink("egress-sink", settings)
    relaying = Relaying(
        publishing=publishing.load(settings.egress_streams, settings.stream_names),
        eventgates=_eventgates(settings, sink.telemetry, sink.tracer),
        relayed=RelayedEvents(settings.relayed_memory_events),
        already_relayed=sink.telemetry.already_relayed,
    )
    caller = cluster_caller_of(settings, sink.telemetry)
    app = sink.create_app()

    def events(environ: Environ, _: str) -> HttpResponse:
        def handle(event: Event, deadline: Deadline, trace: Trace) -> Answer:
            return relay(event, relaying, deadline, trace)

        return sink.deliver(environ, decode_event, handle, caller)

    app.add_event_rule("/", events)
    return app


def _eventgates(
    settings: EgressSettings, telemetry: Telemetry, tracer: Tracer | None
) -> EventGates:
    http = http_client(
        "eventgate",
        settings,
        telemetry,
        connect_timeout_seconds=settings.eventgate_connect_timeout_seconds,
        read_timeout_seconds=settings.eventgate_read_timeout_seconds,
        tracer=tracer,
    )
    return EventGates(
        http,
        settings.eventgate_urls,
        avoid_seconds=settings.eventgate_avoid_seconds,
        # What is a long time for a connection is one for the first answer of many as well.
        silent_seconds=settings.eventgate_connect_timeout_seconds,
        avoided=telemetry.avoided,
    )
