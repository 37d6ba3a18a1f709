"""What holds for every answer of a sink, whatever it was asked: no broker could use another one.

source: knative/specs, specs/eventing/data-plane.md; knative/eventing, pkg/broker/filter and
pkg/kncloudevents. Pure.
"""

from __future__ import annotations

from typing import Final

from sinks.cloudevent import Event, is_event
from sinks.contract.check.rules import found
from sinks.contract.finding import Finding
from sinks.contract.probe.heard import HttpAnswer
from sinks.errors import MAX_ERROR_BODY_BYTES, SinkError
from sinks.subscriber import reply_of

_DATA_PLANE: Final = "Knative data plane (knative/specs, specs/eventing/data-plane.md)"


def on_the_wire(
    answer: HttpAnswer, may_be_json: bool, ours: bool
) -> tuple[list[Finding], Event | None]:
    """Return what is wrong with the answer, and the event in it if it has one.

    may_be_json:  the caller did not speak CloudEvents, so a 2xx may carry other JSON.
    ours:         the attributes of a reply have to need no encoding, which Knative does not mind.
    """
    if answer.stray:
        return [_stray(answer)], None
    if answer.status < 200 or 300 <= answer.status < 400:
        return [_redirect(answer)], None
    if answer.status >= 400:
        return _error(answer), None
    if may_be_json and not any(name.startswith("ce-") for name, _ in answer.headers):
        return [], None
    return _reply(answer, ours)


def _stray(answer: HttpAnswer) -> Finding:
    return Finding(
        "bytes_after_the_answer",
        "body",
        f"{answer.status} is followed by {len(answer.stray)} bytes that belong to no answer",
        "RFC 9112, 6.3: 204 has no body, and Content-Length is the length",
        "let the framework make length and body, and give 204 and 202 none",
    )


def _redirect(answer: HttpAnswer) -> Finding:
    problem = "Knative follows 301 to 303 as GET without the body, whose 200 counts as delivered"
    return found("redirect", "status", f"{answer.status}: {problem}")


def _error(answer: HttpAnswer) -> list[Finding]:
    if len(answer.body) <= MAX_ERROR_BODY_BYTES:
        return []
    size = f"{len(answer.body)} bytes, at most {MAX_ERROR_BODY_BYTES} are safe"
    return [found("error_too_long", "body", f"the body of a {answer.status} has {size}")]


def _reply(answer: HttpAnswer, ours: bool) -> tuple[list[Finding], Event | None]:
    """The event of a 2xx answer, judged as the brokers do."""
    repeated = [n for n, _ in answer.headers if n[:3] == "ce-" or n == "content-type"]
    for name in {name for name in repeated if repeated.count(name) > 1}:
        return [_bad_reply("reply_repeats_a_header", name, f"{name} comes more than once")], None
    for name, value in answer.headers:
        if name[:3] == "ce-" and not value.isascii():
            what = f"{name} has bytes above 127: the HTTP binding, 3.1.3.2, percent-encodes them"
            return [_bad_reply("reply_refused", name, what)], None
    headers = dict(answer.headers)
    if answer.body and not is_event(headers):
        start = answer.body[:40].decode("latin-1")
        what = f"{answer.status} with a body that is no event: {start!r}; Knative repeats it"
        return [_bad_reply("reply_not_an_event", "body", what)], None
    try:
        reply = reply_of(headers, answer.body, plain=ours)
    except SinkError as error:
        return [_bad_reply("reply_refused", "headers or body", error.detail)], None
    if reply is not None and answer.status == 202:
        what = "202 with an event: by the specification nobody processes it"
        return [_bad_reply("reply_status", "status", what)], None
    if reply is not None and answer.body and "content-type" not in headers:
        what = "an event with data, but without Content-Type: nobody knows how to read the data"
        return [_bad_reply("reply_without_content_type", "content-type", what)], None
    return [], reply


def _bad_reply(rule: str, place: str, problem: str) -> Finding:
    clause = f"{_DATA_PLANE}: a 2xx is empty, or carries exactly one CloudEvent"
    fix = "answer 200 with one CloudEvent, or 202 without body and Content-Type"
    return Finding(rule, place, problem, clause, fix)
