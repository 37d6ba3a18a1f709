"""The use case: one dead letter, once more to the Trigger at whose subscriber it failed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

from sinks import log
from sinks.broker import Broker
from sinks.cloudevent import Event
from sinks.deadline import Deadline
from sinks.delivery import Delivery
from sinks.destination import destined
from sinks.envelope import trace_id_of, trace_of
from sinks.errors import MAX_DETAIL_CHARS, SinkError
from sinks.http_client import HttpClient
from sinks.letter import Letter
from sinks.letter_selection import KeptLetter
from sinks.letters import Letters
from sinks.reasons import Outcome
from sinks.routing import Router
from sinks.subscriber import deliver
from sinks.triggers import Trigger

# What is told of a letter is the worst that became of its deliveries; a reply goes on to the next.
_WORST_FIRST: Final[tuple[Outcome, ...]] = ("deferred", "rejected", "relayed", "ignored")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaying:
    """What replaying needs besides the letter; made once.

    triggers:     whose subscribers may be called, and nobody else.
    subscribers:  calls them.
    broker:       gets their replies; None: these are routed here.
    """

    letters: Letters
    triggers: Sequence[Trigger]
    subscribers: HttpClient
    broker: Broker | None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def close(self) -> None:
        """Close idle connections to subscribers and Broker; the letters stay open."""
        self.subscribers.close()
        if self.broker is not None:
            self.broker.close()


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay of one letter came to.

    outcome:  None in a dry run: it would be sent.
    detail:   one printable line.
    """

    number: int
    outcome: Outcome | None
    reason: str
    detail: str


def replay_one(
    kept: KeptLetter, replaying: Replaying, deadline: Deadline, trigger: str | None = None
) -> Replayed:
    """Return what became of the letter, which is marked with it.

    trigger:  its name; None: the one whose subscriber is the letter's destination.
    raises:   Unavailable(storage_failed), the letter may have been delivered then.
    """
    outcome, reason, detail = _came_to(kept.letter, replaying, deadline, trigger)
    if not replaying.letters.mark(kept, outcome, reason, detail, replaying.now()):
        detail += "; not marked: it has arrived again, or was dropped, meanwhile"
    return Replayed(kept.number, outcome, reason, detail)


def would_replay(
    kept: KeptLetter, triggers: Sequence[Trigger], trigger: str | None = None
) -> Replayed:
    """Return where the letter would go, or why nowhere; sends and marks nothing."""
    try:
        event, at = destined(kept.letter, triggers, trigger)
    except SinkError as error:
        return Replayed(kept.number, error.outcome, error.reason, _line(error.detail))
    if not at.filter.passes(event):
        return Replayed(kept.number, "ignored", "no_trigger", _taken_no_more(at))
    return Replayed(kept.number, None, "", _line(f"to Trigger {at.name}, {at.subscriber}"))


def _came_to(
    letter: Letter, replaying: Replaying, deadline: Deadline, name: str | None
) -> tuple[Outcome, str, str]:
    try:
        event, at = destined(letter, replaying.triggers, name)
        return _routed(event, at, replaying, deadline)
    except SinkError as error:
        return error.outcome, error.reason, _line(error.detail)
    except Exception as raised:  # a bug of ours must never look permanent, nor end all the others
        which = {"ce_id": letter.ce_id, "trace_id": trace_id_of(trace_of(letter.trace))}
        log.write(logging.ERROR, "replay failed", which, raised)
        told = f"an error of ours ({type(raised).__name__}); the log has the traceback"
        return "deferred", "bug", told


def _routed(
    event: Event, at: Trigger, replaying: Replaying, deadline: Deadline
) -> tuple[Outcome, str, str]:
    def to_subscriber(trigger: Trigger, each: Event) -> Delivery:
        return deliver(replaying.subscribers, trigger, each, deadline)

    broker = replaying.broker
    forward = partial(_posted, broker, deadline) if broker else None
    routes = Router(replaying.triggers, to_subscriber, forward).route(event, [at.name])
    deliveries = [delivery for route in routes for delivery in route.deliveries]
    worst = next(
        delivery
        for outcome in _WORST_FIRST
        for delivery in deliveries
        if delivery.outcome == outcome
    )
    return worst.outcome, worst.reason or "", _line(_detail(worst, deliveries, at))


def _posted(broker: Broker, deadline: Deadline, reply: Event) -> Delivery:
    try:
        broker.post(reply, deadline, trace_of(reply.attributes))
    except SinkError as error:
        return Delivery("the Broker", reply, error.outcome, error.reason, detail=error.detail)
    return Delivery("the Broker", reply, "relayed")


def _detail(worst: Delivery, deliveries: Sequence[Delivery], at: Trigger) -> str:
    if worst.outcome in ("deferred", "rejected"):
        return f"{worst.trigger}: {worst.detail}"
    if worst.trigger is not None:
        return " -> ".join(each.trigger for each in deliveries if each.trigger)
    replier = [each.trigger for each in deliveries if each.reply is worst.event]
    return f"no Trigger takes the reply of {replier[0]}" if replier else _taken_no_more(at)


def _taken_no_more(trigger: Trigger) -> str:
    return f"the filters of Trigger {trigger.name} do not take this event"


def _line(text: str) -> str:
    """The text as one short line: subscribers and Triggers may say what they like."""
    words = " ".join(text.split())
    return "".join(c if c.isprintable() else "?" for c in words)[:MAX_DETAIL_CHARS]
