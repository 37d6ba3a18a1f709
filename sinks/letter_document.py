"""A kept letter as JSON: one line of a list, or all of it."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from sinks import jsondata
from sinks.errors import InvalidEvent, MalformedEvent
from sinks.letter_selection import KeptLetter


def listed(kept: KeptLetter) -> dict[str, Any]:
    """Return what a list tells of a letter; `replay` is null as long as there was none."""
    letter = kept.letter
    return {
        "number": kept.number,
        "first_arrived": rfc3339(kept.first_arrived),
        "last_arrived": rfc3339(kept.last_arrived),
        "count": kept.count,
        "source": letter.source,
        "id": letter.ce_id,
        "type": letter.type,
        "destination": letter.destination,
        "status": letter.status,
        "reason": letter.reason,
        "row": letter.row,
        "wiki": letter.wiki_id,
        "bytes": len(letter.body),
        "replay": _replay(kept),
    }


def whole(kept: KeptLetter) -> dict[str, Any]:
    """Return all of a letter; its body is `body` if that is JSON, else `body_base64`."""
    letter = kept.letter
    told = {**listed(kept), "error": letter.error, "headers": dict(letter.headers)}
    try:
        body = jsondata.loads(letter.body)
        jsondata.dumps([body])
        return {**told, "body": body}
    except (MalformedEvent, InvalidEvent):  # the latter: nested deeper than can be written
        return {**told, "body_base64": base64.b64encode(letter.body).decode()}


def rfc3339(moment: datetime) -> str:
    """Return a time in UTC, with milliseconds."""
    shown = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return shown.replace("+00:00", "Z")


def _replay(kept: KeptLetter) -> dict[str, Any] | None:
    if kept.outcome is None:
        return None
    return {
        "at": rfc3339(kept.replayed) if kept.replayed else None,
        "outcome": kept.outcome,
        "reason": kept.outcome_reason,
        "detail": kept.outcome_detail,
    }
