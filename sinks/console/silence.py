"""Why a row has no mark on a line: what its Trigger, and the row itself, decide about the change.

Behind a Broker the console sees no answers, and nobody tells it which Triggers have not taken an
event. What they decide can be told all the same, by the Triggers and tables of this process.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sinks import jsondata
from sinks.attributes import check_core
from sinks.cloudevent import Event
from sinks.console.document import short
from sinks.console.line import Line
from sinks.decision import Deciding
from sinks.errors import SinkError
from sinks.explaining import words
from sinks.explaining.subscribers import scored
from sinks.models import MODELS
from sinks.triggers import Trigger


class Silence(NamedTuple):
    """wanted:  whether there should be a mark, now or later.
    why:     in words, with the row or Trigger as their subject.
    """

    row: str
    trigger: str
    wanted: bool
    why: str


class Silences:
    """Tells of lines. triggers: those of subscribers that are no rows do not count."""

    def __init__(self, triggers: Sequence[Trigger], deciding: Deciding) -> None:
        # What feeds on another row's predictions is not silent about page changes.
        rows = {row.name for row in MODELS.values() if not row.wanted.model_name}
        self._triggers = [each for each in triggers if each.row in rows]
        self._deciding = deciding

    def of(self, line: Line) -> list[Silence]:
        """Return all rows without a mark, those first that should have one; none for a line whose
        event is not known as a whole."""
        event = _event_of(line)
        if event is None:
            return []
        then = datetime.fromtimestamp(line.received, UTC)
        marked = {mark.row for mark in line.marks}
        silent = [each for each in self._triggers if each.row not in marked]
        found = [self._silence(each, event, then) for each in silent]
        # One of a row's Triggers that takes the change is enough.
        wanted = {each.row for each in found if each.wanted}
        told = [each for each in found if each.wanted or each.row not in wanted]
        return sorted(told, key=lambda each: (not each.wanted, each.row, each.trigger))

    def _silence(self, trigger: Trigger, event: Event, then: datetime) -> Silence:
        judged = trigger.filter.judged(event)
        if not judged.passed:
            why = f"does not take it: {next(words.why_failed(judged))}"
            return Silence(trigger.row, trigger.name, False, short(why))
        answer = scored(event, MODELS[trigger.row], self._deciding, then)
        if answer.outcome == "replied":
            why = "should have a mark: it scores such changes"
        elif answer.outcome == "ignored":
            why = f"does not score it: {answer.detail}"
        else:
            why = f"refuses it, {answer.reason}: {answer.detail}"
        return Silence(trigger.row, trigger.name, answer.outcome == "replied", short(why))


def _event_of(line: Line) -> Event | None:
    document = line.head.document
    if document is None or not document.is_whole:
        return None
    attributes = dict(document.attributes)
    try:
        check_core(attributes)  # what a report says of an event, nobody has checked
        return Event(attributes, jsondata.loads(document.text.encode()))
    except SinkError:
        return None
