"""Two addresses of EventGate, either of which may be dead, hang, lie or be back at any time.

A real egress-sink before two scripted upstreams, or before a real local EventGate that starts late.
Times are a hundredth of production's; docs/staging.md says what that means there.
"""

from __future__ import annotations

import itertools
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sinks.local.processes import Server, listen, serving
from sinks.local.processes import gunicorn as command
from tests.factories import SCORE_TYPE, binary, revision_score
from tests.failing import close, cut_off, drip, hang, reset
from tests.processes import Running, gunicorn
from tests.upstream import Behave, Received, Reply, Upstream, answer, call

pytestmark = pytest.mark.alone
APP = "sinks.egress_sink:create_app()"
CONNECT, READ, AVOID = 0.3, 1.2, 0.6
SLACK = 1.0  # of a busy machine; who has waited for nothing is quicker than READ
TIMES = {
    "EVENTGATE_CONNECT_TIMEOUT_SECONDS": str(CONNECT),
    "EVENTGATE_READ_TIMEOUT_SECONDS": str(READ),
    "EVENTGATE_AVOID_SECONDS": str(AVOID),
}
TAKEN = answer(201)
STREAM = "mediawiki.revision_score_drafttopic"
KAFKA = {"invalid": [], "error": [{"context": {"message": "Local: Message timed out"}}]}


def garbage(_received: Received, sock: socket.socket) -> None:
    sock.sendall(b"\x00\xff\x00 this is not HTTP\r\n\r\n")


# --- a sink and its two addresses ---------------------------------------------------------------


@dataclass(frozen=True)
class Delivered:
    """One delivery: its answer, and how long that took."""

    reply: Reply
    seconds: float
    meta_id: str


@dataclass
class Pair:
    """An egress-sink with the addresses `first` and `second`, in this order."""

    sink: Running
    first: Upstream
    second: Upstream
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def deliver(self, headers: dict[str, str] | None = None) -> Delivered:
        """Deliver an event that nobody has seen before."""
        number = next(self._numbers)
        meta_id = f"event-{number}"
        own, body = binary(revision_score(meta={"id": meta_id}), type=SCORE_TYPE, id=meta_id)
        begun = time.monotonic()
        reply = call(self.sink.port, "/", {**own, **(headers or {})}, body)
        return Delivered(reply, time.monotonic() - begun, meta_id)

    def deliver_until_seen(self, upstream: Upstream) -> None:
        """Deliver until this address is asked."""
        end = time.monotonic() + 10
        seen = len(upstream.received)
        while len(upstream.received) == seen:
            assert time.monotonic() < end
            assert self.deliver().reply.status == 202
            time.sleep(0.02)

    def metric(self, name: str) -> float:
        """Return the sum of a metric's samples."""
        text = call(self.sink.port, "/metrics", method="GET").body.decode()
        found = [line.split()[1] for line in text.splitlines() if line.startswith(name + "{")]
        return sum(map(float, found))

    def told(self) -> list[tuple[str, str]]:
        """Return level and text of the log lines about the first address."""
        lines = [json.loads(line) for line in self.sink.log.splitlines() if line.startswith("{")]
        return [
            (line["level"], line["message"])
            for line in lines
            if line.get("detail", "").startswith(f"127.0.0.1:{self.first.port}: ")
            and line["message"].startswith("EventGate ")
        ]


def ids(upstream: Upstream) -> list[str]:
    return [received.json()["meta"]["id"] for received in upstream.received]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with Upstream(TAKEN) as first, Upstream(TAKEN) as second:
        urls = {"EVENTGATE_URLS": f"{first.url}/v1/events,{second.url}/v1/events"}
        with gunicorn(APP, urls | TIMES, tmp_path_factory.mktemp("failover")) as sink:
            yield Pair(sink, first, second)


@pytest.fixture
def pair(shared: Pair) -> Pair:
    """Both addresses work, and the first one is where it belongs."""
    shared.first.behave = shared.second.behave = TAKEN
    shared.deliver_until_seen(shared.first)
    shared.first.received.clear()
    shared.second.received.clear()
    return shared


# --- the first address fails --------------------------------------------------------------------

FAILS: dict[str, tuple[Behave, float]] = {
    "hangs": (hang, READ),
    "drips": (drip, READ),
    "reset": (reset, 0),
    "closed": (close, 0),
    "500_kafka": (answer(500, KAFKA), 0),
    "503": (answer(503, b"no healthy upstream"), 0),
    "404": (answer(404, b"<html>"), 0),
}


@pytest.mark.parametrize("case", FAILS)
def test_first_fails_event_goes_to_the_second_and_first_is_avoided(pair: Pair, case: str) -> None:
    """The same bytes go to both; only the first event waits; later the first is used again."""
    behave, wait = FAILS[case]
    pair.first.behave = behave

    one, another = pair.deliver(), pair.deliver()
    asked = [[received.body for received in up.received] for up in (pair.first, pair.second)]
    pair.first.behave = TAKEN
    pair.deliver_until_seen(pair.first)
    back = pair.deliver()

    assert [each.reply.status for each in (one, another, back)] == [202, 202, 202]
    assert wait - 0.05 <= one.seconds < wait + SLACK
    assert another.seconds < SLACK
    assert set(asked[0]) == {asked[1][0]}
    assert len(asked[1]) == 2
    assert back.meta_id in ids(pair.first)
    assert back.meta_id not in ids(pair.second)


@pytest.mark.parametrize("behave", [garbage, cut_off, answer(207, KAFKA), answer(202)])
def test_first_answers_what_cannot_be_read_redelivery_goes_to_the_second(
    pair: Pair, behave: Behave
) -> None:
    """It may have taken the event, so that is deferred; but it is not asked again at once."""
    pair.first.behave = behave

    one, another = pair.deliver(), pair.deliver()

    assert (one.reply.status, one.reply.json()["reason"]) == (502, "upstream_bad_answer")
    assert another.reply.status == 202
    assert ids(pair.second) == [another.meta_id]


def test_second_dead_is_not_noticed_while_the_first_works(pair: Pair) -> None:
    """Nobody asks an address that is not needed."""
    pair.second.behave = reset

    replies = [pair.deliver().reply.status for _ in range(10)]

    assert replies == [202] * 10
    assert (len(pair.first.received), len(pair.second.received)) == (10, 0)


def test_both_fail_is_deferred_naming_both_and_works_as_soon_as_one_does(pair: Pair) -> None:
    """There is never nothing left to try, however many are avoided."""
    pair.first.behave = answer(503, b"", {"Retry-After": "7"})
    pair.second.behave = answer(500, KAFKA)
    failed = pair.deliver().reply
    pair.second.behave = TAKEN
    relayed = pair.deliver().reply

    assert (failed.status, failed.headers["Retry-After"]) == (503, "7")
    error = failed.json()
    assert error["reason"] == "eventgate_failed"
    for upstream in (pair.first, pair.second):
        assert f"127.0.0.1:{upstream.port}: EventGate answered 50" in error["detail"]
    assert relayed.status == 202


def test_first_hangs_short_deadline_of_the_caller_leaves_time_for_the_second(pair: Pair) -> None:
    """Who gives little time still gets a second try within it."""
    pair.first.behave = hang

    delivered = pair.deliver({"Event-Timeout-Ms": "1000"})

    assert delivered.reply.status == 202
    assert 0.45 < delivered.seconds < 1.0


def test_both_hang_callers_deadline_is_504(pair: Pair) -> None:
    """Our own time is used up, wherever it went; two sends are as many as one event gets."""
    pair.first.behave = pair.second.behave = hang

    delivered = pair.deliver({"Event-Timeout-Ms": "800"})

    assert (delivered.reply.status, delivered.reply.json()["reason"]) == (504, "deadline")
    assert 0.75 < delivered.seconds < 0.8 + SLACK
    assert ids(pair.first) == ids(pair.second) == [delivered.meta_id]


def test_resets_everywhere_send_an_event_twice_at_most_and_count_it(pair: Pair) -> None:
    """Two sends without an answer, one of them counted as sent again; then the sender decides."""
    pair.first.behave = pair.second.behave = reset
    before = pair.metric("sinks_resent_total")

    delivered = pair.deliver()

    assert (delivered.reply.status, delivered.reply.json()["reason"]) == (
        503,
        "upstream_unavailable",
    )
    assert len(pair.first.received) + len(pair.second.received) == 2
    assert len({each.body for each in pair.first.received + pair.second.received}) == 1
    assert pair.metric("sinks_resent_total") == before + 1


def test_avoidance_is_told_once_when_it_begins_and_once_when_it_is_over(pair: Pair) -> None:
    """A WARNING and an INFO line and a gauge, however many events there are meanwhile."""
    before = len(pair.told())
    pair.first.behave = answer(503)

    for _ in range(20):
        pair.deliver()
    avoided = pair.metric("sinks_eventgate_avoided")
    pair.first.behave = TAKEN
    pair.deliver_until_seen(pair.first)

    assert (avoided, pair.metric("sinks_eventgate_avoided")) == (1, 0)
    assert pair.told()[before:] == [
        ("WARNING", f"EventGate behind the others for {AVOID} s"),
        ("INFO", "EventGate back in its place"),
    ]


# --- many events, measured ----------------------------------------------------------------------


def test_first_hangs_among_many_events_few_wait_and_all_are_relayed(pair: Pair) -> None:
    """200 events, eight at a time: those on their way when it begins wait, and one for each trial.

    None is published twice, because what hangs has taken nothing.
    """
    pair.first.behave = hang
    begun = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: pair.deliver(), range(200)))
    trials = (time.monotonic() - begun) / (READ + AVOID)

    waited, longest = ids(pair.first), max(each.seconds for each in done)
    print(f"first hangs: {len(waited)} of {len(done)} waited, {longest:.2f} s at most")
    assert {each.reply.status for each in done} == {202}
    assert sorted(ids(pair.second)) == sorted(each.meta_id for each in done)
    assert len(waited) <= 8 + trials + 1
    assert longest < READ + SLACK


def test_first_hangs_events_that_come_later_do_not_wait_for_its_time_out(pair: Pair) -> None:
    """What owes answers and gives none gets no more events, long before the first one gives up."""
    pair.first.behave = hang
    with ThreadPoolExecutor(1) as pool:
        one = pool.submit(pair.deliver)
        time.sleep(CONNECT + 0.1)
        others = [pair.deliver() for _ in range(10)]
        still_waiting = not one.done()

    assert still_waiting
    assert max(each.seconds for each in others) < READ / 2
    assert [each.reply.status for each in (one.result(), *others)] == [202] * 11
    assert ids(pair.first) == [one.result().meta_id]


def test_first_comes_and_goes_all_events_are_relayed_at_least_once(pair: Pair) -> None:
    """Working, resetting, hanging and failing in turn under load: nothing is lost or deferred.

    What was produced more than once, was so twice at most.
    """
    phases: list[Behave] = [TAKEN, reset, TAKEN, hang, TAKEN, answer(503), TAKEN, drip, TAKEN]
    done: list[Delivered] = []
    end = time.monotonic() + len(phases) * READ

    def run() -> None:
        while time.monotonic() < end:
            done.append(pair.deliver())
            time.sleep(0.01)

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(run) for _ in range(4)]
        for phase in phases:
            pair.first.behave = phase
            time.sleep(READ)
        for each in running:
            each.result()

    received = ids(pair.first) + ids(pair.second)
    waited = [each.seconds for each in done if each.seconds > READ / 2]
    print(f"first comes and goes: {len(waited)} of {len(done)} waited, {max(waited):.2f} s at most")
    assert {each.reply.status for each in done} == {202}
    assert set(received) >= {each.meta_id for each in done}
    assert max(received.count(each.meta_id) for each in done) <= 2
    assert len(pair.first.received) > len(done) / 10


# --- nobody listens, then a real EventGate does -------------------------------------------------


def test_first_is_dead_and_starts_later_events_follow_it(tmp_path: Path) -> None:
    """Refused connections cost nothing; once it is there it gets the events, each of them once."""
    with socket.socket() as nobody, Upstream(TAKEN) as second:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        port = nobody.getsockname()[1]
        urls = f"http://127.0.0.1:{port}/v1/events,{second.url}/v1/events"
        with gunicorn(APP, {"EVENTGATE_URLS": urls, **TIMES}, tmp_path) as sink:
            pair = Pair(sink, second, second)
            dead = [pair.deliver() for _ in range(20)]
            nobody.close()
            app = f'sinks.local.eventgate:create_app("{tmp_path}/topics")'
            server = Server("eventgate", command(app), {}, "/_info")
            with serving(server, listen(port), tmp_path):
                topic = tmp_path / "topics" / f"dev.{STREAM}.ndjson"
                end = time.monotonic() + 10
                while not (topic.exists() and topic.read_bytes()):
                    assert time.monotonic() < end
                    assert pair.deliver().reply.status == 202
                alive = [pair.deliver() for _ in range(20)]
                produced = produced_ids(topic)

    assert [each.reply.status for each in dead + alive] == [202] * 40
    assert max(each.seconds for each in dead) < SLACK
    assert produced[-20:] == [each.meta_id for each in alive]
    assert not set(produced) & set(ids(second))


def produced_ids(topic: Path) -> list[str]:
    events: list[dict[str, Any]] = [json.loads(line) for line in topic.read_bytes().splitlines()]
    return [event["meta"]["id"] for event in events]
