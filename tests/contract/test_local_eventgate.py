"""The local EventGate, run for real: statuses, reasons, bodies, topics and readers."""

from __future__ import annotations

import gzip
import http.client
import os
import re
import socket
import subprocess
import sys
import time
import uuid
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest

from tests.sixteen import ADDED

ROOT = Path(__file__).parent.parent.parent
STREAM = "mediawiki.revision-score-test"
OTHER_STREAM = "mediawiki.revision_score_damaging"
SCHEMA = "/mediawiki/revision/score/3.0.0"
HEARTBEAT_SECONDS = 0.2
MIB = 1024 * 1024
JSON = {"Content-Type": "application/json"}
EMPTY_BODY = "Request body was empty. Must provide JSON encoded events."
ACCEPTED = "All 1 out of 1 events were accepted."


@dataclass(frozen=True)
class Answer:
    """One answer, read to its end."""

    status: int
    reason: str
    headers: http.client.HTTPMessage
    body: bytes


@dataclass(frozen=True)
class EventGate:
    """A running EventGate: where it listens and where it writes."""

    port: int
    directory: Path
    process: subprocess.Popen[bytes]

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send one request on its own connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.reason, response.headers, response.read())
        finally:
            connection.close()

    def post(self, body: Any, path: str = "/v1/events", **headers: str) -> Answer:
        """Post a JSON value, or bytes as they are."""
        sent = body if isinstance(body, bytes) else orjson.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.call("POST", path, sent, {**JSON, **named})

    def stored(self, stream: str = STREAM) -> list[dict[str, Any]]:
        """Return what the topic's file holds."""
        path = self.directory / f"dev.{stream}.ndjson"
        return [orjson.loads(line) for line in path.read_bytes().splitlines()]

    def stored_with_id(self, event_id: str, stream: str = STREAM) -> list[dict[str, Any]]:
        """Return the topic's events of one `meta.id`."""
        return [event for event in self.stored(stream) if event["meta"]["id"] == event_id]

    @contextmanager
    def reader(self, path: str, **headers: str) -> Iterator[http.client.HTTPResponse]:
        """Open a reader of server-sent events and read its first comment."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", path, headers=named)
        response = connection.getresponse()
        try:
            assert (response.status, response.readline(), response.readline()) == (
                200,
                b":ok\n",
                b"\n",
            )
            yield response
        finally:
            response.close()
            connection.close()


@contextmanager
def running(directory: Path) -> Iterator[EventGate]:
    """Run an EventGate under gunicorn's gevent worker on a free port of the loopback."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        log = stack.enter_context((directory.parent / f"{directory.name}.log").open("wb"))
        fd = listener.fileno()
        app = f"sinks.local.eventgate:create_app({str(directory)!r}, {HEARTBEAT_SECONDS})"
        command = [sys.executable, "-m", "gunicorn", "-k", "gevent", "-b", f"fd://{fd}"]
        options = ["--graceful-timeout", "1", "--keep-alive", "5", "--no-control-socket", app]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(  # noqa: S603
            [*command, *options],
            cwd=directory.parent,
            env=environment,
            pass_fds=[fd],
            stdout=log,
            stderr=log,
        )
        stack.callback(_stop, process)
        eventgate = EventGate(listener.getsockname()[1], directory, process)
        # The listener exists already: the first request waits until a worker takes it.
        assert eventgate.call("GET", "/_info").status == 200
        yield eventgate


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)


@pytest.fixture(scope="module")
def eventgate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EventGate]:
    """One EventGate for the whole module; tests tell their events apart by `meta.id`."""
    with running(tmp_path_factory.mktemp("eventgate") / "topics") as started:
        yield started


def score_event(**changes: Any) -> dict[str, Any]:
    """Return a valid score event with its own `meta.id`; a change to ... removes the member."""
    meta = {
        "stream": STREAM,
        "id": str(uuid.uuid4()),
        "domain": "en.wikipedia.org",
        "uri": "https://en.wikipedia.org/wiki/Main_Page",
        **changes.pop("meta", {}),
    }
    score = {
        "model_name": "damaging",
        "model_version": "0.5.1",
        "prediction": ["true"],
        "probability": {"true": 0.75, "false": 0.25},
        **changes.pop("score", {}),
    }
    event = {
        "$schema": SCHEMA,
        "meta": {name: value for name, value in meta.items() if value is not ...},
        "dt": "2026-01-02T03:04:05Z",
        "database": "enwiki",
        "page_id": 15580374,
        "page_title": "Main_Page",
        "page_namespace": 0,
        "page_is_redirect": False,
        "rev_id": 1234567,
        "performer": {"user_text": "A", "user_groups": ["*"], "user_is_bot": False},
        "scores": {"damaging": score},
        **changes,
    }
    return {name: value for name, value in event.items() if value is not ...}


def broken(**changes: Any) -> dict[str, Any]:
    """Return an event that violates its schema once."""
    return score_event(page_id=0, **changes)


def next_block(response: http.client.HTTPResponse) -> list[bytes]:
    """Return the lines of the next server-sent event or comment."""
    lines: list[bytes] = []
    while (line := response.readline().rstrip(b"\n")) or not lines:
        lines.append(line)
    return lines


def next_message(response: http.client.HTTPResponse) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return id and data of the next message, passing over heartbeats."""
    while (block := next_block(response))[0] == b":heartbeat":
        pass
    kind, positions, data = block
    assert kind == b"event: message"
    assert positions.startswith(b"id: ")
    assert data.startswith(b"data: ")
    return orjson.loads(positions[4:]), orjson.loads(data[6:])


def marked(number: int) -> dict[str, Any]:
    """Return an event that carries a number through a topic."""
    return score_event(rev_id=number)


def dumps(value: Any) -> str:
    """Return JSON as the text of a header."""
    return orjson.dumps(value).decode()


# Accepted ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "headers"),
    [
        pytest.param({}, {}, id="object"),
        pytest.param({}, {"Content_Type": "application/json; charset=utf-8"}, id="charset-utf-8"),
        pytest.param({}, {"Content_Type": "text/plain"}, id="text-plain"),
        pytest.param({}, {"Content_Type": "application/reports+json"}, id="reports-json"),
        pytest.param({}, {"ce_id": "1", "ce_specversion": "1.0", "ce_type": "x"}, id="ce-headers"),
        pytest.param({"meta": {"extra": 1}}, {}, id="extra-in-meta"),
        pytest.param({"performer": {"extra": 1}}, {}, id="extra-in-performer"),
        pytest.param({"page_title": "日本 \u2028 ñ"}, {}, id="non-ascii"),
        pytest.param({"$schema": SCHEMA + ".yaml"}, {}, id="schema-yaml"),
        pytest.param({"$schema": SCHEMA + ".json"}, {}, id="schema-json"),
        pytest.param({"page_title": "x" * 3 * MIB}, {}, id="3-MiB"),
    ],
)
def test_event_valid_is_stored_with_201(
    eventgate: EventGate, changes: dict[str, Any], headers: dict[str, str]
) -> None:
    """A valid event is answered 201 without a body and stands in its topic's file, unchanged."""
    event = score_event(**changes)

    answer = eventgate.post(event, **headers)

    assert (answer.status, answer.reason) == (201, ACCEPTED)
    assert answer.headers["Content-Type"] is None
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.body == b""
    (stored,) = eventgate.stored_with_id(event["meta"]["id"])
    del stored["meta"]["dt"]
    assert stored == event


@pytest.mark.parametrize(
    "path",
    ["/v1/events/", "/v1/events?hasty=", "/v1/events?hasty", "/v1/events?other=1"],
)
def test_address_with_other_spelling_takes_events(eventgate: EventGate, path: str) -> None:
    """A trailing slash, an empty `hasty` and an unknown parameter change nothing."""
    answer = eventgate.post(score_event(), path)

    assert (answer.status, answer.reason, answer.body) == (201, ACCEPTED, b"")


@pytest.mark.parametrize("count", [1, 2, 1000])
def test_array_of_valid_events_is_stored_in_order(eventgate: EventGate, count: int) -> None:
    """An array is taken whole, one line per event in the order of the request."""
    batch = [score_event() for _ in range(count)]

    answer = eventgate.post(batch)

    reason = f"All {count} out of {count} events were accepted."
    assert (answer.status, answer.reason, answer.body) == (201, reason, b"")
    ids = [event["meta"]["id"] for event in eventgate.stored()]
    assert ids[-count:] == [event["meta"]["id"] for event in batch]


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        pytest.param("gzip", gzip.compress, id="gzip"),
        pytest.param("deflate", zlib.compress, id="deflate"),
        pytest.param("identity", bytes, id="identity"),
    ],
)
def test_encoding_known_is_unpacked(eventgate: EventGate, encoding: str, encode: Any) -> None:
    """Compressed bodies are read."""
    event = score_event()

    answer = eventgate.post(encode(orjson.dumps(event)), Content_Encoding=encoding)

    assert (answer.status, answer.reason, answer.body) == (201, ACCEPTED, b"")
    assert len(eventgate.stored_with_id(event["meta"]["id"])) == 1


@pytest.mark.parametrize(
    ("raw", "page_title"),
    [
        pytest.param(b'"page_title": "a", "page_title": "b"', "b", id="duplicate-key"),
        pytest.param(b'"page_title": "\xff"', "\ufffd", id="not-utf-8"),
    ],
)
def test_body_sloppy_is_read_as_javascript_would(
    eventgate: EventGate, raw: bytes, page_title: str
) -> None:
    """The last of two equal keys wins and bad bytes become U+FFFD; a byte order mark is skipped."""
    event = score_event(page_title=...)
    body = b"\xef\xbb\xbf" + orjson.dumps(event)[:-1] + b", " + raw + b"}"

    answer = eventgate.post(body)

    assert (answer.status, answer.reason, answer.body) == (201, ACCEPTED, b"")
    assert eventgate.stored_with_id(event["meta"]["id"])[0]["page_title"] == page_title


def test_event_posted_twice_is_stored_twice(eventgate: EventGate) -> None:
    """Nobody removes duplicates: the same `meta.id` makes two messages."""
    event = score_event()

    statuses = [eventgate.post(event).status for _ in range(2)]

    assert statuses == [201, 201]
    assert len(eventgate.stored_with_id(event["meta"]["id"])) == 2


def test_meta_without_optional_members_is_filled_in(eventgate: EventGate) -> None:
    """`meta.dt` becomes the time of receipt, `meta.id` a UUID, `meta.request_id` the header's."""
    marker = str(uuid.uuid4())

    answer = eventgate.post(score_event(meta={"id": ..., "uri": marker}), x_request_id="r" * 500)

    assert (answer.status, answer.reason) == (201, ACCEPTED)
    (meta,) = (each["meta"] for each in eventgate.stored() if each["meta"].get("uri") == marker)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", meta["dt"])
    assert str(uuid.UUID(meta["id"])) == meta["id"]
    assert meta["request_id"] == "r" * 400


def test_meta_with_optional_members_is_kept(eventgate: EventGate) -> None:
    """What the producer has set is never replaced."""
    event = score_event(meta={"dt": "2020-01-01T00:00:00Z", "request_id": "mine"})

    answer = eventgate.post(event, x_request_id="theirs")

    assert answer.status == 201
    assert eventgate.stored_with_id(event["meta"]["id"]) == [event]


# Refused ----------------------------------------------------------------------------------------

UNKNOWN = "/mediawiki/revision/score/9.9.9"
MISSING = "Field(s) {} were missing from event and could not be extracted."
NOT_ALLOWED = "Schema mediawiki/revision/score is not allowed in stream mediawiki.unknown."


@pytest.mark.parametrize(
    ("body", "status", "reason", "invalid", "error"),
    [
        pytest.param(
            broken(unknown=1, score={"prediction": "true"}),
            400,
            "1 out of 1 events were invalid and not accepted.",
            [0],
            {},
            id="invalid",
        ),
        pytest.param(
            [broken(), broken()],
            400,
            "2 out of 2 events were invalid and not accepted.",
            [0, 1],
            {},
            id="all-invalid",
        ),
        pytest.param(
            [score_event(), broken()],
            207,
            "1 out of 2 events were accepted, but 1 failed (1 invalid and 0 errored).",
            [1],
            {},
            id="valid-and-invalid",
        ),
        pytest.param(
            [score_event(**{"$schema": UNKNOWN}), score_event()],
            207,
            "1 out of 2 events were accepted, but 1 failed (0 invalid and 1 errored).",
            [],
            {0: f"Failed loading schema at {UNKNOWN}"},
            id="valid-and-error",
        ),
        pytest.param(
            [broken(), score_event(**{"$schema": UNKNOWN})],
            500,
            "2 out of 2 events had failures and were not accepted. (1 invalid and 1 errored).",
            [0],
            {1: f"Failed loading schema at {UNKNOWN}"},
            id="invalid-and-error",
        ),
        pytest.param(
            [1, None],
            500,
            "2 out of 2 events had failures and were not accepted. (0 invalid and 2 errored).",
            [],
            {0: MISSING.format("$schema"), 1: MISSING.format("$schema")},
            id="no-objects",
        ),
        *(
            pytest.param(
                body,
                500,
                "1 out of 1 events had failures and were not accepted. (0 invalid and 1 errored).",
                [],
                {0: message},
                id=name,
            )
            for name, body, message in [
                ("no-schema", score_event(**{"$schema": ...}), MISSING.format("$schema")),
                (
                    "structured-cloudevent",
                    {"specversion": "1.0", "id": "1", "data": score_event()},
                    MISSING.format("$schema"),
                ),
                ("no-stream", score_event(meta={"stream": ...}), MISSING.format("meta.stream")),
                ("no-meta", {"$schema": SCHEMA}, MISSING.format("meta.stream")),
                ("unknown-stream", score_event(meta={"stream": "mediawiki.unknown"}), NOT_ALLOWED),
            ]
        ),
    ],
)
def test_events_refused_are_listed_in_the_body(
    eventgate: EventGate,
    body: Any,
    status: int,
    reason: str,
    invalid: list[int],
    error: dict[int, str],
) -> None:
    """Status, reason and lists tell what was refused; what was accepted is not listed but stored.

    invalid, error: indices in the request, error with the message.
    """
    batch = body if isinstance(body, list) else [body]

    answer = eventgate.post(body)

    assert (answer.status, answer.reason) == (status, reason)
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    lists = orjson.loads(answer.body)
    assert list(lists) == (["invalid"] if status == 400 else ["invalid", "error"])
    assert [each["status"] for each in lists["invalid"]] == ["invalid"] * len(invalid)
    assert [each["event"] for each in lists["invalid"]] == [batch[index] for index in invalid]
    assert lists.get("error", []) == [
        {"status": "error", "event": batch[index], "context": {"message": message}}
        for index, message in error.items()
    ]
    refused = {*invalid, *error}
    stored = [each for i, each in enumerate(batch) if i not in refused]
    assert all(len(eventgate.stored_with_id(each["meta"]["id"])) == 1 for each in stored)


@pytest.mark.parametrize(
    ("changes", "errors_text", "expected"),
    [
        pytest.param(
            {"score": {"prediction": "true"}},
            "'.scores['damaging'].prediction' should be array",
            {
                "keyword": "type",
                "dataPath": ".scores['damaging'].prediction",
                "schemaPath": "#/properties/scores/additionalProperties/properties/prediction/type",
                "params": {"type": "array"},
                "message": "should be array",
            },
            id="type",
        ),
        pytest.param(
            {"score": {"probability": {"it's": None}}},
            "'.scores['damaging'].probability['it\\'s']' should be number",
            {"keyword": "type", "params": {"type": "number"}},
            id="null-probability",
        ),
        pytest.param(
            {"page_id": 0},
            "'.page_id' should be >= 1",
            {
                "keyword": "minimum",
                "params": {"comparison": ">=", "limit": 1, "exclusive": False},
            },
            id="minimum",
        ),
        pytest.param(
            {"dt": ...},
            "'' should have required property 'dt'",
            {
                "keyword": "required",
                "schemaPath": "#/required",
                "params": {"missingProperty": "dt"},
            },
            id="required",
        ),
        pytest.param(
            {"dt": "yesterday"},
            "'.dt' should match format \"date-time\"",
            {"keyword": "format", "params": {"format": "date-time"}},
            id="date-time",
        ),
        pytest.param(
            {"meta": {"uri": "/wiki/a b"}},
            "'.meta.uri' should match format \"uri-reference\"",
            {"keyword": "format", "params": {"format": "uri-reference"}},
            id="uri-reference",
        ),
        pytest.param(
            {"page_title": ""},
            "'.page_title' should NOT be shorter than 1 characters",
            {"keyword": "minLength", "params": {"limit": 1}},
            id="minLength",
        ),
        pytest.param(
            {"performer": {"user_groups": ["*", 1]}},
            "'.performer.user_groups[1]' should be string",
            {"keyword": "type", "params": {"type": "string"}},
            id="array-item",
        ),
        pytest.param(
            {"b": 1, "a": 1},
            "'' should NOT have additional properties, '' should NOT have additional properties",
            {
                "keyword": "additionalProperties",
                "schemaPath": "#/additionalProperties",
                "params": {"additionalProperty": "b"},
            },
            id="additionalProperties",
        ),
    ],
)
def test_violation_of_the_schema_is_described_as_by_ajv(
    eventgate: EventGate, changes: dict[str, Any], errors_text: str, expected: dict[str, Any]
) -> None:
    """Each violation names keyword, place in the event, place in the schema, parameters, text."""
    event = score_event(**changes)

    answer = eventgate.post(event)

    assert (answer.status, answer.reason) == (
        400,
        "1 out of 1 events were invalid and not accepted.",
    )
    (entry,) = orjson.loads(answer.body)["invalid"]
    assert entry["context"]["errorsText"] == errors_text
    first = entry["context"]["errors"][0]
    assert set(first) == {"keyword", "dataPath", "schemaPath", "params", "message"}
    assert first == {**first, **expected}


def test_violations_of_one_event_are_all_listed(eventgate: EventGate) -> None:
    """Validation does not stop at the first violation."""
    answer = eventgate.post(broken(dt=..., score={"prediction": True}, unknown=1))

    assert answer.status == 400
    (entry,) = orjson.loads(answer.body)["invalid"]
    keywords = [error["keyword"] for error in entry["context"]["errors"]]
    assert sorted(keywords) == ["additionalProperties", "minimum", "required", "type"]


@pytest.mark.parametrize(
    "uri",
    [
        "/../../pyproject",
        "/mediawiki/../../local/eventgate/3.0.0",
        "/mediawiki/revision/score/../score/3.0.0",
        "/%2e%2e/schemas/mediawiki/revision/score/3.0.0",
        "/mediawiki%2Frevision%2Fscore/3.0.0",
        "/mediawiki\\revision\\score/3.0.0",
        "/mediawiki/revision/score/3.0.0\u0000",
        "/mediawiki/revision/score/3.0.0\n",
        "/mediawiki/revision/score/",
        "/mediawiki/revision/score",
        "mediawiki/revision/score/3.0.0",
        "/etc/passwd",
        "",
    ],
)
def test_schema_uri_outside_the_schemas_is_not_found(eventgate: EventGate, uri: str) -> None:
    """`$schema` is a plain title and version; nothing else ever becomes a path."""
    answer = eventgate.post(score_event(**{"$schema": uri}))

    assert answer.status == 500
    (entry,) = orjson.loads(answer.body)["error"]
    assert entry["context"] == {"message": f"Failed loading schema at {uri}"}


@pytest.mark.parametrize(
    "uri",
    [
        f"file://{ROOT}/sinks/schemas{SCHEMA}.json",
        f"https://schema.wikimedia.org/repositories/primary/jsonschema{SCHEMA}",
        f"//schema.wikimedia.org{SCHEMA}",
    ],
)
def test_schema_uri_absolute_is_refused(eventgate: EventGate, uri: str) -> None:
    """The Wikimedia factory never fetches a schema from where an event says."""
    answer = eventgate.post(score_event(**{"$schema": uri}))

    assert answer.status == 500
    (entry,) = orjson.loads(answer.body)["error"]
    assert "Absolute schema URI" in entry["context"]["message"]


def test_event_larger_than_the_broker_takes_is_an_error(eventgate: EventGate) -> None:
    """A request may have 10 MB, a single message only 4 MiB."""
    event = score_event(page_title="x" * 5 * MIB)

    answer = eventgate.post([event, score_event()])

    assert answer.status == 207
    (entry,) = orjson.loads(answer.body)["error"]
    assert "Message size too large" in entry["context"]["message"]
    assert eventgate.stored_with_id(event["meta"]["id"]) == []


# Requests that are not read ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param(b"[]", "application/json", id="empty-array"),
        pytest.param(b"{}", "application/json", id="empty-object"),
        pytest.param(b"", "application/json", id="no-body"),
        pytest.param(None, "", id="no-content-type"),
        pytest.param(None, "application/x-www-form-urlencoded", id="form"),
        pytest.param(None, "application/cloudevents+json", id="cloudevent"),
        pytest.param(None, "application/cloudevents+json; charset=utf-8", id="cloudevent-charset"),
        pytest.param(None, "application/cloudevents-batch+json", id="cloudevents-batch"),
    ],
)
def test_body_empty_or_of_another_type_answers_400_without_a_body(
    eventgate: EventGate, body: bytes | None, content_type: str
) -> None:
    """A body of an unknown content type counts as empty; only the status line says so."""
    sent = orjson.dumps(score_event()) if body is None else body
    headers = {"Content-Type": content_type} if content_type else {}

    answer = eventgate.call("POST", "/v1/events", sent, headers)

    assert (answer.status, answer.reason) == (400, EMPTY_BODY)
    assert answer.headers["Content-Type"] is None
    assert answer.body == b""


BOMB = gzip.compress(b" " * 64 * MIB)


@pytest.mark.parametrize(
    ("body", "path", "headers", "title"),
    [
        pytest.param(b'{"a": ', "/v1/events", {}, "SyntaxError", id="malformed"),
        pytest.param(b'{"a": NaN}', "/v1/events", {}, "SyntaxError", id="nan"),
        pytest.param(b'"text"', "/v1/events", {}, "SyntaxError", id="text"),
        pytest.param(b"null", "/v1/events", {}, "SyntaxError", id="null"),
        pytest.param(b"{", "/v1/events?hasty=true", {}, "SyntaxError", id="malformed-hasty"),
        pytest.param(
            b"[" + b" " * 11_000_000 + b"]", "/v1/events", {}, "PayloadTooLargeError", id="11-MB"
        ),
        pytest.param(
            BOMB, "/v1/events", {"Content_Encoding": "gzip"}, "PayloadTooLargeError", id="gzip-bomb"
        ),
        pytest.param(
            b"{}",
            "/v1/events",
            {"Content_Type": "application/json; charset=iso-8859-1"},
            "UnsupportedMediaTypeError",
            id="charset",
        ),
        pytest.param(
            b"{}",
            "/v1/events",
            {"Content_Encoding": "br"},
            "UnsupportedMediaTypeError",
            id="brotli",
        ),
        pytest.param(b"{}", "/v1/events", {"Content_Encoding": "gzip"}, "Error", id="not-gzip"),
        pytest.param(BOMB[:50], "/v1/events", {"Content_Encoding": "gzip"}, "Error", id="gzip-cut"),
    ],
)
def test_request_unreadable_answers_500_internal_error(
    eventgate: EventGate, body: bytes, path: str, headers: dict[str, str], title: str
) -> None:
    """What cannot be read is never a 4xx, whatever it is and whether hasty or not."""
    answer = eventgate.post(body, path, **headers)

    assert (answer.status, answer.reason) == (500, "Internal Server Error")
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    problem = orjson.loads(answer.body)
    assert problem.pop("detail")
    assert problem == {
        "status": 500,
        "type": "internal_error",
        "title": title,
        "method": "POST",
        "uri": path,
    }


def test_request_too_large_without_a_length_answers_500(eventgate: EventGate) -> None:
    """The limit holds for a chunked body too."""
    connection = http.client.HTTPConnection("127.0.0.1", eventgate.port, timeout=10)
    try:
        chunks = (b" " * MIB for _ in range(11))
        connection.request("POST", "/v1/events", chunks, JSON, encode_chunked=True)
        response = connection.getresponse()

        assert response.status == 500
        assert orjson.loads(response.read())["title"] == "PayloadTooLargeError"
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/events"),
        ("PUT", "/v1/events"),
        ("HEAD", "/v1/events"),
        ("POST", "/v1/other"),
        ("POST", "/"),
        ("POST", "/v1//events"),
        ("GET", "/v1/_test/events"),
    ],
)
def test_address_unknown_answers_404_with_html(
    eventgate: EventGate, method: str, path: str
) -> None:
    """A wrong method is a wrong address too, never a 405."""
    answer = eventgate.call(method, path, orjson.dumps(score_event()), JSON)

    assert answer.status == 404
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert method == "HEAD" or answer.body.lower().startswith(b"<!doctype html>")


# Hasty ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["true", "false", "0"])
@pytest.mark.parametrize("valid", [True, False], ids=["valid", "invalid"])
def test_hasty_with_any_text_answers_202(eventgate: EventGate, value: str, valid: bool) -> None:
    """Any text switches it on, and it hides failures."""
    event = score_event() if valid else broken()

    answer = eventgate.post(event, f"/v1/events?hasty={value}")

    assert (answer.status, answer.reason) == (202, "1 events hastily received.")
    assert answer.headers["Content-Type"] is None
    assert answer.body == b""
    assert len(eventgate.stored_with_id(event["meta"]["id"])) == int(valid)


def test_hasty_with_an_empty_array_answers_400(eventgate: EventGate) -> None:
    """An empty body is found before the hasty answer."""
    answer = eventgate.post([], "/v1/events?hasty=true")

    assert (answer.status, answer.reason, answer.body) == (400, EMPTY_BODY, b"")


# What it tells of itself ------------------------------------------------------------------------


def test_info_names_the_service(eventgate: EventGate) -> None:
    """The readiness probe gets name and version."""
    answer = eventgate.call("GET", "/_info")

    assert answer.status == 200
    assert set(orjson.loads(answer.body)) == {"name", "version"}


def test_stream_configs_without_names_are_all(eventgate: EventGate) -> None:
    """Every stream is listed with the one schema title it takes."""
    answer = eventgate.call("GET", "/v1/stream-configs")

    assert answer.status == 200
    configs = orjson.loads(answer.body)
    scores = "articlequality articletopic draftquality drafttopic damaging goodfaith reverted"
    predictions = (
        "page_outlink_topic_prediction_change.v1 article_country_prediction_change.v1"
        " page_revert_risk_prediction_change.v1 page_revert_risk_multilingual_prediction_change.v1"
        " page_revert_risk_wikidata_prediction_change.v1 page_prediction_change.rc0"
    )
    tags = "cirrussearch.page_weighted_tags_change.v1 page_weighted_tags_change.rc0"
    assert {stream: each["schema_title"] for stream, each in configs.items()} == {
        STREAM: "mediawiki/revision/score",
        **{f"mediawiki.revision_score_{x}": "mediawiki/revision/score" for x in scores.split()},
        **{
            f"mediawiki.{x}": "mediawiki/page/prediction_classification_change"
            for x in predictions.split()
        },
        **{
            f"mediawiki.{x}": "mediawiki/cirrussearch/page_weighted_tags_change"
            for x in tags.split()
        },
        **{x: row.output.title for row in ADDED for x in (row.stream, row.test_stream)},
    }
    assert configs[STREAM]["topics"] == [f"dev.{STREAM}"]


def test_stream_configs_with_names_are_those(eventgate: EventGate) -> None:
    """Names are separated by commas; an unknown one is left out."""
    answer = eventgate.call("GET", f"/v1/stream-configs/{STREAM},unknown,{OTHER_STREAM}")

    assert answer.status == 200
    assert list(orjson.loads(answer.body)) == [STREAM, OTHER_STREAM]


# Readers ----------------------------------------------------------------------------------------


def test_reader_without_parameters_gets_only_what_comes_now(eventgate: EventGate) -> None:
    """A reader starts at the end; data and id tell topic, partition and offset."""
    eventgate.post(marked(1))
    offset = len(eventgate.stored())
    event = score_event(page_title="日本\n", meta={"dt": "2020-01-01T00:00:00Z"})

    with eventgate.reader(f"/v2/stream/{STREAM}") as response:
        eventgate.post(event)
        positions, data = next_message(response)

    place = {"topic": f"dev.{STREAM}", "partition": 0, "offset": offset}
    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-cache"
    assert positions == [place]
    assert data == {**event, "meta": {**event["meta"], **place}}


def test_reader_of_a_silent_stream_gets_heartbeats(eventgate: EventGate) -> None:
    """Silence is filled with comments, so that both sides notice a dead connection."""
    with eventgate.reader("/v2/stream/mediawiki.revision_score_reverted") as response:
        blocks = [next_block(response) for _ in range(2)]

    assert blocks == [[b":heartbeat"], [b":heartbeat"]]


@pytest.mark.parametrize(
    ("since", "numbers"),
    [
        pytest.param("2024-06-01T00:00:00Z", [2, 4], id="utc"),
        pytest.param("2024-06-01", [2, 4], id="day"),
        pytest.param("1717200000000", [2, 4], id="milliseconds"),
        pytest.param("2024-06-01T02:00:00%2B02:00", [2, 4], id="offset"),
        pytest.param("2020-01-01T00:00:00Z", [1, 2, 3, 4], id="before-all"),
        pytest.param("2030-01-01T00:00:00Z", [], id="after-all"),
    ],
)
def test_reader_since_a_time_gets_kept_events_first(
    eventgate: EventGate, since: str, numbers: list[int]
) -> None:
    """Kept events received at or after the time come first, then what comes now, any time."""
    stream = "mediawiki.revision_score_goodfaith"
    days = ["2024-05-31", "2024-06-01", "2024-05-01", "2024-07-01"]
    if not (eventgate.directory / f"dev.{stream}.ndjson").exists():
        for number, day in enumerate(days, 1):
            meta = {"stream": stream, "dt": f"{day}T00:00:00Z"}
            assert eventgate.post(score_event(rev_id=number, meta=meta)).status == 201

    with eventgate.reader(f"/v2/stream/{stream}?since={since}") as response:
        kept = [next_message(response)[1]["rev_id"] for _ in numbers]
        meta = {"stream": stream, "dt": "2000-01-01T00:00:00Z"}
        eventgate.post(score_event(rev_id=99, meta=meta))
        live = next_message(response)[1]["rev_id"]

    assert (kept, live) == (numbers, 99)


def test_reader_with_last_event_id_goes_on_behind_it(eventgate: EventGate) -> None:
    """A reader that shows the id it got last misses nothing and gets nothing twice."""
    stream = "mediawiki.revision_score_drafttopic"
    sent = [score_event(rev_id=number, meta={"stream": stream}) for number in range(4)]
    address = f"/v2/stream/{stream},{STREAM}"
    with eventgate.reader(address) as response:
        eventgate.post(sent[:2])
        first, _ = next_message(response)

    eventgate.post([*sent[2:], marked(4)])
    with eventgate.reader(f"{address}?since=1970-01-01", Last_Event_ID=dumps(first)) as response:
        numbers = [next_message(response)[1]["rev_id"] for _ in range(4)]

    assert [each["topic"] for each in first] == [f"dev.{stream}", f"dev.{STREAM}"]
    assert sorted(numbers) == [1, 2, 3, 4]


def test_reader_with_an_offset_of_the_future_waits_for_the_next_event(
    eventgate: EventGate,
) -> None:
    """After the files were emptied an old id means: from now on."""
    position = [{"topic": f"dev.{STREAM}", "partition": 0, "offset": 10**9}]

    with eventgate.reader(f"/v2/stream/{STREAM}", Last_Event_ID=dumps(position)) as response:
        eventgate.post(marked(77))
        _, data = next_message(response)

    assert data["rev_id"] == 77


OTHER_POSITION = dumps([{"topic": f"dev.{OTHER_STREAM}", "partition": 0, "offset": 0}])


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        pytest.param("/v2/stream/unknown", {}, 404, id="unknown-stream"),
        pytest.param(f"/v2/stream/{STREAM},unknown", {}, 404, id="one-unknown-stream"),
        pytest.param("/v2/stream/..%2F..%2Fetc", {}, 404, id="traversal"),
        pytest.param("/v2/stream/", {}, 404, id="no-stream"),
        pytest.param(f"/v2/stream/{STREAM}?since=yesterday", {}, 400, id="bad-since"),
        pytest.param(f"/v2/stream/{STREAM}?since=9{'9' * 30}", {}, 400, id="far-since"),
        pytest.param(f"/v2/stream/{STREAM}", {"Last-Event-ID": "{"}, 400, id="bad-id"),
        pytest.param(f"/v2/stream/{STREAM}", {"Last-Event-ID": "7"}, 400, id="number-id"),
        pytest.param(f"/v2/stream/{STREAM}", {"Last-Event-ID": OTHER_POSITION}, 400, id="other-id"),
    ],
)
def test_reader_with_bad_parameters_is_refused(
    eventgate: EventGate, path: str, headers: dict[str, str], status: int
) -> None:
    """A reader asks for known streams, a time that can be told and positions in its own topics."""
    answer = eventgate.call("GET", path, headers=headers)

    assert answer.status == status


def test_reader_that_goes_away_is_freed(eventgate: EventGate) -> None:
    """A closed connection is noticed at a heartbeat and leaves nothing open behind."""
    (worker,) = psutil.Process(eventgate.process.pid).children()
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(eventgate.reader(f"/v2/stream/{STREAM}?since=2025-01-01"))
        opened = worker.num_fds()

    deadline = time.monotonic() + 5
    while (left := worker.num_fds()) > opened - 20 and time.monotonic() < deadline:
        time.sleep(HEARTBEAT_SECONDS)

    assert left <= opened - 20


# Files ------------------------------------------------------------------------------------------


def test_topic_after_a_crash_goes_on_behind_the_last_whole_event(tmp_path: Path) -> None:
    """Offsets continue over a restart, half a line is dropped, a removed file is begun anew."""
    directory = tmp_path / "topics"
    directory.mkdir()
    path = directory / f"dev.{STREAM}.ndjson"
    path.write_bytes(orjson.dumps(marked(0)) + b"\n" + orjson.dumps(marked(1))[:100])

    with running(directory) as eventgate, eventgate.reader(f"/v2/stream/{STREAM}") as response:
        eventgate.post(marked(2))
        continued = next_message(response)[1]
        numbers = [event["rev_id"] for event in eventgate.stored()]
        path.unlink()
        eventgate.post(marked(3))
        begun = next_message(response)[1]

    assert numbers == [0, 2]
    assert (continued["rev_id"], continued["meta"]["offset"]) == (2, 1)
    assert (begun["rev_id"], begun["meta"]["offset"]) == (3, 0)
