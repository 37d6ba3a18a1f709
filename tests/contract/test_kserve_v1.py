"""KServe's V1 protocol, as the score-sink speaks it: each answer of a predictor, and each silence.

A real score-sink stands before a scripted upstream, and at the end before a real KServe server.
"""

from __future__ import annotations

import gzip
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sinks import __version__
from sinks.models import MODELS
from tests.factories import binary, drafttopic_answer, page_change
from tests.processes import ROOT, Running, clean_env, gunicorn, stop
from tests.upstream import Behave, Received, Reply, Upstream, answer, call

APP = "sinks.score_sink:create_app()"
PATH = "/models/drafttopic"
REV_ID = 1300200300
OLD = "2020-01-01T00:00:00Z"
YOUNG = "2120-01-01T00:00:00Z"  # however long it takes until the test is run
UNKNOWN = "The MW API does not have any info related to the rev-id 5"
MARK = "WORDS OF THE PREDICTOR"
OWN_DEADLINE = 2.5
SLACK = 1.5  # of a busy machine, and less than what the other deadline takes
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass(frozen=True)
class Scoring:
    """A score-sink and the upstream behind it."""

    sink: Running
    upstream: Upstream

    def deliver(self, behave: Behave, headers: dict[str, str] | None = None, **over: Any) -> Reply:
        """Deliver one page change to a sink whose predictor behaves like this."""
        self.upstream.received.clear()
        self.upstream.behave = behave
        own, body = binary(page_change(**over))
        return call(self.sink.port, PATH, {**own, **(headers or {})}, body)


@pytest.fixture(scope="module")
def scoring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scoring]:
    """A score-sink before a scripted upstream that is addressed like a gateway."""
    with Upstream(answer(500)) as upstream:
        env = {
            "PREDICTOR_URL": upstream.url + "/",
            "PREDICTOR_HOST": "{isvc}.{namespace}.wikimedia.example",
            "EVENT_DEADLINE_SECONDS": str(OWN_DEADLINE),
        }
        with gunicorn(APP, env, tmp_path_factory.mktemp("scoring")) as sink:
            yield Scoring(sink, upstream)


def is_error(reply: Reply, status: int, reason: str) -> None:
    """Status first, then headers, then the bounded body, without a word of the upstream's."""
    assert reply.status == status
    assert reply.headers.get_all("Content-Type") == ["application/json"]
    assert not [name for name in reply.headers if name.lower().startswith("ce-")]
    assert len(reply.body) <= 768
    assert set(reply.json()) == {"reason", "detail", "ce_id"}
    assert (reply.json()["reason"], reply.json()["ce_id"]) == (reason, "event-1")
    assert MARK not in reply.body.decode()


def is_scored(reply: Reply) -> None:
    assert reply.status == 200
    assert reply.headers["ce-type"] == "org.wikimedia.mediawiki.revision.score.v3"
    assert reply.json()["scores"]["drafttopic"]["prediction"] == ["STEM.STEM*"]


def error(text: str) -> dict[str, str]:
    return {"error": text}


def page(status: int) -> bytes:
    return f"<html><h1>{status} {MARK}</h1></html>".encode()


# --- what each answer means ------------------------------------------------------------------

SCORE = drafttopic_answer()
ANSWERS: dict[str, tuple[Behave, int, str]] = {
    "200_html": (answer(200, page(200)), 502, "upstream_bad_answer"),
    "200_empty": (answer(200), 502, "upstream_bad_answer"),
    "200_array": (answer(200, [SCORE]), 502, "upstream_bad_answer"),
    "200_string": (answer(200, json.dumps(MARK)), 502, "upstream_bad_answer"),
    "200_null": (answer(200, "null"), 502, "upstream_bad_answer"),
    "200_nan": (answer(200, '{"a": NaN}'), 502, "upstream_bad_answer"),
    "200_truncated_json": (answer(200, json.dumps(SCORE)[:-2]), 502, "upstream_bad_answer"),
    "200_other_shape": (answer(200, {"predictions": []}), 502, "upstream_bad_answer"),
    "200_other_revision": (answer(200, drafttopic_answer(7)), 502, "upstream_bad_answer"),
    "200_other_wiki": (answer(200, drafttopic_answer(wiki="dewiki")), 502, "upstream_bad_answer"),
    "200_ten_megabytes": (answer(200, b'{"a":"' + b"x" * 10_000_000), 502, "upstream_bad_answer"),
    "200_deep_nesting": (answer(200, b"[" * 100_000), 502, "upstream_bad_answer"),
    "201_score": (answer(201, SCORE), 502, "upstream_bad_answer"),
    "204_empty": (answer(204), 502, "upstream_bad_answer"),
    "206_score": (answer(206, SCORE), 502, "upstream_bad_answer"),
    "304": (answer(304), 502, "upstream_bad_answer"),
    "400_error": (answer(400, error(MARK)), 422, "unscorable_revision"),
    "400_missing": (answer(400, error(f"Missing resource {MARK}")), 422, "unscorable_revision"),
    "400_detail": (answer(400, {"detail": MARK}), 422, "unscorable_revision"),
    "400_text": (answer(400, page(400)), 422, "unscorable_revision"),
    "400_empty": (answer(400), 422, "unscorable_revision"),
    "400_list": (answer(400, [MARK]), 422, "unscorable_revision"),
    "400_error_is_a_list": (answer(400, {"error": [MARK]}), 422, "unscorable_revision"),
    "400_generic": (answer(400, error(f"Generic error {MARK}")), 503, "predictor_failed"),
    "400_not_ready": (answer(400, error(f"Model {MARK} is not ready")), 503, "predictor_failed"),
    "401": (answer(401, page(401)), 503, "predictor_misconfigured"),
    "403": (answer(403, f"RBAC: {MARK}"), 503, "predictor_misconfigured"),
    "404_error": (answer(404, error(MARK)), 503, "predictor_misconfigured"),
    "404_detail": (answer(404, {"detail": "Not Found"}), 503, "predictor_misconfigured"),
    "404_without_json": (answer(404), 503, "predictor_misconfigured"),
    "405": (answer(405, {"detail": MARK}), 422, "predictor_misconfigured"),
    "411": (answer(411, page(411)), 422, "predictor_misconfigured"),
    "415": (answer(415, page(415)), 422, "predictor_misconfigured"),
    "431": (answer(431, page(431)), 422, "predictor_misconfigured"),
    "408": (answer(408), 503, "predictor_failed"),
    "409": (answer(409), 503, "predictor_failed"),
    "413": (answer(413, page(413)), 413, "body_too_large"),
    "422_detail": (answer(422, {"detail": MARK}), 422, "unscorable_revision"),
    "422_list": (answer(422, {"detail": [MARK]}), 422, "unscorable_revision"),
    "429": (answer(429, page(429)), 503, "predictor_failed"),
    "500_error": (answer(500, error(MARK)), 503, "predictor_failed"),
    "500_text": (answer(500, f"activation failed {MARK}"), 503, "predictor_failed"),
    "501": (answer(501), 503, "predictor_failed"),
    "502": (answer(502, page(502)), 503, "predictor_failed"),
    "503_json": (answer(503, error(f"{MARK} is not ready")), 503, "predictor_failed"),
    "503_text": (answer(503, f"no healthy upstream {MARK}"), 503, "predictor_failed"),
    "504": (answer(504, page(504)), 503, "predictor_failed"),
    "599": (answer(599), 503, "predictor_failed"),
    "long_error": (answer(500, error(f"{MARK} " * 5000)), 503, "predictor_failed"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_predictor_answer_each_is_what_the_sender_should_do(scoring: Scoring, case: str) -> None:
    """Each answer becomes permanent or temporary by its meaning, after exactly one request."""
    behave, status, reason = ANSWERS[case]

    reply = scoring.deliver(behave)

    is_error(reply, status, reason)
    assert len(scoring.upstream.received) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_predictor_redirect_is_not_followed(scoring: Scoring, status: int) -> None:
    """A redirect is 502: following it would lose the body or the host."""
    with Upstream(answer(200, SCORE)) as elsewhere:
        reply = scoring.deliver(answer(status, b"", {"Location": elsewhere.url + "/x"}))

    is_error(reply, 502, "upstream_bad_answer")
    assert (len(scoring.upstream.received), elsewhere.received) == (1, [])


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize(
    ("dt", "expected", "reason"),
    [(YOUNG, 503, "revision_not_yet_known"), (OLD, 422, "unscorable_revision")],
    ids=["young", "old"],
)
def test_predictor_unknown_revision_is_deferred_while_young(
    scoring: Scoring, status: int, dt: str, expected: int, reason: str
) -> None:
    """A revision may be unknown for as long as replication lags, and not for ever."""
    reply = scoring.deliver(answer(status, error(UNKNOWN)), dt=dt)

    is_error(reply, expected, reason)


def test_predictor_other_refusal_of_a_young_event_is_permanent(scoring: Scoring) -> None:
    """Only the unknown revision is a matter of time."""
    reply = scoring.deliver(answer(400, error(f"about {UNKNOWN}")), dt=YOUNG)

    is_error(reply, 422, "unscorable_revision")


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize(
    ("sent", "passed"),
    [("7", "7"), ("Wed, 21 Oct 2099 07:28:00 GMT", None), ("-1", None), ("1e9", None), ("٣", None)],
    ids=["seconds", "date", "negative", "float", "other_digits"],
)
def test_predictor_retry_after_seconds_are_passed_on(
    scoring: Scoring, status: int, sent: str, passed: str | None
) -> None:
    """Retry-After goes on if it is what brokers read, a number of seconds."""
    behave = answer(status, b"", {"Retry-After": sent.encode().decode("latin-1")})

    reply = scoring.deliver(behave)

    is_error(reply, 503, "predictor_failed")
    assert reply.headers["Retry-After"] == passed


@pytest.mark.parametrize(
    "message",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s",
    ],
    ids=["chunked", "gzip", "other_content_type"],
)
def test_predictor_score_in_any_framing_is_replied(scoring: Scoring, message: bytes) -> None:
    """A score is read however it is framed; its Content-Type does not matter, its shape does."""
    body = json.dumps(SCORE).encode()
    sent = gzip.compress(body) if b"gzip" in message else body

    def behave(_received: Received, sock: socket.socket) -> bool:
        sock.sendall(message % (len(sent), sent))
        return True

    is_scored(scoring.deliver(behave))


# --- silence, slowness, dead connections -----------------------------------------------------


def hang(_received: Received, sock: socket.socket) -> None:
    sock.recv(1)


def drip(_received: Received, sock: socket.socket) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n")
    while True:
        sock.sendall(b" ")
        time.sleep(0.05)


def half_answer(_received: Received, sock: socket.socket) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")
    sock.recv(1)


def reset(_received: Received, sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


def close(_received: Received, _sock: socket.socket) -> None:
    """End the connection without an answer."""


@pytest.mark.parametrize("behave", [hang, drip, half_answer])
def test_deadline_our_own_used_up_is_504(scoring: Scoring, behave: Behave) -> None:
    """Neither silence nor a drip holds an event for longer than EVENT_DEADLINE_SECONDS."""
    begun = time.monotonic()
    reply = scoring.deliver(behave)
    elapsed = time.monotonic() - begun

    is_error(reply, 504, "deadline")
    assert OWN_DEADLINE - 0.1 < elapsed < OWN_DEADLINE + SLACK
    assert len(scoring.upstream.received) == 1


@pytest.mark.parametrize("behave", [hang, drip, half_answer])
def test_deadline_of_the_caller_is_earlier_than_ours(scoring: Scoring, behave: Behave) -> None:
    """Event-Timeout-Ms shortens the deadline."""
    begun = time.monotonic()
    reply = scoring.deliver(behave, {"Event-Timeout-Ms": "300"})
    elapsed = time.monotonic() - begun

    is_error(reply, 504, "deadline")
    assert 0.25 < elapsed < 0.3 + SLACK


def test_deadline_of_the_caller_cannot_be_later_than_ours(scoring: Scoring) -> None:
    """A long Event-Timeout-Ms leaves our own deadline in force."""
    begun = time.monotonic()
    reply = scoring.deliver(hang, {"Event-Timeout-Ms": "9999999999"})

    is_error(reply, 504, "deadline")
    assert time.monotonic() - begun < OWN_DEADLINE + SLACK


@pytest.mark.parametrize(
    "text", ["", "abc", "1.5", "1e1", "+1", " ", "1 ms", "0x1", "1,1", "99999999999", "\u0661"]
)
def test_deadline_malformed_is_ignored(scoring: Scoring, text: str) -> None:
    """What is no number of milliseconds is no deadline."""

    def slow(received: Received, sock: socket.socket) -> bool | None:
        time.sleep(0.05)
        return answer(200, SCORE)(received, sock)

    reply = scoring.deliver(slow, {"Event-Timeout-Ms": text.encode().decode("latin-1")})

    is_scored(reply)


@pytest.mark.parametrize("text", ["0", "-1", "-0", "-9999999999"])
def test_deadline_already_over_is_deferred_without_a_call(scoring: Scoring, text: str) -> None:
    """With no time left nothing is asked of the predictor."""
    reply = scoring.deliver(answer(200, SCORE), {"Event-Timeout-Ms": text})

    is_error(reply, 503, "deadline")
    assert scoring.upstream.received == []


@pytest.mark.parametrize("behave", [reset, close])
def test_predictor_connection_dies_is_deferred(scoring: Scoring, behave: Behave) -> None:
    """A predictor whose container dies is 503."""
    is_error(scoring.deliver(behave), 503, "upstream_unavailable")
    assert len(scoring.upstream.received) <= 2


def test_predictor_closes_idle_connection_one_transparent_retry(scoring: Scoring) -> None:
    """A keep-alive connection closed between two events costs nothing."""

    def scored_then_closed(received: Received, sock: socket.socket) -> None:
        answer(200, SCORE)(received, sock)

    replies = []
    for _ in range(5):
        replies.append(scoring.deliver(scored_then_closed))
        time.sleep(0.02)

    for reply in replies:
        is_scored(reply)


def test_predictor_body_cut_off_is_502(scoring: Scoring) -> None:
    """A 200 that ends before its declared length is no answer."""

    def cut_off(_received: Received, sock: socket.socket) -> None:
        body = json.dumps(SCORE).encode()
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(body) + 1) + body)

    is_error(scoring.deliver(cut_off), 502, "upstream_bad_answer")


@pytest.mark.parametrize(
    "headers",
    [
        "Content-Encoding: gzip\r\n",
        "Content-Encoding: br\r\n",
    ],
    ids=["not_gzip", "unknown_encoding"],
)
def test_predictor_encoding_unreadable_is_502(scoring: Scoring, headers: str) -> None:
    """An encoding that cannot be undone is a bad answer."""
    name, _, value = headers.strip().partition(": ")

    is_error(scoring.deliver(answer(200, SCORE, {name: value})), 502, "upstream_bad_answer")


def test_predictor_gzip_bomb_is_502(scoring: Scoring) -> None:
    """The limit for answers counts what decompression gives."""
    bomb = gzip.compress(bytes(200_000_000), 9)

    reply = scoring.deliver(answer(200, bomb, {"Content-Encoding": "gzip"}))

    is_error(reply, 502, "upstream_bad_answer")


# --- what goes over the wire -----------------------------------------------------------------


def test_request_on_the_wire_is_what_kserve_wants(scoring: Scoring) -> None:
    """Path, Host, Content-Type and body are exact; nothing of the event's envelope goes along."""
    reply = scoring.deliver(
        answer(200, SCORE),
        {
            "ce-traceparent": TRACE,
            "ce-tracestate": "a=b",
            "ce-x": "y",
            "Event-Timeout-Ms": "1100",
            "Authorization": "Bearer secret",
            "Cookie": "a=b",
        },
        meta={"request_id": "request-1"},
    )

    is_scored(reply)
    (received,) = scoring.upstream.received
    assert (received.method, received.target) == ("POST", "/v1/models/enwiki-drafttopic:predict")
    lines = received.raw_head.decode().split("\r\n")[1:]
    assert {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)} == {
        "host": "enwiki-drafttopic.revscoring-drafttopic.wikimedia.example",
        "user-agent": f"knative-event-sinks/{__version__}",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "content-length": str(len(received.body)),
        "x-request-id": "request-1",
        "traceparent": TRACE,
        "tracestate": "a=b",
    }
    assert len(lines) == 8  # none twice
    assert received.body == b'{"rev_id":%d}' % REV_ID


@pytest.mark.parametrize(
    ("extension", "header", "expected"),
    [
        (TRACE, TRACE.replace("01", "00"), TRACE),
        (None, TRACE, TRACE),
        ("not one", TRACE, None),
        (None, "00-" + "0" * 32 + "-b7ad6b7169203331-01", None),
        (None, None, None),
    ],
    ids=["extension_wins", "header", "malformed_extension", "zero_trace", "none"],
)
def test_request_traceparent_is_the_events_own(
    scoring: Scoring, extension: str | None, header: str | None, expected: str | None
) -> None:
    """The extension names the trace; the hop's header counts only where there is none."""
    sent = {"ce-traceparent": extension, "traceparent": header}

    reply = scoring.deliver(
        answer(200, SCORE), {name: value for name, value in sent.items() if value}
    )

    is_scored(reply)
    assert scoring.upstream.received[0].headers.get("traceparent") == expected


@pytest.mark.parametrize(
    "request_id", ["a b", "é", "a\r\nX-Injected: 1", "", "x" * 129, "%41", '"', "\u0000"], ids=repr
)
def test_request_unsafe_request_id_is_not_sent(scoring: Scoring, request_id: str) -> None:
    """A request id that cannot stand in a header is dropped, and the event scored."""
    reply = scoring.deliver(answer(200, SCORE), meta={"request_id": request_id})

    is_scored(reply)
    received = scoring.upstream.received[0]
    assert "x-request-id" not in received.headers
    assert b"njected" not in received.raw_head


# --- many at once ----------------------------------------------------------------------------


def test_clients_three_hundred_half_open_do_not_stop_scoring(scoring: Scoring) -> None:
    """Connections that never send a whole request leave the others alone."""
    halves = (
        b"",
        b"POST /models/drafttopic HT",
        b"POST /models/drafttopic HTTP/1.1\r\nHost: x\r\n",
    )
    body = b"POST /models/drafttopic HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
    with ExitStack() as stack:
        for number in range(300):
            sock = socket.create_connection(("127.0.0.1", scoring.sink.port), timeout=5)
            stack.enter_context(sock)
            sock.sendall((*halves, body)[number % 4])
        begun = time.monotonic()
        replies = [scoring.deliver(answer(200, SCORE)) for _ in range(5)]
        elapsed = time.monotonic() - begun

    for reply in replies:
        is_scored(reply)
    assert elapsed < OWN_DEADLINE


@pytest.mark.alone
def test_predictor_slow_for_many_is_waited_for_by_all_at_once(scoring: Scoring) -> None:
    """A hundred events wait for their predictor at the same time, not one after another."""

    def slow(received: Received, sock: socket.socket) -> bool | None:
        time.sleep(0.5)
        return answer(200, SCORE)(received, sock)

    begun = time.monotonic()
    replies = together([lambda: scoring.deliver(slow)] * 100)

    for reply in replies:
        is_scored(reply)
    assert time.monotonic() - begun < OWN_DEADLINE


def test_predictor_answers_out_of_order_each_event_gets_its_own_score(scoring: Scoring) -> None:
    """Nothing of one event is kept where another could find it: under fifty events at once, whose
    predictions come back last first, every reply has its own page, revision and score."""

    def last_first(received: Received, sock: socket.socket) -> bool | None:
        rev_id = received.json()["rev_id"]
        time.sleep((50 - rev_id) / 100)
        made = drafttopic_answer(rev_id)
        score = made["enwiki"]["scores"][str(rev_id)]["drafttopic"]["score"]
        score["probability"] = {"STEM.STEM*": rev_id / 100}
        return answer(200, made)(received, sock)

    revisions = range(1, 51)
    scoring.upstream.behave = last_first
    sent = [
        binary(
            page_change(page={"page_id": 1000 + n}, revision={"rev_id": n}, meta={"id": f"m-{n}"}),
            id=f"event-{n}",
        )
        for n in revisions
    ]
    replies = together(
        [partial(call, scoring.sink.port, PATH, headers, body) for headers, body in sent]
    )

    told = {
        (
            reply.headers["ce-causationid"],
            reply.json()["page_id"],
            reply.json()["rev_id"],
            reply.json()["scores"]["drafttopic"]["probability"]["STEM.STEM*"],
        )
        for reply in replies
    }
    assert told == {(f"event-{n}", 1000 + n, n, n / 100) for n in revisions}


def together(calls: list[Callable[[], Reply]]) -> list[Reply]:
    """Run all calls at the same time and return their answers."""
    replies: list[Reply] = []

    def run(each: Callable[[], Reply]) -> None:
        replies.append(each())

    threads = [threading.Thread(target=run, args=(each,)) for each in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(replies) == len(calls)
    return replies


def test_in_flight_over_the_limit_is_overloaded(tmp_path: Path) -> None:
    """The event over MAX_IN_FLIGHT is deferred at once; those within it are scored."""
    release = threading.Event()

    def held(received: Received, sock: socket.socket) -> bool | None:
        release.wait(10)
        return answer(200, SCORE)(received, sock)

    with Upstream(held) as upstream:
        env = {"PREDICTOR_URL": upstream.url, "MAX_IN_FLIGHT": "3"}
        with gunicorn(APP, env, tmp_path) as sink:
            replies: list[Reply] = []
            headers, body = binary(page_change())

            def run() -> None:
                replies.append(call(sink.port, PATH, headers, body))

            threads = [threading.Thread(target=run) for _ in range(3)]
            for thread in threads:
                thread.start()
            limit = time.monotonic() + 5
            while len(upstream.received) < 3 and time.monotonic() < limit:
                time.sleep(0.01)
            begun = time.monotonic()
            refused = call(sink.port, PATH, headers, body)
            elapsed = time.monotonic() - begun
            alive = call(sink.port, "/healthz", method="GET")
            release.set()
            for thread in threads:
                thread.join()
            afterwards = call(sink.port, PATH, headers, body)

    is_error(refused, 503, "overloaded")
    assert refused.headers["Retry-After"] == "1"
    assert elapsed < 5  # none waited for one in work
    assert alive.status == 200
    assert len(replies) == 3
    for reply in (*replies, afterwards):
        is_scored(reply)
    assert upstream.received[0].headers["host"] == f"127.0.0.1:{upstream.port}"


# --- the real thing --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A score-sink before a real KServe server; it starts while the tests above run."""
    directory = tmp_path_factory.mktemp("real")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        with (directory / "predictor.log").open("wb") as log:
            predictor = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "sinks.local.predictor", "--fd", str(listener.fileno())],
                cwd=ROOT,
                env=clean_env({}),
                stdout=log,
                stderr=log,
                pass_fds=[listener.fileno()],
            )
    try:
        _wait_ready(port, predictor)
        env = {"PREDICTOR_URL": f"http://127.0.0.1:{port}", "EVENT_DEADLINE_SECONDS": "10"}
        with gunicorn(APP, env, directory) as sink:
            yield sink
    finally:
        stop(predictor)


def _wait_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    limit = time.monotonic() + 30
    while time.monotonic() < limit and process.poll() is None:
        with suppress(OSError):
            if call(port, "/v1/models/enwiki-drafttopic", method="GET").status == 200:
                return
        time.sleep(0.05)
    raise AssertionError("the predictor did not get ready")


def deliver(sink: Running, rev_id: int, dt: str = OLD, **headers: str) -> Reply:
    own, body = binary(page_change(dt=dt, revision={"rev_id": rev_id}))
    return call(sink.port, PATH, {**own, **headers}, body)


@pytest.mark.parametrize(
    ("rev_id", "dt", "status", "reason"),
    [
        (1000, OLD, 422, "unscorable_revision"),
        (1999, YOUNG, 503, "revision_not_yet_known"),
        (2000, YOUNG, 422, "unscorable_revision"),
        (3000, OLD, 422, "unscorable_revision"),
        (4000, OLD, 503, "predictor_failed"),
        (5000, OLD, 503, "predictor_failed"),
        (6000, OLD, 503, "predictor_failed"),
        (7000, OLD, 422, "unscorable_revision"),
        (9000, OLD, 502, "upstream_bad_answer"),
        (10000, OLD, 502, "upstream_bad_answer"),
        (11000, OLD, 503, "predictor_failed"),
    ],
    ids=[
        "unknown_old",
        "unknown_young",
        "missing_resource",
        "content_type",
        "generic_error",
        "inference_error",
        "unplanned_exception",
        "http_exception",
        "wrong_shape",
        "null_probability",
        "not_ready",
    ],
)
def test_kserve_real_error_is_classified(
    real: Running, rev_id: int, dt: str, status: int, reason: str
) -> None:
    """Each error body that KServe itself makes is understood."""
    is_error(deliver(real, rev_id, dt), status, reason)


OUTLINK = "outlink-topic-model"
COUNTRY = "article-country"
RISK = "revertrisk-language-agnostic"
ITEM = "revertrisk-wikidata"
TONE = "revise-tone-task-generator"
ITEM_WIKI = {"wiki_id": "wikidatawiki"}


def of_revision(rev_id: int, dt: str = OLD, **over: Any) -> dict[str, Any]:
    return page_change(dt=dt, revision={"rev_id": rev_id}, **over)


def of_title(title: str) -> dict[str, Any]:
    return page_change(page={"page_title": title})


@pytest.mark.parametrize(
    ("row", "document", "status", "reason"),
    [
        (OUTLINK, of_revision(1000), 422, "unscorable_revision"),
        (OUTLINK, of_revision(1999, YOUNG), 503, "revision_not_yet_known"),
        (OUTLINK, of_revision(2000, YOUNG), 422, "unscorable_revision"),
        (OUTLINK, of_revision(12000, YOUNG), 503, "revision_not_yet_known"),
        (OUTLINK, of_revision(13000, YOUNG), 422, "unscorable_revision"),
        (OUTLINK, of_revision(14000, YOUNG), 503, "revision_not_yet_known"),
        (OUTLINK, of_revision(5000), 503, "predictor_failed"),
        (OUTLINK, of_revision(9000), 502, "upstream_bad_answer"),
        (OUTLINK, of_revision(10000), 502, "upstream_bad_answer"),
        (COUNTRY, of_title("Sample_500_"), 503, "predictor_failed"),
        (COUNTRY, of_title("Sample_wrong_shape_"), 502, "upstream_bad_answer"),
        (COUNTRY, of_title("Sample_null_"), 502, "upstream_bad_answer"),
        (RISK, of_revision(1000, YOUNG), 422, "unscorable_revision"),
        (RISK, of_revision(2000), 422, "unscorable_revision"),
        (RISK, of_revision(7000), 422, "unscorable_revision"),
        (RISK, of_revision(5000), 503, "predictor_failed"),
        (RISK, of_revision(9000), 502, "upstream_bad_answer"),
        (RISK, of_revision(10000), 502, "upstream_bad_answer"),
        (ITEM, of_revision(1000, **ITEM_WIKI), 503, "predictor_failed"),
        (ITEM, of_revision(5000, **ITEM_WIKI), 503, "predictor_failed"),
        (TONE, of_revision(6000), 503, "predictor_failed"),
        (TONE, of_revision(9000), 502, "upstream_bad_answer"),
        (TONE, of_revision(10000), 502, "upstream_bad_answer"),
    ],
    ids=lambda value: str(value["revision"]["rev_id"]) if isinstance(value, dict) else None,
)
def test_kserve_real_error_of_every_family_is_classified(
    real: Running, row: str, document: dict[str, Any], status: int, reason: str
) -> None:
    """What each family answers, documented error by documented error, is understood. The Wikidata
    model answers 500 for everything, so what it can never score is deferred too."""
    headers, body = binary(document)

    is_error(call(real.port, f"/models/{row}", headers, body), status, reason)


@pytest.mark.parametrize(
    ("row", "document"),
    [
        (OUTLINK, of_revision(REV_ID)),
        (OUTLINK, of_revision(REV_ID, wiki_id="testwiki")),
        (OUTLINK, of_revision(REV_ID, wiki_id="test2wiki")),
        (OUTLINK, of_revision(REV_ID, wiki_id="zh_min_nanwiki")),
        (COUNTRY, of_title("Sample_none_")),
        (COUNTRY, page_change(wiki_id="be_x_oldwiki")),
        (RISK, of_revision(REV_ID)),
        (RISK, of_revision(REV_ID, wiki_id="bat_smgwiki")),
        (RISK, of_revision(REV_ID, wiki_id="testwiki")),
        ("revertrisk-multilingual", of_revision(REV_ID)),
        (ITEM, of_revision(REV_ID, **ITEM_WIKI)),
        (TONE, of_revision(REV_ID)),
        (TONE, of_revision(1000)),
    ],
    ids=lambda value: value["wiki_id"] if isinstance(value, dict) else None,
)
def test_kserve_real_answer_of_every_family_is_replied(
    real: Running, row: str, document: dict[str, Any]
) -> None:
    """Each family's server takes what is asked, on exotic wikis too, and its answer is replied."""
    headers, body = binary(document)

    reply = call(real.port, f"/models/{row}", headers, body)

    assert reply.status == 200, reply.body
    assert reply.headers["ce-type"] == MODELS[row].output_type
    assert reply.json()["wiki_id"] == document["wiki_id"]


@pytest.mark.parametrize("rev_id", [1, 8003, REV_ID, 2**53 - 1])
def test_kserve_real_score_is_replied(real: Running, rev_id: int) -> None:
    """A real server's score becomes the reply."""
    reply = deliver(real, rev_id)

    assert reply.status == 200
    assert reply.headers["ce-type"] == "org.wikimedia.mediawiki.revision.score.v3"
    assert reply.json()["rev_id"] == rev_id
    assert reply.json()["scores"]["drafttopic"]["model_version"] == "sample-1"


def test_kserve_real_slower_than_the_deadline_is_504(real: Running) -> None:
    """A model that takes too long is given up in time."""
    begun = time.monotonic()
    reply = deliver(real, 8010, **{"Event-Timeout-Ms": "300"})

    is_error(reply, 504, "deadline")
    assert time.monotonic() - begun < 0.3 + SLACK


def test_kserve_real_wrong_base_url_is_deferred(real: Running, tmp_path: Path) -> None:
    """KServe's own 404 for a wrong path is our deployment's mistake: 503, never 404."""
    settings = next(line for line in real.log.splitlines() if '"starting"' in line)
    base = json.loads(settings)["settings"]["PREDICTOR_URL"]

    with gunicorn(APP, {"PREDICTOR_URL": f"{base}/wrong"}, tmp_path) as sink:
        reply = deliver(sink, REV_ID)
        log = [json.loads(line) for line in sink.log.splitlines()]

    is_error(reply, 503, "predictor_misconfigured")
    (line,) = [line for line in log if line["message"] == "deferred"]
    assert (line["level"], line["upstream_text"]) == ("ERROR", "Not Found")
