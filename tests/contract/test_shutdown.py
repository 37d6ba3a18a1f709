"""SIGTERM under load: what is in flight is answered, and what was acknowledged is at EventGate."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.factories import page_change
from tests.lone_sink import GOOD, NAMES, PATHS, Client, event, lone_sink
from tests.processes import Running, gunicorn
from tests.stopping import NOT_TAKEN, is_refused, wait_until
from tests.upstream import Behave, Received, Reply, Upstream

IN_FLIGHT = 60
CLIENTS = 12
# Within the five seconds that these servers are given to stop.
SLOW_SECONDS = 1.5
WAIT_SECONDS = 20.0


def slowly(behave: Behave, seconds: float = SLOW_SECONDS) -> Behave:
    """The same behaviour after some time."""

    def slow(received: Received, sock: socket.socket) -> bool | None:
        time.sleep(seconds)
        return behave(received, sock)

    return slow


@contextmanager
def in_flight(name: str, port: int, upstream: Upstream) -> Iterator[list[Reply]]:
    """Have so many events in the sink; at the end of the block all their answers are there."""

    def send(number: int) -> Reply:
        with Client(port) as client:
            return client.send(PATHS[name], *event(name, number))

    replies: list[Reply] = []
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        answers = [pool.submit(send, number) for number in range(IN_FLIGHT)]
        wait_until(
            lambda: len(upstream.received) == IN_FLIGHT, "all events are in flight", WAIT_SECONDS
        )
        yield replies
        replies += [answer.result(WAIT_SECONDS) for answer in answers]


@pytest.mark.parametrize("name", NAMES)
def test_sigterm_under_load_answers_everything_in_flight(name: str, tmp_path: Path) -> None:
    """No event in work is cut off: each gets its good answer, and then the process ends well."""
    with Upstream(slowly(GOOD[name])) as upstream, lone_sink(name, upstream, tmp_path) as sink:
        with in_flight(name, sink.port, upstream) as replies:
            sink.process.send_signal(signal.SIGTERM)
        status = sink.process.wait(WAIT_SECONDS)
        log = sink.log

    assert {reply.status for reply in replies} <= {200, 202}
    assert len(replies) == IN_FLIGHT
    assert len(upstream.received) == IN_FLIGHT
    assert status == 0
    assert '"traceback"' not in log


@pytest.mark.parametrize("name", NAMES)
def test_sigterm_kept_connections_are_told_and_still_served(name: str, tmp_path: Path) -> None:
    """While the sink stops, `/readyz` says no, and an event on a connection that its client has
    kept is no lost one: it is answered, and the connection is closed then."""
    with ExitStack() as stack:
        upstream = stack.enter_context(Upstream(slowly(GOOD[name])))
        sink = stack.enter_context(lone_sink(name, upstream, tmp_path))
        probe, sender = (stack.enter_context(Client(sink.port)) for _ in range(2))
        before, health = probe.get("/readyz"), sender.get("/healthz")
        with in_flight(name, sink.port, upstream):
            sink.process.send_signal(signal.SIGTERM)
            # The worker hears of it from gunicorn's other process.
            limit = time.monotonic() + WAIT_SECONDS
            while (after := probe.get("/readyz")).status == 200 and time.monotonic() < limit:
                time.sleep(0.01)
            late = sender.send(PATHS[name], *event(name, IN_FLIGHT))
        status = sink.process.wait(WAIT_SECONDS)

    assert (before.status, health.status) == (200, 200)
    assert (after.status, after.json()) == (503, {"status": "stopping"})
    assert (late.status in (200, 202), late.headers["Connection"]) == (True, "close")
    assert status == 0


def test_sigterm_idle_connection_is_closed_by_its_client_only(tmp_path: Path) -> None:
    """An idle connection may get a request at any moment: it keeps the stopping server for as
    long as its client does, within the grace that the server has."""
    with Upstream(GOOD["score"]) as upstream, lone_sink("score", upstream, tmp_path) as sink:
        with Client(sink.port) as client:
            assert client.get("/healthz").status == 200
            sink.process.send_signal(signal.SIGTERM)
            wait_until(lambda: is_refused(sink.port), "nobody new is let in", WAIT_SECONDS)
            assert client.get("/readyz").status == 503
        status = sink.process.wait(WAIT_SECONDS)

    assert status == 0


@dataclass
class Chain:
    """Shim, score and egress, each a process, and what stands around them."""

    sinks: dict[str, Running]
    eventgate: Upstream
    acknowledged: set[int] = field(default_factory=set)
    others: list[str] = field(default_factory=list)

    def published(self) -> set[int]:
        """The revisions whose scores EventGate has taken."""
        return {received.json()["rev_id"] for received in self.eventgate.received}

    def offer(self, numbers: Iterator[int], stop: threading.Event) -> None:
        """Send changes, one after the other, on connections that are kept while they last."""
        while not stop.is_set():
            with Client(self.sinks["shim"].port) as client:
                try:
                    while not stop.is_set():
                        self._offer(client, next(numbers))
                except (OSError, http.client.HTTPException) as error:
                    self.others.append(type(error).__name__)
                    stop.wait(0.05)

    def _offer(self, client: Client, rev_id: int) -> None:
        change = page_change(meta={"id": f"change-{rev_id}"}, revision={"rev_id": rev_id})
        json_type = {"Content-Type": "application/json"}
        reply = client.send(PATHS["shim"], json_type, json.dumps(change).encode())
        if reply.status == 200:
            assert {each["outcome"] for each in reply.json()["outcomes"]} == {"replied", "relayed"}
            self.acknowledged.add(rev_id)
        else:
            self.others.append(str(reply.status))


@contextmanager
def chain(directory: Path) -> Iterator[Chain]:
    """Run all three, before a predictor and an EventGate that are not in a hurry."""
    with ExitStack() as stack:
        predictor = stack.enter_context(Upstream(slowly(GOOD["score"], 0.2)))
        eventgate = stack.enter_context(Upstream(slowly(GOOD["egress"], 0.1)))

        def run(app: str, **env: str) -> Running:
            return stack.enter_context(
                gunicorn(f"sinks.{app}:create_app()", env, directory / app, ready="/readyz")
            )

        score = run("score_sink", PREDICTOR_URL=predictor.url)
        egress = run("egress_sink", EVENTGATE_URLS=f"{eventgate.url}/v1/events")
        urls = f"score-sink={score.url},egress-sink={egress.url}"
        shim = run("http_shim", SERVICE_URLS=urls, ALLOW_ANONYMOUS="true")
        yield Chain({"score": score, "egress": egress, "shim": shim}, eventgate)


@pytest.mark.parametrize("stopped", NAMES)
def test_sigterm_of_any_sink_loses_nothing_that_was_acknowledged(
    stopped: str, tmp_path: Path
) -> None:
    """Whichever sink stops under load: what the caller was told to be done is at EventGate; all
    else it was told to repeat, or was not told anything."""
    stop, numbers = threading.Event(), iter(range(1300200300, 1300300300))
    with chain(tmp_path) as running, ThreadPoolExecutor(CLIENTS) as pool:
        try:
            offered = [pool.submit(running.offer, numbers, stop) for _ in range(CLIENTS)]
            wait_until(
                lambda: len(running.acknowledged) >= 2 * CLIENTS, "events flow", WAIT_SECONDS
            )
            before = len(running.acknowledged)
            running.sinks[stopped].process.send_signal(signal.SIGTERM)
            wait_until(lambda: len(running.others) >= CLIENTS, "the sink is gone", WAIT_SECONDS)
        finally:
            stop.set()
        for each in offered:
            each.result(WAIT_SECONDS)
        status = running.sinks[stopped].process.wait(WAIT_SECONDS)

    assert running.acknowledged <= running.published()
    assert len(running.acknowledged) > before  # those in flight then
    assert set(running.others) <= {"503", *NOT_TAKEN}
    assert status == 0
