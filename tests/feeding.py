"""A feed, and both its ends as a test wants them: a stream that behaves badly as EventStreams may,
and a shim that answers as scripted."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from tests.processes import ROOT, clean_env
from tests.upstream import Received, Upstream, answer

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
# What a connection of the stream does, after its request has been read.
Act = Callable[["Stream", Received, socket.socket], object]


def change(number: int, wiki: str = "enwiki") -> dict[str, Any]:
    """A document that says what a feed looks at, and which it is."""
    dt = f"2026-11-23T10:{number // 60 % 60:02}:{number % 60:02}Z"
    return {"$schema": "/x/1.0.0", "meta": {"id": f"e{number}"}, "dt": dt, "wiki_id": wiki}


def block(number: int, wiki: str = "enwiki") -> bytes:
    """One event as EventStreams sends it, its data in several lines, its id with the offset."""
    data = json.dumps(change(number, wiki), indent=1).replace("\n", "\ndata: ")
    place = json.dumps([{"topic": "t", "partition": 0, "offset": number}])
    return f"event: message\nid: {place}\ndata: {data}\n\n".encode()


def offset_of(last_event_id: str | None) -> int:
    """The event behind which a reader wants to go on; -1: from the first."""
    return -1 if last_event_id is None else int(json.loads(last_event_id)[0]["offset"])


@dataclass
class Stream:
    """A stream with these many events; each connection performs the next act, the last for ever.

    asked: (Last-Event-ID, since) of each connection.
    """

    events: int
    acts: Sequence[Act]
    asked: list[tuple[str | None, str | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._upstream = Upstream(self._behave)
        self.url = f"{self._upstream.url}/v2/stream/page_change"
        self.received = self._upstream.received
        self._lock = threading.Lock()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self._upstream.__exit__()

    def wait(self, seconds: float = 60) -> None:
        """Say nothing for so long, or until the test is over."""
        self._upstream.wait(seconds)

    def _behave(self, received: Received, sock: socket.socket) -> None:
        with self._lock:
            act = self.acts[min(len(self.asked), len(self.acts) - 1)]
            since = dict(parse_qsl(urlsplit(received.target).query)).get("since")
            self.asked.append((received.headers.get("last-event-id"), since))
        act(self, received, sock)

    def after(self, received: Received) -> range:
        """The numbers of the events that a reader has not yet."""
        return range(offset_of(received.headers.get("last-event-id")) + 1, self.events)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def sends(
    most: int | None = None,
    size: int = 1000,
    then: bytes = b"",
    before: bytes = b":ok\n\n",
    stay: bool = False,
) -> Act:
    """Send what the reader has not yet, and end.

    most:  events at most.
    size:  of the chunks, which cut anywhere.
    then:  sent behind the events: half an event, say.
    stay:  do not end: say nothing more.
    """

    def act(stream: Stream, received: Received, sock: socket.socket) -> None:
        numbers = list(stream.after(received))[:most]
        data = before + b"".join(map(block, numbers)) + then
        parts = [data[i : i + size] for i in range(0, len(data), size)]
        sock.sendall(HEAD + b"".join(map(chunk, parts)))
        if stay:
            stream.wait()
        else:
            sock.sendall(chunk(b""))

    return act


def answers(status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> Act:
    """Answer something that is no stream."""
    return lambda stream, received, sock: answer(status, body, headers)(received, sock)


def breaks(stream: Stream, received: Received, sock: socket.socket) -> None:
    """Send an event and a half, and break off in the middle of a chunk."""
    numbers = list(stream.after(received))
    data = block(numbers[0]) + block(numbers[1])[:-2]
    sock.sendall(HEAD + b"%x\r\n" % (len(data) + 100) + data)


Answer = tuple[int, Any, dict[str, str]]
GOOD: Answer = (200, {"outcomes": []}, {"Sinks-Outcome": "relayed"})


@dataclass
class Shim:
    """A shim whose script says what it answers to (number of the event, triggers, attempt).

    taken: (event's number, triggers) of what was answered 2xx; asked: of all.
    """

    script: Callable[[int, tuple[str, ...], int], Answer] = lambda number, triggers, attempt: GOOD
    taken: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    asked: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._upstream = Upstream(self._behave)
        self.url = self._upstream.url
        self.received = self._upstream.received

    def __enter__(self) -> Shim:
        return self

    def __exit__(self, *_: object) -> None:
        self._upstream.__exit__()

    def wait(self, seconds: float = 60) -> None:
        """Say nothing for so long, or until the test is over."""
        self._upstream.wait(seconds)

    @property
    def numbers(self) -> list[int]:
        """The events that were taken, each once, in their order."""
        return sorted({number for number, _ in self.taken})

    def _behave(self, received: Received, sock: socket.socket) -> bool:
        parts = urlsplit(received.target)
        assert parts.path == "/events"
        triggers = tuple(value for name, value in parse_qsl(parts.query) if name == "trigger")
        key = (int(received.json()["meta"]["id"][1:]), triggers)
        with self._lock:
            self.asked.append(key)
            attempt = self.asked.count(key)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        status, body, headers = self.script(*key, attempt)
        with self._lock:
            self.in_flight -= 1
            if status < 300:
                self.taken.append(key)
        answer(status, body, headers)(received, sock)
        return True


def deferred(*names: str, of: int, rejected: int = 0) -> Answer:
    """The 503 of a shim at whose Triggers of these names an event is deferred."""
    named = ", ".join(f"{name} (upstream_unavailable)" for name in names)
    refused = f"; {rejected} of {of} Triggers rejected: x (y)" if rejected else ""
    told = f"repeat with ?trigger=NAME for each deferred one; {len(names)} of {of} Triggers"
    detail = f"{told} deferred: {named}{refused}"
    return 503, {"reason": "deliveries_deferred", "detail": detail, "ce_id": "1"}, {}


ALL = "*"


class Done(NamedTuple):
    """How the command ended."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        return self.out.splitlines()[-1]


class Runs:
    """Runs of the command with one state file."""

    def __init__(self, directory: Path) -> None:
        self.state = directory / "kept" / "feed.json"
        self.directory = directory
        self.env: dict[str, str] = {}

    def command(self, *arguments: str | Path) -> list[str]:
        return [
            *(sys.executable, "-m", "sinks", "feed", *map(str, arguments)),
            *("--state", str(self.state)),
        ]

    def run(self, *arguments: str | Path, stdin: bytes | None = None) -> Done:
        done = subprocess.run(  # noqa: S603
            self.command(*arguments),
            cwd=ROOT,
            env=clean_env(self.env),
            input=stdin,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    @contextmanager
    def running(self, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
        """The command in the background, killed if the block does not end it."""
        process = subprocess.Popen(  # noqa: S603
            self.command(*arguments),
            cwd=ROOT,
            env=clean_env(self.env),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                yield process
            finally:
                process.kill()

    def position(self, source: str, trigger: str = ALL) -> dict[str, Any] | None:
        kept: dict[str, Any] = json.loads(self.state.read_text())["positions"][source]
        return kept.get(trigger)

    def offset(self, stream: Stream, trigger: str = ALL) -> int:
        """The last event of the stream before which all is acknowledged."""
        kept = self.position(stream.url, trigger) if self.state.exists() else None
        return -1 if kept is None else offset_of(kept.get("last_event_id"))


def ndjson(path: Path, numbers: Sequence[int], wiki: str = "enwiki") -> Path:
    path.write_text("".join(f"{json.dumps(change(n, wiki))}\n" for n in numbers))
    return path
