"""What an answer means to Knative, and whether it is a good one. Pure.

source: knative/specs, specs/eventing/data-plane.md; knative/eventing, pkg/broker/filter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from sinks import jsondata
from sinks.cloudevent import NO_DATA, Event
from sinks.contract.finding import one_line
from sinks.contract.probe.answers import on_the_wire
from sinks.contract.probe.heard import HttpAnswer
from sinks.errors import RETRIED_4XX, MalformedEvent, SinkError
from sinks.subscriber import reply_of

Fate = Literal["reply", "empty", "outcomes", "retried", "dead-lettered"]
_WORDS: Final = {
    "reply": "the event is delivered, and this reply is routed on",
    "empty": "the event is delivered, without a reply",
    "outcomes": "no Broker asks so; this is what became of the document",
    "retried": "Knative sends it again, and dead-letters it when that has not helped",
    "dead-lettered": "Knative dead-letters it, and does not send it again",
}
# Of a document by itself: no Broker has it.
_PLAIN_WORDS: Final = {
    "retried": "it has to be sent again, and nobody but you does",
    "dead-lettered": "it is refused for good",
}
_BAD: Final = ("deferred", "rejected")


class Meaning(NamedTuple):
    """What follows from an answer.

    fate:   in one word; of a plain document that became something, `outcomes`.
    told:   the same as a sentence, with what is wrong with the answer.
    good:   whether nobody has to do anything.
    reply:  the event in the answer.
    """

    fate: Fate
    told: str
    good: bool
    reply: Event | None = None


def meaning(answer: HttpAnswer, plain: bool) -> Meaning:
    """Return what the answer means.

    plain: whether a document was sent, and no CloudEvent.
    """
    findings, reply = on_the_wire(answer, may_be_json=plain, ours=False)
    problems = "; ".join(finding.problem for finding in findings)
    if not 200 <= answer.status < 300:
        retried = answer.status >= 500 or answer.status in RETRIED_4XX
        fate: Fate = "retried" if retried else "dead-lettered"
        return _meaning(fate, problems, False, words=_PLAIN_WORDS if plain else _WORDS)
    if findings:
        return _meaning(_refused(answer), problems, False)
    if reply is not None:
        return _meaning("reply", "", True, reply)
    if plain and answer.body:
        return _of_outcomes(answer.body)
    return _meaning("empty", _said(answer), True)


def _said(answer: HttpAnswer) -> str:
    """What one of our sinks says of an event that it has taken: `ignored, canary`."""
    headers = dict(answer.headers)
    said = (headers.get("sinks-outcome", ""), headers.get("sinks-reason", ""))
    return one_line(", ".join(filter(None, said)))


def _meaning(
    fate: Fate,
    problems: str,
    good: bool,
    reply: Event | None = None,
    words: Mapping[str, str] = _WORDS,
) -> Meaning:
    return Meaning(fate, ": ".join(part for part in (words[fate], problems) if part), good, reply)


def _refused(answer: HttpAnswer) -> Fate:
    """What Knative does about a 2xx that it does not take as a reply."""
    try:
        reply_of(dict(answer.headers), answer.body, plain=False)
    except SinkError as error:
        return "dead-lettered" if error.outcome == "rejected" else "retried"
    return "retried"


def _of_outcomes(body: bytes) -> Meaning:
    """What the shim says about a plain document; nobody else answers like that."""
    try:
        found = Counter(str(each["outcome"]) for each in jsondata.loads(body)["outcomes"])
    except (MalformedEvent, KeyError, TypeError):
        return _meaning("outcomes", "but http-shim answers otherwise: is it the right URL?", False)
    told = one_line(", ".join(f"{count} {outcome}" for outcome, count in sorted(found.items())))
    return _meaning("outcomes", told, not any(found[each] for each in _BAD))


def event_document(event: Event) -> dict[str, Any]:
    """Return the event as JSON members; data that are no JSON as text."""
    data = event.data
    if isinstance(data, bytes):
        data = data.decode("utf-8", "replace")
    members: dict[str, Any] = {"specversion": "1.0", **event.attributes}
    return members if data is NO_DATA else {**members, "data": data}
