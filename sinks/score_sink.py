"""score-sink: page changes in at `/models/<row>`, prediction events out as replies."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Flask

from sinks import decision, inputs
from sinks.answer import Answer
from sinks.callers import cluster_caller_of
from sinks.cloudevent import Event
from sinks.deadline import Deadline
from sinks.envelope import Trace
from sinks.environment import or_exit
from sinks.errors import InvalidEvent
from sinks.http_message import HttpResponse
from sinks.models import MODELS, ROWS
from sinks.predictor import Predictor
from sinks.score_settings import ScoreSettings
from sinks.scoring import Scoring, score
from sinks.upstreams import http_client
from sinks.web import Sink, decode_event
from sinks.wsgi_request import Environ


def create_app(settings: ScoreSettings | None = None) -> Flask:
    """Return the WSGI app; without settings they come from the environment."""
    settings = settings or or_exit(ScoreSettings.from_env)
    sink = Sink("score-sink", settings)
    scoring = _scoring(settings, sink)
    caller = cluster_caller_of(settings, sink.telemetry)
    app = sink.create_app()

    def models(environ: Environ, name: str) -> HttpResponse:
        def handle(event: Event, deadline: Deadline, trace: Trace) -> Answer:
            row = MODELS.get(name)
            if row is None:
                raise InvalidEvent("unknown_row", f"there are only the rows {', '.join(MODELS)}")
            return score(event, row, scoring, deadline, trace, datetime.now(UTC))

        return sink.deliver(environ, decode_event, handle, caller, model_name=name)

    app.add_event_rule("/models/<name>", models)
    return app


def _scoring(settings: ScoreSettings, sink: Sink) -> Scoring:
    http = http_client("predictor", settings, sink.telemetry, tracer=sink.tracer)
    deciding = decision.load(
        settings.environment,
        settings.stream_names,
        settings.schema_base_uri,
        settings.max_event_age_seconds,
    )
    fed_on = [deciding.streams[row.wanted.model_name] for row in ROWS if row.wanted.model_name]
    sink.telemetry.expect_canaries([*inputs.STREAMS, *fed_on])
    return Scoring(
        deciding=deciding,
        model_versions={"outlink-topic-model": settings.outlink_model_version},
        young_revision_seconds=settings.young_revision_seconds,
        predictor=Predictor(http, settings.predictor_url, settings.predictor_host),
    )
