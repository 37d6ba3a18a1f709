"""More events than a sink takes on: the surplus is told so at once, and memory stays bounded."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from sinks.admission import MAX_BYTES
from tests.lone_sink import (
    GOOD,
    NAMES,
    PATHS,
    Client,
    event,
    event_revision,
    lone_sink,
    reason,
)
from tests.processes import Running
from tests.stopping import wait_until
from tests.upstream import Behave, Received, Reply, Upstream

MAX_IN_FLIGHT = 20
CONNECTIONS = 100
LARGE = 100  # connections with a body of MAX_BODY_BYTES each
MAX_BODY_BYTES = 4 * 2**20
# More than an idle sink has: MAX_BYTES of bodies, and what is made of them. Without a limit the
# LARGE bodies alone are 400 MiB.
MOST_MEMORY = 256 * 2**20
WAIT_SECONDS = 30.0
# For 400 MiB to be sent, and most of it to be read in vain, on a machine that has other work.
LONG_WAIT_SECONDS = 150.0


@contextmanager
def gate(behave: Behave) -> Iterator[tuple[Behave, threading.Event]]:
    """The same behaviour, held back until the event is set."""
    release = threading.Event()

    def held(received: Received, sock: socket.socket) -> bool | None:
        release.wait(LONG_WAIT_SECONDS)
        return behave(received, sock)

    try:
        yield held, release
    finally:
        release.set()


def deliver(name: str, port: int, number: int) -> tuple[Reply, float]:
    """Deliver an event on a connection of its own; the answer, and how long it took."""
    begun = time.monotonic()
    with Client(port, WAIT_SECONDS) as client:
        return client.send(PATHS[name], *event(name, number)), time.monotonic() - begun


def peak_bytes(sink: Running) -> int:
    """The most memory that the worker has ever had, of all that the process started."""
    pid = sink.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    peaks = []
    for each in children:
        status = Path(f"/proc/{each}/status").read_text(encoding="ascii")
        peaks += [int(line.split()[1]) for line in status.splitlines() if line[:6] == "VmHWM:"]
    return 1024 * max(peaks)


@pytest.mark.parametrize("name", NAMES)
def test_overload_defers_exactly_the_surplus_at_once(name: str, tmp_path: Path) -> None:
    """Of more events than MAX_IN_FLIGHT, all over it are told to come again after a second, while
    the others are still in work; those are answered well, and then there is room again."""
    env = {"MAX_IN_FLIGHT": str(MAX_IN_FLIGHT)}
    with ExitStack() as stack:
        held, release = stack.enter_context(gate(GOOD[name]))
        upstream = stack.enter_context(Upstream(held))
        sink = stack.enter_context(lone_sink(name, upstream, tmp_path, env))
        pool = stack.enter_context(ThreadPoolExecutor(CONNECTIONS))
        sent = [pool.submit(deliver, name, sink.port, number) for number in range(CONNECTIONS)]
        surplus = CONNECTIONS - MAX_IN_FLIGHT
        wait_until(
            lambda: sum(each.done() for each in sent) == surplus,
            "the surplus is answered",
            WAIT_SECONDS,
        )
        refused = [each.result() for each in sent if each.done()]
        calls = len(upstream.received)
        release.set()
        statuses = Counter(each.result(WAIT_SECONDS)[0].status for each in sent)
        after, _ = deliver(name, sink.port, CONNECTIONS)

    assert {(reply.status, reason(reply)) for reply, _ in refused} == {(503, "overloaded")}
    assert {reply.headers["Retry-After"] for reply, _ in refused} == {"1"}
    assert max(seconds for _, seconds in refused) < 10  # none waited for one in work
    assert calls == MAX_IN_FLIGHT
    assert statuses[503] == surplus
    assert sum(statuses.values()) - statuses[503] == statuses[200] + statuses[202] == MAX_IN_FLIGHT
    assert after.status in (200, 202)


def test_overload_leaves_the_connection_of_a_refused_event_usable(tmp_path: Path) -> None:
    """The body of a refused event is passed over, so its sender can repeat on that connection."""
    headers, body = event("score", 1, padding=300_000)
    with ExitStack() as stack:
        held, release = stack.enter_context(gate(GOOD["score"]))
        upstream = stack.enter_context(Upstream(held))
        sink = stack.enter_context(lone_sink("score", upstream, tmp_path, {"MAX_IN_FLIGHT": "1"}))
        pool = stack.enter_context(ThreadPoolExecutor(1))
        first = pool.submit(deliver, "score", sink.port, 0)
        wait_until(lambda: len(upstream.received) == 1, "one is in work", WAIT_SECONDS)
        with Client(sink.port) as client:
            refused = client.send(PATHS["score"], headers, body)
            release.set()
            assert first.result(WAIT_SECONDS)[0].status == 200
            repeated = client.send(PATHS["score"], headers, body)

    assert (refused.status, refused.headers["Connection"]) == (503, "keep-alive")
    assert repeated.status == 200


def test_overload_parses_nothing_of_a_refused_event(tmp_path: Path) -> None:
    """What is no event at all is deferred like any other while there is no room: it is not looked
    at, so it costs nothing."""
    with ExitStack() as stack:
        held, release = stack.enter_context(gate(GOOD["score"]))
        upstream = stack.enter_context(Upstream(held))
        sink = stack.enter_context(lone_sink("score", upstream, tmp_path, {"MAX_IN_FLIGHT": "1"}))
        pool = stack.enter_context(ThreadPoolExecutor(1))
        first = pool.submit(deliver, "score", sink.port, 0)
        wait_until(lambda: len(upstream.received) == 1, "one is in work", WAIT_SECONDS)
        headers, _ = event("score")
        with Client(sink.port) as client:
            busy = client.send(PATHS["score"], headers, b"{not json")
            release.set()
            first.result(WAIT_SECONDS)
            idle = client.send(PATHS["score"], headers, b"{not json")

    assert (busy.status, reason(busy)) == (503, "overloaded")
    assert (idle.status, reason(idle)) == (400, "malformed_data")


class LargeSenders:
    """Connections that each send event 0 with a body of the largest size.

    statuses:  of the answers so far; 0 for a connection that ended without one.
    """

    def __init__(self, port: int, chunked: bool) -> None:
        _, smallest = event("score", padding=1)
        self._headers, self._body = event("score", padding=MAX_BODY_BYTES - len(smallest) + 1)
        assert len(self._body) == MAX_BODY_BYTES
        self._port, self._chunked = port, chunked
        self.statuses: Counter[int] = Counter()

    def send(self, _: int) -> None:
        """Send one, and count how it was answered."""
        body = iter((self._body,)) if self._chunked else self._body
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=LONG_WAIT_SECONDS)
        try:
            connection.request("POST", PATHS["score"], body, self._headers)
            self.statuses[connection.getresponse().status] += 1
        except (OSError, http.client.HTTPException):
            self.statuses[0] += 1
        finally:
            connection.close()


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
def test_overload_by_large_bodies_keeps_memory_bounded(chunked: bool, tmp_path: Path) -> None:
    """100 senders of 4 MiB each, before a predictor that hangs: as many as fit are in work, all
    others are told to come again, small events go on meanwhile, and memory has its bound."""
    fitting = MAX_BYTES // MAX_BODY_BYTES
    with ExitStack() as stack:
        held, release = stack.enter_context(gate(GOOD["score"]))
        large = event_revision(0)

        def behave(received: Received, sock: socket.socket) -> bool | None:
            each = held if received.json()["rev_id"] == large else GOOD["score"]
            return each(received, sock)

        upstream = stack.enter_context(Upstream(behave))
        env = {"EVENT_DEADLINE_SECONDS": str(LONG_WAIT_SECONDS)}  # those in work stay there
        sink = stack.enter_context(lone_sink("score", upstream, tmp_path, env))
        assert deliver("score", sink.port, 1)[0].status == 200
        idle = peak_bytes(sink)
        senders = LargeSenders(sink.port, chunked)
        pool = stack.enter_context(ThreadPoolExecutor(LARGE))
        sent = [pool.submit(senders.send, number) for number in range(LARGE)]
        wait_until(
            lambda: senders.statuses[503] >= LARGE - fitting,
            "the surplus is answered",
            LONG_WAIT_SECONDS,
        )
        small = [deliver("score", sink.port, number)[0].status for number in range(1, 6)]
        release.set()
        for each in sent:
            each.result(WAIT_SECONDS)
        peak = peak_bytes(sink)

    assert senders.statuses.keys() == {200, 503}
    assert senders.statuses[200] <= fitting
    assert sum(senders.statuses.values()) == LARGE
    assert small == [200] * len(small)
    assert peak - idle < MOST_MEMORY, f"{(peak - idle) / 2**20:.0f} MiB more than idle"


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
def test_overload_by_bodies_that_do_not_come_ends_with_their_time(
    chunked: bool, tmp_path: Path
) -> None:
    """Who says that 4 MiB will come and sends nothing keeps others out only until his time, here
    3 s and otherwise 30, is used up."""
    fitting = MAX_BYTES // MAX_BODY_BYTES
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {MAX_BODY_BYTES}"
    head = f"POST {PATHS['score']} HTTP/1.1\r\nHost: sink\r\n{length}\r\n\r\n".encode()
    headers, body = event("score", padding=300_000)
    statuses = []
    with ExitStack() as stack:
        upstream = stack.enter_context(Upstream(GOOD["score"]))
        env = {"EVENT_DEADLINE_SECONDS": "3"}
        sink = stack.enter_context(lone_sink("score", upstream, tmp_path, env))
        for _ in range(fitting):
            silent = socket.create_connection(("127.0.0.1", sink.port), WAIT_SECONDS)
            stack.enter_context(silent).sendall(head)
        client = stack.enter_context(Client(sink.port))
        wait_until(lambda: in_flight(client) == fitting, "all silent senders are in", WAIT_SECONDS)
        statuses = [client.send(PATHS["score"], headers, body).status]
        small = deliver("score", sink.port, 1)[0].status
        wait_until(lambda: in_flight(client) == 0, "their time is used up", WAIT_SECONDS)
        statuses.append(client.send(PATHS["score"], headers, body).status)

    assert statuses == [503, 200]
    assert small == 200


def in_flight(client: Client) -> int:
    """How many events the sink says that it is working on."""
    (line,) = (
        line
        for line in client.get("/metrics").body.decode().splitlines()
        if line.startswith("sinks_in_flight{")
    )
    return int(float(line.split()[-1]))
