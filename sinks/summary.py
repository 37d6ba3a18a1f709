"""One answer of the shim for all that became of one event."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from sinks import inputs
from sinks.answer import Answer
from sinks.cloudevent import Event
from sinks.delivery import Delivery
from sinks.errors import MAX_DETAIL_CHARS, Rejected, Unavailable
from sinks.incoming import Incoming
from sinks.reasons import IgnoredReason, Outcome, Reason
from sinks.routing import Route

_DEFERRED: Final = re.compile(r"\b(\d{1,9}) of \d+ Triggers deferred: ([^;]*)")
_REJECTED: Final = re.compile(r"\b(\d{1,9}) (?:of \d+ Triggers )?rejected")
_MOST_TELLING: Final[tuple[Outcome, ...]] = ("rejected", "relayed", "ignored")


def ignored(incoming: Incoming, reason: IgnoredReason) -> Answer:
    """Return the answer for an event that is not even delivered."""
    return Answer(
        "ignored",
        reason,
        document=_document(incoming, incoming.id, "ignored", reason),
        stream=inputs.stream_of(incoming.document),
    )


def handed_on(incoming: Incoming, event: Event) -> Answer:
    """Return the answer for an event that a Broker has taken."""
    document = _document(incoming, event.id, "relayed", None, event.get("stream"))
    return Answer("relayed", document=document, dt=event.get("time"))


def summed(incoming: Incoming, event: Event, routes: Sequence[Route]) -> Answer:
    """Return the answer for an event that has been routed here.

    raises: Unavailable if any delivery is deferred, naming all Triggers that the caller has to
            repeat; else Rejected if any is rejected and no dead-letter sink has it.
    """
    deferred, rejected = _reasons("deferred", routes), _reasons("rejected", routes)
    if deferred:
        detail = _repeat(deferred, rejected, len(routes))
        raise Unavailable("deliveries_deferred", detail, stage="subscriber")
    if rejected:
        detail = _named("rejected", rejected, len(routes))
        raise Rejected("deliveries_rejected", detail, stage="subscriber")
    deliveries = [delivery for route in routes for delivery in route.deliveries]
    found = {delivery.outcome for delivery in deliveries}
    # What is rejected here has been kept by the dead-letter sink.
    outcome: Outcome = next(each for each in _MOST_TELLING if each in found)
    last = [delivery for delivery in deliveries if delivery.outcome == outcome][-1]
    outcomes = [_outcome(delivery) for delivery in deliveries]
    reasons = {each.reason for each in deliveries if each.outcome == outcome}
    relayed_now = outcome == "relayed" and reasons != {"already_relayed"}
    return Answer(
        outcome,
        None if outcome == "relayed" else last.reason,
        document=None if incoming.mode else {"ce_id": event.id, "outcomes": outcomes},
        dt=event.get("time") if relayed_now else None,
    )


def to_repeat(detail: str) -> tuple[tuple[str, ...], int]:
    """Return which Triggers a 503 wants repeated, and how many have rejected the event.

    detail:   as `summed` writes it.
    returns:  no Triggers where they are not named: then all have to be repeated.
    """
    told, found = _REJECTED.search(detail), _DEFERRED.search(detail)
    rejected = int(told[1]) if told else 0
    names = tuple(each.partition(" (")[0] for each in found[2].split(", ")) if found else ()
    whole = found is not None and len(names) == int(found[1]) and all(names)
    return names if whole else (), rejected


def without_advice(detail: str) -> str:
    """Return what such a detail says, but for what its reader has to do, which stands first."""
    return detail.partition("; ")[2] or detail


def _repeat(deferred: dict[str, str], rejected: dict[str, str], total: int) -> str:
    """As much as fits; a name is never left out silently, or the caller would not repeat it."""
    how = "repeat with ?trigger=NAME for each deferred one"
    short = {name: "" for name in deferred}
    variants = [
        f"{how}; {_named('deferred', deferred, total)}; {_named('rejected', rejected, total)}",
        f"{how}; {_named('deferred', short, total)}; {_named('rejected', rejected, total)}",
        f"{how}; {_named('deferred', short, total)}; {len(rejected)} rejected",
    ]
    fallback = (
        f"repeat without ?trigger=, their names are too many for this answer; {len(deferred)} of"
        f" {total} Triggers deferred, {len(rejected)} rejected"
    )
    whole = [text.removesuffix("; ") for text in variants if len(text) <= MAX_DETAIL_CHARS]
    return whole[0] if whole else fallback


def _named(outcome: Outcome, reasons: dict[str, str], total: int) -> str:
    if not reasons:
        return ""
    names = ", ".join(f"{name} ({reason})" if reason else name for name, reason in reasons.items())
    return f"{len(reasons)} of {total} Triggers {outcome}: {names}"


def _reasons(outcome: Outcome, routes: Sequence[Route]) -> dict[str, str]:
    """Trigger that got the event -> reason, for those at which, or behind which, this was it."""
    return {
        str(route.trigger): str(delivery.reason)
        for route in routes
        for delivery in route.deliveries
        if delivery.outcome == outcome and not delivery.kept
    }


def _outcome(delivery: Delivery) -> dict[str, Any]:
    shown = delivery.reply or delivery.event
    return {
        "trigger": delivery.trigger,
        "outcome": delivery.outcome,
        "reason": delivery.reason,
        "stream": shown.get("stream"),
        "ce_id": shown.id,
    }


def _document(
    incoming: Incoming,
    ce_id: str | None,
    outcome: Outcome,
    reason: Reason | None,
    stream: str | None = None,
) -> dict[str, Any] | None:
    """What a caller that does not speak CloudEvents is told of an event without deliveries."""
    if incoming.mode:
        return None
    told = {"trigger": None, "outcome": outcome, "reason": reason, "stream": stream}
    return {"ce_id": ce_id, "outcomes": [{**told, "ce_id": ce_id}]}
