"""deadletter-sink: whatever failed for good in at `/`, event or not, and onto disk."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from flask import Flask

from sinks.answer import Answer
from sinks.callers import callers_of, cluster_caller_of
from sinks.deadletter_api import add_api
from sinks.deadletter_settings import DeadletterSettings
from sinks.deadline import Deadline
from sinks.envelope import Trace
from sinks.environment import or_exit, stop
from sinks.errors import Unavailable
from sinks.http_message import HttpResponse
from sinks.letter import Letter, letter_of
from sinks.letters import Letters
from sinks.pending_letters import PendingLetters
from sinks.tokens import InvalidTokens
from sinks.triggers import InvalidTrigger
from sinks.web import Sink
from sinks.wsgi_request import Environ

# A scrape may take 10 s, and fails as a whole.
_COUNT_SECONDS: Final = 3.0


def create_app(settings: DeadletterSettings | None = None) -> Flask:
    """Return the WSGI app; without settings they come from the environment."""
    settings = settings or or_exit(DeadletterSettings.from_env)
    sink = Sink("deadletter-sink", settings)
    letters = _letters(settings, sink)
    sink.telemetry.pending(PendingLetters(letters.pending, _COUNT_SECONDS))
    caller = cluster_caller_of(settings, sink.telemetry)
    app = sink.create_app()

    def arrivals(environ: Environ, _: str) -> HttpResponse:
        def handle(letter: Letter, _deadline: Deadline, _trace: Trace) -> Answer:
            letters.keep(letter, datetime.now(UTC))
            return Answer("relayed")

        return sink.deliver(environ, letter_of, handle, caller)

    def discarded(environ: Environ, _: str) -> HttpResponse:
        def handle(_letter: Letter, _deadline: Deadline, _trace: Trace) -> Answer:
            sink.telemetry.dropped("discarded", 1)
            return Answer("ignored")

        return sink.deliver(environ, letter_of, handle, caller)

    app.add_event_rule("/", arrivals)
    # For Triggers that only watch: who failed to see an event need not see it later.
    app.add_event_rule("/discard", discarded)
    try:
        add_api(app, settings, letters, callers_of(settings, sink.telemetry), sink.telemetry)
    except (InvalidTokens, InvalidTrigger) as error:
        stop(str(error))
    return app


def _letters(settings: DeadletterSettings, sink: Sink) -> Letters:
    try:
        return Letters(
            settings.database_url,
            max_age_seconds=settings.deadletters_max_age_seconds,
            max_bytes=settings.deadletters_max_bytes,
            dropped=sink.telemetry.dropped,
        )
    except Unavailable as error:
        stop(error.detail)
