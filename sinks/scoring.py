"""The use case: a change of a page in, a prediction event out, or the reason why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sinks import decision, inputs
from sinks.answer import Answer
from sinks.cloudevent import Event
from sinks.deadline import Deadline
from sinks.decision import Asked, Deciding, Declined
from sinks.envelope import Trace
from sinks.errors import BadAnswer, Unavailable
from sinks.model_row import ModelRow
from sinks.page_change import PageChange
from sinks.prediction import Prediction, WrongShape
from sinks.predictor import Predictor, UnknownRevision
from sinks.timestamp import age_seconds


@dataclass(frozen=True, slots=True)
class Scoring:
    """What scoring needs besides the event; made once per process.

    model_versions:          row name -> version, where the predictor's answer names none.
    young_revision_seconds:  how long a predictor may not know a revision: replication lag.
    """

    deciding: Deciding
    model_versions: Mapping[str, str]
    young_revision_seconds: float
    predictor: Predictor


def score(
    event: Event,
    row: ModelRow,
    scoring: Scoring,
    deadline: Deadline,
    trace: Trace,
    now: datetime,
) -> Answer:
    """Return *replied* with the prediction event, or *ignored*.

    trace:  what the predictor is told of it; the reply carries on the event's own.
    raises: SinkError. Nothing else happens: predictors only predict.
    """
    decided = decision.decide(event, row, scoring.deciding, now)
    if isinstance(decided, Declined):
        unread = decided.change is None
        stream = inputs.stream_of(event.data) if unread else None
        return Answer("ignored", decided.reason, stream=stream)
    prediction = decided.prediction
    if isinstance(prediction, Asked):
        prediction = _predict(decided.change, prediction, row, scoring, deadline, trace, now)
    predicted = row.from_prediction(prediction)
    schema_base_uri = scoring.deciding.schema_base_uri
    reply = decision.reply(event, row, decided, predicted, schema_base_uri)
    return Answer("replied", reply=reply, dt=decided.change.dt)


def _predict(
    change: PageChange,
    asked: Asked,
    row: ModelRow,
    scoring: Scoring,
    deadline: Deadline,
    trace: Trace,
    now: datetime,
) -> Prediction:
    question, service, body = asked
    headers = dict(trace)
    if change.meta.request_id is not None:
        headers["x-request-id"] = change.meta.request_id
    try:
        answer = scoring.predictor.predict(
            service, body, question.unknown_revision, headers, deadline
        )
        prediction = question.prediction(answer, change, row.name)
    except UnknownRevision as error:
        if age_seconds(change.dt, now) < scoring.young_revision_seconds:
            young = Unavailable("revision_not_yet_known", error.detail, stage="predictor")
            young.upstream_text = error.upstream_text
            raise young from error
        raise
    except WrongShape as error:
        raise BadAnswer(
            "upstream_bad_answer", f"{service.name}: {error}", stage="predictor"
        ) from error
    if prediction.model_version is not None:
        return prediction
    return prediction._replace(model_version=scoring.model_versions.get(row.name))
