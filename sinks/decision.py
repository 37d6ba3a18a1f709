"""What a row decides about an event before a predictor is asked, and the reply that it will make.

Nobody is asked here: `scoring` asks, `explaining` only tells whom it would ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sinks import deployed, inputs, model_row, models, wikis
from sinks.cloudevent import Event
from sinks.deployed import InferenceService
from sinks.envelope import made_id, reply_event
from sinks.errors import UnsupportedMediaType
from sinks.inputs import Readers
from sinks.model_row import Conditions, ModelRow, Question
from sinks.output import build_meta
from sinks.page_change import PageChange
from sinks.prediction import Prediction
from sinks.reasons import Reason
from sinks.wikis import Wiki


@dataclass(frozen=True, slots=True)
class Deciding:
    """What deciding needs besides the event; made once per process.

    readers:                row name -> readers of what the row takes.
    deployed:               InferenceServices of single wikis by name.
    wikis:                  all wikis by wiki_id.
    streams:                row name -> stream to publish to in this environment.
    max_event_age_seconds:  older events are ignored; 0 is no limit.
    """

    readers: Mapping[str, Readers]
    deployed: Mapping[str, InferenceService]
    wikis: Mapping[str, Wiki]
    streams: Mapping[str, str]
    schema_base_uri: str
    max_event_age_seconds: float


class Declined(NamedTuple):
    """The row does not score the event; change: None if nobody may look at it any further."""

    reason: Reason
    change: PageChange | None


class Asked(NamedTuple):
    """What the row asks, whom, and the body of that request."""

    question: Question
    service: InferenceService
    body: Mapping[str, Any]


class Accepted(NamedTuple):
    """The row scores the event.

    prediction:  the event's own, or who is to be asked for one.
    document:    what is to be published, but for the members that come from the prediction.
    """

    change: PageChange
    prediction: Prediction | Asked
    document: Mapping[str, Any]


def load(
    environment: str, stream_names: str, schema_base_uri: str, max_event_age_seconds: float
) -> Deciding:
    """Return what the rows decide by where these settings hold; reads the tables."""
    return Deciding(
        readers={row.name: inputs.load_readers(row.wanted.titles) for row in models.ROWS},
        deployed=deployed.load(deployed.where(environment)),
        wikis=wikis.load(),
        streams=models.streams(stream_names),
        schema_base_uri=schema_base_uri,
        max_event_age_seconds=max_event_age_seconds,
    )


def decide(event: Event, row: ModelRow, deciding: Deciding, now: datetime) -> Declined | Accepted:
    """Return whether the row scores the event, and all that is known before it is scored.

    raises: SinkError for an event that cannot be scored, now or later.
    """
    if isinstance(event.data, bytes):
        raise UnsupportedMediaType("unsupported_media_type", "the data has to be application/json")
    if reason := inputs.unwanted(event.data):
        return Declined(reason, None)
    change = inputs.parse(event.data, deciding.readers[row.name])
    conditions = Conditions(deciding.deployed, deciding.wikis, deciding.max_event_age_seconds, now)
    if reason := model_row.unwanted(row, change, conditions):
        return Declined(reason, change)
    members = row.output.from_change(change)  # before a predictor works in vain
    event_id = made_id(event.source, event.id, row.name, row.output_type)
    document = {
        "$schema": row.output.schema,
        "meta": build_meta(change.meta, deciding.streams[row.name], event_id),
        **members,
    }
    return Accepted(change, change.prediction or _asked(change, row, deciding), document)


def reply(
    event: Event,
    row: ModelRow,
    accepted: Accepted,
    predicted: Mapping[str, Any],
    schema_base_uri: str,
) -> Event:
    """Return the event that the row replies.

    predicted: the members that the prediction makes; the attributes do not depend on them.
    """
    document = {**accepted.document, **predicted}
    return reply_event(event, accepted.change, row.name, row.output_type, document, schema_base_uri)


def _asked(change: PageChange, row: ModelRow, deciding: Deciding) -> Asked:
    question, service = model_row.question_for(row, change.wiki_id, deciding.deployed)
    body = question.request(change, deciding.wikis[change.wiki_id])
    return Asked(question, service, body)
