"""The shim as it runs: gunicorn in front, scripted subscribers, Broker, predictor and EventGate."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from sinks.envelope import made_id
from tests.factories import (
    PAGE_CHANGE_TYPE,
    SCORE_TYPE,
    binary,
    page_change,
    revision_create,
    revision_score,
    structured,
)
from tests.processes import ROOT, Running, clean_env, gunicorn
from tests.sixteen import NAMES
from tests.upstream import Behave, Received, Upstream, answer

META_ID = page_change()["meta"]["id"]
PATIENCE_SECONDS = 20
DEADLINE_SECONDS = 3
MAX_ERROR_BYTES = 768
JSON = {"Content-Type": "application/json"}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER_TRACE = "00-11111111111111111111111111111111-2222222222222222-01"
TOKEN = "0123456789abcdef"  # noqa: S105
# Triggers of the routing shim: nine take ninewiki, one onewiki, nine with long names longwiki.
NINE = [f"t{number}" for number in range(9)]
LONG = [f"{'long-' * 48}{number}" for number in range(9)]
ERROR_503 = answer(503, {"reason": "predictor_failed", "detail": "x", "ce_id": None})
ERROR_422 = answer(422, {"reason": "unscorable_revision", "detail": "x", "ce_id": None})


@dataclass(frozen=True)
class Answer:
    """One answer of the shim."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def post(url: str, body: Any, headers: Mapping[str, str] = JSON, path: str = "/events") -> Answer:
    """POST a JSON value, or bytes as they are, on a connection of its own."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    port = int(url.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("POST", path, raw, dict(headers))
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


@dataclass
class Scripted:
    """An upstream that behaves by path; `default` where nothing is scripted."""

    default: Behave = field(default_factory=lambda: answer(202))

    def __post_init__(self) -> None:
        self.script: dict[str, Behave] = {}
        self.upstream = Upstream(self._behave)

    def _behave(self, received: Received, sock: socket.socket) -> bool | None:
        return self.script.get(received.target, self.default)(received, sock)

    @property
    def targets(self) -> Counter[str]:
        """How often each path was requested."""
        return Counter(each.target for each in self.upstream.received)

    def forget(self) -> None:
        self.script.clear()
        self.upstream.received.clear()


@contextmanager
def scripted(default: Behave | None = None) -> Iterator[Scripted]:
    """Run a scripted upstream until the block ends."""
    made = Scripted(default) if default else Scripted()
    with made.upstream:
        yield made


def trigger(name: str, uri: str, **attributes: str) -> dict[str, Any]:
    """A Trigger that takes events with these attributes."""
    return {
        "apiVersion": "eventing.knative.dev/v1",
        "kind": "Trigger",
        "metadata": {"name": name},
        "spec": {
            "broker": "default",
            "filters": [{"exact": attributes}],
            "subscriber": {"uri": uri},
        },
    }


def scored(**attributes: str) -> Behave:
    """Reply with a score event in binary mode."""
    headers, body = binary(revision_score(), type=SCORE_TYPE, **attributes)
    return answer(200, body, headers)


# One shim that routes, for everything that needs no real sink behind it.


@dataclass
class Routing:
    """A routing shim and all of its subscribers in one."""

    url: str
    subscribers: Scripted

    def post(self, body: Any, headers: Mapping[str, str] = JSON, query: str = "") -> Answer:
        return post(self.url, body, headers, f"/events{query}")


@pytest.fixture(scope="module")
def routing_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Routing]:
    """The routing shim."""
    directory = tmp_path_factory.mktemp("routing")
    with scripted() as subscribers:
        url = subscribers.upstream.url
        nine = [
            trigger(name, f"{url}/{name}", type=PAGE_CHANGE_TYPE, wikiid="ninewiki")
            for name in NINE
        ]
        long = [
            trigger(name, f"{url}/long{number}", wikiid="longwiki")
            for number, name in enumerate(LONG)
        ]
        more = [
            trigger("one", f"{url}/one", wikiid="onewiki"),
            trigger("egress", f"{url}/egress", type=SCORE_TYPE),
            trigger("echo", f"{url}/echo", type="echo"),
        ]
        text = yaml.safe_dump_all([*nine, *long, *more])
        (directory / "triggers.yaml").write_text(text, encoding="utf-8")
        env = {
            "TRIGGERS_DIR": str(directory),
            "ALLOW_ANONYMOUS": "true",
            "EVENT_DEADLINE_SECONDS": str(DEADLINE_SECONDS),
        }
        with gunicorn("sinks.http_shim:create_app()", env, directory, ready="/readyz") as running:
            yield Routing(running.url, subscribers)


@pytest.fixture
def routing(routing_process: Routing) -> Routing:
    """The routing shim with subscribers that take everything and have got nothing yet."""
    routing_process.subscribers.forget()
    return routing_process


def on(wiki_id: str, **over: Any) -> dict[str, Any]:
    """A page change on a wiki."""
    return page_change(wiki_id=wiki_id, **over)


# What the caller is told.


def test_plain_json_that_is_taken_is_200_with_the_outcome(routing: Routing) -> None:
    """A caller that does not speak CloudEvents gets JSON that names each delivery."""
    got = routing.post(on("onewiki"))

    assert got.status == 200
    assert got.headers["Content-Type"] == "application/json"
    assert got.json() == {
        "ce_id": META_ID,
        "outcomes": [
            {
                "trigger": "one",
                "outcome": "relayed",
                "reason": None,
                "stream": "mediawiki.page_change.v1",
                "ce_id": META_ID,
            }
        ],
    }


def test_plain_json_that_is_replied_to_is_200_with_every_hop(routing: Routing) -> None:
    """The reply and where it went are outcomes of their own."""
    routing.subscribers.script["/one"] = scored(id="score-1", stream="scores")
    got = routing.post(on("onewiki"))

    assert got.status == 200
    assert got.headers["Sinks-Outcome"] == "relayed"
    hop = {"reason": None, "stream": "scores", "ce_id": "score-1"}
    assert got.json() == {
        "ce_id": META_ID,
        "outcomes": [
            {"trigger": "one", "outcome": "replied", **hop},
            {"trigger": "egress", "outcome": "relayed", **hop},
        ],
    }
    assert routing.subscribers.targets == {"/one": 1, "/egress": 1}


def test_plain_json_whose_reply_no_trigger_takes_is_200_and_says_so(routing: Routing) -> None:
    """A reply that goes nowhere is ignored, visibly."""
    headers, body = binary({}, id="x-1", type="unknown")
    routing.subscribers.script["/one"] = answer(200, body, headers)
    got = routing.post(on("onewiki"))

    assert got.status == 200
    assert [
        (each["trigger"], each["outcome"], each["reason"]) for each in got.json()["outcomes"]
    ] == [
        ("one", "replied", None),
        (None, "ignored", "no_trigger"),
    ]


def test_plain_json_that_a_sink_ignores_is_200_with_its_reason(routing: Routing) -> None:
    """Our sinks say why they did not want an event."""
    headers = {"Sinks-Outcome": "ignored", "Sinks-Reason": "wiki_not_deployed"}
    routing.subscribers.script["/one"] = answer(202, b"", headers)
    got = routing.post(on("onewiki"))

    assert got.status == 200
    assert got.headers["Sinks-Outcome"] == "ignored"
    outcome = got.json()["outcomes"][0]
    assert (outcome["trigger"], outcome["outcome"], outcome["reason"]) == (
        "one",
        "ignored",
        "wiki_not_deployed",
    )


def test_plain_json_that_no_trigger_takes_is_200_ignored(routing: Routing) -> None:
    """No Trigger is no error."""
    got = routing.post(on("otherwiki"))

    assert got.status == 200
    outcome = got.json()["outcomes"]
    assert [(each["trigger"], each["outcome"], each["reason"]) for each in outcome] == [
        (None, "ignored", "no_trigger")
    ]
    assert not routing.subscribers.targets


def test_plain_json_to_nine_triggers_is_200_with_nine_outcomes(routing: Routing) -> None:
    """Each Trigger's outcome is there once, in order."""
    got = routing.post(on("ninewiki"))

    assert got.status == 200
    assert [each["trigger"] for each in got.json()["outcomes"]] == NINE
    assert routing.subscribers.targets == {f"/{name}": 1 for name in NINE}


def test_plain_json_without_meta_id_gets_the_same_id_each_time(routing: Routing) -> None:
    """An id is made from what does not change when the event is sent again."""
    document = on("onewiki", meta={"id": None})
    document["meta"].pop("id", None)
    made = made_id(
        "mediawiki.page_change.v1", "onewiki", 1300200300, "2026-09-23T10:00:00Z", "edit"
    )

    answers = [routing.post(document) for _ in range(2)]

    assert [got.json()["ce_id"] for got in answers] == [made, made]
    assert {each.headers["ce-id"] for each in routing.subscribers.upstream.received} == {made}


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "APPLICATION/JSON"])
def test_plain_json_with_another_spelling_of_json_is_200(
    routing: Routing, content_type: str
) -> None:
    """JSON is recognised by its media type."""
    assert routing.post(on("onewiki"), {"Content-Type": content_type}).status == 200


@pytest.mark.parametrize("form", [binary, structured], ids=["binary", "structured"])
@pytest.mark.parametrize(("wiki_id", "outcome"), [("onewiki", "relayed"), ("otherwiki", "ignored")])
def test_cloudevent_that_is_handled_is_202_and_empty(
    routing: Routing, form: Any, wiki_id: str, outcome: str
) -> None:
    """A Broker takes any body for an event of its own, so there is none."""
    headers, body = form(on(wiki_id))
    got = routing.post(body, headers)

    assert got.status == 202
    assert got.headers["Content-Type"] is None
    assert got.headers["Sinks-Outcome"] == outcome
    assert got.body == b""


@pytest.mark.parametrize(
    ("form", "content_type"),
    [(binary, "application/json"), (structured, "application/cloudevents+json")],
    ids=["binary", "structured"],
)
def test_cloudevent_is_delivered_in_the_mode_it_came_in(
    routing: Routing, form: Any, content_type: str
) -> None:
    """Content mode goes through."""
    headers, body = form(on("onewiki"))
    routing.post(body, headers)

    sent = routing.subscribers.upstream.received[0]
    assert sent.headers["content-type"] == content_type
    assert ("ce-id" in sent.headers) is (form is binary)


# KafkaSource.


def kafka_record(content_type: str | None) -> dict[str, str]:
    """Headers with which KafkaSource hands over a plain record."""
    headers = {
        "ce-specversion": "1.0",
        "ce-type": "dev.knative.kafka.event",
        "ce-source": "/apis/v1/namespaces/ml/kafkasources/page#eqiad.mediawiki.page_change.v1",
        "ce-id": "partition:1/offset:5",
        "ce-subject": "partition:1#5",
        "ce-time": "2026-09-23T10:00:00.123Z",
        "ce-key": '{"wiki_id": "onewiki", "page_id": 123}',
        "ce-partitionkey": '{"wiki_id": "onewiki", "page_id": 123}',
        "ce-kafkaheaderxrequestid": "Caf\xc3\xa9",
    }
    return {**headers, "Content-Type": content_type} if content_type else headers


@pytest.mark.parametrize(
    "content_type",
    [None, "application/json", "application/octet-stream", "text/plain"],
    ids=["none", "JSON", "octets", "text"],
)
def test_kafka_record_with_any_content_type_is_202_and_typed(
    routing: Routing, content_type: str | None
) -> None:
    """A record of a topic is read as JSON and becomes the same event as plain JSON does."""
    got = routing.post(on("onewiki"), kafka_record(content_type))

    assert (got.status, got.body) == (202, b"")
    sent = routing.subscribers.upstream.received[0]
    assert sent.headers["ce-type"] == PAGE_CHANGE_TYPE
    assert sent.headers["ce-id"] == META_ID
    assert sent.headers["ce-source"] == "/mediawiki/onewiki"
    assert sent.headers["content-type"] == "application/json"
    assert not [name for name in sent.headers if "kafka" in name or name == "ce-key"]
    assert sent.json() == on("onewiki")


@pytest.mark.parametrize(
    "body", [b"", b"not JSON", b"[]", b"\xff"], ids=["empty", "text", "array", "octets"]
)
def test_kafka_record_that_is_no_document_is_400(routing: Routing, body: bytes) -> None:
    """A record that cannot be read now never can be."""
    got = routing.post(body, kafka_record(None))

    assert got.status == 400
    assert got.json()["ce_id"] == "partition:1/offset:5"
    assert not routing.subscribers.targets


# What the subscriber gets.


def test_page_change_on_the_wire_has_the_attributes_of_the_envelope(routing: Routing) -> None:
    """Every attribute is made from the data."""
    routing.post(on("onewiki", page={"namespace_id": 1, "is_redirect": True}))

    sent = routing.subscribers.upstream.received[0]
    assert {name: value for name, value in sent.headers.items() if name[:3] == "ce-"} == {
        "ce-specversion": "1.0",
        "ce-id": META_ID,
        "ce-source": "/mediawiki/onewiki",
        "ce-type": PAGE_CHANGE_TYPE,
        "ce-time": "2026-09-23T10:00:00Z",
        "ce-subject": "onewiki/123/1300200300",
        "ce-dataschema": "https://schema.wikimedia.org/repositories/primary/jsonschema"
        "/mediawiki/page/change/1.2.0",
        "ce-partitionkey": "onewiki:123",
        "ce-stream": "mediawiki.page_change.v1",
        "ce-wikiid": "onewiki",
        "ce-wikidomain": "en.wikipedia.org",
        "ce-pagechangekind": "edit",
        "ce-namespaceid": "1",
        "ce-isredirect": "true",
    }
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["prefer"] == "reply"


def test_revision_create_on_the_wire_has_no_kind(routing: Routing) -> None:
    """A revision-create knows no page_change_kind."""
    routing.post(revision_create(database="onewiki"))

    sent = routing.subscribers.upstream.received[0]
    assert sent.headers["ce-type"] == "org.wikimedia.mediawiki.revision.create.v2"
    assert sent.headers["ce-namespaceid"] == "0"
    assert "ce-pagechangekind" not in sent.headers


@pytest.mark.parametrize("form", [binary, structured], ids=["binary", "structured"])
def test_cloudevent_with_untrue_attributes_is_typed_anew(routing: Routing, form: Any) -> None:
    """Nobody selects a Trigger by writing attributes: the data decides."""
    headers, body = form(
        on("onewiki"),
        id="another-id",
        type=SCORE_TYPE,
        wikiid="ninewiki",
        stream="secret",
        knativebrokerttl="1",
        extra="x",
    )
    got = routing.post(body, headers)

    assert got.status == 202
    assert routing.subscribers.targets == {"/one": 1}
    sent = routing.subscribers.upstream.received[0]
    attributes = sent.headers if form is binary else sent.json()
    prefix = "ce-" if form is binary else ""
    assert attributes[f"{prefix}id"] == META_ID
    assert attributes[f"{prefix}type"] == PAGE_CHANGE_TYPE
    assert attributes[f"{prefix}wikiid"] == "onewiki"
    assert attributes[f"{prefix}stream"] == "mediawiki.page_change.v1"
    assert not attributes.keys() & {f"{prefix}extra", f"{prefix}knativebrokerttl"}


def test_trace_header_of_the_caller_goes_on(routing: Routing) -> None:
    """Plain JSON has only the header of its hop."""
    routing.post(on("onewiki"), {**JSON, "traceparent": TRACE, "tracestate": "a=b"})

    sent = routing.subscribers.upstream.received[0].headers
    assert (sent["traceparent"], sent["ce-traceparent"]) == (TRACE, TRACE)
    assert (sent["tracestate"], sent["ce-tracestate"]) == ("a=b", "a=b")


@pytest.mark.parametrize("form", [binary, structured], ids=["binary", "structured"])
@pytest.mark.parametrize("header", [None, OTHER_TRACE], ids=["no header", "another header"])
def test_trace_extension_of_a_cloudevent_counts_before_the_header(
    routing: Routing, form: Any, header: str | None
) -> None:
    """The extension names the origin of the trace; the header is only the last hop."""
    headers, body = form(on("onewiki"), traceparent=TRACE)
    if header:
        headers = {**headers, "traceparent": header}
    routing.post(body, headers)

    sent = routing.subscribers.upstream.received[0]
    attributes = sent.headers if form is binary else sent.json()
    assert attributes.get("ce-traceparent" if form is binary else "traceparent") == TRACE


def test_time_left_that_the_caller_names_goes_on(routing: Routing) -> None:
    """A subscriber has no more time than the caller has patience."""
    routing.post(on("onewiki"), {**JSON, "Event-Timeout-Ms": "2000"})
    routing.post(on("onewiki"))

    first, second = routing.subscribers.upstream.received
    assert 0 < int(first.headers["event-timeout-ms"]) <= 2000
    assert 2000 < int(second.headers["event-timeout-ms"]) <= DEADLINE_SECONDS * 1000


# What is refused, or not wanted, is delivered to nobody.

EVENT_HEADERS, EVENT_BODY = binary(on("ninewiki"))
REFUSED = [
    *(
        pytest.param(
            {name: value for name, value in EVENT_HEADERS.items() if name != missing},
            on("ninewiki"),
            400,
            "malformed_event",
            id=f"without {missing}",
        )
        for missing in ("ce-id", "ce-source", "ce-type", "ce-specversion")
    ),
    pytest.param({**JSON, "ce-id": "1"}, on("ninewiki"), 400, "malformed_event", id="only ce-id"),
    pytest.param(JSON, [on("ninewiki")], 400, "malformed_data", id="array"),
    pytest.param(JSON, [], 400, "malformed_data", id="empty array"),
    pytest.param(JSON, None, 400, "malformed_data", id="null"),
    pytest.param(JSON, b"", 400, "malformed_data", id="empty body"),
    pytest.param(JSON, b'{"a": NaN}', 400, "malformed_data", id="NaN"),
    pytest.param(EVENT_HEADERS, [on("ninewiki")], 400, "malformed_data", id="event with array"),
    pytest.param(EVENT_HEADERS, b"", 400, "malformed_data", id="event without data"),
    pytest.param(
        {"Content-Type": "text/plain"}, on("ninewiki"), 415, "unsupported_media_type", id="text"
    ),
    pytest.param({}, on("ninewiki"), 415, "unsupported_media_type", id="no content type"),
    pytest.param(
        {"Content-Type": "application/x-www-form-urlencoded"},
        on("ninewiki"),
        415,
        "unsupported_media_type",
        id="form",
    ),
    pytest.param(
        {"Content-Type": "application/json; charset=latin-1"},
        on("ninewiki"),
        415,
        "unsupported_media_type",
        id="JSON in Latin-1",
    ),
    pytest.param(
        {"Content-Type": "application/cloudevents-batch+json"},
        [],
        415,
        "unsupported_media_type",
        id="batch",
    ),
    pytest.param(
        JSON,
        on("ninewiki", **{"$schema": "/mediawiki/page/change/2.0.0"}),
        422,
        "unsupported_schema",
        id="newer major",
    ),
    pytest.param(
        JSON,
        on("ninewiki", **{"$schema": "/mediawiki/page/move/1.0.0"}),
        422,
        "unsupported_schema",
        id="unknown schema",
    ),
    pytest.param(
        JSON, on("ninewiki", **{"$schema": None}), 422, "unsupported_schema", id="no schema"
    ),
    pytest.param(JSON, {"event": on("ninewiki")}, 422, "unsupported_schema", id="wrapped"),
    pytest.param(JSON, on("ninewiki", revision=None), 422, "invalid_document", id="no revision"),
    pytest.param(JSON, on("ninewiki", dt="yesterday"), 422, None, id="no time"),
    pytest.param(JSON, on("Nine-Wiki"), 422, "invalid_event", id="no wiki"),
    pytest.param(JSON, on("ninewiki", meta={"id": "a b"}), 422, "invalid_id", id="unsafe id"),
    pytest.param(
        {**JSON, "Event-Timeout-Ms": "0"}, on("ninewiki"), 503, "deadline", id="no time left"
    ),
]


@pytest.mark.parametrize(("headers", "body", "status", "reason"), REFUSED)
def test_request_that_is_refused_is_delivered_to_nobody(
    routing: Routing, headers: dict[str, str], body: Any, status: int, reason: str | None
) -> None:
    """A refusal comes before the first delivery: a repaired event is not delivered twice."""
    got = routing.post(body, headers)

    assert got.status == status
    assert got.headers["Content-Type"] == "application/json"
    assert got.json().keys() == {"reason", "detail", "ce_id"}
    assert got.json()["reason"] == reason or reason is None
    assert len(got.body) <= MAX_ERROR_BYTES
    assert not routing.subscribers.targets


@pytest.mark.parametrize("form", [None, binary, structured], ids=["plain", "binary", "structured"])
@pytest.mark.parametrize(
    ("meta", "reason"),
    [
        pytest.param({"domain": "canary"}, "canary", id="canary"),
        pytest.param(
            {"stream": "mediawiki.page_change.private.v1"}, "private_stream", id="private stream"
        ),
    ],
)
def test_document_that_nobody_may_see_is_ignored_without_a_call(
    routing: Routing, form: Any, meta: dict[str, str], reason: str
) -> None:
    """Canaries and private events are not delivered, not even with a schema nobody reads."""
    document = on("ninewiki", meta=meta, **{"$schema": "/other/9.0.0"})
    headers, body = form(document) if form else (JSON, document)
    got = routing.post(body, headers)

    assert got.status == (202 if form else 200)
    assert (got.headers["Sinks-Outcome"], got.headers["Sinks-Reason"]) == ("ignored", reason)
    if not form:
        outcome = {"trigger": None, "outcome": "ignored", "reason": reason, "stream": None}
        assert got.json() == {"ce_id": META_ID, "outcomes": [{**outcome, "ce_id": META_ID}]}
    assert not routing.subscribers.targets


# ?trigger=


def test_trigger_in_the_query_gets_the_event_alone(routing: Routing) -> None:
    """One caller per Trigger can repeat alone."""
    got = routing.post(on("ninewiki"), query="?trigger=t4")

    assert got.status == 200
    assert [each["trigger"] for each in got.json()["outcomes"]] == ["t4"]
    assert routing.subscribers.targets == {"/t4": 1}


def test_trigger_in_the_query_lets_the_reply_go_on(routing: Routing) -> None:
    """The restriction is for the first hop."""
    routing.subscribers.script["/t4"] = scored()
    got = routing.post(on("ninewiki"), query="?trigger=t4")

    assert got.status == 200
    assert routing.subscribers.targets == {"/t4": 1, "/egress": 1}


def test_trigger_in_the_query_that_does_not_take_the_event_is_ignored(routing: Routing) -> None:
    """Naming a Trigger does not pass by its filter."""
    got = routing.post(on("ninewiki"), query="?trigger=one")

    assert got.status == 200
    assert got.json()["outcomes"][0]["reason"] == "no_trigger"
    assert not routing.subscribers.targets


@pytest.mark.parametrize("name", ["unknown", "", "T4", "t4%20", "t4,t5"])
def test_trigger_in_the_query_that_is_unknown_is_422(routing: Routing, name: str) -> None:
    """A name that is none is a mistake of the caller, whatever the event is."""
    for document in (on("ninewiki"), on("ninewiki", meta={"domain": "canary"})):
        got = routing.post(document, query=f"?trigger={name}")

        assert got.status == 422
        assert got.json()["reason"] == "unknown_trigger"
        assert len(got.body) <= MAX_ERROR_BYTES
    assert not routing.subscribers.targets


def test_trigger_twice_in_the_query_does_not_drop_one_silently(routing: Routing) -> None:
    """A caller told to repeat two Triggers must not believe that both were."""
    got = routing.post(on("ninewiki"), query="?trigger=t1&trigger=t2")

    if got.status == 200:
        assert routing.subscribers.targets == {"/t1": 1, "/t2": 1}
    else:
        assert got.status == 422
        assert not routing.subscribers.targets


# Failures.


def test_delivery_rejected_by_one_is_422_with_counts(routing: Routing) -> None:
    """The caller learns which Trigger refused for good and that the others did not."""
    routing.subscribers.script["/t3"] = ERROR_422
    got = routing.post(on("ninewiki"))

    assert got.status == 422
    assert got.json()["reason"] == "deliveries_rejected"
    assert "1 of 9 Triggers rejected" in got.json()["detail"]
    assert "t3 (unscorable_revision)" in got.json()["detail"]
    assert got.json()["ce_id"] == META_ID
    assert routing.subscribers.targets == {f"/{name}": 1 for name in NINE}


@pytest.mark.parametrize("form", [binary, structured], ids=["binary", "structured"])
@pytest.mark.parametrize(
    ("failure", "status"), [(ERROR_422, 422), (ERROR_503, 503)], ids=["rejected", "deferred"]
)
def test_cloudevent_whose_delivery_fails_has_the_same_error(
    routing: Routing, form: Any, failure: Behave, status: int
) -> None:
    """A Broker repeats or dead-letters by the status."""
    routing.subscribers.script["/t3"] = failure
    headers, body = form(on("ninewiki"))
    got = routing.post(body, headers)

    assert got.status == status
    assert "t3" in got.json()["detail"]


def test_deferred_delivery_wins_over_rejected_ones(routing: Routing) -> None:
    """While anything may still succeed, the event is not given up."""
    routing.subscribers.script |= {"/t1": ERROR_422, "/t2": ERROR_503, "/t3": ERROR_422}
    got = routing.post(on("ninewiki"))

    assert got.status == 503
    assert got.json()["reason"] == "deliveries_deferred"
    assert "1 of 9 Triggers deferred: t2 (predictor_failed)" in got.json()["detail"]


def test_deferred_delivery_beside_a_rejected_one_names_both(routing: Routing) -> None:
    """Whoever repeats only the deferred Trigger gets 200 then, and would never learn that
    another one had rejected the event."""
    routing.subscribers.script |= {"/t1": ERROR_422, "/t2": ERROR_503}
    got = routing.post(on("ninewiki"))

    assert got.status == 503
    assert re.search(r"1 .*rejected.*t1", got.json()["detail"])


def test_reply_that_is_refused_is_told_under_the_first_trigger(routing: Routing) -> None:
    """?trigger=egress would not help: the Trigger to repeat is the one that takes the input."""
    routing.subscribers.script |= {"/t5": scored(), "/egress": ERROR_503}
    got = routing.post(on("ninewiki"))

    assert got.status == 503
    assert "1 of 9 Triggers deferred: t5 (predictor_failed)" in got.json()["detail"]


def test_reply_that_loops_is_422_too_many_hops(routing: Routing) -> None:
    """A loop ends after 255 hops."""
    headers, body = binary({}, type="echo")
    routing.subscribers.script |= {
        "/one": answer(200, body, headers),
        "/echo": answer(200, body, headers),
    }
    got = routing.post(on("onewiki"))

    assert got.status == 422
    assert "one (too_many_hops)" in got.json()["detail"]
    assert routing.subscribers.targets == {"/one": 1, "/echo": 254}


def test_reply_that_cannot_be_written_again_does_not_hide_a_deferred_delivery(
    routing: Routing,
) -> None:
    """One subscriber's strange reply is that Trigger's failure, not the whole request's."""
    headers, _ = binary({}, type=SCORE_TYPE)
    nested = b'{"a": ' + b"[" * 300 + b"]" * 300 + b"}"
    routing.subscribers.script |= {"/t1": answer(200, nested, headers), "/t2": ERROR_503}
    got = routing.post(on("ninewiki"))

    assert got.status == 503
    assert "t2 (predictor_failed)" in got.json()["detail"]


@pytest.mark.parametrize("timeout_ms", [None, "700"], ids=["own deadline", "the caller's"])
def test_subscriber_that_hangs_is_503_while_the_others_were_delivered(
    routing: Routing, timeout_ms: str | None
) -> None:
    """One hanging subscriber costs the deadline and nobody else's delivery."""
    over = threading.Event()

    def hang(_received: Received, _sock: socket.socket) -> bool:
        over.wait(PATIENCE_SECONDS)
        return False

    routing.subscribers.script["/t7"] = hang
    seconds = int(timeout_ms) / 1000 if timeout_ms else DEADLINE_SECONDS
    begun = time.monotonic()
    got = routing.post(
        on("ninewiki"), {**JSON, "Event-Timeout-Ms": timeout_ms} if timeout_ms else JSON
    )
    lasted = time.monotonic() - begun
    over.set()

    assert got.status == 503
    assert "1 of 9 Triggers deferred: t7 (deadline)" in got.json()["detail"]
    assert seconds - 0.2 < lasted < seconds + 1.5
    assert routing.subscribers.targets == {f"/{name}": 1 for name in NINE}


def test_deliveries_to_nine_subscribers_are_open_at_the_same_time(routing: Routing) -> None:
    """None of nine subscribers answers before all nine have got the event."""
    barrier = threading.Barrier(9)

    def together(received: Received, sock: socket.socket) -> bool | None:
        barrier.wait(DEADLINE_SECONDS)
        return answer(202)(received, sock)

    routing.subscribers.script |= {f"/{name}": together for name in NINE}

    assert routing.post(on("ninewiki")).status == 200


@pytest.mark.parametrize("failure", [ERROR_503, ERROR_422], ids=["deferred", "rejected"])
def test_error_of_nine_triggers_with_long_names_is_bounded(
    routing: Routing, failure: Behave
) -> None:
    """A longer error body would crash Knative's dispatcher."""
    routing.subscribers.script |= {f"/long{number}": failure for number in range(9)}
    got = routing.post(on("longwiki", meta={"id": "x" * 128}))

    assert got.status in (503, 422)
    assert len(got.body) <= MAX_ERROR_BYTES
    assert "9 of 9 Triggers" in got.json()["detail"]
    assert got.json()["ce_id"] == "x" * 128


def test_error_of_an_unknown_trigger_among_long_names_is_bounded(routing: Routing) -> None:
    """The list of names is cut."""
    got = routing.post(on("longwiki"), query="?trigger=unknown")

    assert got.status == 422
    assert len(got.body) <= MAX_ERROR_BYTES


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/events", "GET", 405), ("/events/", "POST", 404), ("/", "POST", 404)],
)
def test_request_of_another_path_or_method_is_a_bounded_error(
    routing: Routing, path: str, method: str, status: int
) -> None:
    """Flask's own pages never reach anybody."""
    connection = http.client.HTTPConnection("127.0.0.1", int(routing.url.rpartition(":")[2]))
    connection.request(method, path, b"{}" if method == "POST" else None, JSON)
    response = connection.getresponse()
    body = response.read()
    connection.close()

    assert response.status == status
    assert json.loads(body).keys() == {"reason", "detail", "ce_id"}
    assert status != 405 or "POST" in response.headers["Allow"]


# K_SINK, and who may call: one shim for both.


@dataclass
class Relaying:
    """A shim that posts to a Broker, and wants tokens."""

    url: str
    broker: Scripted
    tokens: Path

    def post(
        self, body: Any, headers: Mapping[str, str] = JSON, query: str = "", token: str = TOKEN
    ) -> Answer:
        shown = {**headers, "Authorization": f"Bearer {token}"}
        return post(self.url, body, shown, f"/events{query}")


@pytest.fixture(scope="module")
def relaying_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relaying]:
    """The relaying shim: there is no Trigger that it could load."""
    directory = tmp_path_factory.mktemp("relaying")
    tokens = directory / "tokens"
    tokens.write_text(f"changeprop={TOKEN}\n")
    with scripted() as broker:
        env = {
            "K_SINK": f"{broker.upstream.url}/ml/default",
            "K_CE_OVERRIDES": json.dumps({"extensions": {"cluster": "eqiad", "stream": "over"}}),
            "TRIGGERS_DIR": str(directory / "missing"),
            "TOKENS_FILE": str(tokens),
        }
        with gunicorn("sinks.http_shim:create_app()", env, directory, ready="/readyz") as running:
            yield Relaying(running.url, broker, tokens)


@pytest.fixture
def relaying(relaying_process: Relaying) -> Relaying:
    """The relaying shim with a Broker that takes everything and has got nothing yet."""
    relaying_process.broker.forget()
    return relaying_process


def test_k_sink_that_takes_plain_json_is_200_relayed(relaying: Relaying) -> None:
    """What the Broker has taken is relayed; the typed event carries the overrides."""
    got = relaying.post(page_change(), {**JSON, "traceparent": TRACE})

    assert got.status == 200
    outcomes = got.json()["outcomes"]
    assert len(outcomes) == 1
    assert (outcomes[0]["trigger"], outcomes[0]["outcome"]) == (None, "relayed")
    assert outcomes[0]["ce_id"] == got.json()["ce_id"] == META_ID
    sent = relaying.broker.upstream.received[0]
    assert (sent.method, sent.target) == ("POST", "/ml/default")
    assert sent.headers["ce-type"] == PAGE_CHANGE_TYPE
    assert sent.headers["ce-id"] == META_ID
    assert (sent.headers["ce-cluster"], sent.headers["ce-stream"]) == ("eqiad", "over")
    assert sent.headers["traceparent"] == TRACE
    assert "event-timeout-ms" not in sent.headers
    assert TOKEN.encode() not in sent.raw_head
    assert sent.json() == page_change()


@pytest.mark.parametrize("form", [binary, structured], ids=["binary", "structured"])
def test_k_sink_that_takes_a_cloudevent_is_202_and_empty(relaying: Relaying, form: Any) -> None:
    """KafkaSource commits its offset on this."""
    headers, body = form(page_change(), type="dev.knative.kafka.event")
    got = relaying.post(body, headers)

    assert (got.status, got.body) == (202, b"")
    assert got.headers["Sinks-Outcome"] == "relayed"
    sent = relaying.broker.upstream.received[0]
    attributes = sent.headers if form is binary else sent.json()
    prefix = "ce-" if form is binary else ""
    assert attributes[f"{prefix}type"] == PAGE_CHANGE_TYPE
    assert attributes[f"{prefix}cluster"] == "eqiad"


@pytest.mark.parametrize(
    ("answered", "status", "reason"),
    [
        *((each, 200, None) for each in (200, 202, 204)),
        *((each, 422, "rejected_by_broker") for each in (400, 405, 413, 415, 422)),
        *(
            (each, 503, "broker_failed")
            for each in (301, 307, 401, 403, 404, 408, 409, 429, 500, 502, 503)
        ),
    ],
)
def test_k_sink_status_decides_between_relayed_rejected_and_deferred(
    relaying: Relaying, answered: int, status: int, reason: str | None
) -> None:
    """A Broker that is missing or will not have us is repaired; a refused event is not."""
    relaying.broker.script["/ml/default"] = answer(answered)
    got = relaying.post(page_change())

    assert got.status == status
    assert got.json().get("reason") == reason


def test_k_sink_that_does_not_answer_is_deferred(relaying: Relaying) -> None:
    """A Broker that goes away in the middle has not taken the event."""

    def close(_received: Received, _sock: socket.socket) -> bool:
        return False

    relaying.broker.script["/ml/default"] = close
    got = relaying.post(page_change())

    assert got.status == 503
    assert got.json()["reason"] == "upstream_unavailable"


def test_k_sink_that_hangs_is_deferred_at_the_deadline(relaying: Relaying) -> None:
    """Our own deadline used up is 504, which the caller repeats."""
    over = threading.Event()

    def hang(_received: Received, _sock: socket.socket) -> bool:
        over.wait(PATIENCE_SECONDS)
        return False

    relaying.broker.script["/ml/default"] = hang
    got = relaying.post(page_change(), {**JSON, "Event-Timeout-Ms": "400"})
    over.set()

    assert got.status == 504
    assert got.json()["reason"] == "deadline"


@pytest.mark.parametrize("name", ["drafttopic", ""])
def test_k_sink_with_a_trigger_in_the_query_is_422(relaying: Relaying, name: str) -> None:
    """The Broker routes to all of its Triggers; promising one would be untrue."""
    got = relaying.post(page_change(), query=f"?trigger={name}")

    assert got.status == 422
    assert got.json()["reason"] == "unknown_trigger"
    assert not relaying.broker.targets


@pytest.mark.parametrize(
    ("document", "status"),
    [
        pytest.param(page_change(meta={"domain": "canary"}), 200, id="canary"),
        pytest.param(page_change(revision=None), 422, id="invalid"),
        pytest.param([], 400, id="array"),
    ],
)
def test_k_sink_gets_nothing_that_is_ignored_or_refused(
    relaying: Relaying, document: Any, status: int
) -> None:
    """Only typed events reach the Broker."""
    assert relaying.post(document).status == status
    assert not relaying.broker.targets


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="none"),
        pytest.param({"Authorization": "Bearer"}, id="no token"),
        pytest.param({"Authorization": f"Bearer {TOKEN}x"}, id="wrong token"),
        pytest.param({"Authorization": f"Basic {TOKEN}"}, id="another scheme"),
        pytest.param({"Authorization": "Bearer Caf\xe9"}, id="non-ASCII token"),
    ],
)
def test_call_without_a_known_token_is_401_without_a_hint(
    relaying: Relaying, headers: dict[str, str]
) -> None:
    """The answer is the same for whatever was wrong, and the body is not even looked at."""
    got = post(relaying.url, b"not JSON", {**JSON, **headers})

    assert got.status == 401
    assert got.headers["WWW-Authenticate"] == "Bearer"
    assert got.json() == {
        "reason": "unauthenticated",
        "detail": "a known bearer token is required",
        "ce_id": None,
    }
    assert not relaying.broker.targets


def test_call_after_the_tokens_changed_needs_a_new_one(relaying: Relaying) -> None:
    """Tokens are changed while the shim runs; a broken file changes nothing."""
    good = relaying.tokens.read_bytes()
    rewrites = [
        (f"changeprop={'n' * 16}\n".encode(), {TOKEN: 401, "n" * 16: 200}),
        (b"broken\n", {TOKEN: 401, "n" * 16: 200}),
        (b"\xff\xfe\n", {TOKEN: 401, "n" * 16: 200}),
        (good, {TOKEN: 200, "n" * 16: 401}),
    ]
    got = []
    try:
        for number, (content, expected) in enumerate(rewrites, 1):
            relaying.tokens.write_bytes(content)
            os.utime(relaying.tokens, (number, number))
            got.append(
                {token: relaying.post(page_change(), token=token).status for token in expected}
            )
    finally:
        relaying.tokens.write_bytes(good)

    assert got == [expected for _, expected in rewrites]


def test_anonymous_call_where_it_is_allowed_is_taken(routing: Routing) -> None:
    """ALLOW_ANONYMOUS is for calls without a token; one with a wrong token is refused."""
    assert routing.post(on("onewiki")).status == 200
    assert routing.post(on("onewiki"), {**JSON, "Authorization": f"Bearer {TOKEN}"}).status == 401


# Refusing to start.

REFUSED_STARTS: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "triggers": (
        {"ALLOW_ANONYMOUS": "true", "TRIGGERS_DIR": "{tmp}/broken:{tmp}/missing"},
        ("broken.yaml", "cesql", "unknown-sink", "not a Trigger", "missing: not a directory"),
    ),
    "shipped triggers without SERVICE_URLS": (
        {"ALLOW_ANONYMOUS": "true"},
        ("triggers/drafttopic.yaml", "triggers/egress.yaml", "SERVICE_URLS"),
    ),
    "settings": (
        {"K_SINK": "broker", "EVENT_DEADLINE_SECONDS": "soon", "SERVICE_URLS": "x"},
        ("K_SINK=", "EVENT_DEADLINE_SECONDS=", "SERVICE_URLS=", "TOKENS_FILE is not set"),
    ),
    "anonymous in production": (
        {"ALLOW_ANONYMOUS": "true", "ENVIRONMENT": "production", "K_SINK": "http://broker"},
        ("ALLOW_ANONYMOUS=true is refused",),
    ),
    "a tokens file that is missing": (
        {"TOKENS_FILE": "{tmp}/no-tokens", "K_SINK": "http://broker"},
        ("TOKENS_FILE=",),
    ),
    "a tokens file with wrong lines": (
        {"TOKENS_FILE": "{tmp}/wrong-tokens", "K_SINK": "http://broker"},
        ("line 1, 3",),
    ),
    "a tokens file that is no text": (
        {"TOKENS_FILE": "{tmp}/octets", "K_SINK": "http://broker"},
        ("octets",),
    ),
    "a tokens file that cannot be read": (
        {"TOKENS_FILE": "/proc/self/mem", "K_SINK": "http://broker"},
        ("/proc/self/mem",),
    ),
    "authorities of the Broker that are no PEM": (
        {"ALLOW_ANONYMOUS": "true", "K_SINK": "https://broker", "K_CA_CERTS": "no PEM"},
        ("K_CA_CERTS",),
    ),
    "authorities in a file that is no PEM": (
        {"ALLOW_ANONYMOUS": "true", "K_SINK": "https://broker", "CA_FILE": "{tmp}/octets"},
        ("CA_FILE",),
    ),
    "tokens and triggers": (
        {"TOKENS_FILE": "{tmp}/wrong-tokens", "TRIGGERS_DIR": "{tmp}/broken"},
        ("line 1, 3", "cesql"),
    ),
}


@pytest.fixture(scope="module")
def refused_starts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """Exit status and standard error of all starts, begun together."""
    tmp = tmp_path_factory.mktemp("refused")
    (tmp / "wrong-tokens").write_text(f"{TOKEN}\na={TOKEN}\nshort=x\n")
    (tmp / "octets").write_bytes(f"a={TOKEN}\n".encode() + b"\xff\n")
    broken = tmp / "broken"
    broken.mkdir()
    (broken / "broken.yaml").write_text("kind: [", encoding="utf-8")
    cesql = trigger("cesql", "http://one/")
    cesql["spec"]["filters"] = [{"cesql": "TRUE"}]
    unresolved = trigger("unresolved", "/", type="x")
    ref = {"apiVersion": "v1", "kind": "Service", "name": "unknown-sink"}
    unresolved["spec"]["subscriber"] = {"ref": ref, "uri": "/"}
    text = yaml.safe_dump_all([cesql, unresolved, {"kind": "Broker"}])
    (broken / "several.yaml").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "-b", "127.0.0.1:0"]
    with ThreadPoolExecutor(2) as pool:

        def start(env: Mapping[str, str]) -> tuple[int, str]:
            filled = {name: value.replace("{tmp}", str(tmp)) for name, value in env.items()}
            ended = subprocess.run(  # noqa: S603
                [*command, "sinks.http_shim:create_app()"],
                cwd=ROOT,
                env=clean_env(filled),
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
            return ended.returncode, ended.stderr

        ended = pool.map(start, [env for env, _ in REFUSED_STARTS.values()])
        return dict(zip(REFUSED_STARTS, ended, strict=True))


@pytest.mark.parametrize("case", REFUSED_STARTS)
def test_start_with_wrong_settings_is_refused_with_all_problems(
    refused_starts: dict[str, tuple[int, str]], case: str
) -> None:
    """The process ends with status 4 before it serves, and says everything that is wrong."""
    status, stderr = refused_starts[case]
    told = stderr.partition("cannot start")[2]

    assert status == 4
    for problem in REFUSED_STARTS[case][1]:
        assert problem in told
    assert "Traceback" not in stderr
    assert TOKEN not in stderr


# End to end: the real sinks, between a scripted predictor and a scripted EventGate.


@dataclass
class Chain:
    """Shim, score-sink and egress-sink, all real."""

    shim: Running
    predictor: Scripted
    eventgate: Scripted
    others: Scripted

    def post(self, body: Any, query: str = "") -> Answer:
        return post(self.shim.url, body, path=f"/events{query}")

    @property
    def published(self) -> Counter[str]:
        """How often EventGate was asked to take each model's event; tags go by their prefix."""
        documents = [each.json() for each in self.eventgate.upstream.received]
        return Counter(model for document in documents for model in models_of(document))


def models_of(document: dict[str, Any]) -> list[str]:
    """Whose event a document is."""
    if predicted := document.get("predicted_classification"):
        return [predicted["model_name"]]
    if tags := document.get("weighted_tags"):
        return [*tags["set"]]
    return [*document["scores"]]


LIST_ROWS = ("articletopic", "drafttopic")
BOOLEAN_ROWS = ("damaging", "goodfaith")
SINGLE_ROWS = ("articlequality", "draftquality")
SCORING_ROWS = (*LIST_ROWS, *BOOLEAN_ROWS, *SINGLE_ROWS)
RISKS = ("revertrisk-language-agnostic", "revertrisk-multilingual")
TONE = "revise-tone-task-generator"
ISVCS = (
    *(f"enwiki-{row}" for row in SCORING_ROWS),
    *("outlink-topic-model", "article-country", *RISKS, TONE),
)
EXTRA = ("extra-a", "extra-b", "extra-c")
# What one edit makes: article-country's event makes tags too.
MADE = (
    *SCORING_ROWS,
    *("outlink-topic-model", "article-country", *RISKS),
    *("classification.prediction.articlecountry", "recommendation.tone"),
    *EXTRA,
)


def predict(received: Received, sock: socket.socket) -> bool | None:
    """Answer as the predictor of the row in the path would."""
    isvc = received.target.removeprefix("/v1/models/").removesuffix(":predict")
    return answer(200, predicted(isvc, received.json()))(received, sock)


def predicted(isvc: str, asked: dict[str, Any]) -> dict[str, Any]:
    """The smallest answer of each family."""
    named = {"model_name": isvc, "model_version": "1"}
    if isvc == "outlink-topic-model":
        return {"prediction": {"results": [{"topic": "x", "score": 0.75}]}}
    if isvc == "article-country":
        return {**named, "prediction": {"results": [{"country": "x", "score": 0.75}]}}
    rev_id = asked["rev_id"]
    if isvc in RISKS:
        output = {"prediction": False, "probabilities": {"true": 0.25, "false": 0.75}}
        return {**named, "revision_id": rev_id, "output": output}
    if isvc == TONE:
        return {"revision_id": rev_id, "predictions": [{"score": 0.75}]}
    row = isvc.removeprefix("enwiki-")
    decided: Any = ["x"] if row in LIST_ROWS else False if row in BOOLEAN_ROWS else "x"
    score = {"prediction": decided, "probability": {"x": 0.75, "false": 0.75, "true": 0.25}}
    scores = {str(rev_id): {row: {"score": score}}}
    return {"enwiki": {"models": {row: {"version": "1.0.0"}}, "scores": scores}}


def extra(received: Received, sock: socket.socket) -> bool | None:
    """Reply with a score of a model of one's own, named by the path."""
    model = received.target.strip("/")
    score = {
        "model_name": model,
        "model_version": "1",
        "prediction": ["x"],
        "probability": {"x": 0.5},
    }
    document = revision_score(scores=None)
    document["scores"] = {model: score}
    headers, body = binary(document, type=SCORE_TYPE, id=model, source=f"/models/{model}")
    return answer(200, body, headers)(received, sock)


def stored(status: int = 201) -> Behave:
    """What EventGate says."""
    return answer(status, b"", reason="All 1 out of 1 events were accepted.")


@contextmanager
def running_chain(directory: Path) -> Iterator[Chain]:
    """Run the chain with the sixteen rows' and the egress's shipped Triggers, and three more whose
    subscriber is scripted."""
    with ExitStack() as stack:
        predictor = stack.enter_context(scripted(predict))
        eventgate = stack.enter_context(scripted(stored()))
        others = stack.enter_context(scripted(extra))
        score = stack.enter_context(
            gunicorn(
                "sinks.score_sink:create_app()",
                {"PREDICTOR_URL": predictor.upstream.url},
                directory,
            )
        )
        egress = stack.enter_context(
            gunicorn(
                "sinks.egress_sink:create_app()",
                {
                    "EVENTGATE_URLS": f"{eventgate.upstream.url}/v1/events",
                    "RELAYED_MEMORY_EVENTS": "0",  # every test sends the same event
                },
                directory,
            )
        )
        shipped, more = directory / "shipped", directory / "more"
        shipped.mkdir()
        more.mkdir()
        for name in (*NAMES, "egress"):
            (file,) = (ROOT / "triggers").rglob(f"{name}.yaml")
            shutil.copy(file, shipped)
        resources = [
            trigger(name, f"{others.upstream.url}/{name}", type=PAGE_CHANGE_TYPE, wikiid="enwiki")
            for name in EXTRA
        ]
        (more / "more.yaml").write_text(yaml.safe_dump_all(resources), encoding="utf-8")
        env = {
            "ALLOW_ANONYMOUS": "true",
            "TRIGGERS_DIR": f"{shipped}:{more}",
            "SERVICE_URLS": f"score-sink={score.url},egress-sink={egress.url}",
        }
        shim = stack.enter_context(gunicorn("sinks.http_shim:create_app()", env, directory))
        yield Chain(shim, predictor, eventgate, others)


@pytest.fixture(scope="module")
def chain_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """The chain."""
    with running_chain(tmp_path_factory.mktemp("chain")) as chain:
        yield chain


@pytest.fixture
def chain(chain_process: Chain) -> Chain:
    """The chain, whose counterparts work and have got nothing yet."""
    for each in (chain_process.predictor, chain_process.eventgate, chain_process.others):
        each.forget()
    return chain_process


def once(failure: Behave, then: Behave) -> Behave:
    """Behave badly for the first request."""
    first = iter([failure])

    def behave(received: Received, sock: socket.socket) -> bool | None:
        return next(first, then)(received, sock)

    return behave


def test_edit_through_all_sinks_is_published_once_for_each_model(chain: Chain) -> None:
    """Every Trigger's row makes its event, but one that has no predictor for this wiki; the tags
    that article-country's event makes are published too."""
    got = chain.post(page_change())

    assert got.status == 200
    outcomes = got.json()["outcomes"]
    by_outcome = Counter((each["outcome"], each["reason"]) for each in outcomes)
    assert by_outcome == {
        ("replied", None): len(MADE),
        ("relayed", None): len(MADE),
        ("ignored", "wiki_not_deployed"): 1,
    }
    assert chain.published == {name: 1 for name in MADE}
    assert chain.predictor.targets == {f"/v1/models/{isvc}:predict": 1 for isvc in ISVCS}


@pytest.mark.parametrize("row", ["damaging", "drafttopic"])
def test_predictor_that_fails_once_is_repeated_alone_and_nothing_is_published_twice(
    chain: Chain, row: str
) -> None:
    """Of many Triggers one fails for now: the caller repeats that one by name, and in the end each
    score has been published exactly once."""
    path = f"/v1/models/enwiki-{row}:predict"
    chain.predictor.script[path] = once(answer(503, {"error": "x"}), predict)

    first = chain.post(page_change())
    assert first.status == 503
    named = re.search(r"1 of 15 Triggers deferred: ([a-z-]+) \(", first.json()["detail"])
    assert named is not None
    assert named[1] == row
    assert chain.published == {name: 1 for name in MADE if name != row}

    second = chain.post(page_change(), f"?trigger={named[1]}")
    assert second.status == 200
    assert chain.published == {name: 1 for name in MADE}
    calls = {f"/v1/models/{isvc}:predict": 1 for isvc in ISVCS}
    assert chain.predictor.targets == {**calls, path: 2}
    assert chain.others.targets == {f"/{name}": 1 for name in EXTRA}


def test_eventgate_that_fails_once_is_repeated_by_the_first_trigger(chain: Chain) -> None:
    """The score that was not taken is made again with the same id, the others are left alone."""
    taken: list[str] = []
    failed: list[str] = []
    lock = threading.Lock()

    def intake(received: Received, sock: socket.socket) -> bool | None:
        document = received.json()
        with lock:
            fails = models_of(document) == ["goodfaith"] and not failed
            (failed if fails else taken).append(document["meta"]["id"])
        return stored(503 if fails else 201)(received, sock)

    chain.eventgate.script["/v1/events"] = intake
    first = chain.post(page_change())

    assert first.status == 503
    assert "1 of 15 Triggers deferred: goodfaith (eventgate_failed)" in first.json()["detail"]
    second = chain.post(page_change(), "?trigger=goodfaith")
    assert second.status == 200
    assert failed[0] in taken
    # The three scripted models share one document id.
    assert len(taken) == len(MADE)
    assert chain.published == {**{name: 1 for name in MADE}, "goodfaith": 2}


def test_predictor_that_refuses_the_revision_is_422_while_others_are_published(
    chain: Chain,
) -> None:
    """What one model can never score is told, and is no reason to repeat the others."""
    path = "/v1/models/enwiki-draftquality:predict"
    chain.predictor.script[path] = answer(400, {"error": "cannot score this"})
    got = chain.post(page_change())

    assert got.status == 422
    assert "1 of 15 Triggers rejected: draftquality (unscorable_revision)" in got.json()["detail"]
    assert chain.published == {name: 1 for name in MADE if name != "draftquality"}


def _closes(_received: Received, _sock: socket.socket) -> bool:
    return False


def _half(_received: Received, sock: socket.socket) -> bool:
    sock.sendall(b"HTTP/1.1 201 X\r\nContent-Length: 9\r\n\r\nab")
    return False


def test_counterparts_that_fail_in_between_acknowledge_nothing_that_is_not_relayed(
    chain: Chain,
) -> None:
    """Of many events under faults, each is either acknowledged and published, or not
    acknowledged."""
    lock = threading.Lock()
    taken: set[int] = set()
    faults: list[Behave] = [_closes, _half, stored(500), stored(207), stored(202)]
    calls = iter(range(10**6))

    def intake(received: Received, sock: socket.socket) -> bool | None:
        with lock:
            number = next(calls)
            fault = faults[number // 2 % len(faults)] if number % 2 else None
            if fault is None:
                taken.add(received.json()["rev_id"])
        return (fault or stored())(received, sock)

    def failing(received: Received, sock: socket.socket) -> bool | None:
        rev_id = received.json()["rev_id"]
        behave = {3: _closes, 7: _half, 11: answer(200, b"<html>"), 15: answer(500)}
        return behave.get(rev_id % 20, predict)(received, sock)

    chain.eventgate.script["/v1/events"] = intake
    chain.predictor.script["/v1/models/enwiki-drafttopic:predict"] = failing

    def send(number: int) -> tuple[int, int]:
        document = page_change(
            revision={"rev_id": 1000 + number}, meta={"id": str(uuid.UUID(int=number))}
        )
        return 1000 + number, chain.post(document, "?trigger=drafttopic").status

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(60)))

    acknowledged = {rev_id for rev_id, status in answers if status == 200}
    assert {status for _, status in answers} == {200, 503}
    assert acknowledged <= taken
    assert len(acknowledged) >= 10


def kill(upstream: Upstream) -> None:
    """End an upstream as a process that dies: from now on its port refuses."""
    upstream._listener.shutdown(socket.SHUT_RDWR)
    upstream.__exit__()


def test_counterparts_that_are_killed_in_the_middle_are_503(tmp_path: Path) -> None:
    """A predictor and an EventGate that die while events wait for them: nothing is acknowledged,
    neither then nor afterwards."""
    waiting = threading.Barrier(3)

    def hang(_received: Received, _sock: socket.socket) -> bool:
        waiting.wait(PATIENCE_SECONDS)
        time.sleep(PATIENCE_SECONDS)
        return True

    with running_chain(tmp_path) as chain, ThreadPoolExecutor(2) as pool:
        chain.predictor.script["/v1/models/enwiki-damaging:predict"] = hang
        chain.eventgate.script["/v1/events"] = hang
        calls = [
            pool.submit(chain.post, page_change(), f"?trigger={name}")
            for name in ("damaging", "drafttopic")
        ]
        waiting.wait(PATIENCE_SECONDS)
        for each in (chain.predictor, chain.eventgate):
            kill(each.upstream)
        during = [call.result(PATIENCE_SECONDS) for call in calls]
        after = [chain.post(page_change(), f"?trigger={name}") for name in ("damaging", "extra-a")]

    assert [got.status for got in during] == [503, 503]
    assert [got.status for got in after] == [503, 503]
    assert "damaging (upstream_unavailable)" in during[0].json()["detail"]
    assert "drafttopic (upstream_unavailable)" in during[1].json()["detail"]
