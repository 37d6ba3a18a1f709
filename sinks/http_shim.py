"""http-shim: page changes in, as plain JSON, CloudEvents or changeprop's call; typed events to a
Broker, or routed here.

It keeps no queue and repeats nothing: what it has not handed on it has not acknowledged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from flask import Flask

from sinks import changeprop, deployed, inputs, triggers
from sinks.answer import Answer
from sinks.broker import broker_of
from sinks.callers import callers_of
from sinks.changeprop import callable_names, called, check_wiki, receive_event
from sinks.cloudevent import Event
from sinks.deadline import Deadline
from sinks.delivery import Delivery
from sinks.delivery_log import log_failed_deliveries
from sinks.envelope import Trace, trace_id_of
from sinks.environment import InvalidSettings, stop
from sinks.errors import InvalidEvent, Unavailable
from sinks.http_message import HttpResponse
from sinks.incoming import Incoming, receive, typed
from sinks.models import ROWS
from sinks.reporting import Reporting
from sinks.routing import Router
from sinks.shim_settings import ShimSettings
from sinks.subscriber import deliver
from sinks.summary import handed_on, ignored, summed
from sinks.tokens import InvalidTokens, Tokens
from sinks.triggers import InvalidTrigger, Trigger
from sinks.undeliverable import DeadLetterSink
from sinks.upstreams import http_client
from sinks.web import Sink
from sinks.wsgi_request import Environ, arguments_of


def create_app(settings: ShimSettings | None = None) -> Flask:
    """Return the WSGI app; without settings they come from the environment."""
    settings, tokens, routes = _loaded(settings)
    sink = Sink("http-shim", settings)
    sink.telemetry.expect_canaries(inputs.STREAMS)
    callers = callers_of(settings, sink.telemetry, tokens)
    shim = _Shim(settings, sink, routes)
    app = sink.create_app()
    named = () if settings.k_sink else routes  # a Broker routes to all of its own

    def events(environ: Environ, _: str) -> HttpResponse:
        def handle(incoming: Incoming, deadline: Deadline, trace: Trace) -> Answer:
            return shim.take(incoming, _only(arguments_of(environ), named), deadline, trace)

        return sink.deliver(environ, receive, handle, callers.client)

    def predict(environ: Environ, segment: str) -> HttpResponse:
        def handle(incoming: Incoming, deadline: Deadline, trace: Trace) -> Answer:
            return shim.take_call(incoming, segment, deadline, trace)

        answer = sink.deliver(environ, receive_event, handle, callers.client)
        return answer._replace(status=changeprop.status_for(answer.status))

    app.add_event_rule("/events", events)
    app.add_event_rule(f"{changeprop.PATHS}/<call>", predict)
    app.after_request(changeprop.answer_elsewhere)
    return app


class _Shim:
    """What the two ways in have in common."""

    def __init__(self, settings: ShimSettings, sink: Sink, routes: Sequence[Trigger]) -> None:
        self._schema_base_uri = settings.schema_base_uri
        self._routes = routes
        self._only_to = _triggers_by_row(routes)
        self._readers = inputs.load_readers()
        self._names = callable_names(ROWS, deployed.load(deployed.where(settings.environment)))
        token_file = settings.subscriber_token_file
        self._subscribers = http_client(
            "subscriber", settings, sink.telemetry, token_file=token_file, tracer=sink.tracer
        )
        self._broker = broker_of(settings, sink.telemetry, sink.tracer)
        self._deadletters = None
        if settings.deadletter_url:
            letters = http_client(
                "deadletter-sink",
                settings,
                sink.telemetry,
                token_file=token_file,
                tracer=sink.tracer,
            )
            self._deadletters = DeadLetterSink(letters, settings.deadletter_url)
        self._reporting = None
        if settings.console_url:
            console = http_client("console", settings, sink.telemetry, token_file=token_file)
            rows = {each.name: each.row for each in routes if each.row}
            self._reporting = Reporting(
                console, settings.console_url, rows, sink.telemetry.console_dropped
            )

    def take(
        self, incoming: Incoming, only: list[str] | None, deadline: Deadline, trace: Trace
    ) -> Answer:
        """Return what became of the event.

        trace:  what those are told who get it.
        raises: SinkError.
        """
        if reason := inputs.unwanted(incoming.document):
            return ignored(incoming, reason)
        event = typed(incoming, self._readers, self._schema_base_uri, trace)
        if self._broker is not None:
            self._broker.post(event, deadline, trace)
            return handed_on(incoming, event)
        return self._routed(incoming, event, only, deadline, trace)

    def take_call(
        self, incoming: Incoming, segment: str, deadline: Deadline, trace: Trace
    ) -> Answer:
        """Return what became of the event at the one row that changeprop calls; routed here even
        with a Broker, because changeprop calls once for each row.

        raises: SinkError.
        """
        call = called(segment, self._names)
        if reason := inputs.unwanted(incoming.document):
            return ignored(incoming, reason)
        event = typed(incoming, self._readers, self._schema_base_uri, trace)
        check_wiki(call, event.attributes["wikiid"])
        only = self._only_to.get(call.row)
        if only is None:
            raise Unavailable(
                "unknown_trigger",
                f"no Trigger delivers to /models/{call.row}: see TRIGGERS_DIR, SERVICE_URLS",
            )
        return self._routed(incoming, event, only, deadline, trace)

    def _routed(
        self,
        incoming: Incoming,
        event: Event,
        only: list[str] | None,
        deadline: Deadline,
        trace: Trace,
    ) -> Answer:
        def to_subscriber(trigger: Trigger, each: Event) -> Delivery:
            return deliver(self._subscribers, trigger, each, deadline, trace)

        routes = Router(self._routes, to_subscriber).route(event, only)
        if self._deadletters is not None:
            routes = self._deadletters.keep(routes, deadline, trace)
        if self._reporting is not None:
            self._reporting.tell(event, routes)
        log_failed_deliveries("http-shim", routes, trace_id_of(trace))
        return summed(incoming, event, routes)


def _triggers_by_row(routes: Sequence[Trigger]) -> dict[str, list[str]]:
    """Row -> names of the Triggers that deliver to it."""
    found: dict[str, list[str]] = {}
    for each in routes:
        if each.row:
            found.setdefault(each.row, []).append(each.name)
    return found


def _loaded(
    settings: ShimSettings | None,
) -> tuple[ShimSettings, Tokens, tuple[Trigger, ...]]:
    """Settings and the files that they name, or the end of the process with all that is wrong."""
    problems: list[str] = []
    try:
        settings = settings or ShimSettings.from_env()
    except InvalidSettings as error:
        problems.append(str(error))
        settings = cast(ShimSettings, error.settings)
    routes: tuple[Trigger, ...] = ()
    # With a Broker only changeprop's call is routed here, which needs the Services' addresses.
    if not settings.k_sink or settings.service_urls:
        try:
            routes = triggers.load(settings.triggers_dir, settings.service_urls)
        except InvalidTrigger as error:
            problems.append(str(error))
    try:
        tokens = Tokens(settings.tokens_file)
    except InvalidTokens as error:
        problems.append(str(error))
    if problems:
        stop("\n".join(problems))
    return settings, tokens, routes


def _only(arguments: Sequence[tuple[str, str]], routes: Sequence[Trigger]) -> list[str] | None:
    """The Triggers that the caller restricts the event to; None without `?trigger=`.

    raises: InvalidEvent(unknown_trigger), for a misspelt parameter too: it would mean all.
    """
    only = [value for _, value in arguments]
    names = {name for name, _ in arguments}
    unknown = set(only) - {trigger.name for trigger in routes}
    if names - {"trigger"} or unknown:
        known = ", ".join(trigger.name for trigger in routes) or "none: the Broker routes"
        no_such = f"there is no Trigger {min(unknown)[:64]!r}" if unknown else ""
        wrong = no_such or "?trigger=NAME is the only parameter"
        raise InvalidEvent("unknown_trigger", f"{wrong}; there are: {known}")
    return only or None
