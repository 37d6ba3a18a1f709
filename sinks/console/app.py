"""The console's WSGI app: events in, and the pages, the live feed and the dead letters out."""

from __future__ import annotations

import time
import uuid

from flask import Flask, Response, request

from sinks import decision, triggers
from sinks.answer import Answer
from sinks.callers import cluster_caller_of
from sinks.cloudevent import Event
from sinks.console.arrival import arrival_of
from sinks.console.board import Board
from sinks.console.letters_api import add_letters
from sinks.console.live import Position, Watchers, messages
from sinks.console.page import HEADERS, Pages, static_files
from sinks.console.selection import Selection
from sinks.console.silence import Silences
from sinks.console_settings import ConsoleSettings
from sinks.deadline import Deadline
from sinks.envelope import Trace
from sinks.environment import or_exit, stop
from sinks.event_app import EventApp
from sinks.http_message import HttpResponse
from sinks.server_settings import HAS_PAGES
from sinks.settings import SCHEMA_BASE_URI
from sinks.triggers import InvalidTrigger
from sinks.web import Sink, decode_event
from sinks.wsgi_request import Environ, arguments_of


def create_app(settings: ConsoleSettings | None = None) -> Flask:
    """Return the WSGI app; without settings they come from the environment."""
    settings = settings or or_exit(ConsoleSettings.from_env)
    sink = Sink("console", settings)
    board = Board(settings.console_events)
    silences = _silences(settings)
    caller = cluster_caller_of(settings, sink.telemetry)
    app = sink.create_app()
    static = static_files()
    pages = Pages(static, settings.console_events, bool(settings.deadletter_api_url))

    def events(environ: Environ, _: str) -> HttpResponse:
        def handle(event: Event, _deadline: Deadline, _trace: Trace) -> Answer:
            board.take(arrival_of(event), time.time())
            return Answer("relayed")

        return sink.deliver(environ, decode_event, handle, caller)

    def file(name: str) -> Response:
        found = static.get(name)
        if found is None:
            return Response("there is no such file\n", 404, content_type="text/plain")
        kept = {"Cache-Control": "max-age=86400"}
        return Response(found.body, headers=kept, content_type=found.content_type)

    app.config[HAS_PAGES] = True
    app.add_event_rule("/", events)
    app.add_url_rule("/static/<name>", "static", file, methods=["GET"])
    app.after_request(_guarded)
    _add_pages(app, board, pages, silences)
    if settings.deadletter_api_url:
        add_letters(app, settings, pages, sink.telemetry)
    return app


def _silences(settings: ConsoleSettings) -> Silences:
    try:
        found = triggers.load(settings.triggers_dir, {"*": "http://{name}"})
    except InvalidTrigger as error:
        stop(str(error))
    # Which names streams have, and where schemas are, decides nothing.
    deciding = decision.load(
        settings.environment, "production", SCHEMA_BASE_URI, settings.max_event_age_seconds
    )
    return Silences(found, deciding)


def _add_pages(app: EventApp, board: Board, pages: Pages, silences: Silences) -> None:
    position = Position(uuid.uuid4().hex[:12])
    watchers = Watchers(app.is_stopping)

    def index() -> str:
        selection = Selection.of(arguments_of(request.environ))
        lines, sequence = board.selected(selection)
        written = position.written(sequence)
        return pages.index(lines, selection, board.rows_and_wikis(), written)

    def opened(number: str) -> tuple[str, int]:
        alone = "part" not in request.args
        known = number.isascii() and number.isdecimal() and len(number) < 18
        line = board.find(int(number)) if known else None
        if line is None:
            return pages.gone(number[:20], alone=alone), 404
        row = request.args.get("row", "")
        return pages.opened(line, row, silences.of(line), alone=alone), 200

    def live() -> Response:
        ticket = watchers.admit(request.environ.get("gunicorn.socket"))
        if ticket is None:
            answer = Response("too many pages are watching\n", 503, content_type="text/plain")
            answer.headers["Retry-After"] = "10"
            return answer
        selection = Selection.of(arguments_of(request.environ))
        last_seen = request.headers.get("Last-Event-ID") or request.args.get("after", "")
        feed = messages(board, selection, position, last_seen, pages.line, app.is_stopping)
        answer = Response(watchers.written(ticket, feed), content_type="text/event-stream")
        answer.call_on_close(lambda: watchers.leave(ticket))
        return answer

    for rule, view in (("/", index), ("/events/<number>", opened), ("/live", live)):
        app.add_url_rule(rule, f"page {rule}", view, methods=["GET"])


def _guarded(response: Response) -> Response:
    """What nobody has said to keep is not kept, and what is shown may do nothing."""
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    return response
