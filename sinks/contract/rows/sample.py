"""The good event that a sink is probed with, and the requests that carry it.

Written by the `cloudevents` SDK, which is not ours: a mistake that our encoder and decoder shared
would go unnoticed otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from sinks.cloudevent import Event
from sinks.contract.facts import facts_of
from sinks.contract.rows.script import Edit, Hear, Request, Script, Send
from sinks.envelope import event_type
from sinks.inputs import schema_of
from sinks.models import ROWS
from sinks.sdk import written

DEFAULT_MODEL: Final = "drafttopic"  # a probe's that names none
Mode = str


@dataclass(frozen=True, slots=True)
class Sample:
    """What rows start from.

    target:      path and query that events are POSTed to.
    attributes:  of the good event; all but specversion.
    data:        of the good event: one document.
    row:         the row whose prediction has to come back; None if any answer of a sink is good.
    host:        value of the Host header; `headers` are more of every request's.
    """

    target: str
    attributes: Mapping[str, str]
    data: Mapping[str, Any]
    row: str | None = None
    host: str = "sink"
    headers: tuple[tuple[str, bytes], ...] = ()

    def with_data(self, data: Mapping[str, Any]) -> Sample:
        """Return the sample with another document."""
        return replace(self, data=data)

    def with_document(self, data: Mapping[str, Any]) -> Sample:
        """Return the sample as an event of another kind, with its attributes."""
        return replace(self, data=data, attributes=attributes_of(data))

    def with_attributes(self, **attributes: str) -> Sample:
        """Return the sample with more, or other, attributes."""
        return replace(self, attributes={**self.attributes, **attributes})

    def request(self, mode: Mode) -> Request:
        """Return the good event as a request: mode `binary`, `structured`, or `plain` JSON."""
        if mode == "plain":
            headers, body = {"Content-Type": "application/json"}, json.dumps(self.data).encode()
        else:
            typed = {"datacontenttype": "application/json", **self.attributes}
            structured = mode == "structured"
            headers, body = written(Event(typed, dict(self.data)), structured)
        raw = tuple((name, value.encode()) for name, value in headers.items())
        return Request(self.target, (*raw, *self.headers), body, self.host)


def attributes_of(data: Mapping[str, Any]) -> dict[str, str]:
    """Return the attributes that a document travels with; raises InvalidEvent, KeyError."""
    title, major = schema_of(data)
    return {
        "id": str(data["meta"]["id"]),
        "source": _source(title, data),
        "type": event_type(title, major),
        "time": data["dt"],
    }


def _source(title: str, data: Mapping[str, Any]) -> str:
    makers = [row.name for row in ROWS if row.output.title == title]
    if not makers:
        return f"/mediawiki/{data['wiki_id']}"
    return f"/models/{(*facts_of(data).models, *makers)[0]}"


Make = Callable[[Sample], Script]
Change = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def edited(sample: Sample, mode: Mode, *edits: Edit) -> Request:
    """Return the good event's request after all edits."""
    request = sample.request(mode)
    for edit in edits:
        request = edit(request)
    return request


def post(mode: Mode, *edits: Edit) -> Make:
    """One request, one answer."""
    return lambda sample: (Send(edited(sample, mode, *edits).raw()), Hear())


def posts(*makes: Make) -> Make:
    """One after another on the same connection."""
    return lambda sample: tuple(act for make in makes for act in make(sample))


def changed(change: Callable[[Sample], Sample], make: Make) -> Make:
    """The same with another good event."""
    return lambda sample: make(change(sample))


def post_document(change: Change, mode: Mode) -> Make:
    """The good event with its document changed."""

    def other(sample: Sample) -> Sample:
        return sample.with_data(change(sample.data))

    return changed(other, post(mode))


def member(pointer: str, value: Any) -> Change:
    """Set one member of a document (`meta/stream`); None removes it."""

    def change(data: Mapping[str, Any]) -> Mapping[str, Any]:
        first, _, rest = pointer.partition("/")
        inner = member(rest, value)(data[first]) if rest else value
        kept = {**data}
        kept.pop(first, None)
        return kept if inner is None else {**kept, first: inner}

    return change


# Nobody takes it for a real change, or for a real prediction.
canary: Final[Change] = member("meta/domain", "canary")


def after_the_usual(mode: str, *edits: Edit) -> Make:
    """The good event, and then again written another legal way."""
    return posts(post(mode), post(mode, *edits))


def envelope(change: Callable[[dict[str, Any]], object]) -> Edit:
    """Change members of a structured event's envelope in place."""

    def edit(request: Request) -> Request:
        members = json.loads(request.body)
        change(members)
        return replace(request, body=json.dumps(members).encode())

    return edit


def members(**members: Any) -> Edit:
    """Set members of the envelope; None is JSON null."""
    return envelope(lambda envelope: envelope.update(members))
