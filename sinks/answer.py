"""What a sink has to say about one event that it did not fail on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sinks.cloudevent import Event
from sinks.reasons import Outcome, Reason


class Answer(NamedTuple):
    """replied:  200 with `reply`, exactly one event; relayed and ignored: 202 and empty.

    reason:    why the event was ignored, or need not be relayed again; else None.
    document:  JSON for a caller that does not speak CloudEvents: 200 instead of 202.
    dt:        when that happened which has just been replied to or relayed, RFC 3339; None where
               nothing was, or not now.
    stream:    `meta.stream` of what was ignored before it was read; it may be anything.
    """

    outcome: Outcome
    reason: Reason | None = None
    reply: Event | None = None
    document: Mapping[str, Any] | None = None
    dt: str | None = None
    stream: object = None
