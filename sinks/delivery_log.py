"""What a log line says of one delivery: which event it is, and why it was not handled."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Protocol

from sinks import log
from sinks.cloudevent import Event
from sinks.errors import SinkError
from sinks.letter import Letter

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
    """What a delivery decodes to: something with the event's id, if that is known."""

    @property
    def id(self) -> str | None: ...


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
        "trace_id": decoded.attributes.get("traceparent", "")[3:35],
    }
