"""The console as it is served: events in, pages out, and browsers that watch, hang or go away."""

from __future__ import annotations

import http.client
import itertools
import json
import re
import signal
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sinks.console.line import MOST_MARKS
from sinks.console.live import HEARTBEAT_SECONDS, MOST_WATCHERS, Watchers
from sinks.console.page import HEADERS
from sinks.contract.probe.run import probe
from sinks.contract.probe.target import target_of
from sinks.contract.rows.row import Row
from sinks.contract.rows.tables import rows_for
from sinks.envelope import ROUTED_TYPE
from tests.console_events import change, delivery, report
from tests.factories import binary, page_change, structured
from tests.lone_sink import Client
from tests.processes import Running, gunicorn
from tests.stopping import is_refused, wait_until
from tests.upstream import Reply, call

_IDS = itertools.count(1)
APP = "sinks.console:create_app()"
# What all of a page consists of, without any dead letters.
PATHS = ("/", "/?row=x", "/events/1", "/events/x", "/static/console.js", "/static/console.css")


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One with a small memory."""
    settings = {"CONSOLE_EVENTS": "50"}
    with gunicorn(APP, settings, tmp_path_factory.mktemp("console")) as running:
        yield running


def event(title: str, padding: int = 0) -> tuple[dict[str, str], bytes]:
    """A page change, another one each time, as a Broker delivers it."""
    document = page_change(page={"page_title": title}, padding="x" * padding)
    return binary(document, id=f"change-{next(_IDS)}", wikiid="enwiki")


def post(console: Running, title: str = "Example") -> None:
    """Deliver one."""
    answer = call(console.port, "/", *event(title))
    assert (answer.status, answer.body) == (202, b"")


def post_many(console: Running, events: Iterable[tuple[dict[str, str], bytes]]) -> None:
    """Deliver many on one connection."""
    with Client(console.port) as client:
        for each in events:
            assert client.send("/", *each).status == 202


def wide_reports(count: int) -> Iterator[tuple[dict[str, str], bytes]]:
    """What makes lines as large as they can be: many rows with long names."""
    told = [delivery(None, "ignored", row=f"{'x' * 60}{number}") for number in range(MOST_MARKS)]
    for _ in range(count):
        document = report(told, change(f"change-{next(_IDS)}")).data
        yield structured(document, type=ROUTED_TYPE, source="/http-shim")


def get(console: Running, path: str, headers: dict[str, str] | None = None) -> Reply:
    return call(console.port, path, headers or {}, None, method="GET")


@dataclass
class Feed:
    """What a browser gets of `/live`."""

    sock: socket.socket
    received: bytes = b""

    def until(self, text: str) -> str:
        """Read until the text is there, and return all."""
        self.sock.settimeout(10)
        while text.encode() not in self.received:
            part = self.sock.recv(65536)
            assert part, f"the feed ended before {text}: {self.received[-300:]!r}"
            self.received += part
        return self.received.decode("utf-8", "replace")

    def ended(self) -> bool:
        """Whether the server has closed it, reading on until then."""
        self.sock.settimeout(10)
        while part := self.sock.recv(65536):
            self.received += part
        return True


@contextmanager
def watching(console: Running, query: str = "", last_seen: str = "") -> Iterator[Feed]:
    with socket.create_connection(("127.0.0.1", console.port), 10) as sock:
        seen = f"Last-Event-ID: {last_seen}\r\n" if last_seen else ""
        sock.sendall(f"GET /live{query} HTTP/1.1\r\nHost: x\r\n{seen}\r\n".encode())
        yield Feed(sock)


@pytest.mark.parametrize("row", rows_for("any-processor"), ids=lambda row: row.name)
def test_row_of_the_contract_is_satisfied(console: Running, row: Row) -> None:
    """A Broker may deliver to the console whatever it may deliver to any sink."""
    assert probe(target_of(console.url), "any-processor").run(row).findings == ()


@pytest.mark.parametrize("path", PATHS)
def test_page_may_do_nothing_but_what_is_ours(console: Running, path: str) -> None:
    """Every page forbids scripts, styles and frames that are not files of ours."""
    answer = get(console, path)

    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "'unsafe" not in answer.headers["Content-Security-Policy"]
    assert not re.search(rb"<script>|<style|\son\w+=|\sstyle=|javascript:", answer.body)


def test_page_shows_what_came_and_what_each_filter_lets_through(console: Running) -> None:
    """Without any script a page is there that shows the last events."""
    post(console, "Filter me")

    shown, other = get(console, "/?wiki=enwiki").body, get(console, "/?wiki=dewiki").body

    assert b"Filter me" in shown
    assert b"Filter me" not in other
    assert b"Nothing in memory fits this filter" in other


def test_event_page_shows_the_document(console: Running) -> None:
    """The documents have an address of their own."""
    post(console, "Documented")
    number = re.search(rb'data-number="(\d+)"', get(console, "/").body)
    assert number

    answer = get(console, f"/events/{number[1].decode()}")

    assert answer.status == 200
    assert b"&#34;page_title&#34;: &#34;Documented&#34;" in answer.body


@pytest.mark.parametrize(
    "path", ["/events/999999", "/events/x", f"/events/{'9' * 400}", "/events/%C2%B2"]
)
def test_event_that_is_not_in_memory_is_404(console: Running, path: str) -> None:
    """Whoever follows an old link is told why there is nothing."""
    answer = get(console, path)

    assert answer.status == 404
    assert b"is not in memory" in answer.body


def test_live_tells_of_new_lines_at_once(console: Running) -> None:
    """A page change is in the browser at once, not with the next heartbeat."""
    with watching(console) as feed:
        feed.until("event: reset")
        begun = time.monotonic()
        post(console, "At once")
        feed.until("At once")

    assert time.monotonic() - begun < HEARTBEAT_SECONDS / 2


def test_live_resumes_after_the_last_event_id(console: Running) -> None:
    """Whoever lost the connection gets what came meanwhile, and nothing twice."""
    with watching(console) as feed:
        post(console, "Before the break")
        seen = re.findall(r"id: (\S+)", feed.until("Before the break"))[-1]
    post(console, "During the break")

    with watching(console, last_seen=seen) as feed:
        told = feed.until("During the break")

    assert "Before the break" not in told
    assert "event: reset" not in told


def test_live_watcher_that_does_not_read_costs_no_memory(console: Running) -> None:
    """What a slow browser has not read is not kept for it, and nobody else waits for it."""
    with watching(console) as slow, watching(console) as other:
        slow.until("event: reset")
        other.until("event: reset")
        post_many(console, wide_reports(300))
        before = resident(console)
        post_many(console, wide_reports(500))
        after = resident(console)
        post(console, "The newest")
        other.until("The newest")

    assert after - before < 8 * 2**20


def resident(console: Running) -> int:
    """Bytes of memory of the process, as it says itself."""
    text = get(console, "/metrics").body.decode()
    (value,) = re.findall(r"^process_resident_memory_bytes (\S+)", text, re.MULTILINE)
    return int(float(value))


def test_live_has_room_for_a_limited_number(tmp_path: Path) -> None:
    """One too many is refused, and there is room again when one has left."""
    with gunicorn(APP, {}, tmp_path) as console:
        with ExitStack() as stack:
            for _ in range(MOST_WATCHERS):
                stack.enter_context(watching(console)).until("event: reset")
            refused = get(console, "/live")
        wait_until(lambda: admitted(console), "somebody is let in again", 25)

    assert refused.status == 503
    assert refused.headers["Retry-After"] == "10"


def admitted(console: Running) -> bool:
    """Whoever has gone is noticed with the next thing that is sent."""
    post(console)
    with watching(console) as feed:
        feed.sock.settimeout(5)
        return b"200 OK" in feed.sock.recv(1000)


def test_watcher_that_hangs_is_cut_off() -> None:
    """A browser that does not read does not keep its place."""
    ours, theirs = socket.socketpair()
    watchers = Watchers(lambda: False, most=1, stalled_seconds=0.1)
    ticket = watchers.admit(ours)
    assert ticket is not None

    next(watchers.written(ticket, iter([b"x"])))

    with ours, theirs:
        theirs.settimeout(5)
        assert theirs.recv(1) == b""
    assert watchers.admit(ours) is None
    watchers.leave(ticket)
    assert watchers.admit(ours) is not None


@pytest.mark.parametrize("reads", [True, False], ids=["reading", "hanging"])
def test_sigterm_with_watchers_ends_at_once(tmp_path: Path, reads: bool) -> None:
    """Watchers do not hold up the end of the process, not even those who do not read."""
    with gunicorn(APP, {}, tmp_path, "--graceful-timeout", "60") as console, ExitStack() as stack:
        feeds = [stack.enter_context(watching(console)) for _ in range(5)]
        for feed in feeds:
            feed.until("event: reset")
        if not reads:
            post_many(console, wide_reports(400))
        begun = time.monotonic()
        console.process.send_signal(signal.SIGTERM)
        if reads:
            assert all(feed.ended() for feed in feeds)
        status = console.process.wait(20)
        seconds = time.monotonic() - begun
        log = console.log

    assert status == 0
    assert seconds < 10  # gunicorn itself looks once a second, and would wait for 60
    assert '"traceback"' not in log
    assert is_refused(console.port)


def test_memory_is_bounded_whatever_comes(tmp_path: Path) -> None:
    """Large documents are cut, and old lines leave: 400 MB of events do not stay."""
    with gunicorn(APP, {"CONSOLE_EVENTS": "5000"}, tmp_path) as console:
        post_many(console, (event(str(number), 3_000_000) for number in range(150)))
        memory = resident(console)
        newest = get(console, "/")

    assert memory < 300 * 2**20
    assert newest.status == 200
    assert newest.body.count(b'class="line"') > 100


def test_unknown_static_file_is_404(console: Running) -> None:
    """Nothing but the page's own files can be got."""
    assert get(console, "/static/..%2fpage.py").status == 404
    assert get(console, "/static/app.py").status == 404


def test_without_dead_letters_the_page_does_not_speak_of_them(console: Running) -> None:
    """Where nobody has said where they are there is no such part, and no way to ask for it."""
    assert b"Dead letters" not in get(console, "/").body
    assert get(console, "/letters", {"Sinks-Console": "1"}).status == 404


def test_not_an_event_is_refused_and_said(console: Running) -> None:
    """Whoever posts something else than an event learns it, as at every sink."""
    answer = call(console.port, "/", {"Content-Type": "application/json"}, b"{}")

    assert answer.status == 400
    assert json.loads(answer.body)["reason"] == "malformed_event"


def test_sigterm_with_idle_browsers_ends_at_once(tmp_path: Path) -> None:
    """What a browser keeps open for its next page does not hold up the end of the process."""
    with gunicorn(APP, {}, tmp_path, "--graceful-timeout", "60") as console, ExitStack() as stack:
        for path in PATHS:
            idle = http.client.HTTPConnection("127.0.0.1", console.port, timeout=5)
            stack.callback(idle.close)
            idle.request("GET", path)
            idle.getresponse().read()
        console.process.send_signal(signal.SIGTERM)

        assert console.process.wait(30) == 0
