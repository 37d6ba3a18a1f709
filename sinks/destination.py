"""Where a dead letter is replayed to: the one Trigger at whose subscriber it failed.

The destination is text of whoever sent the letter: it is compared with what the Triggers say, and
never called.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from sinks.attributes import is_sendable
from sinks.cloudevent import Event
from sinks.errors import MAX_DETAIL_CHARS, InvalidEvent, MalformedEvent, SinkError, Unavailable
from sinks.letter import Letter, event_of
from sinks.triggers import Trigger

_PORTS: Final = {"http": 80, "https": 443}


def named(triggers: Sequence[Trigger], name: str) -> Trigger:
    """Return the Trigger of that name. raises: InvalidEvent(unknown_trigger)."""
    for trigger in triggers:
        if trigger.name == name:
            return trigger
    known = ", ".join(trigger.name for trigger in triggers)
    raise InvalidEvent("unknown_trigger", f"there is no such Trigger; there are: {known}")


def destined(
    letter: Letter, triggers: Sequence[Trigger], name: str | None
) -> tuple[Event, Trigger]:
    """Return the event as it was, and the Trigger that gets it.

    name:    of the Trigger; None: the one whose subscriber is the letter's destination.
    raises:  MalformedEvent, UnsupportedMediaType for what is no CloudEvent, or none that can be
             sent on; InvalidEvent(unknown_trigger); Unavailable(unknown_destination), as Triggers
             and SERVICE_URLS can be mended.
    """
    event = event_of(letter)
    for attribute, value in event.attributes.items():
        if not is_sendable(attribute, value):
            detail = "has to be ASCII without space, quote and %: it cannot be sent on"
            raise MalformedEvent("malformed_event", f"attribute {attribute} {detail}")
    if name is not None:
        return event, named(triggers, name)
    known = _comparable(letter.destination)
    found = [each for each in triggers if known and _comparable(each.subscriber) == known]
    if not found:
        raise _unknown_destination(letter, triggers)
    # Of several Triggers with one subscriber, one is enough: the subscriber is the same.
    return event, next((each for each in found if each.filter.passes(event)), found[0])


def _unknown_destination(letter: Letter, triggers: Sequence[Trigger]) -> SinkError:
    how = "name a Trigger with --trigger or ?trigger="
    if not letter.destination:
        return Unavailable("unknown_destination", f"the letter does not name a destination: {how}")
    there_are = ", ".join(sorted({trigger.subscriber for trigger in triggers}))
    told = (
        f"no Trigger has this destination as its subscriber; {how}, or mend SERVICE_URLS: there are"
    )
    return Unavailable("unknown_destination", f"{told} {there_are}"[:MAX_DETAIL_CHARS])


def _comparable(url: str) -> tuple[object, ...]:
    """What makes two URLs the same address, empty for what is none."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return ()
    if not parts.hostname or port is None or not url.isprintable():
        return ()
    user, at, _ = parts.netloc.rpartition("@")
    rest = (parts.path or "/", parts.query, parts.fragment)
    return (parts.scheme, user + at, parts.hostname, port, *rest)
