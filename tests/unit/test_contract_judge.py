"""The judge of the probe: each rule finds what it is there for, and lets right answers pass."""

from __future__ import annotations

import ast
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import pytest

from sinks.contract.finding import Finding
from sinks.contract.probe import answers, judge, predictions
from sinks.contract.probe.heard import Heard, HttpAnswer, Silence
from sinks.contract.probe.judge import judged
from sinks.contract.probe.run import probe
from sinks.contract.probe.target import Target
from sinks.contract.rows.row import Expected, Role, Row
from sinks.contract.rows.sample import Sample
from sinks.contract.rows.tables import ROWS, rows_for
from sinks.models import MODELS
from tests.factories import (
    PAGE_CHANGE_TYPE,
    SCORE_TYPE,
    merged,
    prediction_classification,
    revision_score,
    weighted_tags,
)

BY_NAME = {row.name: row for row in ROWS}
ROLES: tuple[Role, ...] = get_args(Role)
TARGET = Target("127.0.0.1", 1, "sink")
JSON = (("content-type", "application/json"),)
STRUCTURED = (("content-type", "application/cloudevents+json"),)
ERROR = {"reason": "r", "detail": "d", "ce_id": None}
LIMIT = 768


def sample_of(role: Role) -> Sample:
    """The good event, and the row that has to score it where a score-sink is asked."""
    return probe(TARGET, role, "drafttopic" if role == "score-sink" else None).sample


def attributes(number: int = 0) -> dict[str, str]:
    """Of a right reply to the sample; another number is another event."""
    source = {"specversion": "1.0", "source": "/models/drafttopic"}
    return {**source, "id": f"reply-{number}", "type": SCORE_TYPE}


def prediction(number: int = 0, **over: Any) -> dict[str, Any]:
    """The data of a right reply to the sample."""
    data = sample_of("score-sink").data
    about = {"page_id": data["page"]["page_id"], "rev_id": data["revision"]["rev_id"]}
    meta = {"id": f"reply-{number}", **over.pop("meta", {})}
    return revision_score(**{**about, "meta": meta, **over})


def binary(given: dict[str, str], data: Any) -> HttpAnswer:
    headers = tuple((f"ce-{name}", value) for name, value in given.items())
    return HttpAnswer(200, (*headers, *JSON), json.dumps(data).encode())


def structured(given: dict[str, str], data: Any) -> HttpAnswer:
    return HttpAnswer(200, STRUCTURED, json.dumps({**given, "data": data}).encode())


def error(status: int = 400, **over: Any) -> HttpAnswer:
    headers = (*JSON, ("allow", "POST")) if status == 405 else JSON
    return HttpAnswer(status, headers, json.dumps({**ERROR, **over}).encode())


EMPTY = HttpAnswer(202, (), b"")


def right(expected: Expected, role: Role, number: int) -> HttpAnswer:
    """An answer that is as it should be; another number is another event."""
    interim = (100,) if expected.continued else ()
    if expected.kind in ("good", "sane", "direct"):
        if role in ("egress-sink", "http-shim"):
            return replace(EMPTY, interim=interim)
        make = structured if expected.mode == "structured" else binary
        return replace(make(attributes(number), prediction(number)), interim=interim)
    if expected.kind == "ignored":
        return replace(EMPTY, headers=(("sinks-reason", expected.reason or ""),))
    if expected.kind == "document":
        return HttpAnswer(200, JSON, b'{"outcomes":[]}')
    status = expected.status or (503 if expected.kind == "repeated" else 400)
    return error(status, reason=expected.reason or "r", detail=expected.names or "d")


def answers_to(row: Row, role: Role) -> list[Heard]:
    """Right answers to all that the row asks."""
    other = row.relation == "other_event"
    return [right(each, role, number * other) for number, each in enumerate(row.expected)]


def findings(row: Row, role: Role, heard: Sequence[Heard]) -> list[Finding]:
    return judged(row, role, sample_of(role), heard)


# --- every rule ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A wrong answer, the last of a row's, instead of the right one."""

    rule: str
    row: str
    wrong: Heard
    place: str
    role: Role = "score-sink"


def reply(data: Any = None, **over: str) -> HttpAnswer:
    return binary({**attributes(), **over}, prediction() if data is None else data)


def headed(answer: HttpAnswer, *headers: tuple[str, str]) -> HttpAnswer:
    return replace(answer, headers=(*answer.headers, *headers))


EVENT, IGNORED, REFUSED = "event_binary", "ignored_canary_binary", "id_absent_binary"
SERVERS = "request_not_http"
ANY: Role = "any-processor"
SHIM: Role = "http-shim"
INPUT = sample_of("score-sink").attributes
NO_SCORES = {name: value for name, value in prediction().items() if name != "scores"}
HIDDEN = "What-nobody-may-know"
TELLING = prediction(performer={"user_text": HIDDEN, "user_groups": []})
TOLD = structured({**attributes(), "comment": HIDDEN}, prediction())
CASES = [
    Case("bytes_after_the_answer", EVENT, replace(EMPTY, stray=b"OK"), "body", ANY),
    Case("bytes_after_the_answer", REFUSED, replace(error(), stray=b"\n"), "body", ANY),
    Case("redirect", EVENT, HttpAnswer(302, (("location", "/"),), b""), "status", ANY),
    Case("redirect", REFUSED, HttpAnswer(308, (), b""), "status", ANY),
    Case("error_too_long", REFUSED, HttpAnswer(400, (), b"x" * (LIMIT + 1)), "body", ANY),
    Case("reply_repeats_a_header", EVENT, headed(reply(), *JSON), "content-type", ANY),
    Case("reply_repeats_a_header", EVENT, headed(reply(), ("ce-id", "2")), "ce-id", ANY),
    Case("reply_not_an_event", EVENT, HttpAnswer(200, (), b"OK"), "body", ANY),
    Case("reply_not_an_event", EVENT, HttpAnswer(202, JSON, b"{}"), "body", ANY),
    Case("connection_ended", "keep_alive", replace(reply(), last=True), "connection"),
    Case("reply_refused", EVENT, reply(specversion="1.0.2"), "headers or body", ANY),
    Case("reply_refused", EVENT, reply(subject="caf\xe9"), "ce-subject", ANY),
    Case("reply_refused", EVENT, reply(time="2026-09-23t10:00:00z"), "headers or body", ANY),
    Case("reply_refused", EVENT, reply(source=""), "headers or body", ANY),
    Case("reply_refused", EVENT, HttpAnswer(200, STRUCTURED, b"["), "headers or body", ANY),
    Case(
        "reply_without_content_type",
        EVENT,
        replace(reply(), headers=reply().headers[:-1]),
        "content-type",
        ANY,
    ),
    Case("no_answer", EVENT, Silence("nothing within 10 s"), "connection", ANY),
    Case("no_answer", SERVERS, Silence("no connection", connected=False), "connection", ANY),
    Case("good_event_refused", EVENT, error(422), "status", ANY),
    Case("good_event_refused", EVENT, error(503), "status", ANY),
    Case("good_event_refused", IGNORED, error(422), "status"),
    Case("good_event_refused", "plain_json", error(400), "status", SHIM),
    Case("bad_event_accepted", REFUSED, EMPTY, "status", ANY),
    Case("bad_event_accepted", REFUSED, reply(), "status", ANY),
    Case("bad_event_accepted", SERVERS, EMPTY, "status", ANY),
    Case("bad_event_accepted", "deadline_used_up", EMPTY, "status"),
    Case("permanent_failure_repeated", REFUSED, error(500), "status", ANY),
    Case("permanent_failure_repeated", REFUSED, error(429), "status", ANY),
    Case("permanent_failure_repeated", "subject_raw_utf8", error(500), "status", ANY),
    Case("permanent_failure_repeated", "path_trailing_slash", error(500), "status", ANY),
    Case("unwanted_event_answered", IGNORED, reply(), "body"),
    Case("no_prediction", EVENT, EMPTY, "status"),
    Case("reply_feeds_itself", EVENT, reply(type=PAGE_CHANGE_TYPE), "ce-type", ANY),
    Case(
        "reply_has_the_inputs_id",
        EVENT,
        reply(id=INPUT["id"], source=INPUT["source"]),
        "ce-id",
        ANY,
    ),
    Case("not_this_rows_prediction", EVENT, reply(type="a.b"), "ce-type"),
    Case("prediction_invalid", EVENT, reply(prediction(scores=[])), "data"),
    Case("prediction_invalid", EVENT, reply({**prediction(), "$schema": "/a/1.0.0"}), "data"),
    Case("prediction_invalid", EVENT, reply("text"), "data"),
    Case("prediction_invalid", EVENT, reply([]), "data"),
    Case("prediction_invalid", EVENT, replace(reply(), body=b""), "data"),
    Case("prediction_invalid", EVENT, reply(prediction(meta={"stream": "a"})), "/meta/stream"),
    Case("prediction_invalid", EVENT, reply(stream="a"), "ce-stream"),
    Case("prediction_invalid", EVENT, reply(prediction(meta={"id": "other"})), "/meta/id"),
    Case("prediction_invalid", EVENT, reply(NO_SCORES), "/scores"),
    Case("prediction_invalid", EVENT, reply({**prediction(), "rev_id": 1}), "/rev_id"),
    Case("prediction_invalid", EVENT, reply(prediction(page_id=1)), "/page_id"),
    Case("prediction_invalid", EVENT, reply(prediction(database="dewiki")), "/database"),
    Case("prediction_invalid", EVENT, reply(model="damaging"), "ce-model"),
    Case("hidden_text_published", "hidden_editor_binary", reply(TELLING), "data"),
    Case("hidden_text_published", "hidden_comment_structured", TOLD, "data"),
    Case(
        "too_slow",
        "body_declared_endless",
        replace(error(413, reason="body_too_large"), seconds=3.1),
        "connection",
    ),
    Case("not_continued", "expect_100_continue", reply(), "connection"),
    Case("other_status", REFUSED, error(422, reason="malformed_event", detail="id"), "status"),
    Case("other_status", IGNORED, replace(EMPTY, status=200), "status"),
    Case("other_status", EVENT, replace(EMPTY, status=204), "status", "egress-sink"),
    Case("other_status", EVENT, replace(reply(), status=201), "status"),
    Case("empty_answer_has_a_type", IGNORED, headed(EMPTY, *JSON), "content-type"),
    Case("document_not_json", "plain_json", HttpAnswer(200, JSON, b"OK"), "body", SHIM),
    Case("document_not_json", "plain_json", HttpAnswer(200, (), b"{}"), "body", SHIM),
    Case("document_not_json", "plain_json", EMPTY, "body", SHIM),
    Case("other_content_mode", EVENT, structured(attributes(), prediction()), "content-type"),
    Case("other_content_mode", "event_structured", reply(), "content-type"),
    Case("other_reason", IGNORED, headed(EMPTY, ("sinks-reason", "redirect")), "sinks-reason"),
    Case("other_reason", IGNORED, EMPTY, "sinks-reason"),
    Case("other_reason", REFUSED, error(reason="malformed_data", detail="id"), "/reason"),
    Case("error_shape", REFUSED, replace(error(), headers=()), "content-type"),
    Case("error_shape", REFUSED, headed(error(), *JSON), "content-type"),
    Case(
        "error_shape",
        "method_get",
        replace(error(405, reason="method_not_allowed"), headers=JSON),
        "allow",
    ),
    Case("error_shape", REFUSED, HttpAnswer(400, JSON, b"<h1>"), "body"),
    Case("error_shape", REFUSED, HttpAnswer(400, JSON, b"[]"), "body"),
    Case("error_shape", REFUSED, error(more=1), "body"),
    Case(
        "error_shape",
        REFUSED,
        HttpAnswer(400, JSON, json.dumps(ERROR, indent=1).encode()),
        "body",
    ),
    Case("error_names_nothing", REFUSED, error(reason="malformed_event"), "/detail"),
    Case("answer_changes", "plain_json_redelivered", HttpAnswer(200, JSON, b"{}"), "body", SHIM),
    Case("reply_id_repeated", "other_id", reply(), "ce-id", ANY),
    Case("reply_id_changes", "redelivery_binary", reply(id="other"), "ce-id", ANY),
    Case("reply_id_changes", "redelivery_binary", reply(source="/other"), "ce-id", ANY),
    Case("reply_data_changes", "redelivery_binary", reply({}), "data", ANY),
    Case("reply_status", EVENT, replace(reply(), status=202), "status", ANY),
    Case("repetition_unanswered", "redelivery_binary", EMPTY, "body", ANY),
]
IDS = [f"{case.rule}-{number}" for number, case in enumerate(CASES)]


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_judge_wrong_answer_breaks_the_rule(case: Case) -> None:
    """The rule is found broken by the wrong answer, at its place, and not by the right one."""
    row = BY_NAME[case.row]
    good = answers_to(row, case.role)

    found = findings(row, case.role, [*good[:-1], case.wrong])

    assert case.role in row.roles
    assert findings(row, case.role, good) == []
    assert (case.rule, case.place) in [(each.rule, each.place) for each in found]


def slugs(module: Any) -> set[str]:
    """The rules that a module's source names where it makes findings."""
    makers = {"Finding", "_bad_reply", "found", "wrong", "broken"}
    calls = [
        node
        for node in ast.walk(ast.parse(Path(module.__file__).read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in makers
    ]
    return {str(call.args[0].value) for call in calls if isinstance(call.args[0], ast.Constant)}


def test_judge_every_rule_has_a_case() -> None:
    """A rule that nothing breaks here might never be found broken."""
    made = slugs(judge) | slugs(answers) | slugs(predictions)

    assert {case.rule for case in CASES} == made
    assert len(made) >= 30


# --- right answers ------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
def test_judge_right_answers_break_no_rule(role: Role) -> None:
    """Every row of every role can be satisfied."""
    found = {row.name: findings(row, role, answers_to(row, role)) for row in rows_for(role)}

    assert {name: each for name, each in found.items() if each} == {}


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_judge_silence_is_right_only_where_the_row_says_so(row: Row) -> None:
    """A server may hang up on what is no HTTP, but has to answer everything else."""
    role = next(role for role in ROLES if role in row.roles)
    heard = [Silence("the connection was closed without an answer") for _ in row.expected]

    rules = {finding.rule for finding in findings(row, role, heard)}

    assert rules == (set() if all(each.silent for each in row.expected) else {"no_answer"})


@pytest.mark.parametrize(
    "heard",
    [EMPTY, error(422), error(400), replace(error(400), body=b""), error(415, reason="x")],
    ids=["empty", "422", "400", "no_body", "415"],
)
def test_judge_unknown_sink_may_do_what_the_clause_leaves_open(heard: HttpAnswer) -> None:
    """Of a sink that is not ours no status, reason or shape is asked, only what brokers need."""
    for name in ("event_with_a_query", "path_trailing_slash"):
        assert findings(BY_NAME[name], "any-processor", [heard]) == []


@pytest.mark.parametrize(("role", "rules"), [(ANY, []), ("score-sink", ["no_answer"])])
def test_judge_pipelined_request_after_an_announced_end_may_be_repeated(
    role: Role, rules: list[str]
) -> None:
    """HTTP lets a server end a connection if it says so; our own does not."""
    good, bad, _ = answers_to(BY_NAME["pipelined"], role)
    heard = [good, bad, Silence("the answer before was the last", announced=True)]

    found = findings(BY_NAME["pipelined"], role, heard)

    assert [finding.rule for finding in found] == rules


@pytest.mark.parametrize(("role", "rules"), [(ANY, []), ("score-sink", ["reply_refused"])])
def test_judge_percent_encoded_attribute_is_refused_of_our_own_only(
    role: Role, rules: list[str]
) -> None:
    """The binding demands the encoding, and Knative passes it on; ours write what needs none."""
    found = findings(BY_NAME[EVENT], role, [reply(subject="caf%C3%A9")])

    assert [finding.rule for finding in found] == rules


@pytest.mark.parametrize(("role", "rules"), [(ANY, []), ("score-sink", ["good_event_refused"])])
def test_judge_attribute_that_has_to_be_decoded_is_taken_by_our_own(
    role: Role, rules: list[str]
) -> None:
    """Another sink may refuse what it cannot read, for good; ours read all encodings."""
    found = findings(BY_NAME["subject_percent_encoded"], role, [error(400)])

    assert [finding.rule for finding in found] == rules


def test_judge_error_of_the_longest_safe_length_breaks_no_rule() -> None:
    """768 bytes are what a dispatcher survives."""
    answer = HttpAnswer(400, (), b"x" * LIMIT)

    assert findings(BY_NAME[REFUSED], "any-processor", [answer]) == []


def test_judge_same_finding_of_several_answers_is_said_once() -> None:
    """Ten times the same line would hide the other ones."""
    row = BY_NAME["redelivery_binary"]

    found = findings(row, "any-processor", [HttpAnswer(200, (), b"OK")] * 2)

    assert [finding.rule for finding in found] == ["reply_not_an_event"]


def test_judge_finding_shows_no_control_codes_of_the_sink() -> None:
    """What a sink says reaches a terminal as text only."""
    answer = HttpAnswer(500, (), b"\x1b[2J\r\nboom" + b"x" * 200)

    (finding,) = findings(BY_NAME[EVENT], "any-processor", [answer])

    assert finding.problem.isprintable()
    assert "boom" in finding.problem


# --- the prediction of each row -----------------------------------------------------------------

COUNTRY, TAGS = "article-country", "article-country-tags"
MADE = {made()["$schema"]: made for made in (prediction_classification, weighted_tags)}


def made_by(name: str, **over: Any) -> tuple[Sample, dict[str, str], dict[str, Any]]:
    """The good event for a row, and attributes and data of its reply, members replaced."""
    row = MODELS[name]
    sample = probe(TARGET, "score-sink", name).sample
    page, revision = sample.data["page"]["page_id"], sample.data["revision"]["rev_id"]
    meta = {"id": "reply-0", "stream": row.stream}
    if row.output.schema in MADE:
        about = {"wiki_id": sample.data["wiki_id"], "page": {"page_id": page}}
        data = MADE[row.output.schema](meta=meta, **about)
    else:
        about = {"database": sample.data["wiki_id"], "page_id": page, "rev_id": revision}
        score = revision_score()["scores"]["drafttopic"]
        data = revision_score(meta=meta, **about) | {
            "scores": {name: {**score, "model_name": name}}
        }
    if "revision" in data:
        data["revision"]["rev_id"] = revision
        data["predicted_classification"]["model_name"] = name
    given = {**attributes(), "type": row.output_type, "source": f"/models/{name}", "model": name}
    return sample, given, merged(data, over)


def places(name: str, given: dict[str, str] | None = None, **over: Any) -> list[tuple[str, str]]:
    """What is found in a row's reply whose members are replaced, and where."""
    sample, right, data = made_by(name, **over)
    answer = binary({**right, **(given or {})}, data)
    found = judged(BY_NAME[EVENT], "score-sink", sample, [answer])
    return [(each.rule, each.place) for each in found]


@pytest.mark.parametrize("name", MODELS)
def test_judge_prediction_of_each_row_breaks_no_rule(name: str) -> None:
    """In production's stream, and in that of the test set."""
    row = MODELS[name]

    assert places(name) == []
    assert places(name, meta={"stream": row.test_stream}) == []


@pytest.mark.parametrize(
    ("name", "over", "place"),
    [
        (COUNTRY, {"predicted_classification": {"model_name": TAGS}}, "model"),
        (COUNTRY, {"predicted_classification": None}, "model"),
        (COUNTRY, {"revision": {"rev_id": 1}}, "/revision/rev_id"),
        (COUNTRY, {"page": {"page_id": 1}}, "/page/page_id"),
        (COUNTRY, {"wiki_id": "dewiki"}, "/wiki_id"),
        (COUNTRY, {"meta": {"stream": MODELS[TAGS].stream}}, "/meta/stream"),
        (COUNTRY, {"meta": {"stream": MODELS["revertrisk-wikidata"].stream}}, "/meta/stream"),
        (COUNTRY, {"meta": {"id": "other"}}, "/meta/id"),
        (COUNTRY, {"revision": None}, "data"),
        (COUNTRY, {"$schema": "/mediawiki/page/prediction_classification_change/1.1.0"}, "data"),
        (COUNTRY, {"$schema": "/mediawiki/revision/score/3.0.0"}, "data"),
        (TAGS, {"page": {"page_id": 1}}, "/page/page_id"),
        (TAGS, {"wiki_id": "dewiki"}, "/wiki_id"),
        (TAGS, {"meta": {"stream": MODELS[COUNTRY].stream}}, "/meta/stream"),
        (TAGS, {"weighted_tags": {"set": None}}, "data"),
        (TAGS, {"weighted_tags": {"set": {"x": [{"tag": "a", "score": 1.5}]}}}, "data"),
        (TAGS, {"rev_id": 1}, "data"),
    ],
)
def test_judge_wrong_member_of_a_prediction_is_found_at_its_place(
    name: str, over: dict[str, Any], place: str
) -> None:
    """What a document says of model, page and revision is looked for where its schema has it."""
    place = "/predicted_classification/model_name" if place == "model" else place

    assert places(name, **over) == [("prediction_invalid", place)]


def test_judge_tags_of_another_row_are_found_by_their_attribute() -> None:
    """Both rows of tags have one stream, and tags do not say whose they are."""
    given = {"model": "revise-tone-task-generator"}

    assert places(TAGS, given) == [("prediction_invalid", "ce-model")]


def test_judge_tags_that_are_cleared_break_no_rule() -> None:
    """No country any more is a prediction, too."""
    cleared = {"set": None, "clear": ["classification.prediction.articlecountry"]}

    assert places(TAGS, weighted_tags=cleared) == []


@pytest.mark.parametrize(
    ("name", "other"), [(COUNTRY, TAGS), (TAGS, "damaging"), ("damaging", COUNTRY)]
)
def test_judge_type_of_another_kind_of_row_is_found(name: str, other: str) -> None:
    """The type says which Triggers see a reply."""
    found = places(name, {"type": MODELS[other].output_type})

    assert found == [("not_this_rows_prediction", "ce-type")]


def test_judge_tags_with_the_type_of_the_prediction_feed_themselves() -> None:
    """What the row reads is itself a reply, and must not be taken for its own."""
    found = places(TAGS, {"type": MODELS[COUNTRY].output_type})

    assert found == [("reply_feeds_itself", "ce-type")]


# --- anything at all ----------------------------------------------------------------------------

HEADERS: tuple[tuple[tuple[str, str], ...], ...] = (
    (),
    JSON,
    STRUCTURED,
    (("content-type", "text/plain"),),
    (("content-type", "application/cloudevents-batch+json"),),
    tuple((f"ce-{name}", value) for name, value in attributes().items()),
    (*((f"ce-{name}", value) for name, value in attributes().items()), *JSON),
    (*((f"ce-{name}", value) for name, value in attributes().items()), ("content-type", "\xff;")),
    (("ce-id", ""), ("ce-\xff", "\xff"), *JSON),
)
DATA: tuple[Any, ...] = (
    None, 1, "a", [], {}, {"$schema": 1}, {"meta": 1}, prediction(meta={"id": 1}),
)  # fmt: skip
BODIES: tuple[bytes, ...] = (
    b"", b"OK", b"{}", b"[]", b"1", b"null", b'"a"', b"\xff\x00", b"[" * 5000, b"x" * 1000,
    json.dumps(attributes()).encode(),
    *(json.dumps({**attributes(), "data": data}).encode() for data in DATA),
)  # fmt: skip
STATUSES = (200, 202, 301, 422)


@pytest.mark.parametrize("role", ROLES)
def test_judge_any_answer_is_judged(role: Role) -> None:
    """Whatever a sink answers becomes findings, never an error of the probe's own."""
    kinds = {(each.kind, row.relation): row for row in rows_for(role) for each in row.expected}
    rows = list(kinds.values())
    sample = sample_of(role)
    odd = [
        HttpAnswer(status, headers, body)
        for status, headers, body in itertools.product(STATUSES, HEADERS, BODIES)
    ]

    for row, answer in itertools.product(rows, odd):
        judged(row, role, sample, [answer] * len(row.expected))

    assert len(rows) >= 3
