"""What became of one event at one Trigger: what routing goes by, whoever delivers."""

from __future__ import annotations

from typing import NamedTuple

from sinks.cloudevent import Event
from sinks.reasons import Outcome, Reason


class Delivery(NamedTuple):
    """What became of one event at one Trigger.

    trigger:  its name; None where no Trigger took the event.
    event:    what was delivered.
    reply:    the event that came back, which is to be routed in turn.
    detail:   for a failure, what the subscriber or the connection to it said.
    failure:  what a dead letter tells of it.
    kept:     whether a dead-letter sink has it.
    """

    trigger: str | None
    event: Event
    outcome: Outcome
    reason: Reason | None = None
    reply: Event | None = None
    detail: str = ""
    failure: Failure | None = None
    kept: bool = False


class Failure(NamedTuple):
    """The answer that made a delivery fail for good; `body` is empty if there was none."""

    destination: str
    status: int
    body: bytes = b""
