"""What each neighbour will do with a payload: one line each, also where nothing is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from sinks.contract.check.eventgate_view import eventgate_verdict
from sinks.contract.check.go_view import GoView, go_view
from sinks.contract.check.reading import Reading
from sinks.contract.check.reply_status import failed
from sinks.contract.check.rules import shown
from sinks.contract.finding import Finding
from sinks.errors import Rejected, SinkError
from sinks.subscriber import reply_of

Role = Literal["reply", "request"]
MT: Final = "Knative's MT broker"
KAFKA: Final = "Knative's Kafka broker"
SHIM: Final = "http-shim"
GO: Final = "Go SDK"
EVENTGATE: Final = "EventGate"


class Verdict(NamedTuple):
    """What one neighbour does; `text` reads on after the neighbour's name and a colon."""

    neighbour: str
    text: str


def verdicts(reading: Reading, findings: tuple[Finding, ...], role: Role) -> Iterator[Verdict]:
    """Yield what the neighbours do with the payload.

    role:  what JSON is meant as; a capture says itself whether it is a reply or a request.
    """
    payload = reading.payload
    if payload.kind == "HTTP response":
        role = "reply"
    elif payload.kind == "HTTP request":
        role = "request"
    if reading.is_document() and role == "request" or payload.kind == "event-platform document":
        yield Verdict(MT, "no CloudEvent, 400: a Broker wants the document as an event's data")
        yield Verdict(KAFKA, "the same")
    elif role == "reply" and (outcome := failed(payload)):
        yield Verdict(MT, f"as a reply: {outcome[0]}")
        yield Verdict(KAFKA, f"as a reply: {outcome[1]}")
        return
    else:
        view = go_view(reading, findings)
        yield from _reply(reading, view) if role == "reply" else _request(reading, view, findings)
        yield Verdict(GO, _go(view))
    yield from (Verdict(EVENTGATE, text) for text in [eventgate_verdict(reading, findings)] if text)
    yield from _everybody(reading)


def _reply(reading: Reading, view: GoView) -> Iterator[Verdict]:
    why, lost = _why(view), view.outcome == "nothing" and reading.wire
    nothing = "silently no reply: the event is lost" if lost else "no reply, all is done"
    said = {
        "event": f"routes it on{_unseen(view)}",
        "nothing": nothing,
        "unknown": f"no event: its filter answers 502, so it calls the sink again{why}",
        "unreadable": f"its filter answers 502, so it calls the sink again{why}",
        "invalid": f"its ingress answers 400: the input is dead-lettered, the reply dropped{why}",
    }[view.outcome]
    yield Verdict(MT, f"as a reply: {said}")
    key = reading.attributes.get("partitionkey")
    order = f"with the key {shown(key)}" if key else "without a key, so in no order"
    topic = {"event": f"writes it to its topic {order}", "nothing": nothing}.get(
        view.outcome, f"dead-letters the input, without a retry{why}"
    )
    yield Verdict(KAFKA, f"as a reply: {topic}")
    yield Verdict(SHIM, f"as a reply: {_shim(reading)}")


def _request(reading: Reading, view: GoView, findings: tuple[Finding, ...]) -> Iterator[Verdict]:
    if reading.payload.method not in ("", "POST"):
        said = "answers 405"
    elif view.outcome == "event":
        said = f"takes it, 202{_unseen(view)}"
    else:
        said = f"answers 400, for good{_why(view)}"
    yield Verdict(MT, f"posted to it: {said}")
    if view.outcome == "event" and any(each.rule == "record_size" for each in findings):
        said = "answers 503 each time: Kafka takes no record of 1 MiB (record_size)"
    yield Verdict(KAFKA, f"posted to it: {said}")


def _why(view: GoView) -> str:
    return f" ({view.why[0]})" if view.why else ""


def _unseen(view: GoView) -> str:
    return f", and does not notice: {', '.join(view.why)}" if view.why else ""


def _go(view: GoView) -> str:
    if view.outcome == "event":
        return f"reads it{_unseen(view)}"
    if view.outcome in ("nothing", "unknown"):
        return "takes it for no event"
    return f"refuses it{_why(view)}"


def _shim(reading: Reading) -> str:
    """How a shim without a Broker judges the reply: as strictly, and in doubt more strictly."""
    try:
        reply = reply_of(reading.payload.joined(), reading.payload.body)
    except Rejected as error:
        return f"rejected for good: {error.detail}"
    except SinkError as error:
        return f"deferred, to be repeated: {error.detail}"
    return "no reply: relayed" if reply is None else "routes it on"


def _everybody(reading: Reading) -> Iterator[Verdict]:
    meta = reading.data.get("meta") if isinstance(reading.data, dict) else None
    if isinstance(meta, dict) and meta.get("domain") == "canary":
        yield Verdict("consumers", "drop it before all else: a canary, made to see the pipe work")
