"""The use case: a change of a page in, a prediction event out, or the reason why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sinks import inputs, model_row
from sinks.answer import Answer
from sinks.cloudevent import Event
from sinks.deadline import Deadline
from sinks.deployed import InferenceService
from sinks.envelope import made_id, reply_event, trace_of
from sinks.errors import BadAnswer, Unavailable, UnsupportedMediaType
from sinks.inputs import Readers
from sinks.model_row import Conditions, ModelRow
from sinks.output import build_meta
from sinks.page_change import PageChange
from sinks.prediction import Prediction, WrongShape
from sinks.predictor import Predictor, UnknownRevision
from sinks.timestamp import age_seconds
from sinks.wikis import Wiki


@dataclass(frozen=True, slots=True)
class Scoring:
    """What scoring needs besides the event; made once per process.

    readers:                 row name -> readers of what the row takes.
    streams:                 row name -> stream to publish to in this environment.
    model_versions:          row name -> version, where the predictor's answer names none.
    max_event_age_seconds:   older events are ignored; 0 is no limit.
    young_revision_seconds:  how long a predictor may not know a revision: replication lag.
    """

    readers: Mapping[str, Readers]
    deployed: Mapping[str, InferenceService]
    wikis: Mapping[str, Wiki]
    streams: Mapping[str, str]
    model_versions: Mapping[str, str]
    schema_base_uri: str
    max_event_age_seconds: float
    young_revision_seconds: float
    predictor: Predictor


def score(
    event: Event, row: ModelRow, scoring: Scoring, deadline: Deadline, now: datetime
) -> Answer:
    """Return *replied* with the prediction event, or *ignored*.

    raises: SinkError. Nothing else happens: predictors only predict.
    """
    if isinstance(event.data, bytes):
        raise UnsupportedMediaType("unsupported_media_type", "the data has to be application/json")
    if reason := inputs.unwanted(event.data):
        return Answer("ignored", reason)
    change = inputs.parse(event.data, scoring.readers[row.name])
    conditions = Conditions(scoring.deployed, scoring.wikis, scoring.max_event_age_seconds, now)
    if reason := model_row.unwanted(row, change, conditions):
        return Answer("ignored", reason)
    members = row.output.from_change(change)  # before a predictor works in vain
    prediction = change.prediction or _predict(event, change, row, scoring, deadline, now)
    output_type = row.output_type
    event_id = made_id(event.source, event.id, row.name, output_type)
    document = {
        "$schema": row.output.schema,
        "meta": build_meta(change.meta, scoring.streams[row.name], event_id),
        **members,
        **row.from_prediction(prediction),
    }
    return Answer(
        "replied",
        reply=reply_event(event, change, row.name, output_type, document, scoring.schema_base_uri),
    )


def _predict(
    event: Event,
    change: PageChange,
    row: ModelRow,
    scoring: Scoring,
    deadline: Deadline,
    now: datetime,
) -> Prediction:
    question, service = model_row.question_for(row, change.wiki_id, scoring.deployed)
    body = question.request(change, scoring.wikis[change.wiki_id])
    headers = trace_of(event.attributes)
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
