"""Judging what a sink answered to one row. Pure: answers in, findings out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sinks import jsondata
from sinks.cloudevent import Event
from sinks.contract.finding import Finding
from sinks.contract.probe.answers import on_the_wire
from sinks.contract.probe.heard import Heard, HttpAnswer, Silence
from sinks.contract.probe.predictions import good_reply
from sinks.contract.rows.row import OWN, Expected, Role, Row
from sinks.contract.rows.sample import Sample
from sinks.errors import RETRIED_4XX, MalformedEvent


@dataclass(frozen=True, slots=True)
class _Seen:
    """One answer with the event in it, if it has one and is none of the failures."""

    answer: HttpAnswer
    reply: Event | None


def judged(row: Row, role: Role, sample: Sample, heard: Sequence[Heard]) -> list[Finding]:
    """Return all that is wrong with the answers to one row, each finding once."""
    findings: list[Finding] = []
    seen: list[_Seen] = []
    for expected, each in zip(row.expected, heard, strict=True):
        if isinstance(each, Silence):
            if not (expected.silent and each.connected or each.announced and role not in OWN):
                problem = f"{each.why}; expected: {words(expected, role)}"
                findings.append(row.broken("no_answer", "connection", problem))
            continue
        wire, reply = on_the_wire(each, expected.kind == "document", role in OWN)
        findings += wire or _as_expected(row, expected, role, sample, _Seen(each, reply))
        if not wire and 200 <= each.status < 300:
            seen.append(_Seen(each, reply))
    findings += _related(row, seen)
    return list(dict.fromkeys(findings))


def words(expected: Expected, role: Role) -> str:
    """Return what an answer has to be, as people say it."""
    status = f" ({expected.status})" if expected.status and role in OWN else ""
    return {
        "good": "one event, or 202 and empty",
        "ignored": "2xx and empty",
        "document": "200 and JSON",
        "rejected": f"a 4xx that is not repeated{status}",
        "repeated": f"a failure that is repeated{status}",
        "refused": f"a failure{status}",
        "sane": "one event, or empty" + ("" if role in OWN else ", or a 4xx that is not repeated"),
        "direct": "no redirect and no 5xx",
    }[expected.kind]


def _as_expected(
    row: Row, expected: Expected, role: Role, sample: Sample, seen: _Seen
) -> list[Finding]:
    answer, kind = seen.answer, expected.kind
    success = answer.status < 300
    repeated = answer.status in RETRIED_4XX or answer.status >= 500
    what = f"{answer.status}{_said(answer)}; expected: {words(expected, role)}"
    if kind in ("good", "ignored", "document") and not success:
        return [Finding("good_event_refused", "status", what, row.clause, _advice(row, answer))]
    if kind in ("rejected", "repeated", "refused") and success:
        return [row.broken("bad_event_accepted", "status", what)]
    if kind in ("rejected", "sane") and repeated:
        return [row.broken("permanent_failure_repeated", "status", what)]
    if kind == "sane" and not success and role in OWN:
        return [Finding("good_event_refused", "status", what, row.clause, _advice(row, answer))]
    if kind == "direct" and answer.status >= 500:
        return [row.broken("permanent_failure_repeated", "status", what)]
    if kind == "ignored" and seen.reply is not None:
        return [row.broken("unwanted_event_answered", "body", what)]
    if kind == "good" and seen.reply is not None:
        found = good_reply(row, expected, sample, seen.reply)
        return found or (_ours(row, expected, seen) if role in OWN else [])
    if kind == "good" and sample.row and seen.reply is None:
        problem = f"{answer.status} and nothing, but row {sample.row} has to reply"
        fix = "see why it ignored the event, or give one that this row takes with --event"
        return [Finding("no_prediction", "status", problem, row.clause, fix)]
    return _ours(row, expected, seen) if role in OWN else []


def _advice(row: Row, answer: HttpAnswer) -> str:
    """What to do about a refusal, of which the row's own subject may not be the reason."""
    if answer.status in (401, 403):
        return "show the sink a token that it knows: --token-file"
    if answer.status in (404, 405):
        return "correct the path of the URL: events are POSTed there"
    if answer.status >= 500:
        return f"look into the sink's log; it is asked to {row.fix}"
    return row.fix


def _said(answer: HttpAnswer) -> str:
    return f" saying {answer.body[:120].decode('latin-1')!r}" if answer.body else ""


def _ours(row: Row, expected: Expected, seen: _Seen) -> list[Finding]:
    """What only our own sinks promise: exact statuses, one shape of errors, in time."""
    answer = seen.answer

    def wrong(rule: str, place: str, problem: str) -> list[Finding]:
        return [row.broken(rule, place, problem)]

    if expected.within is not None and answer.seconds > expected.within:
        at_most = f"after {answer.seconds:.1f} s, at most {expected.within:g} s"
        return wrong("too_slow", "connection", at_most)
    if expected.continued and 100 not in answer.interim:
        return wrong("not_continued", "connection", "100 Continue has to come before the body")
    if expected.kept and answer.last:
        return wrong("connection_ended", "connection", "the next request needs a new connection")
    if expected.status is not None and answer.status != expected.status:
        return wrong("other_status", "status", f"{answer.status}, has to be {expected.status}")
    if answer.status >= 300:
        return _our_error(row, expected, answer)
    status = 200 if answer.body else 202
    if answer.status != status:
        either = f"{answer.status}, has to be {status}: 200 carries an event, 202 is empty"
        return wrong("other_status", "status", either)
    if not answer.body and answer.values("content-type"):
        return wrong("empty_answer_has_a_type", "content-type", "nothing has no Content-Type")
    if expected.kind == "document" and not isinstance(_json(answer), dict):
        return wrong("document_not_json", "body", "has to be a JSON object, as application/json")
    if seen.reply is not None and expected.mode not in (None, seen.reply.mode):
        other = f"a {seen.reply.mode} reply, has to be {expected.mode} as the request"
        return wrong("other_content_mode", "content-type", other)
    if expected.reason and answer.values("sinks-reason") != [expected.reason]:
        return wrong("other_reason", "sinks-reason", f"has to be {expected.reason}")
    return []


def _our_error(row: Row, expected: Expected, answer: HttpAnswer) -> list[Finding]:
    if expected.status is None:
        return []  # the server's own refusal, before any app
    if answer.values("content-type") != ["application/json"]:
        return [row.broken("error_shape", "content-type", "errors are application/json")]
    if answer.status == 405 and "POST" not in ",".join(answer.values("allow")):
        return [row.broken("error_shape", "allow", "405 comes with Allow, which names POST")]
    error = _json(answer)
    shape = {"reason", "detail", "ce_id"}
    if not isinstance(error, dict) or set(error) != shape or b"\n" in answer.body:
        one_line = "errors are one line of JSON with reason, detail and ce_id"
        return [row.broken("error_shape", "body", one_line)]
    if expected.reason not in (None, error["reason"]):
        other = f"{error['reason']}, has to be {expected.reason}"
        return [row.broken("other_reason", "/reason", other)]
    if expected.names and expected.names not in str(error["detail"]):
        return [row.broken("error_names_nothing", "/detail", f"does not name {expected.names}")]
    return []


def _json(answer: HttpAnswer) -> Any:
    """Return the body, or None if it is no JSON or does not say so."""
    if answer.values("content-type") != ["application/json"]:
        return None
    try:
        return jsondata.loads(answer.body)
    except MalformedEvent:
        return None


def _related(row: Row, seen: Sequence[_Seen]) -> list[Finding]:
    """What holds between the answers of a row: the same event again, or another one."""
    replies = [each.reply for each in seen if each.reply is not None]
    if row.relation == "same_event" and row.expected[0].kind == "document":
        if len({each.answer.body for each in seen}) > 1:
            return [row.broken("answer_changes", "body", "another answer to the same document")]
        return []
    if row.relation in ("same_event", "same_id") and 0 < len(replies) < len(seen):
        problem = "one delivery of the event got a reply, the other none: a lost answer stays lost"
        return [row.broken("repetition_unanswered", "body", problem)]
    if row.relation is None or len(replies) < 2:
        return []
    first, second = replies[0], replies[1]
    if row.relation == "other_event":
        if (first.source, first.id) == (second.source, second.id):
            problem = f"two different events got the same reply id, {first.id}"
            return [row.broken("reply_id_repeated", "ce-id", problem)]
        return []
    if (first.source, first.id) != (second.source, second.id):
        problem = f"{first.id} and then {second.id} (source {first.source}) for the same event"
        return [row.broken("reply_id_changes", "ce-id", problem)]
    if row.relation == "same_event" and first.data != second.data:
        return [row.broken("reply_data_changes", "data", "the same reply id, but other data")]
    return []
