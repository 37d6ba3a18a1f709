"""The use case: one of our output events in, and on to EventGate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sinks import jsondata
from sinks.answer import Answer
from sinks.cloudevent import Event
from sinks.deadline import Deadline
from sinks.envelope import Trace
from sinks.errors import safe_id
from sinks.eventgates import EventGates
from sinks.publishing import Publishing, publishable
from sinks.relayed_events import RelayedEvents, relayed_event


@dataclass(frozen=True, slots=True)
class Relaying:
    """What relaying needs besides the event; made once per process.

    relayed:  what need not be published again; already_relayed is called for each of these.
    """

    publishing: Publishing
    eventgates: EventGates
    relayed: RelayedEvents
    already_relayed: Callable[[], None]


def relay(event: Event, relaying: Relaying, deadline: Deadline, trace: Trace) -> Answer:
    """Return *relayed* once EventGate has the event's data, or if it had got it from us before.

    trace:  what EventGate is told of it.
    raises: SinkError.
    """
    document = publishable(event, relaying.publishing)
    body = jsondata.dumps(document)
    relayed = relayed_event(event.source, event.id, body)
    if relayed in relaying.relayed:
        relaying.already_relayed()
        return Answer("relayed", "already_relayed")
    headers = dict(trace)
    if request_id := safe_id(document["meta"].get("request_id")):
        headers["x-request-id"] = request_id
    relaying.eventgates.post(body, headers, deadline)
    relaying.relayed.add(relayed)
    return Answer("relayed", dt=document.get("dt"))
