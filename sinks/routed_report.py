"""What the shim tells a console of one event that it has routed: every delivery, and every reply.

A structured CloudEvent, so that whatever reads events can read it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sinks import cloudevent
from sinks.cloudevent import Event, Message, NoData
from sinks.delivery import Delivery
from sinks.envelope import ROUTED_TYPE
from sinks.routing import Route

SOURCE: Final = "/http-shim"


def report_of(
    event: Event, routes: Sequence[Route], rows: Mapping[str, str], report_id: str | None = None
) -> Message:
    """Return the report as one HTTP message.

    rows:       Trigger -> the row that it delivers to; Triggers of other subscribers are not in it.
    report_id:  its id; None: a new one, because each attempt at an event is told anew.
    raises:     InvalidEvent for data nested too deeply to be written.
    """
    deliveries = [
        _delivery(delivery, rows.get(delivery.trigger or ""))
        for route in routes
        for delivery in route.deliveries
    ]
    attributes = {
        "id": report_id or str(uuid.uuid4()),
        "source": SOURCE,
        "type": ROUTED_TYPE,
        "datacontenttype": "application/json",
    }
    data = {"event": _whole(event), "deliveries": deliveries}
    return cloudevent.encode(Event(attributes, data, "structured"), "structured")


def _delivery(delivery: Delivery, row: str | None) -> dict[str, Any]:
    delivered = delivery.event.attributes
    return {
        "trigger": delivery.trigger,
        "row": row,
        "event": {name: delivered.get(name) for name in ("source", "id", "wikiid")},
        "outcome": delivery.outcome,
        "reason": delivery.reason,
        "detail": delivery.detail,
        "kept": delivery.kept,
        "reply": _whole(delivery.reply) if delivery.reply else None,
    }


def _whole(event: Event) -> dict[str, Any]:
    """Data that is no JSON is left out: no document of the event platform is without it."""
    data = None if isinstance(event.data, bytes | NoData) else event.data
    return {"attributes": event.attributes, "data": data}
