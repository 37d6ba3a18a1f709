"""score-sink and egress-sink from both sides: what reaches upstreams, the log and the metrics.

What any caller can see of them is in the rows of the contract kit, see test_contract_rows.
"""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sinks.contract.rows.script import Request
from sinks.errors import Unavailable, error_document
from tests.factories import (
    SCORE_TYPE,
    binary,
    page_change,
    revision_create,
    revision_score,
    structured,
)
from tests.processes import Running, gunicorn
from tests.upstream import Received, Reply, Upstream, answer, call, predictor

PATH = "/models/drafttopic"
HOST = "enwiki-drafttopic.revscoring-drafttopic.example"
TARGET = "/v1/models/enwiki-drafttopic:predict"
MAX_BODY = 65536
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SINKS = ("score", "egress")


@dataclass(frozen=True)
class Recipient:
    """A sink, and the upstream behind it."""

    name: str
    running: Running
    upstream: Upstream

    @property
    def port(self) -> int:
        return self.running.port

    @property
    def path(self) -> str:
        return PATH if self.name == "score" else "/"

    def event(self, mode: str = "binary", **attributes: Any) -> tuple[dict[str, str], bytes]:
        """A good event for this sink."""
        make = binary if mode == "binary" else structured
        if self.name == "score":
            return make(page_change(), **attributes)
        return make(revision_score(), **{"type": SCORE_TYPE, **attributes})

    def deliver(
        self, headers: dict[str, Any], body: bytes, path: str | None = None, method: str = "POST"
    ) -> Reply:
        self.upstream.received.clear()
        return call(self.port, path or self.path, headers, body, method)

    def log_since(self, mark: int) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.running.log[mark:].splitlines()]


@pytest.fixture(scope="module")
def recipients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Recipient]]:
    """Both sinks, before upstreams that take everything."""
    directory = tmp_path_factory.mktemp("recipients")
    limit = {"MAX_BODY_BYTES": str(MAX_BODY)}
    with Upstream(predictor) as scores, Upstream(answer(201)) as eventgate:
        score_env = {
            **limit,
            "PREDICTOR_URL": scores.url,
            "PREDICTOR_HOST": "{isvc}.{namespace}.example",
        }
        egress_env = {
            **limit,
            "EVENTGATE_URLS": f"{eventgate.url}/v1/events",
            "RELAYED_MEMORY_EVENTS": "0",  # every test sends the same event
        }
        with (
            gunicorn("sinks.score_sink:create_app()", score_env, directory) as score,
            gunicorn("sinks.egress_sink:create_app()", egress_env, directory) as egress,
        ):
            yield {
                "score": Recipient("score", score, scores),
                "egress": Recipient("egress", egress, eventgate),
            }


@pytest.fixture(params=SINKS)
def recipient(request: pytest.FixtureRequest, recipients: dict[str, Recipient]) -> Recipient:
    return recipients[request.param]


@pytest.fixture
def score(recipients: dict[str, Recipient]) -> Recipient:
    return recipients["score"]


@pytest.fixture
def egress(recipients: dict[str, Recipient]) -> Recipient:
    return recipients["egress"]


def is_error(reply: Reply, status: int, reason: str) -> None:
    """Status first, then headers, then the bounded body."""
    assert reply.status == status
    assert reply.headers.get_all("Content-Type") == ["application/json"]
    assert ce_headers(reply) == {}
    assert len(reply.body) <= 768
    assert set(reply.json()) == {"reason", "detail", "ce_id"}
    assert reply.json()["reason"] == reason


def is_empty(reply: Reply, outcome: str) -> None:
    assert reply.status == 202
    assert reply.headers["Content-Type"] is None
    assert ce_headers(reply) == {}
    assert reply.headers["Sinks-Outcome"] == outcome
    assert reply.body == b""


def is_good(recipient: Recipient, reply: Reply) -> None:
    if recipient.name == "egress":
        is_empty(reply, "relayed")
    else:
        assert reply.status == 200
        assert reply.headers["ce-type"] == SCORE_TYPE


def ce_headers(reply: Reply) -> dict[str, str]:
    return {
        name.lower(): value for name, value in reply.headers.items() if name[:3].lower() == "ce-"
    }


def exchange(recipient: Recipient, *pieces: bytes, end: bool = False, pause: float = 0.0) -> Reply:
    """Write the pieces as they are, one after another, and read the answer."""
    recipient.upstream.received.clear()
    with socket.create_connection(("127.0.0.1", recipient.port), timeout=10) as sock:
        for piece in pieces:
            sock.sendall(piece)
            time.sleep(pause)
        if end:
            sock.shutdown(socket.SHUT_WR)
        response = http.client.HTTPResponse(sock, method="POST")
        response.begin()
        return Reply(response.status, response.msg, response.read())


def request(recipient: Recipient, headers: Mapping[str, str]) -> Request:
    """A request whose bytes a test can take to pieces."""
    raw = tuple((name, value.encode()) for name, value in headers.items())
    return Request(recipient.path, raw, b"", "sink")


# --- content modes and the shape of answers --------------------------------------------------


def test_reply_binary_event_is_a_binary_event(score: Recipient) -> None:
    """A binary event is answered in binary mode; Content-Type alone says datacontenttype."""
    reply = score.deliver(*score.event(traceparent=TRACE, knativearrivaltime="x", other="y"))

    assert reply.status == 200
    assert reply.headers.get_all("Content-Type") == ["application/json"]
    attributes = ce_headers(reply)
    assert set(attributes) == {
        f"ce-{name}"
        for name in (
            "specversion id source type time subject dataschema partitionkey stream model wikiid"
            " causationid traceparent"
        ).split()
    }
    assert attributes["ce-source"] == "/models/drafttopic"
    assert attributes["ce-type"] == SCORE_TYPE
    assert attributes["ce-causationid"] == "event-1"
    assert attributes["ce-partitionkey"] == "enwiki:123"
    assert attributes["ce-traceparent"] == TRACE
    assert all(re.fullmatch(r"[!#$&-~]+", value) for value in attributes.values())
    assert reply.json()["meta"]["id"] == attributes["ce-id"]
    assert reply.json()["meta"]["stream"] == attributes["ce-stream"]


def test_reply_structured_event_is_the_same_event_structured(score: Recipient) -> None:
    """A structured event is answered in structured mode, with the same attributes and data."""
    in_binary = score.deliver(*score.event())
    reply = score.deliver(*score.event("structured"))

    assert reply.status == 200
    assert reply.headers.get_all("Content-Type") == ["application/cloudevents+json"]
    assert ce_headers(reply) == {}
    envelope = reply.json()
    data = envelope.pop("data")
    assert data == in_binary.json()
    assert envelope.pop("datacontenttype") == "application/json"
    assert {f"ce-{name}": value for name, value in envelope.items()} == ce_headers(in_binary)


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_reply_to_a_revision_create_is_an_event(score: Recipient, mode: str) -> None:
    """The other input makes a reply in either mode too."""
    make = binary if mode == "binary" else structured

    reply = score.deliver(*make(revision_create()))

    assert reply.status == 200
    expected = "application/json" if mode == "binary" else "application/cloudevents+json"
    assert reply.headers["Content-Type"] == expected


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_relayed_event_is_202_and_empty(egress: Recipient, mode: str) -> None:
    """Either mode is relayed, and answered with nothing."""
    is_empty(egress.deliver(*egress.event(mode)), "relayed")
    assert len(egress.upstream.received) == 1


def test_reply_of_each_row_has_its_own_id(score: Recipient) -> None:
    """The rows' replies to one event are different events: ids depend on the row."""
    replies = [score.deliver(*score.event(), path=path) for path in (PATH, "/models/itemtopic")]

    assert replies[0].headers["ce-id"]
    assert replies[1].status == 202  # enwiki has no itemtopic


def test_error_body_longest_possible_is_bounded() -> None:
    """Knative's dispatcher crashes at more than 768 bytes, so even the worst case is below."""
    for ce_id in ("\\" * 128, "~" * 128, '"' * 128):
        for detail in ("\\" * 9999, "\x00" * 9999, "日" * 9999, "~" * 9999):
            error = Unavailable("predictor_misconfigured", detail)
            assert len(error_document(error, ce_id)) <= 768


@pytest.mark.parametrize("ce_id", ["\\" * 128, "~" * 128, "x" * 4000, "%22" * 100, "a%20b", "é"])
def test_error_for_an_odd_id_is_bounded(recipient: Recipient, ce_id: str) -> None:
    """Whatever the event's id is, the error stays small; only a safe id is repeated in it."""
    headers, _ = recipient.event(id=ce_id.encode().decode("latin-1"))

    reply = recipient.deliver(headers, b"{}")

    assert reply.status == 422
    assert len(reply.body) <= 768
    assert reply.json()["ce_id"] in (ce_id, None)


# --- bodies ----------------------------------------------------------------------------------


def test_body_far_over_the_limit_does_not_hold_up_others(recipient: Recipient) -> None:
    """A client that goes on sending after 413 costs other senders nothing."""
    headers, _ = recipient.event()
    start = request(recipient, headers).head("Content-Length: 30000000")

    def flood() -> None:
        with socket.create_connection(("127.0.0.1", recipient.port), timeout=5) as sock:
            with suppress(OSError):
                sock.sendall(start)
                for _ in range(30):
                    sock.sendall(bytes(1_000_000))

    thread = threading.Thread(target=flood)
    thread.start()
    slowest = 0.0
    replies = []
    while thread.is_alive() or not replies:
        begun = time.monotonic()
        replies.append(recipient.deliver(*recipient.event()))
        slowest = max(slowest, time.monotonic() - begun)
        time.sleep(0.02)

    for reply in replies:
        is_good(recipient, reply)
    assert slowest < 1


@pytest.mark.parametrize("extra", [0, 1], ids=["at_the_limit", "one_over"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_body_at_the_limit_is_taken(recipient: Recipient, framing: str, extra: int) -> None:
    """Exactly MAX_BODY_BYTES is allowed, one more is not."""
    headers, body = recipient.event()
    body += b" " * (MAX_BODY - len(body) + extra)
    whole = replace(request(recipient, headers), body=body)
    sent = whole.raw() if framing == "length" else whole.chunked(body[:1000], body[1000:])

    reply = exchange(recipient, sent)

    if extra:
        is_error(reply, 413, "body_too_large")
    else:
        is_good(recipient, reply)


def test_body_half_sent_then_closed_is_rejected_as_disconnected(recipient: Recipient) -> None:
    """A body that ends early is a permanent failure, one warning, and no call."""
    mark = len(recipient.running.log)
    headers, body = recipient.event()
    whole = replace(request(recipient, headers), body=body)

    reply = exchange(recipient, whole.raw()[:-10], end=True)

    is_error(reply, 400, "client_disconnected")
    assert recipient.upstream.received == []
    (line,) = recipient.log_since(mark)
    assert (line["level"], line["reason"]) == ("WARNING", "client_disconnected")


# --- hostile values --------------------------------------------------------------------------

HOSTILE = {
    "parent": "../../admin",
    "slash": "enwiki/../x",
    "at": "enwiki@evil.test",
    "colon": "enwiki:80",
    "percent": "enwiki%2e%2e%2f",
    "newline": "enwiki\r\nX-Injected: 1\r\n",
    "trailing_newline": "enwiki\n",
    "null": "enwiki\u0000",
    "space": "en wiki",
    "question": "enwiki?a=b#c",
    "digits": "enwiki\u0661\u0662",
    "kelvin": "en\u212aiki",
    "right_to_left": "\u202eikiwne",
    "astral": "\U0001f4a9",
    "format": "{isvc}.{namespace}{0.__class__}",
    "quotes": "'\"`$(id)<script>",
    "long": "e" * 10_000,
    "upper": "ENWIKI",
    "empty": "",
}


def hostile(member: str, value: str) -> dict[str, Any]:
    if member in ("wiki_id", "page_change_kind", "dt", "changelog_kind"):
        return page_change(**{member: value})
    if member in ("page_title",):
        return page_change(page={member: value})
    return page_change(meta={member: value})


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize(
    "member",
    "wiki_id domain page_title id request_id uri stream page_change_kind dt".split(),
)
def test_hostile_value_never_reaches_the_upstreams_address(
    score: Recipient, member: str, value: str
) -> None:
    """No value of an event changes host, path or headers of the call, or gives a 5xx."""
    mark = len(score.running.log)

    reply = score.deliver(*binary(hostile(member, value)))

    assert reply.status in (200, 202, 400, 422)
    assert reply.status == 200 or len(reply.body) <= 768
    assert '"traceback"' not in score.running.log[mark:]
    for received in score.upstream.received:
        assert (received.method, received.target) == ("POST", TARGET)
        assert received.headers["host"] == HOST
        assert set(received.headers) <= {
            "host",
            "user-agent",
            "accept-encoding",
            "content-type",
            "content-length",
            "x-request-id",
        }
        assert received.body == b'{"rev_id":1300200300}'
    safe = re.fullmatch(r"[!#$&-~]{1,128}", value)
    if member in ("wiki_id", "dt") or (member in ("id", "stream") and not safe):
        assert (reply.status, score.upstream.received) == (422, [])
    elif member != "page_change_kind" and value:
        assert reply.status == 200


# --- what operators see ----------------------------------------------------------------------


def counts(recipient: Recipient, metric: str, label: str) -> dict[str, float]:
    text = call(recipient.port, "/metrics", method="GET").body.decode()
    pattern = re.compile(rf'^{metric}\{{.*\b{label}="(\w+)".*\}} ([0-9.e+]+)$', re.MULTILINE)
    return {name: float(value) for name, value in pattern.findall(text)}


def grown(after: dict[str, float], before: dict[str, float]) -> dict[str, float]:
    return {
        name: value - before.get(name, 0)
        for name, value in after.items()
        if value != before.get(name, 0)
    }


def test_metrics_count_exactly_what_was_sent(score: Recipient) -> None:
    """N events sent are N events counted, by outcome and by reason."""
    events = counts(score, "sinks_events_total", "outcome")
    errors = counts(score, "sinks_errors_total", "reason")
    headers, body = score.event()
    for _ in range(5):
        score.deliver(headers, body)
    for _ in range(4):
        score.deliver(*binary(page_change(meta={"domain": "canary"})))
    for _ in range(3):
        score.deliver(headers, b"{")
    for _ in range(2):
        score.deliver({**headers, "Event-Timeout-Ms": "0"}, body)
    call(score.port, "/nowhere", headers, body)
    call(score.port, "/favicon.ico", method="GET")  # no event, whoever asks
    call(score.port, "/healthz", method="GET")

    assert grown(counts(score, "sinks_events_total", "outcome"), events) == {
        "replied": 5,
        "ignored": 4,
        "rejected": 3,
        "deferred": 3,
    }
    assert grown(counts(score, "sinks_errors_total", "reason"), errors) == {
        "malformed_data": 3,
        "deadline": 2,
        "no_such_path": 2,
    }


def test_path_unknown_leaves_an_error_line_that_names_it(score: Recipient) -> None:
    """A misspelt subscriber.uri would otherwise lose everything without a trace."""
    mark = len(score.running.log)

    reply = call(score.port, "/modles/drafttopic", *score.event())

    assert reply.status == 404
    (line,) = [json.loads(text) for text in score.running.log[mark:].splitlines()]
    assert (line["level"], line["reason"]) == ("ERROR", "no_such_path")
    assert line["path"] == "/modles/drafttopic"


def test_body_that_does_not_come_is_deferred_by_the_deadline(recipient: Recipient) -> None:
    """Half a body must not hold a connection for ever, however it drips."""
    headers, body = recipient.event()
    begun = time.monotonic()
    start = request(recipient, {**headers, "Event-Timeout-Ms": "600"})
    drops = [bytes([byte]) for byte in body[:4]]

    reply = exchange(recipient, start.head(f"Content-Length: {len(body)}"), *drops, pause=0.1)

    is_error(reply, 503, "deadline")
    assert time.monotonic() - begun < 3


def test_metrics_labels_are_bounded(recipient: Recipient) -> None:
    """No value of an event becomes a label."""
    recipient.deliver(*recipient.event(id="LABEL", source="/LABEL", type="LABEL"))
    text = call(recipient.port, "/metrics", method="GET").body.decode()

    assert "LABEL" not in text
    assert "enwiki" not in text
    assert len(text) < 20_000


def test_log_is_one_line_for_each_refused_event_and_none_for_the_others(
    recipient: Recipient,
) -> None:
    """Rejected and deferred events leave one JSON line each; the rest is silence."""
    headers, body = recipient.event(traceparent=TRACE, subject="enwiki/123/1300200300")
    mark = len(recipient.running.log)
    is_good(recipient, recipient.deliver(headers, body))
    is_good(recipient, recipient.deliver(headers, body))
    assert recipient.running.log[mark:] == ""

    recipient.deliver({**headers, "Event-Timeout-Ms": "0"}, body)
    recipient.deliver(headers, b'{"a": "BODY"}')
    lines = recipient.log_since(mark)

    assert [(line["message"], line["level"], line["status"]) for line in lines] == [
        ("deferred", "WARNING", 503),
        ("rejected", "WARNING", 422),
    ]
    rejected = lines[1]
    assert rejected["sink"] == f"{recipient.name}-sink"
    assert (rejected["ce_id"], rejected["ce_source"]) == ("event-1", "/mediawiki/enwiki")
    assert rejected["trace_id"] == TRACE[3:35]
    assert (rejected["wiki_id"], rejected["rev_id"]) == ("enwiki", "1300200300")
    assert {"time", "outcome", "reason", "stage", "detail"} <= set(rejected)
    assert "BODY" not in json.dumps(lines)


def test_log_line_cannot_be_forged_by_an_event(recipient: Recipient) -> None:
    """Newlines and terminal codes in an event stay inside one ASCII line."""
    mark = len(recipient.running.log)
    _, envelope = structured({"a": 1}, id="x\u2028\u0085", source="\u202e日本", type="x" * 5000)

    reply = recipient.deliver({"Content-Type": "application/cloudevents+json"}, envelope)
    reply_row = recipient.deliver(*recipient.event(), path="/models/%0A%1b%5B31m{}")

    assert reply.status in (400, 422)
    assert reply_row.status in (404, 422)
    text = recipient.running.log[mark:]
    assert text.isascii()
    assert len(text.splitlines()) == len(recipient.log_since(mark)) <= 2
    assert len(text) < 4000


@pytest.mark.parametrize(
    ("path", "status"), [("/healthz", {"status": "ok"}), ("/readyz", {"status": "ready"})]
)
def test_probes_answer_without_calling_upstreams(
    recipient: Recipient, path: str, status: dict[str, str]
) -> None:
    """Both probes are cheap and call nobody."""
    reply = recipient.deliver({}, b"", path, "GET")

    assert reply.status == 200
    assert reply.json() == status
    assert recipient.upstream.received == []


def test_sigterm_event_in_flight_finishes_and_status_is_zero(tmp_path: Path) -> None:
    """After SIGTERM `/readyz` says no, the event in flight is answered, and the process ends."""

    def slow(received: Received, sock: socket.socket) -> bool | None:
        time.sleep(1.5)
        return predictor(received, sock)

    replies: list[Reply] = []
    with Upstream(slow) as upstream:
        env = {"PREDICTOR_URL": upstream.url}
        with gunicorn("sinks.score_sink:create_app()", env, tmp_path) as sink:
            probe = http.client.HTTPConnection("127.0.0.1", sink.port, timeout=5)
            probe.request("GET", "/readyz")
            before = probe.getresponse()
            before.read()
            headers, body = binary(page_change(dt=datetime.now(UTC).isoformat()))
            thread = threading.Thread(
                target=lambda: replies.append(call(sink.port, PATH, headers, body))
            )
            thread.start()
            limit = time.monotonic() + 5
            while not upstream.received and time.monotonic() < limit:
                time.sleep(0.01)
            sink.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            probe.request("GET", "/readyz")
            after = probe.getresponse()
            stopping = json.loads(after.read())
            probe.close()
            thread.join()
            status = sink.process.wait(10)

    assert before.status == 200
    assert (after.status, stopping) == (503, {"status": "stopping"})
    assert [reply.status for reply in replies] == [200]
    assert status == 0
    assert '"traceback"' not in sink.log
