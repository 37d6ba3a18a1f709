"""Delivering to a subscriber: what goes over the wire, and how each answer is judged."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from sinks import cloudevent
from sinks.cloudevent import Event
from sinks.deadline import Deadline
from sinks.delivery import Delivery
from sinks.filters import EVERYTHING
from sinks.http_client import USER_AGENT, HttpClient
from sinks.http_transport import Transport
from sinks.subscriber import deliver
from sinks.triggers import Trigger
from tests.upstream import Behave, Received, Upstream, answer

MAX_ANSWER_BYTES = 65536
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
STRUCTURED = {"Content-Type": "application/cloudevents+json"}
JSON = {"Content-Type": "application/json"}
REPLY: dict[str, Any] = {"specversion": "1.0", "id": "r", "source": "/models/x", "type": "t"}


@contextmanager
def client() -> Iterator[HttpClient]:
    """A client as the shim has it; its idle connections end with the block."""
    transport = Transport(2.0, MAX_ANSWER_BYTES)
    try:
        yield HttpClient("subscriber", transport)
    finally:
        transport.close()


def event(mode: cloudevent.Mode = "binary", **attributes: str) -> Event:
    """A small event."""
    known = {"id": "e", "source": "/mediawiki/enwiki", "type": "in"}
    return Event({**known, "datacontenttype": "application/json", **attributes}, {"a": "é"}, mode)


def at(url: str) -> Trigger:
    """A Trigger with this subscriber."""
    return Trigger("one", "default", EVERYTHING, url)


def delivered(behave: Behave, sent: Event | None = None, seconds: float = 10) -> Delivery:
    """Deliver one event to a subscriber that behaves so."""
    with Upstream(behave) as upstream, client() as http:
        return deliver(http, at(upstream.url), sent or event(), Deadline.after(seconds))


def request(sent: Event, path: str = "/", seconds: float = 10) -> Received:
    """Deliver one event and return the request that arrived."""
    with Upstream(answer(202)) as upstream, client() as http:
        deliver(http, at(upstream.url + path), sent, Deadline.after(seconds))
        return upstream.received[0]


def binary(body: bytes | str = b"{}", **over: str | None) -> tuple[dict[str, str], bytes | str]:
    """A binary reply; a header of None is left out, `_` in a name stands for `-`."""
    known = {f"ce-{name}": value for name, value in REPLY.items()}
    named = {name.replace("_", "-"): value for name, value in over.items()}
    headers = {"Content-Type": "application/json", **known, **named}
    return {name: value for name, value in headers.items() if value is not None}, body


def structured(**over: Any) -> tuple[dict[str, str], str]:
    """A structured reply; a member of ... is left out."""
    members = {**REPLY, "data": {}, **over}
    kept = {name: value for name, value in members.items() if value is not ...}
    return STRUCTURED, json.dumps(kept, ensure_ascii=False)


# What is sent.


def test_request_in_binary_mode_has_attributes_as_headers() -> None:
    """The data is the body; every attribute is a header of its own."""
    got = request(event(wikiid="enwiki"), "/models/x?y=z")

    assert (got.method, got.target) == ("POST", "/models/x?y=z")
    assert {name: value for name, value in got.headers.items() if name[:3] == "ce-"} == {
        "ce-specversion": "1.0",
        "ce-id": "e",
        "ce-source": "/mediawiki/enwiki",
        "ce-type": "in",
        "ce-wikiid": "enwiki",
    }
    assert got.headers["content-type"] == "application/json"
    assert got.json() == {"a": "é"}


def test_request_in_structured_mode_has_attributes_in_the_body() -> None:
    """The event keeps the mode that it came in."""
    got = request(event("structured", wikiid="enwiki"))

    assert not [name for name in got.headers if name.startswith("ce-")]
    assert got.headers["content-type"] == "application/cloudevents+json"
    assert got.json() == {
        "specversion": "1.0",
        "id": "e",
        "source": "/mediawiki/enwiki",
        "type": "in",
        "wikiid": "enwiki",
        "datacontenttype": "application/json",
        "data": {"a": "é"},
    }


def test_request_asks_for_a_reply_and_says_who_asks() -> None:
    """Prefer: reply is what Knative's filter sends always."""
    headers = request(event()).headers

    assert headers["prefer"] == "reply"
    assert headers["user-agent"] == USER_AGENT
    assert "authorization" not in headers


def test_request_tells_the_milliseconds_that_are_left() -> None:
    """A subscriber can stop when nobody waits for it any more."""
    left = int(request(event(), seconds=10).headers["event-timeout-ms"])

    assert 8000 < left <= 10_000


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_request_of_a_traced_event_continues_the_trace(mode: cloudevent.Mode) -> None:
    """The header is the hop and the extension the origin: here they are the same."""
    headers = request(event(mode, traceparent=TRACE, tracestate="a=b")).headers

    assert headers["traceparent"] == TRACE
    assert headers["tracestate"] == "a=b"
    assert headers.get("ce-traceparent", TRACE) == TRACE


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({}, id="none"),
        pytest.param({"traceparent": "x"}, id="malformed"),
        pytest.param({"tracestate": "a=b"}, id="state only"),
    ],
)
def test_request_without_a_good_trace_has_no_trace_header(attributes: dict[str, str]) -> None:
    """A malformed trace is no trace."""
    headers = request(event("binary", **attributes)).headers

    assert not headers.keys() & {"traceparent", "tracestate"}


def test_request_without_time_left_is_not_sent() -> None:
    """Nothing is begun that nobody waits for."""
    with Upstream(answer(202)) as upstream, client() as http:
        result = deliver(http, at(upstream.url), event(), Deadline.after(-1))

        assert (result.outcome, result.reason) == ("deferred", "deadline")
        assert upstream.received == []


# Statuses.


@pytest.mark.parametrize("status", [200, 201, 202, 203, 204, 205, 206, 299])
def test_status_2xx_that_is_empty_is_relayed(status: int) -> None:
    """Every empty 2xx has taken the event."""
    result = delivered(answer(status))

    assert (result.trigger, result.outcome, result.reason) == ("one", "relayed", None)
    assert result.reply is None


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize("form", [binary(), structured()], ids=["binary", "structured"])
def test_status_2xx_with_an_event_is_replied(
    status: int, form: tuple[dict[str, str], bytes | str]
) -> None:
    """A reply is one with 201 and 202 too, as Knative's code has it."""
    headers, body = form
    result = delivered(answer(status, body, headers))

    assert result.outcome == "replied"
    assert result.reply is not None
    assert (result.reply.id, result.reply.source, result.reply.type) == ("r", "/models/x", "t")


def test_status_204_with_event_headers_is_replied() -> None:
    """A 204 has no body, but its headers can be an event without data."""
    headers, _ = binary(Content_Type=None)
    result = delivered(answer(204, b"", headers))

    assert result.outcome == "replied"
    assert result.reply is not None
    assert result.reply.data is cloudevent.NO_DATA


@pytest.mark.parametrize("status", [200, 201, 202, 206])
def test_status_2xx_that_is_no_event_is_deferred(status: int) -> None:
    """Any other body is what Knative's filter turns into 502 and repeats."""
    result = delivered(answer(status, "OK"))

    assert (result.outcome, result.reason) == ("deferred", "upstream_bad_answer")


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
@pytest.mark.parametrize("location", [True, False], ids=["with Location", "without"])
def test_status_3xx_is_rejected_and_not_followed(status: int, location: bool) -> None:
    """Following would lose the event (301 to 303) or hide a wrong address."""
    with Upstream(answer(202)) as other:
        headers = {"Location": f"{other.url}/"} if location else {}
        result = delivered(answer(status, b"", headers))

        assert (result.outcome, result.reason) == ("rejected", "rejected_by_subscriber")
        assert other.received == []


@pytest.mark.parametrize(
    "status", [400, 401, 402, 403, 405, 406, 410, 411, 413, 414, 415, 418, 422, 425, 431, 451]
)
def test_status_of_a_final_4xx_is_rejected(status: int) -> None:
    """Knative repeats none of these."""
    result = delivered(answer(status, "no"))

    assert (result.outcome, result.reason) == ("rejected", "rejected_by_subscriber")


@pytest.mark.parametrize("status", [404, 408, 409, 429, 500, 501, 502, 503, 504, 505, 599])
def test_status_that_knative_repeats_is_deferred(status: int) -> None:
    """404, 408, 409, 429 and every 5xx may pass with time."""
    result = delivered(answer(status, "later"))

    assert (result.outcome, result.reason) == ("deferred", "subscriber_failed")


@pytest.mark.parametrize("status", [400, 404, 500, 301])
def test_status_of_a_failure_with_an_event_is_no_reply(status: int) -> None:
    """Only a 2xx replies."""
    headers, body = binary()
    result = delivered(answer(status, body, headers))

    assert result.outcome in ("rejected", "deferred")
    assert result.reply is None


@pytest.mark.parametrize("status", [101, 102, 103])
def test_status_1xx_alone_is_not_relayed(status: int) -> None:
    """An interim answer has taken nothing."""
    result = delivered(answer(status), seconds=0.5)

    assert result.outcome in ("rejected", "deferred")


def test_status_103_before_the_answer_does_not_answer_the_next_event() -> None:
    """An answer that comes late must never be taken for that of another event."""
    statuses = iter([202, 503])

    def behave(received: Received, sock: socket.socket) -> bool:
        sock.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        time.sleep(0.2)
        return bool(answer(next(statuses))(received, sock))

    with Upstream(behave) as upstream, client() as http:
        deliver(http, at(upstream.url), event(), Deadline.after(10))
        time.sleep(0.4)
        second = deliver(http, at(upstream.url), event(), Deadline.after(10))

    assert second.outcome == "deferred"


def test_status_with_more_bytes_than_it_says_does_not_answer_the_next_event() -> None:
    """What follows an answer on its connection belongs to nobody."""
    requests = iter(range(2))

    def behave(received: Received, sock: socket.socket) -> bool:
        if next(requests):
            return bool(answer(503)(received, sock))
        answer(202)(received, sock)
        time.sleep(0.2)
        answer(202)(received, sock)
        return True

    with Upstream(behave) as upstream, client() as http:
        first = deliver(http, at(upstream.url), event(), Deadline.after(10))
        time.sleep(0.4)
        second = deliver(http, at(upstream.url), event(), Deadline.after(10))

    assert (first.outcome, second.outcome) == ("relayed", "deferred")


# No answer.


def _reset(_received: Received, sock: socket.socket) -> bool:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    return False


def _raw(data: bytes) -> Behave:
    def behave(_received: Received, sock: socket.socket) -> bool:
        sock.sendall(data)
        return False

    return behave


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        pytest.param(_raw(b""), "upstream_unavailable", id="closed"),
        pytest.param(_reset, "upstream_unavailable", id="reset"),
        pytest.param(_raw(b"HTTP/1.1 2"), "upstream_bad_answer", id="half a status line"),
        pytest.param(_raw(b"hello\r\n\r\n"), "upstream_bad_answer", id="no HTTP"),
        pytest.param(
            _raw(b"HTTP/1.1 202 X\r\nContent-Length: 5\r\n\r\nab"),
            "upstream_bad_answer",
            id="body cut off",
        ),
        pytest.param(
            answer(200, b" " * (MAX_ANSWER_BYTES + 1)), "upstream_bad_answer", id="too large"
        ),
        pytest.param(
            answer(200, b"x", {"Content-Encoding": "br"}), "upstream_bad_answer", id="encoding"
        ),
    ],
)
def test_answer_that_cannot_be_read_is_deferred(behave: Behave, reason: str) -> None:
    """Nobody knows what became of the event, so it is repeated."""
    result = delivered(behave)

    assert (result.outcome, result.reason) == ("deferred", reason)


def test_answer_of_a_closed_port_is_deferred() -> None:
    """A refused connection may be accepted later."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    with client() as http:
        result = deliver(http, at(url), event(), Deadline.after(10))

    assert (result.outcome, result.reason) == ("deferred", "upstream_unavailable")


@pytest.mark.parametrize(
    "begin",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"HTTP/1.1 202 X\r\n", id="half a head"),
        pytest.param(b"HTTP/1.1 202 X\r\nContent-Length: 5\r\n\r\nab", id="half a body"),
    ],
)
def test_answer_that_hangs_is_deferred_at_the_deadline(begin: bytes) -> None:
    """A hanging subscriber costs the time that is left and not more."""

    def behave(_received: Received, sock: socket.socket) -> bool:
        sock.sendall(begin)
        time.sleep(4)
        return False

    begun = time.monotonic()
    result = delivered(behave, seconds=0.4)

    assert (result.outcome, result.reason) == ("deferred", "deadline")
    assert 0.3 < time.monotonic() - begun < 3


# Reasons.


@pytest.mark.parametrize(
    ("status", "body", "outcome", "reason"),
    [
        pytest.param(
            422, {"reason": "unsupported_schema"}, "rejected", "unsupported_schema", id="rejected"
        ),
        pytest.param(
            503,
            {"reason": "predictor_failed", "detail": "x", "ce_id": None},
            "deferred",
            "predictor_failed",
            id="deferred",
        ),
        pytest.param(404, {"reason": "no_such_path"}, "deferred", "no_such_path", id="404"),
        pytest.param(
            400, {"reason": "canary; x"}, "rejected", "rejected_by_subscriber", id="undeclared"
        ),
        pytest.param(503, {"reason": "other"}, "deferred", "subscriber_failed", id="another"),
        pytest.param(503, {"reason": None}, "deferred", "subscriber_failed", id="null"),
        pytest.param(503, {"reason": ["bug"]}, "deferred", "subscriber_failed", id="a list"),
        pytest.param(503, {"reason": {"bug": 1}}, "deferred", "subscriber_failed", id="an object"),
        pytest.param(503, {}, "deferred", "subscriber_failed", id="none"),
        pytest.param(503, ["bug"], "deferred", "subscriber_failed", id="a list as body"),
        pytest.param(503, "bug", "deferred", "subscriber_failed", id="text"),
        pytest.param(503, b"\xff", "deferred", "subscriber_failed", id="no text"),
        pytest.param(503, b'{"reason": "bug"', "deferred", "subscriber_failed", id="cut off"),
    ],
)
def test_reason_of_an_error_body_counts_only_if_declared(
    status: int, body: Any, outcome: str, reason: str
) -> None:
    """Reasons are a bounded set; the status alone decides between rejected and deferred."""
    result = delivered(answer(status, body))

    assert (result.outcome, result.reason) == (outcome, reason)


@pytest.mark.parametrize(
    ("headers", "outcome", "reason"),
    [
        pytest.param({"Sinks-Outcome": "relayed"}, "relayed", None, id="relayed"),
        pytest.param(
            {"Sinks-Outcome": "ignored", "Sinks-Reason": "redirect"},
            "ignored",
            "redirect",
            id="ignored",
        ),
        pytest.param({"Sinks-Outcome": "ignored"}, "ignored", None, id="ignored without reason"),
        pytest.param(
            {"Sinks-Outcome": "ignored", "Sinks-Reason": "because"},
            "ignored",
            None,
            id="undeclared reason",
        ),
        pytest.param({"Sinks-Outcome": "done"}, "relayed", None, id="unknown outcome"),
        pytest.param({"Sinks-Outcome": ""}, "relayed", None, id="empty outcome"),
    ],
)
def test_outcome_of_an_empty_2xx_is_what_our_sinks_say(
    headers: dict[str, str], outcome: str, reason: str | None
) -> None:
    """Our own sinks tell which 202 it is; whoever says nothing has taken the event."""
    result = delivered(answer(202, b"", headers))

    assert (result.outcome, result.reason) == (outcome, reason)


@pytest.mark.parametrize("said", ["replied", "rejected", "deferred"])
def test_outcome_that_contradicts_an_empty_2xx_does_not_count(said: str) -> None:
    """The status decides: 2xx has taken the event, and without an event nothing was replied."""
    result = delivered(answer(202, b"", {"Sinks-Outcome": said}))

    assert result.outcome == "relayed"


# Replies.


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param({"Content-Type": "text/html; charset=utf-8"}, b"", id="text/html"),
        pytest.param(JSON, b"", id="application/json"),
        pytest.param({"ce-foo": "x"}, b"", id="a stray ce- header"),
    ],
)
def test_reply_that_is_empty_is_none(headers: dict[str, str], body: bytes) -> None:
    """An empty 2xx is no reply, whatever its content type."""
    result = delivered(answer(200, body, headers))

    assert (result.outcome, result.reason, result.reply) == ("relayed", None, None)


NOT_EVENTS = [
    pytest.param({}, b"OK", id="OK"),
    pytest.param(JSON, b"{}", id="empty object"),
    pytest.param(JSON, b'{"score": 1}', id="object"),
    pytest.param({"Content-Type": "text/html"}, b"<html></html>", id="HTML"),
    pytest.param({}, b"\n", id="newline"),
    pytest.param(JSON, structured()[1], id="an event as application/json"),
    pytest.param(
        {"Content-Type": "application/cloudevents"},
        structured()[1],
        id="an event as application/cloudevents",
    ),
    pytest.param(*binary(ce_specversion=None), id="no specversion"),
    pytest.param(*binary(b"", ce_specversion=None), id="no specversion, empty"),
    pytest.param(*binary(ce_specversion="1.0.2"), id="specversion 1.0.2"),
    pytest.param(*binary(b"", ce_specversion="1.0.2"), id="specversion 1.0.2, empty"),
    pytest.param({"ce-foo": "x"}, b"{}", id="a stray ce- header"),
    pytest.param(*structured(specversion="1.0.2"), id="structured specversion 1.0.2"),
    pytest.param(*structured(specversion=...), id="structured without specversion"),
    pytest.param(STRUCTURED, b"{", id="structured, invalid JSON"),
    pytest.param(STRUCTURED, b"", id="structured, empty"),
    pytest.param(STRUCTURED, b"[]", id="structured, an array"),
    pytest.param(
        {"Content-Type": "application/cloudevents-batch+json"},
        f"[{structured()[1]}]",
        id="batch of one",
    ),
    pytest.param({"Content-Type": "application/cloudevents-batch+json"}, b"[]", id="empty batch"),
    pytest.param(*binary(ce_source="/%zz"), id="source with a broken escape"),
    pytest.param(*structured(source="/%zz"), id="structured source with a broken escape"),
    pytest.param(*binary(ce_source="1:2"), id="source with a colon in the first segment"),
    pytest.param(*binary(ce_time="yesterday"), id="time that is none"),
    pytest.param(*binary(ce_time="2026-09-23T10:00:00"), id="time without zone"),
    pytest.param(*binary(ce_time="2026-09-23t10:00:00Z"), id="time with t"),
    pytest.param(*binary(ce_time="2026-09-23T10:00:00z"), id="time with z"),
    pytest.param(*binary(ce_time="2026-09-23 10:00:00Z"), id="time with a space"),
    pytest.param(*structured(time="2026-09-23T10:00:00z"), id="structured time with z"),
    pytest.param(*binary(ce_datacontenttype="application/json"), id="ce-datacontenttype"),
    pytest.param(*binary(ce_foo_bar="x"), id="ce-foo-bar"),
    pytest.param(binary()[0] | {"ce-foo_bar": "x"}, b"{}", id="ce-foo_bar"),
    pytest.param(*structured(my_ext="x"), id="structured my_ext"),
    pytest.param(*structured(ext=5_000_000_000), id="extension over 32 bits"),
    pytest.param(*structured(ext={"a": 1}), id="extension that is an object"),
    pytest.param(*structured(ext=[1]), id="extension that is a list"),
    pytest.param(*structured(id=5), id="id that is a number"),
    pytest.param(*structured(datacontenttype="text/plain"), id="text/plain with an object"),
    pytest.param(*structured(datacontenttype="application/vnd.x+json"), id="+json with an object"),
    pytest.param(
        *structured(datacontenttype="application/vnd.x+json", data=[1]), id="+json with a list"
    ),
    pytest.param(*structured(ext=0.97), id="extension that is a fraction"),
    pytest.param(*structured(data_base64="e30="), id="both data and data_base64"),
    pytest.param(*structured(myExt="x"), id="structured myExt"),
    pytest.param(*binary(ce_data="x"), id="ce-data"),
    pytest.param(*structured(subject="a\nb"), id="newline in an attribute"),
    pytest.param(*binary(b"{"), id="binary, invalid JSON"),
]


@pytest.mark.parametrize(("headers", "body"), NOT_EVENTS)
def test_reply_that_is_no_event_is_deferred(headers: Mapping[str, str], body: bytes | str) -> None:
    """What Knative's filter answers with 502, loses silently or accepts with another meaning is
    not taken for delivered here."""
    result = delivered(answer(200, body, headers))

    assert (result.outcome, result.reason) == ("deferred", "upstream_bad_answer")
    assert result.reply is None


INVALID = [
    *(
        pytest.param(*binary(b"{}", **{f"ce_{name}": value}), id=f"binary {what} {name}")
        for name in ("id", "type", "source")
        for what, value in (("without", None), ("with an empty", ""))
    ),
    *(
        pytest.param(*structured(**{name: value}), id=f"structured {what} {name}")
        for name in ("id", "type", "source")
        for what, value in (("without", ...), ("with an empty", ""), ("with null as", None))
    ),
    pytest.param(*binary(ce_dataschema="/x"), id="relative dataschema"),
    pytest.param(*structured(dataschema="x/y:z"), id="structured relative dataschema"),
    pytest.param(*binary(Content_Type="x;;;=y"), id="content type that cannot be read"),
    pytest.param(*binary(ce_source="/a b"), id="source with a space"),
    pytest.param(*structured(subject="Café"), id="structured non-ASCII subject"),
    pytest.param(*binary(ce_subject="Caf\xc3\xa9"), id="binary non-ASCII subject"),
    pytest.param(*binary(ce_subject="Caf%C3%A9"), id="percent-encoded subject"),
    pytest.param(*structured(ext="50%"), id="percent in an extension"),
    pytest.param(*structured(ext="x" * 2049), id="extension of 2049 characters"),
]


@pytest.mark.parametrize(("headers", "body"), INVALID)
def test_reply_that_an_ingress_would_refuse_is_rejected(
    headers: Mapping[str, str], body: bytes | str
) -> None:
    """Repeating the call would bring the same reply: it fails for good."""
    result = delivered(answer(200, body, headers))

    assert (result.outcome, result.reason) == ("rejected", "invalid_reply")
    assert result.reply is None


ACCEPTED = [
    pytest.param(*binary(), {}, id="binary"),
    pytest.param(*structured(), {"datacontenttype": "application/json"}, id="structured"),
    pytest.param(
        STRUCTURED | {"ce-id": "other", "ce-specversion": "0.3"},
        structured()[1],
        {"id": "r"},
        id="structured wins over ce- headers",
    ),
    pytest.param(
        {"Content-Type": "Application/CloudEvents+JSON; charset=utf-8"},
        structured()[1],
        {"id": "r"},
        id="structured in another case, with parameters",
    ),
    pytest.param(
        *binary("<p>", Content_Type="text/html"), {"datacontenttype": "text/html"}, id="text/html"
    ),
    pytest.param(
        *binary(Content_Type="application/json; charset=utf-8"),
        {"datacontenttype": "application/json; charset=utf-8"},
        id="content type with a parameter",
    ),
    pytest.param(*structured(ext=True), {"ext": "true"}, id="extension that is a boolean"),
    pytest.param(*structured(ext=5), {"ext": "5"}, id="extension that is an integer"),
    pytest.param(*structured(ext=None), {"ext": None}, id="extension that is null"),
    pytest.param(*binary(ce_time="2026-09-23T10:00:00.5+01:00"), {}, id="time with an offset"),
    pytest.param(*binary(ce_dataschema="http://x/y"), {"dataschema": "http://x/y"}, id="schema"),
    pytest.param(*binary(ce_source="urn:x:y"), {"source": "urn:x:y"}, id="absolute source"),
    pytest.param(*structured(data=...), {}, id="structured without data"),
    pytest.param(
        *structured(data=..., data_base64="AP8=", datacontenttype="application/x"),
        {"datacontenttype": "application/x"},
        id="data_base64",
    ),
    pytest.param(
        *structured(data="{}", datacontenttype="application/vnd.x+json"),
        {"datacontenttype": "application/vnd.x+json"},
        id="+json with text",
    ),
]


@pytest.mark.parametrize(("headers", "body", "attributes"), ACCEPTED)
def test_reply_that_is_an_event_can_be_delivered_on(
    headers: Mapping[str, str], body: bytes | str, attributes: dict[str, str | None]
) -> None:
    """Whatever is accepted as a reply reaches the next subscriber as the same event."""
    result = delivered(answer(200, body, headers))

    assert (result.outcome, result.reason) == ("replied", None)
    assert result.reply is not None
    for name, value in attributes.items():
        assert result.reply.get(name) == value
    got = request(result.reply)
    again = cloudevent.decode(got.headers, got.body)
    assert again.attributes == result.reply.attributes
    assert (again.data, again.mode) == (result.reply.data, result.reply.mode)


@pytest.mark.parametrize(
    "form",
    [
        binary(ce_knativebrokerttl="255", ce_knativeerrordest="x", ce_kept="y"),
        structured(knativebrokerttl=255, knativearrivaltime="x", kept="y"),
    ],
    ids=["binary", "structured"],
)
def test_reply_with_knatives_own_attributes_loses_them(
    form: tuple[dict[str, str], bytes | str],
) -> None:
    """A subscriber does not decide how far its reply may travel."""
    headers, body = form
    result = delivered(answer(200, body, headers))

    assert result.reply is not None
    assert not [name for name in result.reply.attributes if name.startswith("knative")]
    assert result.reply.get("kept") == "y"


def test_reply_headers_that_are_no_attributes_are_dropped() -> None:
    """Only the event travels on: no trace header, no header of the subscriber's."""
    headers, body = binary()
    result = delivered(answer(200, body, headers | {"X-Custom": "x", "Traceparent": TRACE}))

    assert result.reply is not None
    assert result.reply.attributes.keys() == {"id", "source", "type", "datacontenttype"}


def test_reply_with_a_repeated_header_is_taken_with_the_first() -> None:
    """As Knative's code does, which is in Go."""
    headers, _ = binary(ce_foo="one")
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    again = "ce-foo: two\r\nce-id: other\r\nContent-Type: text/plain\r\n"
    head = f"HTTP/1.1 200 OK\r\n{lines}{again}Content-Length: 2\r\n\r\n"

    result = delivered(_raw(head.encode() + b"{}"))

    assert result.reply is not None
    assert (result.reply.get("foo"), result.reply.id) == ("one", "r")
    assert result.reply.get("datacontenttype") == "application/json"


def test_reply_keeps_the_event_that_was_delivered_beside_it() -> None:
    """The outcome names both: what went out and what came back."""
    sent = event()
    headers, body = structured()
    result = delivered(answer(200, body, headers), sent)

    assert result.event is sent
    assert result.reply is not None
    assert result.reply.mode == "structured"


@pytest.mark.parametrize("levels", [253, 260, 1000])
@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_reply_that_nests_deeply_is_judged_and_raises_nothing(
    levels: int, mode: cloudevent.Mode
) -> None:
    """JSON that can be read but not written again fails by itself, not the whole request."""
    nested = "[" * levels + "]" * levels
    if mode == "binary":
        headers, body = binary(f'{{"a": {nested}}}')
    else:
        headers, body = STRUCTURED, json.dumps({**REPLY, "data": 0}).replace("0}", f"{nested}}}")
    first = delivered(answer(200, body, headers))

    last = first if first.reply is None else delivered(answer(202), first.reply)

    assert last.outcome in ("relayed", "rejected", "deferred")
