"""EventGate, as the egress-sink speaks to it: what is posted, and what each answer means.

A real egress-sink stands before a scripted upstream, and before the local EventGate.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sinks import __version__
from tests.factories import SCORE_TYPE, binary, revision_score, structured
from tests.failing import close, cut_off, drip, hang, reset
from tests.processes import ROOT, Running, clean_env, gunicorn
from tests.upstream import Behave, Received, Reply, Upstream, answer, call

APP = "sinks.egress_sink:create_app()"
STREAM = "mediawiki.revision_score_drafttopic"
UNCONFIGURED = "mediawiki.revision_score_unknown"
MARK = "WORDS OF EVENTGATE"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
READ_TIMEOUT = 0.5
SLACK = 1.5  # of a busy machine, and less than what a time-out of another kind takes


@dataclass(frozen=True)
class Relaying:
    """An egress-sink and the upstream behind it."""

    sink: Running
    upstream: Upstream

    def deliver(self, behave: Behave, headers: dict[str, str] | None = None, **over: Any) -> Reply:
        """Deliver one score document to a sink whose EventGate behaves like this."""
        own, body = binary(revision_score(**over), type=SCORE_TYPE, stream=STREAM)
        return self.send(behave, {**own, **(headers or {})}, body)

    def send(self, behave: Behave, headers: dict[str, str], body: bytes) -> Reply:
        self.upstream.received.clear()
        self.upstream.behave = behave
        return call(self.sink.port, "/", headers, body)


@pytest.fixture(scope="module")
def relaying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relaying]:
    """An egress-sink before a scripted EventGate that is given half a second."""
    with Upstream(answer(500)) as upstream:
        env = {
            "EVENTGATE_URLS": f"{upstream.url}/v1/events",
            "EVENTGATE_READ_TIMEOUT_SECONDS": str(READ_TIMEOUT),
            "RELAYED_MEMORY_EVENTS": "0",  # the same event again and again is what is sent here
        }
        with gunicorn(APP, env, tmp_path_factory.mktemp("relaying")) as sink:
            yield Relaying(sink, upstream)


@dataclass(frozen=True)
class Real:
    """An egress-sink, the local EventGate behind it, and where that one writes."""

    sink: Running
    directory: Path

    def deliver(self, document: dict[str, Any], **attributes: str) -> Reply:
        headers, body = binary(document, type=SCORE_TYPE, **attributes)
        return call(self.sink.port, "/", headers, body)

    def produced(self, stream: str = STREAM) -> list[dict[str, Any]]:
        path = self.directory / f"dev.{stream}.ndjson"
        return (
            [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
        )


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    """An egress-sink before the local EventGate, allowed one stream that EventGate has not got."""
    directory = tmp_path_factory.mktemp("real")
    topics = directory / "topics"
    eventgate = f'sinks.local.eventgate:create_app("{topics}")'
    with gunicorn(eventgate, {}, directory, ready="/_info") as server:
        env = {
            "EVENTGATE_URLS": f"{server.url}/v1/events",
            "EGRESS_STREAMS": f"{STREAM},{UNCONFIGURED}",
        }
        with gunicorn(APP, env, directory) as sink:
            yield Real(sink, topics)


def metric(sink: Running, name: str) -> float:
    """Return the value of a metric that has no labels but the sink's name."""
    text = call(sink.port, "/metrics", method="GET").body.decode()
    (value,) = (line.split()[1] for line in text.splitlines() if line.startswith(f"{name}{{"))
    return float(value)


def is_relayed(reply: Reply) -> None:
    """202, no Content-Type, no body: anything else would be an answer to Knative."""
    assert reply.status == 202
    assert reply.headers["Content-Type"] is None
    assert not [name for name in reply.headers if name.lower().startswith("ce-")]
    assert reply.body == b""


def is_error(reply: Reply, status: int, reason: str) -> None:
    """Status first, then headers, then the bounded body, without a word of EventGate's."""
    assert reply.status == status
    assert reply.headers.get_all("Content-Type") == ["application/json"]
    assert len(reply.body) <= 768
    assert set(reply.json()) == {"reason", "detail", "ce_id"}
    assert reply.json()["reason"] == reason
    assert MARK not in reply.body.decode()


def invalid(text: str) -> dict[str, Any]:
    entry = {"status": "invalid", "event": revision_score(), "context": {"errorsText": text}}
    return {"invalid": [entry]}


def errored(message: object) -> dict[str, Any]:
    entry = {"status": "error", "event": revision_score(), "context": {"message": message}}
    return {"invalid": [], "error": [entry]}


def internal_error(title: str, detail: str) -> dict[str, Any]:
    where = {"method": "POST", "uri": "/v1/events"}
    return {"status": 500, "type": "internal_error", "title": title, "detail": detail, **where}


def page(status: int) -> bytes:
    return f"<html><h1>{status} {MARK}</h1></html>".encode()


# --- what each answer means ------------------------------------------------------------------

LOADING = f"Failed loading schema at /a/1.0.0 {MARK}"
NOT_ALLOWED = f"Schema mediawiki/revision/score is not allowed in stream {STREAM} {MARK}"
TOO_LARGE = f"Broker: Message size too large {MARK}"
MISSING = f"Field(s) $schema were missing from event and could not be extracted. {MARK}"
PERMANENT = (422, "rejected_by_eventgate")
TEMPORARY = (503, "eventgate_failed")
UNREADABLE = (502, "upstream_bad_answer")
ANSWERS: dict[str, tuple[Behave, tuple[int, str]]] = {
    "200": (answer(200), TEMPORARY),
    "202_hasty": (answer(202), UNREADABLE),
    "204": (answer(204), TEMPORARY),
    "207": (answer(207, {**invalid(MARK), "error": []}), UNREADABLE),
    "301": (answer(301, b"", {"Location": "/v1/events"}), UNREADABLE),
    "308": (answer(308, b"", {"Location": "/v1/events"}), UNREADABLE),
    "304": (answer(304), UNREADABLE),
    "400_invalid": (answer(400, invalid(f"'.dt' {MARK}")), PERMANENT),
    "400_empty": (answer(400), PERMANENT),
    "400_html": (answer(400, page(400)), PERMANENT),
    "401": (answer(401), TEMPORARY),
    "403": (answer(403), TEMPORARY),
    "404": (answer(404, page(404)), TEMPORARY),
    "408": (answer(408), TEMPORARY),
    "413": (answer(413, page(413)), TEMPORARY),
    "429": (answer(429), TEMPORARY),
    "500_syntax": (answer(500, internal_error("SyntaxError", MARK)), PERMANENT),
    "500_too_large": (answer(500, internal_error("PayloadTooLargeError", MARK)), PERMANENT),
    "500_charset": (answer(500, internal_error("UnsupportedMediaTypeError", MARK)), PERMANENT),
    "500_encoding": (answer(500, {"type": "internal_error"}), PERMANENT),
    "500_kafka_too_large": (answer(500, errored(TOO_LARGE)), PERMANENT),
    "500_not_allowed": (answer(500, errored(NOT_ALLOWED)), PERMANENT),
    "500_not_extracted": (answer(500, errored(MISSING)), PERMANENT),
    "500_loading_schema": (answer(500, errored(LOADING)), TEMPORARY),
    "500_kafka": (answer(500, errored(f"Broker: {MARK}: Local: Message timed out")), TEMPORARY),
    "500_message_is_a_number": (answer(500, errored(7)), TEMPORARY),
    "500_message_is_null": (answer(500, errored(None)), TEMPORARY),
    "500_empty": (answer(500), TEMPORARY),
    "500_html": (answer(500, page(500)), TEMPORARY),
    "500_truncated_json": (answer(500, json.dumps(errored(NOT_ALLOWED))[:-1]), TEMPORARY),
    "500_garbage": (answer(500, b"\x00\xff is not allowed in stream"), TEMPORARY),
    "500_array": (answer(500, [errored(NOT_ALLOWED)]), TEMPORARY),
    "500_error_is_text": (answer(500, {"error": NOT_ALLOWED}), TEMPORARY),
    "500_error_is_list_of_text": (answer(500, {"error": [NOT_ALLOWED]}), TEMPORARY),
    "500_context_is_text": (answer(500, {"error": [{"context": NOT_ALLOWED}]}), TEMPORARY),
    "500_other_type": (answer(500, {"type": "other", "detail": MARK}), TEMPORARY),
    "500_type_is_a_list": (answer(500, {"type": ["internal_error"]}), TEMPORARY),
    "502": (answer(502, page(502)), TEMPORARY),
    "503": (answer(503, f"upstream connect error {MARK}"), TEMPORARY),
    "503_internal_error": (answer(503, internal_error("Error", MARK)), TEMPORARY),
    "504": (answer(504, page(504)), TEMPORARY),
    "500_ten_megabytes": (answer(500, b'{"a":"' + b"x" * 10_000_000), UNREADABLE),
    "201_encoding_unknown": (answer(201, b"x", {"Content-Encoding": "br"}), UNREADABLE),
}  # fmt: skip


@pytest.mark.parametrize("case", ANSWERS)
def test_eventgate_answer_each_is_what_the_sender_should_do(relaying: Relaying, case: str) -> None:
    """Only 201 means that Kafka has it; the body of a 500 says whether it ever will."""
    behave, (status, reason) = ANSWERS[case]

    reply = relaying.deliver(behave)

    is_error(reply, status, reason)
    assert reply.json()["ce_id"] == "event-1"
    assert len(relaying.upstream.received) == 1


def test_eventgate_refusal_is_in_the_log_in_its_own_words(relaying: Relaying) -> None:
    """Nothing else says which member is wrong."""
    relaying.deliver(answer(400, invalid(f".page_id should be integer {MARK}")))

    last = json.loads(relaying.sink.log.splitlines()[-1])

    assert (last["reason"], last["level"]) == ("rejected_by_eventgate", "WARNING")
    assert f".page_id should be integer {MARK}" in last["upstream_text"]


@pytest.mark.parametrize(
    "behave",
    [
        answer(201, reason="All 1 out of 1 events were accepted."),
        answer(201, page(201)),
        lambda _, sock: sock.sendall(
            b"HTTP/1.1 201 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
    ],
    ids=["empty", "with_a_body", "chunked"],
)
def test_eventgate_201_is_relayed(relaying: Relaying, behave: Behave) -> None:
    """201 is 202 with an empty body towards the sender."""
    reply = relaying.deliver(behave)

    is_relayed(reply)
    assert len(relaying.upstream.received) == 1


def test_eventgate_retry_after_is_passed_on(relaying: Relaying) -> None:
    """Retry-After in seconds goes on to the sender."""
    reply = relaying.deliver(answer(503, b"", {"Retry-After": "11"}))

    is_error(reply, 503, "eventgate_failed")
    assert reply.headers["Retry-After"] == "11"


# --- silence and dead connections ------------------------------------------------------------


@pytest.mark.parametrize("behave", [hang, drip])
def test_eventgate_slower_than_its_read_timeout_is_deferred(
    relaying: Relaying, behave: Behave
) -> None:
    """Nobody knows whether it was produced, so the sender repeats it with the same id."""
    begun = time.monotonic()
    reply = relaying.deliver(behave)
    elapsed = time.monotonic() - begun

    is_error(reply, 503, "upstream_timeout")
    assert READ_TIMEOUT - 0.05 < elapsed < READ_TIMEOUT + SLACK
    assert len(relaying.upstream.received) == 1


def test_eventgate_slower_than_the_callers_deadline_is_504(relaying: Relaying) -> None:
    """The caller's own deadline, if it is earlier, ends the call as 504."""
    reply = relaying.deliver(hang, {"Event-Timeout-Ms": "200"})

    is_error(reply, 504, "deadline")


@pytest.mark.parametrize("behave", [reset, close])
def test_eventgate_connection_dies_is_deferred(relaying: Relaying, behave: Behave) -> None:
    """A dead connection is temporary; the same bytes went out once more, and not a third time."""
    is_error(relaying.deliver(behave), 503, "upstream_unavailable")
    assert len({received.body for received in relaying.upstream.received}) == 1
    assert len(relaying.upstream.received) == 2


def test_eventgate_answer_cut_off_in_its_head_is_deferred(relaying: Relaying) -> None:
    """Half an answer, even one that begins with 201, has not said that Kafka has it."""
    reply = relaying.deliver(cut_off)

    assert reply.status in (502, 503)


def test_eventgate_early_answer_of_another_request_is_never_believed(relaying: Relaying) -> None:
    """A 201 that comes after an interim answer belongs to its own event, not to the next one."""

    def interim_then_201(_received: Received, sock: socket.socket) -> bool:
        sock.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        time.sleep(0.05)
        sock.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
        return True

    first = relaying.deliver(interim_then_201)
    time.sleep(0.1)
    second = relaying.deliver(answer(400, invalid(MARK)))

    assert first.status in (202, 502)
    is_error(second, 422, "rejected_by_eventgate")


def test_eventgate_closes_idle_connections_event_is_relayed(relaying: Relaying) -> None:
    """A keep-alive connection closed between two events costs nothing."""

    def created_then_closed(received: Received, sock: socket.socket) -> None:
        answer(201)(received, sock)

    replies = []
    for _ in range(5):
        replies.append(relaying.deliver(created_then_closed))
        time.sleep(0.02)

    for reply in replies:
        is_relayed(reply)


def test_eventgate_not_there_is_deferred_in_time(tmp_path: Path) -> None:
    """Refused or hanging connections are temporary, and the latter end with their time-out."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(address)
        time.sleep(0.05)
        env = {
            "EVENTGATE_URLS": f"http://127.0.0.1:{address[1]}/v1/events",
            "EVENTGATE_CONNECT_TIMEOUT_SECONDS": "0.4",
        }
        headers, body = binary(revision_score(), type=SCORE_TYPE)
        with gunicorn(APP, env, tmp_path) as sink:
            begun = time.monotonic()
            hanging = call(sink.port, "/", headers, body)
            elapsed = time.monotonic() - begun
            for sock in (listener, *waiting):
                sock.close()
            refused = call(sink.port, "/", headers, body)

    is_error(hanging, 503, "upstream_timeout")
    assert 0.35 < elapsed < 0.4 + SLACK
    is_error(refused, 503, "upstream_unavailable")


# --- what is posted --------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_post_on_the_wire_is_the_bare_document(relaying: Relaying, mode: str) -> None:
    """The data of the event, whole and alone, as application/json, and never hasty."""
    document = revision_score(
        page_title='Ünïcode / "x" \u202e日本', meta={"request_id": "request-1"}, page_id=2**53 - 1
    )
    make = binary if mode == "binary" else structured
    headers, body = make(document, type=SCORE_TYPE, traceparent=TRACE, custom="x")

    reply = relaying.send(answer(201), {**headers, "Authorization": "Bearer secret"}, body)

    is_relayed(reply)
    (received,) = relaying.upstream.received
    assert (received.method, received.target) == ("POST", "/v1/events")
    lines = received.raw_head.decode().split("\r\n")[1:]
    assert {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)} == {
        "host": f"127.0.0.1:{relaying.upstream.port}",
        "user-agent": f"knative-event-sinks/{__version__}",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "content-length": str(len(received.body)),
        "x-request-id": "request-1",
        "traceparent": TRACE,
    }
    assert len(lines) == 7  # none twice
    assert received.json() == document


def test_post_redelivery_is_the_same_bytes(relaying: Relaying) -> None:
    """A repeated delivery posts the same bytes with the same meta.id: nobody else deduplicates."""
    bodies = []
    for behave in (answer(503), answer(201), answer(201)):
        relaying.deliver(behave)
        bodies.append(relaying.upstream.received[0].body)

    assert len(set(bodies)) == 1
    assert json.loads(bodies[0])["meta"]["id"] == revision_score()["meta"]["id"]


@pytest.mark.parametrize(
    ("over", "attributes", "reason"),
    [
        ({"dt": None}, {}, "invalid_document"),
        ({"dt": "yesterday"}, {}, "invalid_document"),
        ({"page_id": 0}, {}, "invalid_document"),
        ({"$schema": "/mediawiki/revision/score/2.0.0"}, {}, "unsupported_schema"),
        ({"$schema": "/mediawiki/page/change/1.2.0"}, {}, "unsupported_schema"),
        ({"$schema": None}, {}, "unsupported_schema"),
        ({"$schema": ["a"]}, {}, "unsupported_schema"),
        ({"meta": {"stream": "mediawiki.page_change.v1"}}, {}, "stream_not_allowed"),
        ({"meta": {"stream": STREAM + "\n"}}, {}, "stream_not_allowed"),
        ({"meta": {"stream": None}}, {}, "invalid_document"),
        ({}, {"stream": "mediawiki.revision_score_damaging"}, "stream_mismatch"),
        ({"meta": {"id": None}}, {}, "invalid_id"),
        ({"meta": {"id": ""}}, {}, "invalid_id"),
        ({"meta": {"id": "a b"}}, {}, "invalid_id"),
        ({"meta": {"id": 7}}, {}, "invalid_document"),
        ({"meta": {"id": "x" * 129}}, {}, "invalid_id"),
    ],
    ids=[
        "required_member_missing",
        "no_date",
        "page_id_0",
        "other_version",
        "input_schema",
        "no_schema",
        "schema_is_a_list",
        "other_stream",
        "stream_with_newline",
        "no_stream",
        "attribute_contradicts",
        "no_id",
        "empty_id",
        "id_with_space",
        "id_is_a_number",
        "id_too_long",
    ],
)  # fmt: skip
def test_document_not_fit_to_be_published_is_rejected_unposted(
    relaying: Relaying,
    over: dict[str, Any],
    attributes: dict[str, str],
    reason: str,
) -> None:
    """What EventGate would refuse, or must not get, is 422 before anything is posted."""
    headers, body = binary(revision_score(**over), type=SCORE_TYPE, **attributes)

    reply = relaying.send(answer(201), headers, body)

    is_error(reply, 422, reason)
    assert relaying.upstream.received == []


@pytest.mark.parametrize(
    "content_type",
    [None, "text/plain", "application/octet-stream", "application/x-www-form-urlencoded"],
)
def test_document_not_labelled_json_is_415_unposted(
    relaying: Relaying, content_type: str | None
) -> None:
    """Data that nobody calls JSON is not guessed to be JSON."""
    headers, body = binary(revision_score(), type=SCORE_TYPE)
    headers = {name: value for name, value in headers.items() if name != "Content-Type"}
    if content_type:
        headers["Content-Type"] = content_type

    reply = relaying.send(answer(201), headers, body)

    is_error(reply, 415, "unsupported_media_type")
    assert relaying.upstream.received == []


@pytest.mark.parametrize(
    "body", [b"[]", b"null", b"1", b'"a"', b"{", b"", b"\xef\xbb\xbf{}", b'{"a": NaN}'], ids=repr
)
def test_document_not_a_json_object_is_400_unposted(relaying: Relaying, body: bytes) -> None:
    """Only one JSON object can be published."""
    headers, _ = binary(None, type=SCORE_TYPE)

    reply = relaying.send(answer(201), headers, body)

    is_error(reply, 400, "malformed_data")
    assert relaying.upstream.received == []


def test_document_that_is_the_whole_event_is_not_taken_apart(relaying: Relaying) -> None:
    """A structured event mislabelled as plain JSON is no document, so it is refused."""
    _, envelope = structured(revision_score(), type=SCORE_TYPE)
    headers, _ = binary(None, type=SCORE_TYPE)

    reply = relaying.send(answer(201), headers, envelope)

    is_error(reply, 422, "unsupported_schema")
    assert relaying.upstream.received == []


# --- the local EventGate ---------------------------------------------------------------------


def test_eventgate_real_document_is_produced_once(real: Real) -> None:
    """What comes out of Kafka is the document, with `meta.dt` added by EventGate."""
    before = len(real.produced())
    document = revision_score(page_title="日本 / x", meta={"id": "produced-once"})

    reply = real.deliver(document)

    is_relayed(reply)
    (produced,) = real.produced()[before:]
    assert produced["meta"].pop("dt").endswith("Z")
    assert produced == document


def test_eventgate_real_redelivery_is_relayed_and_not_published_again(real: Real) -> None:
    """Nobody behind us deduplicates, so what has been relayed already is only acknowledged."""
    before = len(real.produced())
    document = revision_score(meta={"id": "once"})

    replies = [real.deliver(document, id="redelivered") for _ in range(3)]

    for reply in replies:
        is_relayed(reply)
    assert [event["meta"]["id"] for event in real.produced()[before:]] == ["once"]
    assert metric(real.sink, "sinks_already_relayed_total") == 2


@pytest.mark.parametrize(
    ("attributes", "over"),
    [
        ({"id": "other-id"}, {}),
        ({"id": "kept-id", "source": "/mediawiki/dewiki"}, {}),
        ({"id": "kept-id"}, {"page_id": 124}),
    ],
    ids=["other_id", "other_source", "other_data"],
)
def test_eventgate_real_event_not_quite_the_same_is_published(
    real: Real, attributes: dict[str, str], over: dict[str, Any]
) -> None:
    """Only the same source, id and data are the same event; anything else is never held back."""
    real.deliver(revision_score(), id="kept-id")
    before = len(real.produced())

    reply = real.deliver(revision_score(**over), **attributes)

    is_relayed(reply)
    assert len(real.produced()) == before + 1


def test_eventgate_real_stream_not_configured_is_rejected(real: Real) -> None:
    """EventGate's 500 for a stream it has not got is permanent."""
    reply = real.deliver(revision_score(meta={"stream": UNCONFIGURED}))

    is_error(reply, 422, "rejected_by_eventgate")
    assert real.produced(UNCONFIGURED) == []


def test_eventgate_real_stream_outside_the_allow_list_is_rejected(real: Real) -> None:
    """EGRESS_STREAMS is the whole list: a stream that EventGate would take is refused."""
    stream = "mediawiki.revision_score_damaging"

    reply = real.deliver(revision_score(meta={"stream": stream}))

    is_error(reply, 422, "stream_not_allowed")
    assert real.produced(stream) == []


# --- the settings that keep staging out of production's streams ---------------------------------


def starts(env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Read the settings as egress-sink does when it starts."""
    code = "from sinks.egress_sink import create_app; create_app()"
    return subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], env=clean_env(env), capture_output=True, text=True, cwd=ROOT
    )


STAGING = {"ENVIRONMENT": "staging", "EVENTGATE_URLS": "http://gate.test:8192/v1/events"}


@pytest.mark.parametrize(
    "env",
    [
        STAGING,
        {**STAGING, "STAGING_EVENTGATE_HOSTS": "other.test"},
        {**STAGING, "STAGING_EVENTGATE_HOSTS": "test"},
        {
            **STAGING,
            "STAGING_EVENTGATE_HOSTS": "gate.test",
            "EVENTGATE_URLS": "http://gate.test/v1/events,http://production.test/v1/events",
        },
        {**STAGING, "STREAM_NAMES": "test", "EGRESS_STREAMS": STREAM},
        {},
        {"EVENTGATE_URLS": "http://gate.test/v1/events?hasty=true"},
        {"EVENTGATE_URLS": "http://somebody@gate.test/v1/events"},
        {"EVENTGATE_URLS": "gate.test:8192"},
        {"EVENTGATE_URLS": "http://gate.test/v1/events", "EGRESS_STREAMS": "a b"},
    ],
    ids=[
        "no_hosts_named",
        "another_host_named",
        "only_a_suffix_named",
        "second_url_not_named",
        "production_streams_listed",
        "no_url",
        "hasty",
        "credentials",
        "no_scheme",
        "streams_with_space",
    ],
)
def test_settings_unsafe_do_not_start(env: dict[str, str]) -> None:
    """Staging never publishes production's streams to an EventGate that is not its own."""
    done = starts(env)

    assert done.returncode == 4
    assert "cannot start" in done.stderr


@pytest.mark.parametrize(
    "env",
    [
        {**STAGING, "STREAM_NAMES": "test"},
        {**STAGING, "STAGING_EVENTGATE_HOSTS": "gate.test,other.test"},
        {**STAGING, "ENVIRONMENT": "production"},
    ],
    ids=["test_streams", "its_own_eventgate", "production"],
)
def test_settings_safe_start(env: dict[str, str]) -> None:
    """Test streams, or staging's own EventGate, are what staging is for."""
    done = starts(env)

    assert done.returncode == 0, done.stderr
