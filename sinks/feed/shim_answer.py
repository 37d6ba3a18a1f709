"""What an answer of the shim's `/events` means to whoever feeds it. Pure.

source: README, "What an answer means".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from sinks import jsondata
from sinks.contract.finding import one_line
from sinks.errors import MalformedEvent
from sinks.summary import to_repeat, without_advice

# Nobody will ever take this event. All other 4xx are mistakes in how the shim is called.
_REJECTED: Final = (400, 413, 415, 422)
_TOO_LARGE: Final = 413  # which a proxy says too
_REPEATED: Final = (408, 409, 425, 429)
_SAID_CHARS: Final = 200


class Done(NamedTuple):
    """The event has come to its end.

    outcome:  the shim's word: relayed, ignored; rejected also where a dead letter is kept.
    kept:     whether the shim has answered for it: it is no concern of the feed any more.
    """

    outcome: str
    reason: str
    detail: str
    kept: bool


class Again(NamedTuple):
    """It has to be sent again.

    triggers:     to these alone; empty: as before.
    rejected:     how many Triggers have rejected it, and are done.
    retry_after:  as the header says it.
    """

    detail: str
    triggers: tuple[str, ...] = ()
    rejected: int = 0
    retry_after: str | None = None


class Mistake(NamedTuple):
    """No event can be sent like this: somebody has to change the command, or the shim."""

    detail: str
    reason: str = ""


def judged(status: int, headers: Mapping[str, str], body: bytes) -> Done | Again | Mistake:
    """Return what the sender of one event has to do.

    headers: names in lower case.
    """
    error = _error(body)
    reason, detail = str(error.get("reason", "")), _said(error, body)
    if 200 <= status < 300 and (outcome := headers.get("sinks-outcome")):
        return Done(outcome, headers.get("sinks-reason", ""), "", kept=True)
    if reason == "unknown_trigger":
        return Mistake(detail, reason)
    if status in _REJECTED and (reason or status == _TOO_LARGE):
        return Done("rejected", reason or f"status_{status}", detail, kept=False)
    if status >= 500 or status in _REPEATED:
        retry_after = headers.get("retry-after")
        if reason != "deliveries_deferred":
            return Again(f"the shim answers {status}: {detail}", retry_after=retry_after)
        told = one_line(f"{reason}: {without_advice(error['detail'])}")
        said = f"the shim answers {status}: {told}"
        return Again(said, *to_repeat(error["detail"]), retry_after)
    # Whoever answers otherwise is no shim: what he takes, or refuses, is not to be passed over.
    advice = {
        401: "show a token that it knows: --token-file",
        403: "this client may not call it",
        404: "is this the URL of the shim?",
        405: "is this the URL of the shim?",
    }.get(status, "it has to be the URL of a shim")
    return Mistake(f"SHIM answers {status}: {advice}")


def _error(body: bytes) -> dict[str, Any]:
    try:
        document = jsondata.loads(body)
    except MalformedEvent:
        return {}
    good = isinstance(document, dict) and isinstance(document.get("detail"), str)
    return document if good else {}


def _said(error: Mapping[str, Any], body: bytes) -> str:
    if error:
        return one_line(f"{error.get('reason')}: {error['detail']}")
    return one_line(body[:_SAID_CHARS].decode("utf-8", "replace")) or "nothing more"
