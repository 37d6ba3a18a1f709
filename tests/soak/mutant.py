"""The test of the test: an egress that acknowledges before EventGate has the event."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import gevent
from flask import Flask

from sinks import egress_sink


def create_app() -> Flask:
    """Return the egress, but one that answers 202 at once and delivers afterwards."""
    app = egress_sink.create_app()
    honest = app.wsgi_app

    def early(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "POST":
            return honest(environ, start_response)
        later = {**environ, "wsgi.input": io.BytesIO(environ["wsgi.input"].read())}
        gevent.spawn(lambda: b"".join(honest(later, lambda *_: lambda _: None)))
        start_response("202 Accepted", [("Content-Length", "0")])
        return [b""]

    app.wsgi_app = early  # type: ignore[method-assign]  # Flask's own way to wrap an app
    return app
