"""Where an event goes when an address of EventGate does not take it, and how often it is sent.

The transport is scripted; sockets are for tests/contract/test_eventgate_failover.py.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest

from sinks.deadline import Deadline
from sinks.errors import (
    BadAnswer,
    DeadlineExceeded,
    Rejected,
    SinkError,
    Unavailable,
    error_document,
)
from sinks.eventgates import EventGates
from sinks.http_client import HttpClient
from sinks.http_message import HttpRequest, HttpResponse, UnreadableAnswer
from sinks.http_transport import Sends

DOCUMENT = b'{"meta":{"id":"1"}}'
READ_TIMEOUT = 65.0
Happens = Callable[[HttpRequest, Sends], HttpResponse]


def answers(status: int, body: Any = b"", **headers: str) -> Happens:
    """It answers this."""

    def happens(_request: HttpRequest, _sends: Sends) -> HttpResponse:
        sent = {name.replace("_", "-").lower(): text for name, text in headers.items()}
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        return HttpResponse(status, sent, text)

    return happens


def fails(error: Exception, sent: int) -> Happens:
    """It fails like this after so many sends that it did not answer."""

    def happens(_request: HttpRequest, sends: Sends) -> HttpResponse:
        sends.unanswered += sent
        raise error

    return happens


def errored(message: str) -> dict[str, Any]:
    return {"invalid": [], "error": [{"status": "error", "context": {"message": message}}]}


TAKEN = answers(201)
REFUSED = fails(ConnectionError("connecting to it: refused"), 0)
NO_CONNECTION = fails(TimeoutError("connecting to it"), 0)
RESET = fails(ConnectionError("it: reset"), 1)
RESET_TWICE = fails(ConnectionError("it: reset"), 2)
HANGS = fails(TimeoutError("waiting for it"), 1)
KAFKA = answers(500, errored("Local: Message timed out"))
NO_SCHEMA = answers(500, errored("Failed loading schema at /a/1.0.0"))


@dataclass
class Scene:
    """EventGates whose addresses a, b, ... behave as their scripts say, the last entry for ever.

    asked:    the hosts, one for each call. patience: the seconds that each call was given.
    """

    scripts: list[list[Happens]]
    asked: list[str] = field(default_factory=list)
    patience: list[float] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    avoided: dict[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._hosts = "abcdef"[: len(self.scripts)]
        self.eventgates = EventGates(
            HttpClient("eventgate", self, read_timeout_seconds=READ_TIMEOUT),  # type: ignore[arg-type]  # has its `send`
            [f"http://{host}/v1/events" for host in self._hosts],
            avoid_seconds=30,
            silent_seconds=2,
            avoided=self.avoided.__setitem__,
        )

    def send(self, request: HttpRequest, deadline: Deadline, sends: Sends) -> HttpResponse:
        host = urlsplit(request.url).hostname or ""
        self.asked.append(host)
        assert len(self.asked) < 100, "the same event goes out for ever"
        self.patience.append(deadline.remaining())
        self.bodies.append(request.body)
        script = self.scripts[self._hosts.index(host)]
        return (script.pop(0) if len(script) > 1 else script[0])(request, sends)

    def post(self, seconds: float = 140) -> None:
        self.eventgates.post(DOCUMENT, {}, Deadline.after(seconds))

    def error(self, seconds: float = 140) -> SinkError:
        with pytest.raises(SinkError) as raised:
            self.post(seconds)
        return raised.value


def scene(*scripts: Happens | list[Happens]) -> Scene:
    return Scene([[*script] if isinstance(script, list) else [script] for script in scripts])


MOVES_ON = {
    "refused": REFUSED,
    "no_connection": NO_CONNECTION,
    "reset": RESET,
    "hangs": HANGS,
    "kafka": KAFKA,
    "no_schema": NO_SCHEMA,
    "truncated_500": answers(500, b'{"error": [{"context": {"message": "is not allowed in stream'),
    "413": answers(413),
    **{str(status): answers(status) for status in (200, 401, 403, 404, 408, 429, 502, 503, 504)},
}
ONLY_THIS_EVENT = ("no_schema", "413")


@pytest.mark.parametrize("first", MOVES_ON.values(), ids=MOVES_ON)
def test_event_first_cannot_take_it_goes_to_the_second_unchanged(first: Happens) -> None:
    """The next address gets the same bytes, hence the same meta.id."""
    it = scene(first, TAKEN)

    it.post()

    assert it.asked == ["a", "b"]
    assert it.bodies == [DOCUMENT, DOCUMENT]


@pytest.mark.parametrize("first", [name for name in MOVES_ON if name not in ONLY_THIS_EVENT])
def test_event_after_the_first_failed_goes_to_the_second_at_once(first: str) -> None:
    """One that failed is avoided: the next event does not wait for it again."""
    it = scene(MOVES_ON[first], TAKEN)

    it.post()
    it.post()

    assert it.asked == ["a", "b", "b"]
    assert it.avoided == {"a": True, "b": False}


@pytest.mark.parametrize("first", ONLY_THIS_EVENT)
def test_event_that_alone_is_not_taken_makes_nobody_avoided(first: str) -> None:
    """A stream whose schema is missing does not move all the other streams elsewhere."""
    it = scene(MOVES_ON[first], TAKEN)

    it.post()

    assert it.avoided == {"a": False, "b": False}


PERMANENT = {
    "400": answers(400),
    "400_invalid": answers(400, {"invalid": [{"context": {"errorsText": "'.dt'"}}]}),
    "not_allowed": answers(500, errored("Schema x is not allowed in stream y")),
    "no_schema_named": answers(500, errored("$schema were missing and could not be extracted.")),
    "kafka_too_large": answers(500, errored("Broker: Message size too large")),
    "internal_error": answers(500, {"type": "internal_error", "title": "PayloadTooLargeError"}),
}


@pytest.mark.parametrize("first", PERMANENT.values(), ids=PERMANENT)
def test_event_at_fault_is_rejected_without_asking_another(first: Happens) -> None:
    """What one EventGate never takes no other one takes; and it has shown that it works."""
    it = scene(first, TAKEN)

    error = it.error()

    assert (type(error), error.reason) == (Rejected, "rejected_by_eventgate")
    assert it.asked == ["a"]
    assert it.avoided == {"a": False, "b": False}


CANNOT_BE_READ = {
    "202": answers(202),
    "207": answers(207, {"invalid": []}),
    "302": answers(302, Location="/v1/events?hasty=true"),
    "garbage": fails(UnreadableAnswer("BadStatusLine"), 1),
}


@pytest.mark.parametrize("first", CANNOT_BE_READ.values(), ids=CANNOT_BE_READ)
def test_event_answer_that_cannot_be_read_is_deferred_and_repeated_elsewhere(
    first: Happens,
) -> None:
    """It may have been taken, so it goes nowhere else now; its redelivery asks another address."""
    it = scene(first, TAKEN)

    error = it.error()
    asked = list(it.asked)
    it.post()

    assert (type(error), error.reason) == (BadAnswer, "upstream_bad_answer")
    assert asked == ["a"]
    assert it.asked == ["a", "b"]


# --- how often it is sent ------------------------------------------------------------------------


REPEATS: dict[str, tuple[list[Happens | list[Happens]], str, bool]] = {
    "alone_reset": ([RESET], "aa", False),
    "alone_reset_once": ([[RESET, TAKEN]], "aa", True),
    "alone_reset_then_refused": ([[RESET, REFUSED]], "aa", False),
    "alone_hangs": ([HANGS], "a", False),
    "alone_refused": ([REFUSED], "a", False),
    "alone_both_connections_reset": ([RESET_TWICE], "a", False),
    "reset_reset": ([RESET, RESET, TAKEN], "ab", False),
    "reset_hangs": ([RESET, HANGS, TAKEN], "ab", False),
    "hangs_hangs": ([HANGS, HANGS, TAKEN], "ab", False),
    "hangs_and_a_proxy_waited_in_vain": ([HANGS, answers(504), TAKEN], "ab", False),
    "both_connections_reset": ([RESET_TWICE, TAKEN], "a", False),
    "refused_is_not_sent": ([REFUSED, RESET, REFUSED, TAKEN], "abcd", True),
    "all_but_the_last_refused": ([REFUSED, REFUSED, REFUSED, TAKEN], "abcd", True),
    "reset_once_and_the_other_is_dead": ([[RESET, TAKEN], REFUSED], "aba", True),
    "reset_and_the_other_is_dead": ([RESET, REFUSED], "aba", False),
    "reset_then_answered": ([RESET, KAFKA, TAKEN], "abc", True),
    "hangs_and_the_other_is_dead": ([HANGS, REFUSED], "ab", False),
}


@pytest.mark.parametrize("case", REPEATS)
def test_event_unanswered_is_sent_once_more_at_most(case: str) -> None:
    """Whatever comes together, no event can be published more than twice."""
    scripts, asked, relayed = REPEATS[case]
    it = scene(*scripts)

    if relayed:
        it.post()
    else:
        assert it.error().outcome == "deferred"

    assert "".join(it.asked) == asked


# --- how long it may take ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "addresses", "patience"),
    [
        (140, 1, [65]),
        (10, 1, [10]),
        (140, 2, [65, 65]),
        (10, 2, [5, 10]),
        (9, 3, [3, 4.5, 9]),
    ],
)
def test_time_each_try_leaves_a_share_for_the_others(
    seconds: float, addresses: int, patience: list[float]
) -> None:
    """Nothing passes here while they are tried, so the last one is given all of it."""
    it = scene(*[NO_CONNECTION] * addresses)

    it.error(seconds)

    assert it.patience == pytest.approx(patience, abs=0.5)


def test_time_avoided_ones_share_what_is_left() -> None:
    """When all have failed lately, none of them takes the time of the others."""
    it = scene(NO_CONNECTION, NO_CONNECTION)
    it.error(10)

    it.error(10)

    assert it.patience[2:] == pytest.approx([5, 10], abs=0.5)


def test_time_used_up_is_a_deadline_and_asks_nobody() -> None:
    """Our own deadline is 504, whoever was waited for."""
    it = scene(TAKEN, TAKEN)

    error = it.error(-1)

    assert (type(error), error.reason, error.stage) == (DeadlineExceeded, "deadline", "eventgate")
    assert it.asked == []


# --- what the sender and the log are told ------------------------------------------------------


@pytest.mark.parametrize(
    ("scripts", "reason"),
    [
        ([REFUSED, REFUSED], "upstream_unavailable"),
        ([HANGS, NO_CONNECTION], "upstream_timeout"),
        ([KAFKA, answers(503)], "eventgate_failed"),
        ([REFUSED, answers(503)], "eventgate_failed"),
        ([HANGS, RESET], "eventgate_failed"),
    ],
)
def test_error_of_all_names_each_and_what_it_did(scripts: list[Happens], reason: str) -> None:
    """The reason that all have in common, else `eventgate_failed`; and what to do."""
    error = scene(*scripts).error()

    assert (type(error), error.reason, error.stage) == (Unavailable, reason, "eventgate")
    assert error.detail.startswith("a: ")
    assert "; b: " in error.detail
    assert error.detail.endswith("repeat later")


def test_error_of_all_passes_on_the_last_retry_after() -> None:
    """Who repeats it earlier meets the same."""
    it = scene(answers(503, Retry_After="7"), answers(429, Retry_After="11"), REFUSED)

    assert it.error().retry_after == "11"


def test_error_of_many_addresses_is_bounded() -> None:
    """An answer's body stays small, however long the names and texts are."""
    long = fails(ConnectionError("x" * 10_000), 0)

    body = error_document(scene(*[long] * 6).error(), "1" * 128)

    assert len(body) <= 768


def test_log_of_an_avoided_address_is_one_line_and_one_when_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A WARNING and an INFO; events say nothing of it."""
    caplog.set_level(logging.INFO, "sinks")
    it = scene([REFUSED, TAKEN], [TAKEN, TAKEN, TAKEN, REFUSED])

    for _ in range(5):
        it.post()

    lines = [(record.levelname, record.fields["detail"][:2]) for record in caplog.records]  # type: ignore[attr-defined]  # our own
    assert lines == [("WARNING", "a:"), ("WARNING", "b:"), ("INFO", "a:")]
    assert it.avoided == {"a": False, "b": True}
