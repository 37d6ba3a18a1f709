"""What a log line says of one delivery: which event it is, and why it was not handled."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from sinks import log
from sinks.cloudevent import Event
from sinks.errors import SinkError
from sinks.letter import Letter

if TYPE_CHECKING:
    from sinks.routing import Route  # of the shim alone, and with Trigger files behind it

_WANTS_REPAIR = (
    "bug",
    "issuer_unavailable",
    "no_such_path",
    "predictor_misconfigured",
    "storage_failed",
    "unknown_isvc",
    "unknown_row",
)


class Identified(Protocol):
    """What a delivery decodes to: something with the event's id, if that is known.

    trace: what may hold the event's `traceparent` and `tracestate`.
    """

    @property
    def id(self) -> str | None: ...

    @property
    def trace(self) -> Mapping[str, str]: ...


def log_failure(
    error: SinkError, known: Mapping[str, Any], unforeseen: Exception | None = None
) -> None:
    """Write one line: ERROR for what somebody has to repair.

    unforeseen: the exception that was a bug of ours.
    """
    level = logging.ERROR if error.reason in _WANTS_REPAIR else logging.WARNING
    fields = {
        **known,
        "outcome": error.outcome,
        "reason": error.reason,
        "stage": error.stage,
        "detail": error.detail,
        "status": error.status,
        "upstream_text": error.upstream_text,
    }
    log.write(level, error.outcome, fields, unforeseen)


def log_failed_deliveries(sink: str, routes: Iterable[Route], trace_id: str) -> None:
    """Write one line for each delivery that failed: the answer has room for the reason only."""
    for delivery in (delivery for route in routes for delivery in route.deliveries):
        if delivery.outcome in ("deferred", "rejected"):
            fields = {
                "sink": sink,
                "trigger": delivery.trigger,
                "outcome": delivery.outcome,
                "reason": delivery.reason,
                "stage": "subscriber",
                "detail": delivery.detail,
                "ce_id": delivery.event.id,
                "ce_type": delivery.event.type,
                "ce_source": delivery.event.source,
                "trace_id": trace_id,
            }
            log.write(logging.WARNING, "delivery failed", fields)


def unread_trace(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return what may hold the trace of an event that cannot be decoded."""
    return {name[3:]: text for name, text in headers.items() if name.startswith("ce-trace")}


def fields_of(decoded: Identified | None) -> dict[str, Any]:
    """Return the fields that tell which event, or letter, it was."""
    if isinstance(decoded, Letter):
        return {
            "ce_id": decoded.ce_id,
            "ce_type": decoded.type,
            "ce_source": decoded.source,
            "wiki_id": decoded.wiki_id,
            "model_name": decoded.row,
        }
    if not isinstance(decoded, Event):
        return {"ce_id": decoded.id} if decoded else {}
    wiki_id, _, rest = decoded.attributes.get("subject", "").partition("/")
    return {
        "ce_id": decoded.id,
        "ce_type": decoded.type,
        "ce_source": decoded.source,
        "wiki_id": decoded.get("wikiid") or wiki_id,
        "rev_id": rest.rpartition("/")[2],
    }
