"""What is found in a payload, what each neighbour is said to do with it, and that decode agrees.

What Knative does was seen with cloudevents/sdk-go 2.16.1, reading the same messages as the broker's
filter and ingress do.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cloudevents.conversion import to_binary, to_structured

from sinks import inputs
from sinks.cloudevent import STRUCTURED_JSON, Event, Message, Mode, decode, encode
from sinks.contract.check.envelope_rules import read
from sinks.contract.check.payload import Payload
from sinks.contract.check.rules import RULES
from sinks.contract.check.run import Checked, check
from sinks.envelope import page_change_event, reply_event
from sinks.errors import SinkError
from sinks.model_row import ModelRow
from sinks.models import MODELS, ROWS
from sinks.sdk import to_sdk
from tests import cases
from tests.factories import (
    DATA,
    SCORE_TYPE,
    merged,
    page_change,
    prediction_classification,
    revision_score,
    weighted_tags,
)
from tests.unit.test_cloudevent import READING, Row

BASE = "https://schema.wikimedia.org/repositories/primary/jsonschema"
READERS = inputs.load_readers()
JSON_TYPE = {"Content-Type": "application/json"}
STRUCTURED = {"Content-Type": STRUCTURED_JSON}


def event(spaces: bool = False, **over: Any) -> bytes:
    """A structured event of a foreign type; a member of ... is left out."""
    members = {
        "specversion": "1.0",
        "id": "1",
        "source": "/x",
        "type": "x",
        "datacontenttype": "application/json",
        "data": {},
        **over,
    }
    kept = {name: value for name, value in members.items() if value is not ...}
    return json.dumps(kept, separators=None if spaces else (",", ":")).encode()


def captured(first: str, headers: Mapping[str, str] | list[tuple[str, str]], body: bytes) -> bytes:
    """An HTTP capture; header values as UTF-8."""
    items = headers.items() if isinstance(headers, Mapping) else headers
    head = "".join(f"{name}: {value}\r\n" for name, value in items)
    return f"{first}\r\n{head}\r\n".encode() + body


def request(headers: Mapping[str, str], body: bytes, target: str = "/") -> bytes:
    """A POST."""
    return captured(f"POST {target} HTTP/1.1", headers, body)


def response(headers: Mapping[str, str], body: bytes, status: int = 200) -> bytes:
    """An answer."""
    return captured(f"HTTP/1.1 {status} X", headers, body)


def binary(**over: str | None) -> dict[str, str]:
    """The headers of a binary event of a foreign type; `_` stands for `-`, None leaves out."""
    known = {f"ce-{n}": v for n, v in {"specversion": "1.0", "id": "1", "source": "/x"}.items()}
    named = {name.replace("_", "-"): value for name, value in over.items()}
    headers = {**JSON_TYPE, **known, "ce-type": "x", **named}
    return {name: value for name, value in headers.items() if value is not None}


def our_request(document: dict[str, Any], mode: Mode = "structured") -> Event:
    """The event that http-shim makes of a document."""
    return page_change_event(inputs.parse(document, READERS), document, BASE, mode)


def our_reply(directory: Path, mode: Mode = "structured") -> Event:
    """The event that score-sink answers to the input of a case."""
    case = cases.read(directory)
    cause, change, row = cases.incoming(case, mode), cases.change_of(case), MODELS[case.row]
    return reply_event(cause, change, row.name, row.output_type, case.output, BASE)


def sent(made: Event, drop: str = "", **over: str) -> bytes:
    """An event as structured JSON, attributes replaced or left out, but never checked."""
    attributes = {**made.attributes, **over}
    attributes.pop(drop, None)
    return json.dumps({"specversion": "1.0", **attributes, "data": made.data}).encode()


def message(written: Message, first: str = "HTTP/1.1 200 OK") -> bytes:
    """A message of ours as a capture."""
    return captured(first, written.headers, written.body)


DRAFTTOPIC = DATA / "rows" / "drafttopic" / "create"
DOCUMENT = revision_score()


def document(made: dict[str, Any]) -> bytes:
    """A bare document."""
    return json.dumps(made).encode()


def with_random_id() -> bytes:
    """A prediction whose id is another one for each attempt."""
    made = our_reply(DRAFTTOPIC)
    other = "1b4e28ba-2fa1-41d2-883f-0016d3cca427"
    data = {**made.data, "meta": {**made.data["meta"], "id": other}}
    return sent(Event({**made.attributes, "id": other}, data))


OTHER_SCHEMA = {"$schema": "/x/y/1.0.0", "meta": {"stream": "x.stream", "id": "1"}}
# One payload for each rule, which breaks that rule and no other.
BROKEN: dict[str, bytes] = {
    "not_an_event": response({}, b"OK"),
    "unreadable_format": request({"Content-Type": "application/cloudevents+avro"}, b"x"),
    "batch": b"[" + event() + b"]",
    "envelope_json": event().replace(b"{}", b"NaN"),
    "envelope_object": response({"Content-Type": STRUCTURED_JSON}, b'"x"'),
    "data_json": request(binary(), b"{"),
    "json_charset": request(binary(Content_Type="application/json; charset=latin1"), b"{}"),
    "duplicate_member": event().replace(b"{}", b'{"a":1,"a":2}'),
    "specversion": event(specversion="1.0.2"),
    "required_attribute": event(id=""),
    "attribute_name": event(my_ext="x"),
    "attribute_name_style": event(**{"x" * 21: "y"}),
    "attribute_encoding": request(binary(ce_subject="%zz"), b"{}"),
    "attribute_type": event(ext={}),
    "attribute_fraction": event(ext=0.97),
    "attribute_characters": event(subject="a\nb"),
    "empty_attribute": event(subject=""),
    "time": event(time="yesterday"),
    "data_twice": event(data_base64="e30="),
    "data_base64": event(data=..., data_base64="%"),
    "data_text": event(datacontenttype="text/plain"),
    "datacontenttype_header": request(binary(ce_datacontenttype="application/json"), b"{}"),
    "contradicting_header": response(
        {"Content-Type": STRUCTURED_JSON, "ce-id": "other"}, event(), 200
    ),
    "repeated_header": captured("POST / HTTP/1.1", [*binary().items(), ("ce-id", "1")], b"{}"),
    "kafka_header": request({**binary(), "ce_id": "1"}, b"{}"),
    "attribute_length": event(subject="s" * 2049),
    "event_size": event(data="x" * 66_000),
    "header_size": event(**{f"ext{n}": "x" * 2000 for n in range(5)}),
    "record_size": event(data="x" * 1_100_000),
    "content_length": request({**binary(), "Content-Length": "9"}, b"{}"),
    "chunked_encoding": request(
        {**binary(Content_Type="text/plain"), "Transfer-Encoding": "chunked"}, b"5\r\nab"
    ),
    "header_line": captured("POST / HTTP/1.1", {"x y": "z", **binary()}, b"{}"),
    "content_encoding": request({**binary(), "Content-Encoding": "gzip"}, b"{}"),
    "method": captured("PUT / HTTP/1.1", binary(), b"{}"),
    "hasty": request(JSON_TYPE, document(DOCUMENT), "/v1/events?hasty=false"),
    "html_type": response(binary(Content_Type="text/html; charset=utf-8"), b"{}"),
    "go_time": event(time="2026-09-23t10:00:00z"),
    "go_source": event(source="1:2"),
    "go_dataschema": event(dataschema="/x"),
    "go_dataschema_uri": event(dataschema="1:2"),
    "go_datacontenttype": request(binary(Content_Type="x;;;=y"), b"{}"),
    "go_data": event(datacontenttype="application/vnd.x+json"),
    "go_data_base64": event(True, data=..., datacontenttype=..., data_base64="e30="),
    "attribute_not_plain": event(subject="Caf\xe9"),
    "knative_attribute": response(binary(ce_knativebrokerttl="255"), b"{}"),
    "status_interim": b"HTTP/1.1 100 Continue\r\n\r\n",
    "redirect": response({"Location": "/x"}, b"", 302),
    "status_retried": response(JSON_TYPE, b'{"reason": "no_such_path"}', 404),
    "error_too_long": response(JSON_TYPE, b"x" * 769, 422),
    "reply_status": response(binary(), b"{}", 202),
    "data_missing": event(type=SCORE_TYPE, data=...),
    "data_content_type": request(binary(ce_type=SCORE_TYPE, Content_Type="text/plain"), b"{}"),
    "data_not_object": event(type=SCORE_TYPE, data=[1]),
    "schema_missing": document({"meta": {"stream": "mediawiki.page_change.v1"}}),
    "schema_uri": document({**DOCUMENT, "$schema": f"{BASE}/mediawiki/revision/score/3.0.0"}),
    "schema_unknown": document({**DOCUMENT, "$schema": "/mediawiki/revision/score/9.0.0"}),
    "document_invalid": document(revision_score(page_id=0)),
    "document_unreadable": document(page_change(wiki_id="En wiki")),
    "schema_differs": event(data=OTHER_SCHEMA, dataschema=f"{BASE}/x/y/1.0.1"),
    "stream_missing": document(revision_score(meta={"stream": None})),
    "stream_not_allowed": document(revision_score(meta={"stream": "mediawiki.page_change.v1"})),
    "stream_unknown": document(page_change(meta={"stream": "mediawiki.page_chang.v1"})),
    "meta_id_missing": document(page_change(meta={"id": None})),
    "message_size": document(page_change(comment="x" * 4_300_000)),
    "private_stream": document(page_change(meta={"stream": inputs.PRIVATE_STREAM})),
    "event_untyped": event(type="dev.knative.kafka.event", data=page_change()),
    "attribute_missing": sent(our_reply(DRAFTTOPIC), drop="partitionkey"),
    "attribute_differs": sent(our_reply(DRAFTTOPIC), subject="enwiki/1/2"),
    "random_id": with_random_id(),
}
# What a payload of that size breaks as well.
ALSO = {"record_size": {"event_size"}}


def found(checked: Checked) -> list[str]:
    return [finding.rule for finding in checked.findings]


def said(content: bytes) -> list[tuple[str, str]]:
    """The rules that a payload breaks, and where."""
    return [(each.rule, each.place) for each in check(content).findings]


def of(content: bytes) -> Checked:
    """A payload checked where the stream of the made-up schema is declared."""
    return check(content, streams=("x.stream",))


@pytest.mark.parametrize("rule", RULES)
def test_rule_is_found_where_it_alone_is_broken(rule: str) -> None:
    """Each rule has a payload that breaks it and no other, so none hides behind another."""
    checked = of(BROKEN[rule])

    assert set(found(checked)) == {rule} | ALSO.get(rule, set())


@pytest.mark.parametrize("rule", RULES)
def test_finding_says_place_problem_clause_and_fix(rule: str) -> None:
    """A finding leads to its repair, and is an error only where its rule says so."""
    finding = next(each for each in of(BROKEN[rule]).findings if each.rule == rule)

    assert all([finding.place, finding.problem, finding.clause, finding.fix])
    assert finding.severity == RULES[rule].severity
    assert of(BROKEN[rule]).errors() == (finding.severity == "error")


def test_rules_and_payloads_that_break_them_are_the_same() -> None:
    """No rule without proof, and no proof of a rule that is gone."""
    assert set(BROKEN) == set(RULES)


# What is right has no finding.


@pytest.mark.parametrize("path", sorted((DATA / "events").iterdir()), ids=lambda path: path.stem)
def test_sample_document_has_no_finding(path: Path) -> None:
    """Every sample is a document that EventGate would take."""
    checked = check(path.read_bytes())

    assert found(checked) == []
    assert told(checked, "EventGate").startswith("takes it, 201")


def test_event_of_a_mebibyte_is_taken_by_one_broker_and_never_by_the_other() -> None:
    """Kafka has a limit for records; the in-memory channel has none."""
    checked = check(BROKEN["record_size"], "request")

    assert told(checked, "Knative's MT broker").startswith("posted to it: takes it, 202")
    assert told(checked, "Knative's Kafka broker").startswith("posted to it: answers 503")


@pytest.mark.parametrize("mode", ["binary", "structured"])
@pytest.mark.parametrize("path", sorted((DATA / "events").iterdir()), ids=lambda path: path.stem)
def test_event_of_our_shim_has_no_finding(path: Path, mode: Mode) -> None:
    """What http-shim makes of a document, and posts to a Broker."""
    made = our_request(json.loads(path.read_text(encoding="utf-8")), mode)

    checked = check(message(encode(made, mode), "POST / HTTP/1.1"))

    assert found(checked) == []
    assert told(checked, "Knative's MT broker") == "posted to it: takes it, 202"


@pytest.mark.parametrize("mode", ["binary", "structured"])
@pytest.mark.parametrize("directory", cases.DIRECTORIES, ids=cases.named)
def test_reply_of_our_score_sink_has_no_finding(directory: Path, mode: Mode) -> None:
    """What score-sink answers, and everybody takes."""
    made = our_reply(directory, mode)

    checked = check(message(encode(made, mode)))

    assert found(checked) == []
    assert told(checked, "Knative's MT broker") == "as a reply: routes it on"
    key = made.attributes["partitionkey"]
    assert (
        told(checked, "Knative's Kafka broker")
        == f"as a reply: writes it to its topic with the key '{key}'"
    )
    assert told(checked, "http-shim") == "as a reply: routes it on"
    assert told(checked, "Go SDK") == "reads it"
    assert told(checked, "EventGate").endswith("of the data alone: takes it, 201, and sets meta.dt")


@pytest.mark.parametrize("write", [to_binary, to_structured], ids=["binary", "structured"])
def test_reply_written_by_the_sdk_has_no_finding(write: Any) -> None:
    """The cloudevents SDK writes our reply as well as we do."""
    headers, body = write(to_sdk(our_reply(DRAFTTOPIC)))

    checked = check(response(headers, body))

    assert found(checked) == []


@pytest.mark.parametrize("status", [200, 202, 204])
def test_empty_answer_has_no_finding(status: int) -> None:
    """Nothing to say is a good answer, with Flask's type or none."""
    checked = check(response({"Content-Type": "text/html; charset=utf-8"}, b"", status))

    assert found(checked) == []
    assert told(checked, "Knative's MT broker") == "as a reply: no reply, all is done"


@pytest.mark.parametrize("status", [400, 413, 415, 422, 429, 500, 503])
def test_error_answer_of_768_bytes_has_no_finding(status: int) -> None:
    """The longest error body that no dispatcher crashes on, whatever it holds."""
    checked = check(response(JSON_TYPE, b"{" * 768, status))

    assert found(checked) == []


def test_stored_reply_of_a_careless_sink_breaks_these_rules() -> None:
    """The stored example of what all can be wrong with one answer."""
    checked = check((DATA / "payloads" / "reply_faulty.http").read_bytes())

    assert found(checked) == [
        "reply_status",
        "attribute_name",
        "go_time",
        "attribute_not_plain",
        "go_dataschema",
        *["document_invalid"] * 5,
        "stream_not_allowed",
        "meta_id_missing",
        "attribute_missing",
        "attribute_missing",
    ]


# Where it is wrong.


@pytest.mark.parametrize(
    ("content", "places"),
    [
        pytest.param(event(time="x", subject=""), ["/subject", "/time"], id="structured"),
        pytest.param(
            request(binary(ce_time="x", ce_subject="%"), b"{}"),
            ["ce-subject", "ce-time"],
            id="binary",
        ),
        pytest.param(
            request(binary(Content_Type="x;;;=y"), b"{}"), ["Content-Type"], id="content-type"
        ),
        pytest.param(event(type=SCORE_TYPE, data=[1]), ["/data"], id="structured-data"),
        pytest.param(
            event(data=revision_score(page_id=0, rev_id="1"), type=SCORE_TYPE),
            ["/data/page_id", "/data/rev_id", "/id", "/source"],
            id="in-structured-data",
        ),
        pytest.param(
            document(revision_score(page_id=0, meta={"stream": None})),
            ["/meta/stream", "/page_id"],
            id="in-a-document",
        ),
        pytest.param(document(revision_score(database=1)), ["/database"], id="type-of-a-member"),
    ],
)
def test_finding_names_the_header_or_pointer(content: bytes, places: list[str]) -> None:
    """Headers by name, JSON by pointer: within `data` where the event is structured."""
    seen = [each.place for each in of(content).findings if each.rule != "attribute_missing"]

    assert sorted(seen) == places


def test_schema_faults_are_told_all_up_to_twenty() -> None:
    """Not the first alone, and not thousands either."""
    labels = {f"x{n}": {"model_name": 1, "model_version": "1"} for n in range(30)}

    few = check(document(revision_score(page_id=0, rev_id=-1, extra=1, other=2)))
    many = check(document(revision_score(scores=labels)))

    assert found(few) == ["document_invalid"] * 4
    assert found(many) == ["document_invalid"] * 20


# A wrong value of each attribute whose right one the document tells.
WRONG = {
    "id": "other",
    "source": "/models/other",
    "time": "2026-01-01T00:00:00Z",
    "subject": "enwiki/1",
    "partitionkey": "1",
    "stream": "mediawiki.page_change.v1",
    "wikiid": "dewiki",
    "model": "articletopic",
}
REPLIES = {
    "score": json.loads((DATA / "payloads" / "reply.json").read_bytes()),
    "prediction": json.loads((DATA / "payloads" / "reply_prediction.json").read_bytes()),
    "tags": json.loads((DATA / "payloads" / "reply_tags.json").read_bytes()),
}


def altered(kind: str, drop: str = "", data: Mapping[str, Any] | None = None, **over: Any) -> bytes:
    """A good reply of a kind, attributes replaced or left out, its data merged with other data."""
    members = merged(REPLIES[kind], {**over, "data": dict(data or {})})
    members.pop(drop, None)
    return json.dumps(members).encode()


@pytest.mark.parametrize("kind", REPLIES)
def test_reply_of_each_kind_has_no_finding(kind: str) -> None:
    """One payload of each kind, as score-sink answers it."""
    checked = check(altered(kind))

    assert found(checked) == []
    assert told(checked, "Knative's MT broker") == "as a reply: routes it on"
    assert told(checked, "EventGate").endswith("of the data alone: takes it, 201, and sets meta.dt")


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("kind", REPLIES)
def test_attribute_of_a_reply_that_contradicts_its_data_is_found(kind: str, name: str) -> None:
    """The attributes are made from the data; egress and Triggers rely on it."""
    assert ("attribute_differs", f"/{name}") in said(altered(kind, **{name: WRONG[name]}))


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("kind", REPLIES)
def test_attribute_of_a_reply_that_is_missing_is_found(kind: str, name: str) -> None:
    """Of every kind, also where only another attribute tells its value."""
    rule = "required_attribute" if name in ("id", "source") else "attribute_missing"

    assert said(altered(kind, drop=name)) == [(rule, f"/{name}")]


@pytest.mark.parametrize(
    "subject",
    ["enwiki", "enwiki/", "dewiki/1/2", "enwiki/1/2", "{}", "{}/", "{}/0", "{}/x", "{}/1/2"],
)
@pytest.mark.parametrize("kind", REPLIES)
def test_subject_of_a_reply_is_wiki_page_and_revision(kind: str, subject: str) -> None:
    """Tags do not say their revision, but their page, and a revision has a number."""
    page = REPLIES[kind]["subject"].rpartition("/")[0]

    assert said(altered(kind, subject=subject.format(page))) == [("attribute_differs", "/subject")]


@pytest.mark.parametrize(("kind", "findings"), [("score", 1), ("prediction", 1), ("tags", 0)])
def test_revision_of_a_subject_is_compared_where_the_document_has_it(
    kind: str, findings: int
) -> None:
    """Whatever number it is, tags cannot contradict it."""
    page = REPLIES[kind]["subject"].rpartition("/")[0]

    assert len(said(altered(kind, subject=f"{page}/1"))) == findings


@pytest.mark.parametrize(
    ("kind", "change", "name"),
    [
        pytest.param("score", {"page_id": 5}, "partitionkey", id="page-of-a-score"),
        pytest.param("score", {"rev_id": 5}, "subject", id="revision-of-a-score"),
        pytest.param("score", {"database": "dewiki"}, "wikiid", id="wiki-of-a-score"),
        pytest.param("prediction", {"page": {"page_id": 5}}, "partitionkey", id="page"),
        pytest.param("prediction", {"revision": {"rev_id": 5}}, "subject", id="revision"),
        pytest.param("prediction", {"wiki_id": "dewiki"}, "wikiid", id="wiki"),
        pytest.param(
            "prediction", {"predicted_classification": {"model_name": "x"}}, "model", id="model"
        ),
        pytest.param("tags", {"page": {"page_id": 5}}, "partitionkey", id="page-of-tags"),
        pytest.param("tags", {"wiki_id": "dewiki"}, "wikiid", id="wiki-of-tags"),
        pytest.param("tags", {"dt": "2026-01-01T00:00:00Z"}, "time", id="time-of-tags"),
    ],
)
def test_data_of_a_reply_that_contradicts_its_attributes_is_found(
    kind: str, change: dict[str, Any], name: str
) -> None:
    """Each fact is looked for where the schema of its kind has it."""
    assert ("attribute_differs", f"/{name}") in said(altered(kind, data=change))


@pytest.mark.parametrize(
    ("kind", "change", "place"),
    [
        pytest.param("score", {"database": 1}, "/data/database", id="wiki-of-a-score"),
        pytest.param("prediction", {"wiki_id": ["x"]}, "/data/wiki_id", id="wiki"),
        pytest.param("prediction", {"page": {"page_id": "5"}}, "/data/page/page_id", id="page"),
        pytest.param("prediction", {"page": 1}, "/data/page", id="no-page"),
        pytest.param(
            "prediction", {"revision": {"rev_id": True}}, "/data/revision/rev_id", id="revision"
        ),
        pytest.param(
            "prediction",
            {"predicted_classification": {"model_name": 1}},
            "/data/predicted_classification/model_name",
            id="model",
        ),
        pytest.param("tags", {"page": {"page_id": 0.5}}, "/data/page/page_id", id="page-of-tags"),
    ],
)
def test_fact_that_a_document_has_of_a_wrong_type_is_said_once(
    kind: str, change: dict[str, Any], place: str
) -> None:
    """What is wrong with the document is not said of the attributes too."""
    assert said(altered(kind, data=change)) == [("document_invalid", place)]


@pytest.mark.parametrize(
    "change",
    [{"predicted_classification": None}, {"page": {"page_id": 74118302.0}}],
    ids=["classification", "page"],
)
def test_prediction_that_its_schema_allows_has_no_finding(change: dict[str, Any]) -> None:
    """The schema does not ask for a classification, and takes 1.0 for an integer."""
    assert said(altered("prediction", data=change)) == []


@pytest.mark.parametrize(
    ("kind", "over", "finding"),
    [
        pytest.param(
            "prediction",
            {"stream": "mediawiki.page_revert_risk_prediction_change.v1"},
            ("stream_not_allowed", "/data/meta/stream"),
            id="stream",
        ),
        pytest.param(
            "score",
            {"stream": "mediawiki.revision_score_damaging"},
            ("stream_not_allowed", "/data/meta/stream"),
            id="stream-of-a-score",
        ),
        pytest.param(
            "tags",
            {"model": "drafttopic", "source": "/models/drafttopic"},
            ("attribute_differs", "/model"),
            id="kind",
        ),
    ],
)
def test_model_that_publishes_otherwise_is_found(
    kind: str, over: dict[str, str], finding: tuple[str, str]
) -> None:
    """A row has its streams and its kind of document; the rest is somebody else's."""
    data = {"meta": {"stream": over.get("stream", REPLIES[kind]["stream"])}}

    assert said(altered(kind, data=data, **over)) == [finding]


@pytest.mark.parametrize(
    ("kind", "model"),
    [("score", "drafttopic"), ("prediction", "article-country"), ("tags", "<row>")],
)
def test_model_that_no_attribute_names_is_that_of_the_document(kind: str, model: str) -> None:
    """Tags leave open whose they are, so no row's name is put in."""
    checked = check(altered(kind, drop="model", source="/x"))

    assert {each.place: each.problem for each in checked.findings} == {
        "/source": f"is '/x', has to be '/models/{model}'",
        "/model": f"is missing, has to be '{model}'",
    }


def test_stream_named_by_the_caller_is_allowed_to_a_reply() -> None:
    """A stream can be declared that this version does not know."""
    other = "mediawiki.page_prediction_change.v2"
    content = altered("prediction", stream=other, data={"meta": {"stream": other}})

    assert found(check(content)) == ["stream_not_allowed"]
    assert found(check(content, streams=(other,))) == []


@pytest.mark.parametrize("name", ["pagechangekind", "namespaceid", "isredirect", "wikidomain"])
def test_attribute_of_a_page_change_that_triggers_filter_on_is_needed(name: str) -> None:
    """Without it, or with another value, the right Triggers do not see the event."""
    made = our_request(page_change())

    missing, other = check(sent(made, drop=name)), check(sent(made, **{name: "other"}))

    assert (found(missing), found(other)) == (["attribute_missing"], ["attribute_differs"])


@pytest.mark.parametrize(
    "time", ["2026-09-23T10:00:00.000Z", "2026-09-23T12:00:00+02:00", "2026-09-23T10:00:00Z"]
)
def test_time_of_the_same_instant_is_right(time: str) -> None:
    """`dt` and `time` are one moment, however they are written."""
    assert found(check(sent(our_request(page_change()), time=time))) == []


def test_non_ascii_attribute_of_ours_is_an_error() -> None:
    """Others may risk what Java does to it; our own events never do."""
    checked = check(sent(our_reply(DRAFTTOPIC), note="Caf\xe9"))

    assert [(each.rule, each.severity) for each in checked.findings] == [
        ("attribute_not_plain", "error")
    ]


def test_stream_named_by_the_caller_is_allowed() -> None:
    """A stream can be declared that this version does not know."""
    content = document(revision_score(meta={"stream": "mediawiki.revision_score_new"}))

    assert found(check(content)) == ["stream_not_allowed"]
    assert found(check(content, streams=("mediawiki.revision_score_new",))) == []


MADE = {
    "score": revision_score,
    "prediction": prediction_classification,
    "tags": weighted_tags,
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("kind", MADE)
def test_stream_of_each_row_is_for_its_kind_of_document_alone(kind: str, row: ModelRow) -> None:
    """Production's name and the test set's name are declared for what the row publishes."""
    for stream in (row.stream, row.test_stream):
        made = MADE[kind](meta={"stream": stream})
        right = made["$schema"] == row.output.schema

        assert found(check(document(made))) == ([] if right else ["stream_not_allowed"])


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize(
    ("change", "rule", "place"),
    [
        pytest.param({"extra": 1}, "document_invalid", "body", id="closed"),
        pytest.param({"dt": "yesterday"}, "document_invalid", "/dt", id="time"),
        pytest.param({"meta": {"stream": None}}, "stream_missing", "/meta/stream", id="no-stream"),
        pytest.param({"meta": {"stream": "x"}}, "stream_not_allowed", "/meta/stream", id="stream"),
        pytest.param({"meta": {"id": None}}, "meta_id_missing", "/meta/id", id="no-id"),
        pytest.param({"meta": {"id": "a b"}}, "document_unreadable", "/meta/id", id="unsafe-id"),
        pytest.param({"$schema": 1}, "schema_uri", "/$schema", id="schema"),
    ],
)
def test_bare_output_of_each_kind_is_judged_by_schema_stream_and_id(
    kind: str, change: dict[str, Any], rule: str, place: str
) -> None:
    """A document that is in no event is judged by what EventGate and egress see of it."""
    assert said(document(MADE[kind](**change))) == [(rule, place)]


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ("/mediawiki/page/prediction_classification_change/1.1.0", "prediction"),
        ("/mediawiki/page/prediction_classification_change/2.0.0", "prediction"),
        ("/mediawiki/cirrussearch/page_weighted_tags_change/1.0.1", "tags"),
    ],
)
def test_output_of_a_version_that_is_not_known_has_a_warning(schema: str, kind: str) -> None:
    """What another version allows cannot be told here, so it is no error."""
    checked = check(document(MADE[kind](**{"$schema": schema})))

    assert [(each.rule, each.severity) for each in checked.findings] == [
        ("schema_unknown", "warning")
    ]
    assert "a version that is not known here" in checked.findings[0].problem


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        pytest.param(b"\xef\xbb\xbf" + event(), "byte order mark", id="byte-order-mark"),
        pytest.param(event(data="x").decode().encode("utf-16-le"), "UTF-16", id="utf-16"),
        pytest.param(
            event(subject="s").replace(b'"s"', b'"\xff"'), "not UTF-8 from byte", id="utf-8"
        ),
        pytest.param(event().replace(b"{}", b"NaN"), "the number NaN", id="nan"),
        pytest.param(event().replace(b"{}", b"[-Infinity]"), "-Infinity", id="infinity"),
        pytest.param(event()[:-1], "line 1 column", id="cut-off"),
    ],
)
def test_problem_of_what_is_no_json_says_why(body: bytes, problem: str) -> None:
    """A byte order mark cannot be seen, and `unexpected character` helps nobody."""
    checked = check(response(STRUCTURED, body))

    assert found(checked) == ["envelope_json"]
    assert problem in checked.findings[0].problem


def test_duplicate_members_are_named_once_each() -> None:
    """Anywhere in the event, attributes too."""
    content = event(ext="1")[:-1] + b',"ext":"2","data":{"a":1,"a":2,"a":{"b":1,"b":1}}}'

    problems = [each.problem for each in check(content).findings]

    assert sorted(problems) == [
        f"an object has the member '{name}' twice" for name in ("a", "b", "data", "ext")
    ]


@pytest.mark.parametrize("name", ["time", "subject", "id", "source", "type", "specversion"])
def test_attribute_of_a_wrong_type_is_one_finding(name: str) -> None:
    """A number is no text, and that it is no time either helps nobody."""
    assert found(check(event(**{name: 1790157600}))) == ["attribute_type"]


def test_bad_name_with_a_bad_value_is_two_findings() -> None:
    """One fault does not hide the other."""
    assert found(check(event(my_ext={}))) == ["attribute_type", "attribute_name"]


def test_trace_header_beside_a_structured_event_is_no_contradiction() -> None:
    """Only what both say can differ."""
    checked = check(response(STRUCTURED | {"ce-traceparent": "x", "ce-id": "1"}, event()))

    assert found(checked) == []


def test_prediction_without_causationid_has_a_warning_only() -> None:
    """An id that cannot stand in a header is left out rightly."""
    checked = check(sent(our_reply(DRAFTTOPIC), drop="causationid"))

    assert [(each.rule, each.severity) for each in checked.findings] == [
        ("attribute_missing", "warning")
    ]


def test_problem_quotes_no_value_of_the_data() -> None:
    """Findings go into reports; a document can hold what must not."""
    marker = "Zq7 secret"
    content = document(revision_score(dt=marker, database=[marker], scores={marker: marker}))

    assert marker not in str(check(content).findings)


# What neighbours do.


def told(checked: Checked, neighbour: str) -> str:
    """What is said of one neighbour."""
    return next(verdict.text for verdict in checked.verdicts if verdict.neighbour == neighbour)


ROUTES, AGAIN, DROPS = "routes it on", "its filter answers 502", "its ingress answers 400"
LOST, DONE, NO_EVENT = "silently no reply", "no reply, all is done", "no event: its filter"
# What the broker was seen to do with each as a reply.
SEEN = [
    pytest.param(response({}, b""), DONE, id="empty"),
    pytest.param(response({}, b"\n"), NO_EVENT, id="newline"),
    pytest.param(response(JSON_TYPE, event()), NO_EVENT, id="event-as-application-json"),
    pytest.param(
        response({"Content-Type": "application/cloudevents"}, event()), NO_EVENT, id="no-+json"
    ),
    pytest.param(response(binary(ce_specversion=None), b"{}"), NO_EVENT, id="no-specversion"),
    pytest.param(response(binary(ce_specversion=None), b""), LOST, id="no-specversion-empty"),
    pytest.param(response(binary(ce_specversion="1.0.2"), b"{}"), NO_EVENT, id="1.0.2"),
    pytest.param(response(binary(ce_specversion="1.0.2"), b""), LOST, id="1.0.2-empty"),
    pytest.param(response(binary(ce_specversion="0.3"), b"{}"), ROUTES, id="0.3"),
    pytest.param(event(specversion="1.0.2"), AGAIN, id="structured-1.0.2"),
    pytest.param(event(specversion=...), AGAIN, id="structured-without-specversion"),
    pytest.param(response(STRUCTURED, b"{"), AGAIN, id="structured-no-json"),
    pytest.param(response(STRUCTURED, b""), AGAIN, id="structured-empty"),
    pytest.param(b"[" + event() + b"]", AGAIN, id="batch"),
    *(
        pytest.param(response(binary(**{f"ce_{name}": None}), b"{}"), DROPS, id=f"no-{name}")
        for name in ("id", "type", "source")
    ),
    *(
        pytest.param(event(**{name: ...}), DROPS, id=f"structured-no-{name}")
        for name in ("id", "type", "source")
    ),
    pytest.param(response(binary(ce_id=""), b"{}"), AGAIN, id="empty-id"),
    pytest.param(response(binary(ce_type=""), b"{}"), DROPS, id="empty-type"),
    pytest.param(event(source=""), AGAIN, id="structured-empty-source"),
    pytest.param(event(id=""), DROPS, id="structured-empty-id"),
    pytest.param(response(binary(ce_source="/%zz"), b"{}"), AGAIN, id="source-escape"),
    pytest.param(event(source="1:2"), AGAIN, id="source-colon"),
    pytest.param(event(source="/a b"), ROUTES, id="source-with-space"),
    pytest.param(event(time="2026-09-23 10:00:00Z"), AGAIN, id="time-with-space"),
    pytest.param(event(time="2026-09-23T10:00:00"), AGAIN, id="time-without-zone"),
    pytest.param(event(time="2026-09-23T10:00:00+02:00"), ROUTES, id="time-with-offset"),
    pytest.param(event(dataschema="/x"), DROPS, id="relative-dataschema"),
    pytest.param(response(binary(ce_dataschema="1:2"), b"{}"), AGAIN, id="dataschema-no-uri"),
    pytest.param(
        response(binary(ce_datacontenttype="application/json"), b"{}"), AGAIN, id="its-own-header"
    ),
    pytest.param(response(binary(ce_data="x"), b"{}"), ROUTES, id="ce-data"),
    pytest.param(response(binary(ce_foo_bar="x"), b"{}"), AGAIN, id="ce-foo-bar"),
    pytest.param(event(my_ext="x"), AGAIN, id="my_ext"),
    pytest.param(event(my_ext=None), AGAIN, id="my_ext-null"),
    pytest.param(event(myExt="x"), ROUTES, id="myExt"),
    pytest.param(response(binary(Content_Type="x;;;=y"), b"{}"), DROPS, id="content-type"),
    pytest.param(response(binary(Content_Type="text/html"), b"{}"), ROUTES, id="html"),
    pytest.param(event(ext=True), ROUTES, id="bool"),
    pytest.param(event(ext=0.97), ROUTES, id="fraction"),
    pytest.param(event(ext=5e9), AGAIN, id="large-fraction"),
    pytest.param(event(ext=5_000_000_000), AGAIN, id="large-integer"),
    pytest.param(event(ext={}), AGAIN, id="object"),
    pytest.param(event(id=5), AGAIN, id="id-number"),
    pytest.param(event(datacontenttype="text/plain"), AGAIN, id="object-as-text"),
    pytest.param(event(datacontenttype="text/plain", data=None), ROUTES, id="null-as-text"),
    pytest.param(event(datacontenttype="application/vnd.x+json"), AGAIN, id="+json"),
    pytest.param(event(datacontenttype="application/vnd.x+json", data="{}"), ROUTES, id="+text"),
    pytest.param(event(data_base64="e30="), ROUTES, id="data-and-base64"),
    pytest.param(event(data=..., data_base64="%"), AGAIN, id="bad-base64"),
    pytest.param(
        event(True, data=..., datacontenttype=..., data_base64="e30="), AGAIN, id="base64-space"
    ),
    pytest.param(event(True, data=..., data_base64="e30="), ROUTES, id="base64-after-type"),
    pytest.param(event(data=..., data_base64=None), ROUTES, id="base64-null-after-type"),
    pytest.param(
        b'{"datacontenttype":"text/plain","data_base64":null,"specversion":"1.0","id":"1",'
        b'"source":"/x","type":"x"}',
        AGAIN,
        id="base64-null-before-version",
    ),
    pytest.param(event(subject="Caf\xe9"), ROUTES, id="non-ascii"),
    pytest.param(event(subject="a\nb"), ROUTES, id="newline-in-subject"),
    pytest.param(response(binary(ce_subject="%zz"), b"{}"), ROUTES, id="subject-escape"),
    pytest.param(response(binary(ce_specversion='"1.0"'), b"{}"), NO_EVENT, id="quoted-version"),
    pytest.param(response(binary(), b"{"), ROUTES, id="binary-no-json"),
    pytest.param(response(binary(ce_id="2"), b"{}", 202), ROUTES, id="status-202"),
    pytest.param(response(STRUCTURED | {"ce-id": "2"}, event()), ROUTES, id="both-modes"),
]


@pytest.mark.parametrize(("content", "expected"), SEEN)
def test_reply_verdict_is_what_the_broker_was_seen_to_do(content: bytes, expected: str) -> None:
    """502 costs another call of the sink, 400 the reply, and silence the event."""
    verdict = told(check(content), "Knative's MT broker")

    assert verdict.removeprefix("as a reply: ").startswith(expected)


# What Knative refuses and our shim routes on: rarities of Go's, found here.
LAXER = {"go_dataschema_uri", "go_data_base64", "attribute_name", "attribute_not_plain"}


@pytest.mark.parametrize(("content", "expected"), SEEN)
def test_reply_verdict_of_our_shim_is_not_laxer_than_knatives(
    content: bytes, expected: str
) -> None:
    """What the standalone shim routes on, a Broker does too, but for four rarities."""
    checked = check(content)
    shim = told(checked, "http-shim")

    assert shim.startswith("as a reply: ")
    if "routes it on" in shim and not LAXER & set(found(checked)):
        assert expected == ROUTES
    if "no reply" in shim:
        assert expected == DONE


@pytest.mark.parametrize(("content", "expected"), SEEN)
def test_reply_that_goes_wrong_has_an_error(content: bytes, expected: str) -> None:
    """No verdict is bad without a finding that says why."""
    checked = check(content)

    assert expected in (ROUTES, DONE) or checked.errors() > 0


@pytest.mark.parametrize(
    ("status", "headers", "mt", "kafka"),
    [
        pytest.param(100, {}, "a failure for good", "a failure for good", id="100"),
        pytest.param(302, {"Location": "/x"}, "followed as GET", "a failure for good", id="302"),
        pytest.param(308, {"Location": "/x"}, "the event is sent once more", "a failure", id="308"),
        pytest.param(304, {}, "a failure that is not", "a failure for good", id="304"),
        pytest.param(422, {}, "a failure for good", "a failure for good", id="422"),
        pytest.param(404, {}, "a failure that may pass", "a failure that may pass", id="404"),
        pytest.param(429, {}, "a failure that may pass", "a failure that may pass", id="429"),
        pytest.param(503, {}, "a failure that may pass", "a failure that may pass", id="503"),
    ],
)
def test_failure_verdict_is_by_its_status(
    status: int, headers: dict[str, str], mt: str, kafka: str
) -> None:
    """An event in a failure is not looked at."""
    checked = check(response({**binary(ce_id=""), **headers}, b"{}", status))

    assert told(checked, "Knative's MT broker").startswith(f"as a reply: {mt}")
    assert told(checked, "Knative's Kafka broker").startswith(f"as a reply: {kafka}")
    assert "required_attribute" not in found(checked)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(request(binary(), b"{}"), "takes it, 202", id="good"),
        pytest.param(request(binary(ce_id=None), b"{}"), "answers 400", id="no-id"),
        pytest.param(request(JSON_TYPE, b'{"a":1}'), "answers 400", id="no-event"),
        pytest.param(captured("PUT / HTTP/1.1", binary(), b"{}"), "answers 405", id="put"),
    ],
)
def test_request_verdict_is_what_an_ingress_answers(content: bytes, expected: str) -> None:
    """An ingress knows only good and bad."""
    text = told(check(content), "Knative's MT broker")

    assert text.startswith(f"posted to it: {expected}")


def test_json_as_a_request_is_judged_by_the_ingress() -> None:
    """A file does not say what it is meant as; the caller does."""
    content = event(dataschema="/x")

    assert told(check(content, "reply"), "Knative's MT broker").startswith("as a reply")
    assert told(check(content, "request"), "Knative's MT broker").startswith("posted to it")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(document(DOCUMENT), "takes it, 201, and sets meta.dt", id="good"),
        pytest.param(
            document(page_change()),
            "takes it, 201, and sets meta.dt, if its registry has /mediawiki/page/change/1.2.0",
            id="input",
        ),
        pytest.param(document(revision_score(page_id=0)), "answers 400 invalid", id="invalid"),
        pytest.param(BROKEN["stream_not_allowed"], "answers 500", id="stream"),
        pytest.param(BROKEN["stream_missing"], "answers 500", id="no-stream"),
        pytest.param(BROKEN["schema_missing"], "answers 500", id="no-schema"),
        pytest.param(BROKEN["schema_uri"], "answers 500", id="absolute-schema"),
        pytest.param(BROKEN["message_size"], "answers 500", id="too-large"),
        pytest.param(
            document(revision_score(page_id=0, meta={"stream": "x"})), "answers 500", id="both"
        ),
        pytest.param(
            event(type=SCORE_TYPE, data=DOCUMENT), "needs unwrapping", id="structured-event"
        ),
        pytest.param(event(data=[1]), "nothing for it", id="no-document"),
        pytest.param(event(data={"meta": 1}), "nothing for it", id="foreign-data"),
        pytest.param(event(type=SCORE_TYPE, data={}), "needs unwrapping", id="ours-without-schema"),
        pytest.param(
            request({"Content-Type": "application/json"}, document(DOCUMENT), "/v1/events"),
            "takes it",
            id="request",
        ),
        pytest.param(b"[" + document(DOCUMENT) + b"]", "takes an array", id="array"),
    ],
)
def test_eventgate_verdict_is_by_stream_first_and_schema_then(
    content: bytes, expected: str
) -> None:
    """500 is for good where the event is to blame; it takes documents and no CloudEvents."""
    assert told(check(content), "EventGate").startswith(expected)


def test_canary_is_noted_and_no_fault() -> None:
    """Canaries are made on purpose, and dropped by whoever gets them."""
    checked = check(document(page_change(meta={"domain": "canary"})))

    assert found(checked) == []
    assert "canary" in told(checked, "consumers")


# Agreement with the codec.


def taken(headers: Mapping[str, str], body: bytes) -> bool:
    """True if decode makes an event of it."""
    try:
        decode(headers, body)
    except SinkError:
        return False
    return True


def envelope_errors(headers: Mapping[str, str], body: bytes) -> list[str]:
    """The errors of the rules of CloudEvents."""
    reading = read(Payload("HTTP request", tuple(headers.items()), body))
    return [each.rule for each in reading.findings if each.severity == "error"]


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in READING])
def test_envelope_rules_agree_with_decode(row: Row) -> None:
    """What decode refuses has an error here, what it accepts has none, and the parts are equal."""
    reading = read(Payload("HTTP request", tuple(row.headers.items()), row.body))
    errors = [each for each in reading.findings if each.severity == "error"]

    assert bool(errors) is not taken(row.headers, row.body)
    if not errors:
        decoded = decode(row.headers, row.body)
        assert reading.attributes == {"specversion": "1.0", **decoded.attributes}
        assert reading.data == decoded.data
        assert reading.mode == decoded.mode


NAMES = (
    *("id", "source", "type", "time", "subject", "dataschema", "datacontenttype", "specversion"),
    *("ext", "my-ext", "my_ext", "myExt", "data", "x1", "traceparent", "data_base64", ""),
)
TEXTS = (
    *("x", "/x", "a b", '"q"', '"', "%41", "%zz", "caf\xc3\xa9", "caf\xe9", "", "1.0", "0.3"),
    *("2026-09-23T10:00:00Z", "2026-09-23t10:00:00z", "yesterday", "1:2", "http://x/y", "e30="),
    *("text/plain", "application/json", "application/vnd.x+json", "a\x7f", "\x85", "%00"),
    *("application/json; charset=latin1", "x;;;=y", "AP8=", "s" * 3000),
)
VALUES = (*TEXTS, None, True, False, 5, -1, 2**31, 0.5, 1e300, [1], {"a": 1}, "a\nb", "\ufdd0")
TYPES = (STRUCTURED_JSON, "Application/CloudEvents+JSON; charset=utf-8")
OTHER_TYPES = ("application/cloudevents", "application/cloudevents-batch+json", "")
BODIES = (b"", b"{}", b"{", b"[]", b'"x"', b'{"a":NaN}', b"\xff", b"\xef\xbb\xbf{}", b"\n")


def random_message(chance: random.Random) -> tuple[dict[str, str], bytes]:
    """A message with none to four faults."""
    if chance.random() < 0.5:
        headers: dict[str, str] = {name: str(value) for name, value in binary().items()}
        for _ in range(chance.randrange(5)):
            name = chance.choice(NAMES)
            header = "Content-Type" if name == "datacontenttype" else f"ce-{name}"
            headers[header] = chance.choice(TEXTS)
            if chance.random() < 0.2:
                del headers[header]
        return headers, chance.choice(BODIES)
    members: dict[str, Any] = json.loads(event())
    for _ in range(chance.randrange(5)):
        name = chance.choice(NAMES)
        members[name] = chance.choice(VALUES)
        if chance.random() < 0.2:
            del members[name]
    kind = chance.choice((*TYPES, *TYPES, *OTHER_TYPES))
    body = chance.choice(BODIES) if chance.random() < 0.1 else json.dumps(members).encode()
    return {"Content-Type": kind}, body


def test_envelope_rules_agree_with_decode_on_random_messages() -> None:
    """Two thousand messages with several faults each: the same are refused by both."""
    chance = random.Random(20260923)  # noqa: S311
    messages = [random_message(chance) for _ in range(2000)]

    refused = [message for message in messages if not taken(*message)]
    faulty = [message for message in messages if envelope_errors(*message)]

    assert faulty == refused
    assert 500 < len(refused) < 1900


def test_random_message_never_breaks_the_check() -> None:
    """Whatever it is, there are verdicts and findings, and no exception."""
    chance = random.Random(7)  # noqa: S311
    messages = [random_message(chance) for _ in range(500)]

    checked = [
        check(captured("POST / HTTP/1.1", headers, body))
        for headers, body in messages
        if all(value.isprintable() for value in headers.values())
    ]

    assert len(checked) > 300
    assert all(each.verdicts for each in checked)


def test_reply_verdicts_agree_with_our_shim_on_random_messages() -> None:
    """Where our shim routes a reply on, a Broker is said to do so, and the other way round, but for
    what only one of them refuses."""
    chance = random.Random(11)  # noqa: S311
    different = LAXER | {"attribute_length"}
    disagreeing = []
    routed_by_both = 0
    for headers, body in (random_message(chance) for _ in range(1000)):
        checked = check(captured("HTTP/1.1 200 OK", headers, body))
        shim = "routes it on" in told(checked, "http-shim")
        broker = told(checked, "Knative's MT broker") == "as a reply: routes it on"
        routed_by_both += shim and broker
        if shim is not broker and not set(found(checked)) & different:
            disagreeing.append((headers, body, found(checked)))

    assert disagreeing == []
    assert routed_by_both > 50
