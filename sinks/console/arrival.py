"""What a CloudEvent tells the console: a page change, a reply to one, a report of the shim, or
something else, which is shown as it is. Nothing that is a CloudEvent is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

from sinks.cloudevent import Event
from sinks.console.document import document_of, short
from sinks.console.line import MOST_MARKS, NOBODY, Arrival, Head, Key, Mark, Step
from sinks.envelope import ROUTED_TYPE
from sinks.reasons import Outcome

_CHANGES: Final = (
    "org.wikimedia.mediawiki.page.change.",
    "org.wikimedia.mediawiki.revision.create.",
)
_OUTCOMES: Final = frozenset(get_args(Outcome))


def arrival_of(event: Event) -> Arrival:
    """Return what the event tells."""
    if event.type == ROUTED_TYPE and (told := _report(event.data)):
        return told
    key = _key(event.attributes)
    if event.type.startswith(_CHANGES):
        return Arrival(key, (), _head(event.attributes, event.data, kept=True))
    cause, model = event.get("causationid"), event.get("model")
    if cause and model:
        reply = document_of(event.attributes, event.data)
        stream = short(event.get("stream"))
        mark = Mark(short(model, 64), (Step("", "replied"),), stream, reply)
        head = _head(event.attributes, event.data, kept=False)
        return Arrival((key[0], short(cause)), (key,), head, (mark,))
    return Arrival((event.source, event.id), (), _other(event))


def _other(event: Event) -> Head:
    title = short(event.get("subject") or event.source)
    wiki = short(event.get("wikiid"), 64)
    return Head(wiki, short(event.type, 100), title, "", document_of(event.attributes, event.data))


def _key(attributes: Mapping[str, str]) -> Key:
    return short(attributes.get("wikiid"), 64), short(attributes.get("id"))


def _head(attributes: Mapping[str, str], data: Any, *, kept: bool) -> Head:
    """What page changes, revision-creates and the documents made of them say of the page.

    kept: whether the document is the line's own.
    """
    document = data if isinstance(data, dict) else {}
    page, revision = _member(document, "page"), _member(document, "revision")
    wiki = attributes.get("wikiid") or document.get("wiki_id") or document.get("database")
    kind = document.get("page_change_kind")
    if kept and ".revision.create." in attributes.get("type", ""):
        kind = "revision-create"
    return Head(
        short(wiki, 64),
        short(kind, 64),
        short(page.get("page_title", document.get("page_title"))),
        short(revision.get("rev_id", document.get("rev_id"))),
        document_of(attributes, data) if kept else None,
    )


def _report(data: Any) -> Arrival | None:
    """What the shim says that it has routed; None for what is no such report."""
    document = data if isinstance(data, dict) else {}
    attributes = _texts(_member(_member(document, "event"), "attributes"))
    deliveries = document.get("deliveries")
    if not attributes.get("id") or not isinstance(deliveries, list):
        return None
    key = _key(attributes)
    head = _head(attributes, _member(document, "event").get("data"), kept=True)
    marks, own = _marks(deliveries, key)
    return Arrival(key, own, head, marks)


def _marks(deliveries: Sequence[Any], cause: Key) -> tuple[tuple[Mark, ...], tuple[Key, ...]]:
    """One mark for each row that got the change, or another row's reply; what became of a reply
    at Triggers of no row, such as the egress, is a further step of its row's mark."""
    marks: dict[str, Mark] = {}
    rows: dict[Key, str] = {}
    for each in deliveries[: 4 * MOST_MARKS]:
        told = each if isinstance(each, dict) else {}
        delivered = _key(_texts(_member(told, "event")))
        trigger, row = short(told.get("trigger"), 64), short(told.get("row"), 64)
        name = row or rows.get(delivered) or trigger or NOBODY
        known = marks.get(name, Mark(name, ()))
        reply = _member(told, "reply")
        attributes = _texts(_member(reply, "attributes"))
        marks[name] = known._replace(steps=(*known.steps, _step(trigger, told)))
        if attributes:
            rows[_key(attributes)] = name
            stream = short(attributes.get("stream"))
            document = document_of(attributes, reply.get("data"))
            marks[name] = marks[name]._replace(stream=stream, reply=document)
    return tuple(marks.values()), tuple(key for key in rows if key != cause)


def _step(trigger: str, told: Mapping[str, Any]) -> Step:
    outcome = told.get("outcome")
    return Step(
        trigger or "none",
        outcome if isinstance(outcome, str) and outcome in _OUTCOMES else "deferred",
        short(told.get("reason"), 64),
        short(told.get("detail"), 600),
        told.get("kept") is True,
    )


def _member(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def _texts(attributes: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in attributes.items() if isinstance(value, str)}
