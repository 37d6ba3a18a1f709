"""score-sink and egress-sink as Knative's brokers meet them: real processes, real sockets.

Whatever comes in, the answer is 200 with exactly one event, 202 and empty, or a bounded error whose
status says whether to repeat.
"""

from __future__ import annotations

import copy
import http.client
import json
import random
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sinks.errors import Unavailable, error_document
from tests.factories import (
    SCORE_TYPE,
    binary,
    drafttopic_answer,
    page_change,
    revision_create,
    revision_score,
    structured,
)
from tests.processes import Running, gunicorn
from tests.upstream import Received, Reply, Upstream, answer, call

PATH = "/models/drafttopic"
HOST = "enwiki-drafttopic.revscoring-drafttopic.example"
TARGET = "/v1/models/enwiki-drafttopic:predict"
MAX_BODY = 65536
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SINKS = ("score", "egress")


def predictor(received: Received, sock: socket.socket) -> bool | None:
    """Score whatever is asked for."""
    wiki = received.target.split("/")[3].partition("-")[0]
    return answer(200, drafttopic_answer(received.json()["rev_id"], wiki))(received, sock)


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
        egress_env = {**limit, "EVENTGATE_URLS": f"{eventgate.url}/v1/events"}
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


def exchange(port: int, *pieces: bytes, answers: int = 1, pause: float = 0.0) -> list[Reply]:
    """Write the pieces as they are, one after another, and read this many answers."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
        for piece in pieces:
            sock.sendall(piece)
            time.sleep(pause)
        replies = []
        with sock.makefile("rb") as file:
            for _ in range(answers):
                replies.append(read(file))
        return replies


class _File:
    """What http.client wants of a socket, on a file that is read on afterwards."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def makefile(self, _mode: str) -> Any:
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def close(self) -> None:
        """The next answer is in the same file."""


def read(file: Any) -> Reply:
    response = http.client.HTTPResponse(_File(file), method="POST")  # type: ignore[arg-type]
    response.begin()
    return Reply(response.status, response.msg, response.read())


def head(path: str, headers: dict[str, str], *more: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: sink", *(f"{n}: {v}" for n, v in headers.items())]
    return "\r\n".join((*lines, *more, "", "")).encode()


def message(recipient: Recipient, *more: str, **attributes: Any) -> bytes:
    headers, body = recipient.event(**attributes)
    return head(recipient.path, headers, f"Content-Length: {len(body)}", *more) + body


def chunks(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


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
@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ({"meta": {"domain": "canary"}}, "canary"),
        ({"page_change_kind": "delete"}, "page_change_kind"),
        ({"page_change_kind": "something_new"}, "page_change_kind"),
        ({"wiki_id": "nosuchwiki"}, "wiki_not_deployed"),
        ({"revision": {"is_content_visible": False}}, "hidden_content"),
        ({"meta": {"stream": "mediawiki.page_change.private.v1"}}, "private_stream"),
    ],
    ids=["canary", "delete", "new_kind", "wiki", "hidden", "private"],
)
def test_ignored_event_is_202_and_empty(
    score: Recipient, mode: str, over: dict[str, Any], reason: str
) -> None:
    """An event that the row does not want is done with: 202, no body, no type, no call."""
    make = binary if mode == "binary" else structured

    reply = score.deliver(*make(page_change(**over)))

    is_empty(reply, "ignored")
    assert reply.headers["Sinks-Reason"] == reason
    assert score.upstream.received == []


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_relayed_event_is_202_and_empty(egress: Recipient, mode: str) -> None:
    """Either mode is relayed, and answered with nothing."""
    is_empty(egress.deliver(*egress.event(mode)), "relayed")
    assert len(egress.upstream.received) == 1


def test_empty_answer_on_the_wire_has_no_body_and_no_type(egress: Recipient) -> None:
    """In the raw bytes, too, 202 has neither Content-Type nor a body."""
    with socket.create_connection(("127.0.0.1", egress.port), timeout=5) as sock:
        sock.sendall(message(egress, "Connection: close"))
        raw = b""
        while more := sock.recv(65536):
            raw += more

    lines = raw.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 202 ACCEPTED"
    assert not [line for line in lines if line.lower().startswith((b"content-type", b"ce-"))]
    assert b"Content-Length: 0" in lines
    assert raw.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_duplicate_delivery_is_the_same_reply(score: Recipient, mode: str) -> None:
    """A redelivery, at another time and with other hop headers, makes the same reply."""
    headers, body = score.event(mode)
    first = score.deliver(headers, body)
    other = {**headers, "Prefer": "reply", "Kn-Namespace": "x", "ce-knativearrivaltime": "2026"}
    second = score.deliver(other if mode == "binary" else headers, body)

    assert (first.status, second.status) == (200, 200)
    assert ce_headers(first) == ce_headers(second)
    assert first.body == second.body


@pytest.mark.parametrize(
    "change",
    [{"id": "event-2"}, {"source": "/mediawiki/other"}],
    ids=["id", "source"],
)
def test_other_event_is_another_reply(score: Recipient, change: dict[str, str]) -> None:
    """Source and id of the input both make the id of the reply."""
    first = score.deliver(*score.event())
    second = score.deliver(*score.event(**change))

    assert first.json()["meta"]["id"] != second.json()["meta"]["id"]


def test_reply_of_each_row_has_its_own_id(score: Recipient) -> None:
    """The rows' replies to one event are different events: ids depend on the row."""
    replies = [score.deliver(*score.event(), path=path) for path in (PATH, "/models/itemtopic")]

    assert replies[0].headers["ce-id"]
    assert replies[1].status == 202  # enwiki has no itemtopic


# --- refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type",
    [
        "application/cloudevents-batch+json",
        "application/cloudevents+avro",
        "application/cloudevents+xml",
        "application/cloudevents",
        "Application/CloudEvents-Batch+JSON; charset=utf-8",
        "application/cloudevents+json; charset=utf-16",
        "text/plain",
        "application/octet-stream",
        "application/json; charset=iso-8859-1",
    ],
)
def test_content_type_not_read_is_415(recipient: Recipient, content_type: str) -> None:
    """Batches, other formats and data that is not JSON are permanent failures."""
    headers, body = recipient.event()

    reply = recipient.deliver({**headers, "Content-Type": content_type}, body)

    is_error(reply, 415, "unsupported_media_type")
    assert recipient.upstream.received == []


@pytest.mark.parametrize("name", ["id", "source", "type", "specversion"])
@pytest.mark.parametrize("mode", ["binary", "structured"])
@pytest.mark.parametrize("value", [None, ""], ids=["absent", "empty"])
def test_event_without_a_required_attribute_is_400(
    recipient: Recipient, name: str, mode: str, value: str | None
) -> None:
    """Each required attribute has to be there, and not empty; the answer names it."""
    headers, body = recipient.event(mode)
    if mode == "binary":
        headers.pop(f"ce-{name}")
        headers |= {} if value is None else {f"ce-{name}": value}
    else:
        envelope = json.loads(body)
        envelope.pop(name)
        body = json.dumps(envelope | ({} if value is None else {name: value})).encode()

    reply = recipient.deliver(headers, body)

    is_error(reply, 400, "malformed_event")
    assert name in reply.json()["detail"]
    assert recipient.upstream.received == []


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"1", b'"a"', b"null", b"\xff", b"\xef\xbb\xbf{}"]
)
@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_event_body_not_an_object_is_400(recipient: Recipient, mode: str, body: bytes) -> None:
    """Data or envelope that is no JSON object is never repeated."""
    headers, _ = recipient.event(mode)

    reply = recipient.deliver(headers, body)

    assert reply.status == 400
    is_error(reply, 400, reply.json()["reason"])
    assert recipient.upstream.received == []


def test_plain_json_is_not_an_event(recipient: Recipient) -> None:
    """A document without `ce-` headers is 400, though it has members called id and type."""
    body = json.dumps({**page_change(), "id": "1", "type": "a", "source": "b"}).encode()

    reply = recipient.deliver({"Content-Type": "application/json"}, body)

    is_error(reply, 400, "malformed_event")


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "PROPFIND"])
def test_method_not_post_is_405(recipient: Recipient, method: str) -> None:
    """Events are POSTed; every other method is told so, permanently."""
    headers, body = recipient.event()

    reply = recipient.deliver(headers, body, method=method)

    is_error(reply, 405, "method_not_allowed")
    assert "POST" in reply.headers["Allow"]


@pytest.mark.parametrize(
    "name", ["nope", "DRAFTTOPIC", "drafttopic%20", "%C3%A9", "%ff", "x" * 3000]
)
def test_row_unknown_is_422_with_the_rows(score: Recipient, name: str) -> None:
    """An unknown row is not 404, which would be repeated; the answer lists the rows."""
    reply = score.deliver(*score.event(), path=f"/models/{name}")

    is_error(reply, 422, "unknown_row")
    assert "drafttopic" in reply.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/x",
        "/models",
        "/models/",
        "/models/drafttopic/",
        "/models/drafttopic/x",
        "/models//drafttopic",
        "/models/a%2Fb",
        "/models/drafttopic;x",
        "/Models/drafttopic",
        "/%00",
    ],
)
def test_path_unknown_is_404_as_json(recipient: Recipient, path: str) -> None:
    """A wrong path is 404 in the one JSON shape, never a redirect, which loses the event."""
    reply = recipient.deliver(*recipient.event(), path=path)

    if path == "/models/drafttopic;x" and recipient.name == "score":
        is_error(reply, 422, "unknown_row")
    else:
        is_error(reply, 404, "no_such_path")
    assert recipient.upstream.received == []


def test_path_with_leading_slashes_is_no_redirect(recipient: Recipient) -> None:
    """A base URL that ends in a slash must not make a 3xx, after which the body would be lost."""
    is_good(recipient, recipient.deliver(*recipient.event(), path="/" + recipient.path))


def test_query_is_allowed_and_ignored(recipient: Recipient) -> None:
    """A query in `subscriber.uri` does no harm."""
    is_good(recipient, recipient.deliver(*recipient.event(), path=recipient.path + "?a=b&hasty=1"))


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


def test_body_over_the_limit_by_length_is_413_unread(recipient: Recipient) -> None:
    """A declared length over MAX_BODY_BYTES is refused while most of the body is still out."""
    headers, body = recipient.event()

    begun = time.monotonic()
    (reply,) = exchange(
        recipient.port, head(recipient.path, headers, "Content-Length: 999999999999"), body
    )

    is_error(reply, 413, "body_too_large")
    assert time.monotonic() - begun < 1


def test_body_over_the_limit_chunked_is_413_unread(recipient: Recipient) -> None:
    """An endless chunked body is refused once the limit is passed, before it ends."""
    headers, _ = recipient.event()
    start = head(recipient.path, headers, "Transfer-Encoding: chunked")

    (reply,) = exchange(recipient.port, start, *[chunks(b" " * 8192)] * (MAX_BODY // 8192 + 2))

    is_error(reply, 413, "body_too_large")


def test_body_far_over_the_limit_does_not_hold_up_others(recipient: Recipient) -> None:
    """A client that goes on sending after 413 costs other senders nothing."""
    headers, _ = recipient.event()
    start = head(recipient.path, headers, "Content-Length: 30000000")

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
    assert slowest < 0.5


def test_body_sent_whole_over_the_limit_is_still_told_413(recipient: Recipient) -> None:
    """A sender that reads only after it has written all of the body gets the answer, no reset."""
    headers, _ = recipient.event()

    reply = recipient.deliver(headers, bytes(20 * MAX_BODY))

    is_error(reply, 413, "body_too_large")


@pytest.mark.parametrize("extra", [0, 1], ids=["at_the_limit", "one_over"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_body_at_the_limit_is_taken(recipient: Recipient, framing: str, extra: int) -> None:
    """Exactly MAX_BODY_BYTES is allowed, one more is not."""
    headers, body = recipient.event()
    body += b" " * (MAX_BODY - len(body) + extra)
    if framing == "length":
        sent = head(recipient.path, headers, f"Content-Length: {len(body)}") + body
    else:
        start = head(recipient.path, headers, "Transfer-Encoding: chunked")
        sent = start + chunks(body[:1000], body[1000:], b"")

    (reply,) = exchange(recipient.port, sent)

    if extra:
        is_error(reply, 413, "body_too_large")
    else:
        is_good(recipient, reply)


def test_body_half_sent_then_closed_is_rejected_as_disconnected(recipient: Recipient) -> None:
    """A body that ends early is a permanent failure, one warning, and no call."""
    mark = len(recipient.running.log)
    whole = message(recipient)
    recipient.upstream.received.clear()
    with socket.create_connection(("127.0.0.1", recipient.port), timeout=5) as sock:
        sock.sendall(whole[:-10])
        sock.shutdown(socket.SHUT_WR)
        with sock.makefile("rb") as file:
            reply = read(file)

    is_error(reply, 400, "client_disconnected")
    assert recipient.upstream.received == []
    (line,) = recipient.log_since(mark)
    assert (line["level"], line["reason"]) == ("WARNING", "client_disconnected")


def test_body_cut_off_behind_complete_json_is_not_handled(recipient: Recipient) -> None:
    """Less than the declared length is no request, even if what came happens to be JSON."""
    headers, body = recipient.event()
    recipient.upstream.received.clear()
    with socket.create_connection(("127.0.0.1", recipient.port), timeout=5) as sock:
        sock.sendall(head(recipient.path, headers, f"Content-Length: {len(body) + 9}") + body)
        sock.shutdown(socket.SHUT_WR)
        with sock.makefile("rb") as file:
            reply = read(file)

    assert reply.status == 400
    assert recipient.upstream.received == []


@pytest.mark.parametrize(
    "body", [b"zz\r\nx\r\n0\r\n\r\n", b"5\r\nabc", b"-1\r\nx\r\n0\r\n\r\n"], ids=repr
)
def test_body_broken_chunks_are_refused_without_a_bug(recipient: Recipient, body: bytes) -> None:
    """Chunks that are none are the client's fault, not ours."""
    headers, _ = recipient.event()
    mark = len(recipient.running.log)
    with socket.create_connection(("127.0.0.1", recipient.port), timeout=5) as sock:
        sock.sendall(head(recipient.path, headers, "Transfer-Encoding: chunked") + body)
        sock.shutdown(socket.SHUT_WR)
        with sock.makefile("rb") as file:
            reply = read(file)

    assert reply.status == 400
    assert len(reply.body) <= 768
    assert '"traceback"' not in recipient.running.log[mark:]


def test_body_that_comes_slowly_is_waited_for(recipient: Recipient) -> None:
    """A body in small pieces is a body, and others are served meanwhile."""
    whole = message(recipient)
    size = len(whole) // 10 + 1
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    replies: list[Reply] = []
    thread = threading.Thread(
        target=lambda: replies.extend(exchange(recipient.port, *pieces, pause=0.05))
    )
    thread.start()
    begun = time.monotonic()
    other = recipient.deliver(*recipient.event())
    elapsed = time.monotonic() - begun
    thread.join()

    is_good(recipient, other)
    assert elapsed < 0.4
    is_good(recipient, replies[0])


def test_body_chunked_is_read(recipient: Recipient) -> None:
    """A chunked upload, byte by byte, is the same event."""
    headers, body = recipient.event()
    start = head(recipient.path, headers, "Transfer-Encoding: chunked")
    parts = [bytes([byte]) for byte in body]

    (reply,) = exchange(recipient.port, start + chunks(*parts, b""))

    is_good(recipient, reply)


def test_body_with_expectation_gets_100_then_its_answer(recipient: Recipient) -> None:
    """`Expect: 100-continue` is honoured before the body is sent."""
    headers, body = recipient.event()
    start = head(recipient.path, headers, f"Content-Length: {len(body)}", "Expect: 100-continue")
    with socket.create_connection(("127.0.0.1", recipient.port), timeout=5) as sock:
        sock.sendall(start)
        interim = sock.recv(25)
        sock.sendall(body)
        with sock.makefile("rb") as file:
            reply = read(file)

    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    is_good(recipient, reply)


# --- connections -----------------------------------------------------------------------------


def test_connection_is_kept_alive_over_all_outcomes(recipient: Recipient) -> None:
    """Good and refused events alternate on one connection without a stray byte between them."""
    good = message(recipient)
    headers, _ = recipient.event()
    bad = head(recipient.path, headers, "Content-Length: 1") + b"{"
    lost = head("/nowhere", headers, "Content-Length: 2") + b"{}"
    with socket.create_connection(("127.0.0.1", recipient.port), timeout=5) as sock:
        with sock.makefile("rb") as file:
            replies = []
            for sent in (good, bad, lost, good, good):
                sock.sendall(sent)
                replies.append(read(file))

    assert [reply.status for reply in replies[1:3]] == [400, 404]
    for reply in (replies[0], *replies[3:]):
        is_good(recipient, reply)


def test_connection_pipelined_requests_are_answered_in_order(recipient: Recipient) -> None:
    """Requests sent without waiting get their answers in their order."""
    headers, _ = recipient.event()
    bad = head(recipient.path, headers, "Content-Length: 1") + b"{"

    replies = exchange(recipient.port, message(recipient) + bad + message(recipient), answers=3)

    is_good(recipient, replies[0])
    is_error(replies[1], 400, "malformed_data")
    is_good(recipient, replies[2])


@pytest.mark.parametrize(
    "sent",
    [
        b"NOT HTTP\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nce-id: " + b"x" * 20_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\n" + b"ce-a: b\r\n" * 500 + b"\r\n",
        b"POST /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 200-ok\r\nContent-Length: 0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nce-id: a\x00b\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=lambda sent: repr(sent[:60]),
)
def test_request_the_server_refuses_is_a_bounded_4xx(recipient: Recipient, sent: bytes) -> None:
    """What never reaches the app is refused with a small body as well."""
    (reply,) = exchange(recipient.port, sent)

    assert 400 <= reply.status < 500
    assert len(reply.body) <= 768


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


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_hostile_attribute_never_reaches_the_upstreams_address(
    score: Recipient, value: str
) -> None:
    """The same for attributes, which are only routing, in the mode that can carry anything."""
    attributes = ("id", "source", "type", "subject", "wikiid", "traceparent", "tracestate")
    for name in attributes:
        reply = score.deliver(*structured(page_change(), **{name: value}))

        assert reply.status in (200, 400)
        for received in score.upstream.received:
            assert (received.target, received.headers["host"]) == (TARGET, HOST)
            assert b"njected" not in received.raw_head
        if reply.status == 200:
            assert reply.json()["data"]["database"] == "enwiki"


# --- fuzz ------------------------------------------------------------------------------------

ODD: list[Any] = [
    None, True, False, 0, -1, 1, 1.0, 1.5, 1e300, -1e300, 2**31, 2**53, 2**63, 2**64, 10**30,
    "", " ", "a", "é", "日本", "\u0000", "\ufffe", "\u202e", "%", '"', "\\", "../..", "a" * 10_000,
    "2026-02-30T00:00:00Z", "9999-12-31T23:59:60-23:59", "0001-01-01T00:00:00+23:59", "canary",
    "2026-09-23t10:00:00.123456789z", "/mediawiki/page/change/1.0.0", "/a/99.0.0", "edit",
    [], {}, [None], {"a": None}, [[[[]]]], {"": ""},
]  # fmt: skip


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def mutated(document: Any, rng: random.Random) -> Any:
    """The document with one to four members, anywhere, replaced, removed, added or doubled."""
    result = copy.deepcopy(document)
    for _ in range(rng.randint(1, 4)):
        target = result
        while isinstance(target, dict) and target:
            name = rng.choice(list(target))
            if isinstance(target[name], dict) and rng.random() < 0.7:
                target = target[name]
                continue
            action = rng.random()
            if action < 0.6:
                target[name] = copy.deepcopy(rng.choice(ODD))
            elif action < 0.75:
                del target[name]
            elif action < 0.9:
                target[str(rng.choice(ODD))[:50]] = copy.deepcopy(rng.choice(ODD))
            else:
                target[name] = nested(rng.choice((3, 100, 300, 900)))
            break
    return result


class Client:
    """One connection that is opened again whenever the server has closed it."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def send(self, path: str, headers: dict[str, Any], body: bytes) -> Reply:
        for attempt in (1, 2):
            try:
                self._connection.request("POST", path, body, headers)
                response = self._connection.getresponse()
                reply = Reply(response.status, response.msg, response.read())
            except (ConnectionError, http.client.HTTPException):
                self._connection.close()
                if attempt == 2:
                    raise
            else:
                break
        if response.will_close:
            self._connection.close()
        return reply

    def close(self) -> None:
        self._connection.close()


def is_sane(reply: Reply) -> None:
    """Not a 5xx, and one of the shapes that a broker takes."""
    assert reply.status in (200, 202, 400, 413, 415, 422, 431)
    if reply.status == 202:
        assert reply.body == b""
    elif reply.status == 200:
        json.loads(reply.body)
    else:
        assert len(reply.body) <= 768


@pytest.mark.parametrize("mode", ["binary", "structured"])
@pytest.mark.parametrize("name", ["page_change", "revision_create", "revision_score"])
def test_fuzz_mutated_documents_never_give_a_5xx(
    recipients: dict[str, Recipient], name: str, mode: str
) -> None:
    """Hundreds of broken documents are scored, ignored, relayed or rejected; none is a bug."""
    recipient = recipients["egress" if name == "revision_score" else "score"]
    document = {
        "page_change": page_change(performer={"user_text": "U", "groups": ["*"], "edit_count": 1}),
        "revision_create": revision_create(performer={"user_text": "U", "user_groups": ["*"]}),
        "revision_score": revision_score(),
    }[name]
    make = binary if mode == "binary" else structured
    mark = len(recipient.running.log)
    client = Client(recipient.port)
    statuses = set()
    for seed in range(150):
        data = mutated(document, random.Random(f"{name} {seed}"))  # noqa: S311
        try:
            reply = client.send(recipient.path, *make(data))
            is_sane(reply)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {data!r:.2000}") from error
        statuses.add(reply.status)
    client.close()

    assert {422, 202 if recipient.name == "egress" else 200} <= statuses
    assert '"traceback"' not in recipient.running.log[mark:]


PIECES = [
    b"%", b"%41", b"%zz", b"%C0%A0", b"%00", b"%0d%0a", b'"', b'"a"', b"\\", b" ", b"\xe9",
    b"\xc3\xa9", b"\xff", b"\xef\xbf\xbe", b",", b"1.0", b"a" * 3000, b"\t", b"{", b"\x7f", b";",
    b"", b"2026-01-01T00:00:00Z", b"application/json", b"charset=utf-8",
    b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01",
]  # fmt: skip
NAMES = [
    "ce-id", "ce-source", "ce-type", "ce-specversion", "ce-time", "ce-subject", "ce-dataschema",
    "ce-datacontenttype", "ce-traceparent", "ce-tracestate", "ce-stream", "ce-x-y", "CE-ID", "ce-",
    "ce-" + "n" * 200, "ce-data", "traceparent", "tracestate", "Content-Type", "Content-Encoding",
    "Event-Timeout-Ms", "Prefer", "x-request-id", "Host", "ce_id",
]  # fmt: skip


def test_fuzz_mutated_headers_never_give_a_5xx(recipient: Recipient) -> None:
    """Hundreds of odd headers are understood, ignored or rejected; none is a bug."""
    mark = len(recipient.running.log)
    client = Client(recipient.port)
    for seed in range(300):
        rng = random.Random(seed)  # noqa: S311
        made, body = recipient.event()
        headers: dict[str, Any] = dict(made)
        for _ in range(rng.randint(1, 3)):
            name = rng.choice(NAMES)
            value = b"".join(rng.choice(PIECES) for _ in range(rng.randint(1, 3)))
            if name == "Event-Timeout-Ms":
                value += b"x"  # a deadline of no time would rightly be 503
            headers[name] = value.strip(b"\t ")
        if rng.random() < 0.2:
            headers.pop(rng.choice(list(made)), None)
        try:
            is_sane(client.send(recipient.path, headers, body))
        except Exception as error:
            raise AssertionError(f"seed {seed}: {headers!r:.2000}") from error
    client.close()

    assert '"traceback"' not in recipient.running.log[mark:]


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
        "no_such_path": 1,
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
    with socket.create_connection(("127.0.0.1", recipient.port), timeout=10) as sock:
        declared = f"Content-Length: {len(body)}"
        sock.sendall(head(recipient.path, {**headers, "Event-Timeout-Ms": "600"}, declared))
        for byte in body[:4]:
            sock.sendall(bytes([byte]))
            time.sleep(0.1)
        with sock.makefile("rb") as file:
            reply = read(file)

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
