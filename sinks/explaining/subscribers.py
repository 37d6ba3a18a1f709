"""What the subscriber of a Trigger makes of an event, as far as that is known without asking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from sinks import decision
from sinks.cloudevent import Event
from sinks.decision import Asked, Deciding, Declined
from sinks.errors import SinkError
from sinks.explaining import words
from sinks.model_row import ModelRow
from sinks.prediction import Prediction
from sinks.publishing import Publishing, publishable
from sinks.reasons import Outcome, Reason

_ROWS: Final = "/models/"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the sinks would know where the event arrives, and when that is.

    rows: the table of models by name.
    """

    rows: Mapping[str, ModelRow]
    deciding: Deciding
    publishing: Publishing
    now: datetime


class Received(NamedTuple):
    """What a subscriber answers.

    detail:   why, in words; empty where nothing has to be said.
    asked:    whom a row asks before it replies; None: nobody.
    foreign:  it is none of our sinks, so that nothing is known.
    """

    outcome: Outcome
    reason: Reason | None = None
    detail: str = ""
    reply: Event | None = None
    asked: Asked | None = None
    foreign: bool = False


def receive(subscriber: str, event: Event, here: Surroundings) -> Received:
    """Return what becomes of an event at a subscriber.

    subscriber: its URL; the first label of its host is the Service's name.
    """
    parts = urlsplit(subscriber)
    service = (parts.hostname or "").partition(".")[0]
    is_row = parts.path.startswith(_ROWS)
    row = here.rows.get(parts.path.removeprefix(_ROWS)) if is_row else None
    if row is not None:
        return scored(event, row, here.deciding, here.now)
    if service == "score-sink" and is_row:
        return Received("rejected", "unknown_row", f"{parts.path} names no row")
    if service == "egress-sink" and parts.path in ("", "/"):
        return _relayed(event, here.publishing)
    if service == "console" and parts.path in ("", "/"):
        return Received("ignored", None, "the console shows it, and nothing follows")
    if service in ("score-sink", "egress-sink", "console"):
        return Received("deferred", "no_such_path", f"{service} has no path {parts.path or '/'}")
    return Received("relayed", foreign=True)


def scored(event: Event, row: ModelRow, deciding: Deciding, now: datetime) -> Received:
    """Return what a row answers to an event; nobody is asked for a prediction."""
    try:
        decided = decision.decide(event, row, deciding, now)
        if isinstance(decided, Declined):
            why = words.why_declined(decided, row, deciding)
            return Received("ignored", decided.reason, why)
        asked = decided.prediction if isinstance(decided.prediction, Asked) else None
        prediction = _stand_in(row) if isinstance(decided.prediction, Asked) else decided.prediction
        predicted = row.from_prediction(prediction)
        made = decision.reply(event, row, decided, predicted, deciding.schema_base_uri)
    except SinkError as error:
        return _failed(error)
    return Received("replied", None, "", made, asked)


def _relayed(event: Event, publishing: Publishing) -> Received:
    try:
        publishable(event, publishing)
    except SinkError as error:
        return _failed(error)
    return Received("relayed")


def _failed(error: SinkError) -> Received:
    return Received(error.outcome, error.reason, error.detail)


def _stand_in(row: ModelRow) -> Prediction:
    """What a predictor might say: the reply's attributes, and its takers, depend on none of it."""
    return Prediction(row.name, "unknown", ("unknown",), {"unknown": 1.0})
