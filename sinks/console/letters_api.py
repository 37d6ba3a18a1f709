"""The part of the page about dead letters: two calls that its script makes, answered in HTML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Response, request

from sinks.console.letters_proxy import LettersProxy, Refused, check_own_page
from sinks.console.page import Pages
from sinks.console_settings import ConsoleSettings
from sinks.event_app import EventApp, response_of
from sinks.failed_call import failed_call
from sinks.responses import document
from sinks.telemetry import Telemetry
from sinks.upstreams import http_client
from sinks.wsgi_request import path_of


def add_letters(
    app: EventApp, settings: ConsoleSettings, pages: Pages, telemetry: Telemetry
) -> None:
    """Add `GET /letters` and `POST /letters/replay?number=N`."""
    http = http_client("deadletter-sink", settings, telemetry)
    proxy = LettersProxy(http, settings.deadletter_api_url)

    def answered(
        ask: Callable[[], Mapping[str, Any]], rendered: Callable[[Mapping[str, Any]], str]
    ) -> Response:
        try:
            check_own_page(request.environ)
            return Response(rendered(ask()))
        except Refused as refused:
            told = document({"reason": refused.reason, "detail": refused.detail})
            return response_of(told._replace(status=refused.status))
        except Exception as raised:
            known = {"sink": "console", "path": path_of(request.environ)}
            return response_of(failed_call(raised, known, telemetry))

    def listed() -> Response:
        pending, after = request.args.get("pending") != "false", request.args.get("after", "")
        return answered(lambda: proxy.listed(request.environ, pending, after), pages.letters)

    def replayed() -> Response:
        number = request.args.get("number", "")
        return answered(lambda: proxy.replayed(request.environ, number), pages.replayed)

    app.add_url_rule("/letters", "letters", listed, methods=["GET"])
    app.add_url_rule("/letters/replay", "letters replay", replayed, methods=["POST"])
