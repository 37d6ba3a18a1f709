"""Page changes as the local EventStreams serves them: the code of `make up`, another stream."""

from __future__ import annotations

from pathlib import Path

from flask import Flask

from sinks.local import eventstreams
from sinks.local.eventgate_topics import Topics

STREAM = "mediawiki.page_change.v1"


def create_app(directory: str) -> Flask:
    """Return the app; events lie in `dev.<STREAM>.ndjson`."""
    app = Flask(__name__)
    topics = Topics(Path(directory), [STREAM])
    app.register_blueprint(eventstreams.blueprint(topics, frozenset([STREAM]), 1.0))
    app.add_url_rule("/healthz", view_func=lambda: "")
    return app
