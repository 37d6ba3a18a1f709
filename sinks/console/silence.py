"""Why a row has no mark on a line: what its Trigger, and the row itself, decide about the change.

Behind a Broker the console sees no answers, and nobody tells it which Triggers have not taken an
event. What they decide can be told all the same, by the Triggers and tables of this process.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from sinks import decision, jsondata
from sinks.cloudevent import Event
from sinks.console.document import short
from sinks.console.line import Line
from sinks.decision import Deciding, Declined
from sinks.errors import SinkError
from sinks.explaining import words
from sinks.model_row import ModelRow
from sinks.models import MODELS
from sinks.triggers import Trigger

_WANTED: Final = "should have a mark: it scores such changes"
_NEEDED: Final = frozenset(("id", "source", "type"))


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
        rows = ((each, MODELS.get(each.row)) for each in triggers)
        # What feeds on another row's predictions is not silent about page changes.
        self._pairs = [
            (each, row) for each, row in rows if row is not None and not row.wanted.model_name
        ]
        self._deciding = deciding

    def of(self, line: Line) -> list[Silence]:
        """Return all rows without a mark, those first that should have one; none for a line whose
        event is not known as a whole."""
        event = _event_of(line)
        if event is None:
            return []
        marked = {mark.row for mark in line.marks}
        then = datetime.fromtimestamp(line.received, UTC)
        found = [
            self._silence(trigger, row, event, then)
            for trigger, row in self._pairs
            if row.name not in marked
        ]
        return sorted(found, key=lambda each: (not each.wanted, each.row, each.trigger))

    def _silence(self, trigger: Trigger, row: ModelRow, event: Event, then: datetime) -> Silence:
        judged = trigger.filter.judged(event)
        wanted, why = True, _WANTED
        if not judged.passed:
            wanted, why = False, f"does not take it: {next(words.why_failed(judged))}"
        else:
            try:
                decided = decision.decide(event, row, self._deciding, then)
                if isinstance(decided, Declined):
                    reason = words.why_declined(decided, row, self._deciding)
                    wanted, why = False, f"does not score it: {reason}"
            except SinkError as error:
                why = f"cannot take it, {error.reason}: {error.detail}"
        return Silence(row.name, trigger.name, wanted, short(why))


def _event_of(line: Line) -> Event | None:
    document = line.head.document
    if document is None or not document.is_whole:
        return None
    attributes = dict(document.attributes)
    if not attributes.keys() >= _NEEDED:
        return None
    try:
        return Event(attributes, jsondata.loads(document.text.encode()))
    except SinkError:
        return None
