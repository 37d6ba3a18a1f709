"""The HTTP API on dead letters, for known clients: who calls, what was asked, and the answer."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from flask import Response, request

from sinks import log
from sinks.callers import Callers
from sinks.deadletter_calls import Call, Calls
from sinks.deadletter_settings import DeadletterSettings
from sinks.event_app import EventApp, response_of
from sinks.failed_call import failed_call
from sinks.http_message import HttpResponse
from sinks.letters import Letters
from sinks.replay_parts import if_possible
from sinks.responses import document
from sinks.telemetry import Telemetry
from sinks.wsgi_request import Environ, arguments_of, deadline_of, path_of

Work = Callable[[Call], dict[str, Any]]


def add_api(
    app: EventApp,
    settings: DeadletterSettings,
    letters: Letters,
    callers: Callers,
    telemetry: Telemetry,
) -> None:
    """Add the API's paths.

    raises: InvalidTrigger. Without SERVICE_URLS nothing can be replayed, and the answer says so.
    """

    def answered(environ: Environ, work: Work, segment: str) -> HttpResponse:
        def worked() -> dict[str, Any]:
            deadline = deadline_of(environ, settings.event_deadline_seconds)
            return work(Call(arguments_of(environ), segment, deadline))

        return _answered(environ, worked, callers, telemetry)

    def get(rule: str, work: Work) -> None:
        def view(number: str = "") -> Response:
            return response_of(answered(request.environ, work, number))

        app.add_url_rule(rule, rule, view, methods=["GET"])

    def post(rule: str, work: Work) -> None:
        app.add_event_rule(rule, lambda environ, segment: answered(environ, work, segment))

    calls = Calls(letters, if_possible(settings, letters, telemetry), app.is_stopping)
    get("/letters", calls.list)
    get("/letters/<number>", calls.show)
    post("/letters/replay", calls.replay)
    post("/letters/drop", calls.drop)


def _answered(
    environ: Environ, work: Callable[[], dict[str, Any]], callers: Callers, telemetry: Telemetry
) -> HttpResponse:
    """The answer to a known client, or why there is none; what changes something is logged."""
    known = {"sink": "deadletter-sink", "path": path_of(environ)}
    try:
        known["client"] = callers.client(environ.get("HTTP_AUTHORIZATION")).name
        told = work()
        if environ["REQUEST_METHOD"] == "POST":
            log.write(logging.INFO, "letters", {**known, "detail": _changed(told)})
        return document(told)
    except Exception as raised:
        return failed_call(raised, known, telemetry)


def _changed(told: Mapping[str, Any]) -> str:
    if "dropped" in told:
        return f"{told['dropped']} dropped"
    outcomes = Counter(each["outcome"] or "dry run" for each in told["replayed"])
    return ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
