"""How an event comes to the Triggers: typed by the shim, or with the attributes that it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from sinks import cloudevent, inputs, prediction_classification
from sinks.cloudevent import STRUCTURED_JSON, Event
from sinks.envelope import reply_event
from sinks.errors import InvalidEvent, SinkError
from sinks.explaining import words
from sinks.incoming import receive, typed
from sinks.models import MODELS, ROWS
from sinks.reasons import Outcome, Reason

_PREDICTION: Final = prediction_classification.OUTPUT.title
_OUTPUTS: Final = frozenset(row.output.title for row in ROWS)
Changed = Mapping[str, tuple[str | None, str | None]]


class Entry(NamedTuple):
    """What the shim makes of what it is given.

    event:    as the Triggers see it; None: they never do, and `outcome`, `reason` and `detail` say
              why.
    changed:  attributes that the event came with, or lacked, and that the shim makes anew: name ->
              (as it came, as the Triggers see it).
    as_it_is: whether the shim has no part in it: one of our own replies, or so asked for.
    """

    event: Event | None
    outcome: Outcome | None = None
    reason: Reason | None = None
    detail: str = ""
    changed: Changed = {}
    as_it_is: bool = False


def enter(
    document: Mapping[str, Any], content: bytes, schema_base_uri: str, as_it_is: bool = False
) -> Entry:
    """Return how an event gets to the Triggers.

    document:  a structured CloudEvent if it has `specversion`, else a bare document.
    content:   what the document was read from.
    as_it_is:  whether a CloudEvent keeps its attributes: it does not come through the shim.
    """
    is_event = "specversion" in document
    headers = {"content-type": STRUCTURED_JSON if is_event else "application/json"}
    try:
        if is_event and (as_it_is or _title(document.get("data")) in _OUTPUTS):
            return Entry(cloudevent.decode(headers, content), as_it_is=True)
        if not is_event and _title(document) == _PREDICTION:
            return Entry(_own_reply(document, schema_base_uri), as_it_is=True)
        incoming = receive(headers, content)
        if reason := inputs.unwanted(incoming.document):
            return Entry(None, "ignored", reason, words.UNWANTED[reason])
        event = typed(incoming, inputs.load_readers(), schema_base_uri, {})
    except SinkError as error:
        return Entry(None, error.outcome, error.reason, error.detail)
    return Entry(event, changed=_changed(incoming.trace, event) if is_event else {})


def _title(document: Any) -> str | None:
    try:
        return inputs.schema_of(document)[0] if isinstance(document, dict) else None
    except InvalidEvent:
        return None


def _own_reply(document: Mapping[str, Any], schema_base_uri: str) -> Event:
    """Return the event that a row replied with this prediction."""
    change = inputs.parse(document, inputs.load_readers([_PREDICTION]))
    name = change.prediction.model_name if change.prediction else ""
    if name not in MODELS:
        raise InvalidEvent("unknown_row", f"no row is called {name}, as this prediction's model is")
    named = {"$schema": change.schema, "dt": change.dt}
    meta = {"id": change.meta.id or "1", "stream": change.meta.stream}
    cause = Event({"id": ""}, None)
    event = reply_event(
        cause, change, name, MODELS[name].output_type, {**named, "meta": meta}, schema_base_uri
    )
    return event._replace(data=document)


def _changed(given: Mapping[str, str], event: Event) -> Changed:
    names = sorted({*given, *event.attributes} - {"traceparent", "tracestate"})
    return {
        name: (given.get(name), event.get(name))
        for name in names
        if given.get(name) != event.get(name)
    }
