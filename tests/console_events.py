"""CloudEvents as a console gets them, and what it keeps of them."""

from __future__ import annotations

from typing import Any

from sinks.cloudevent import Event
from tests import factories

STREAM = "mediawiki.revision_score_drafttopic"


def attributes(event_id: str = "change-1", **more: str) -> dict[str, str]:
    """Attributes of a page change on enwiki."""
    return {
        "id": event_id,
        "source": "/mediawiki/enwiki",
        "type": factories.PAGE_CHANGE_TYPE,
        "wikiid": "enwiki",
        "datacontenttype": "application/json",
        **more,
    }


def reply_attributes(
    event_id: str = "reply-1", model: str = "drafttopic", cause: str = "change-1", **more: str
) -> dict[str, str]:
    """Attributes of a row's reply to it."""
    return attributes(
        event_id,
        source=f"/models/{model}",
        type=factories.SCORE_TYPE,
        model=model,
        causationid=cause,
        stream=STREAM,
        **more,
    )


def change(event_id: str = "change-1", title: str = "Example", **more: str) -> Event:
    """A page change."""
    document = factories.page_change(page={"page_title": title})
    return Event(attributes(event_id, **more), document, "binary")


def reply(event_id: str = "reply-1", **more: str) -> Event:
    """A reply to it."""
    return Event(reply_attributes(event_id, **more), factories.revision_score(), "binary")


def report(deliveries: list[dict[str, Any]], cause: Event | None = None) -> Event:
    """What the shim tells of the page change."""
    event = cause or change()
    told = {"event": {"attributes": event.attributes, "data": event.data}, "deliveries": deliveries}
    made = {"id": "report-1", "source": "/http-shim", "type": "org.wikimedia.sinks.routed.v1"}
    return Event({**made, "datacontenttype": "application/json"}, told, "structured")


def delivery(
    trigger: str | None, outcome: str, of: Event | None = None, **more: Any
) -> dict[str, Any]:
    """One delivery in a report."""
    event = of or change()
    names = {name: event.attributes.get(name) for name in ("source", "id", "wikiid")}
    known = {"trigger": trigger, "row": None, "event": names, "outcome": outcome}
    return {**known, "reason": None, "detail": "", "kept": False, "reply": None, **more}


def whole(event: Event) -> dict[str, Any]:
    """A reply as a report has it."""
    return {"attributes": event.attributes, "data": event.data}
