"""300 half-open and dripping connections, and what good traffic on the same server notices of them.

Over real sockets, against gunicorn as in production. Two of the same server have good traffic
at the same time, and one of them slow clients too: what else this machine does slows both alike.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.factories import (
    SCORE_TYPE,
    binary,
    drafttopic_answer,
    page_change,
    revision_score,
)
from tests.processes import Running, gunicorn
from tests.upstream import Behave, Received, Upstream, answer

EACH_KIND = 100  # of three: nothing sent, half a head, half a body
GOOD_CLIENTS = 8
# Long enough that the upstream, and not this machine, limits how fast good traffic is.
UPSTREAM_SECONDS = 0.06
SLICE_SECONDS = 1.0
SETTLE_SECONDS = 0.3
PATIENCE_SECONDS = 2.0
TURNS, TRIES = 2, 3
APPS = {"score": "score_sink", "egress": "egress_sink", "shim": "http_shim"}
pytestmark = pytest.mark.alone
PATHS = {"score": "/models/drafttopic", "egress": "/", "shim": "/events"}


def message(name: str) -> bytes:
    """A good event as one request."""
    if name == "egress":
        headers, body = binary(revision_score(), type=SCORE_TYPE)
    else:
        headers, body = binary(page_change())
    lines = [f"POST {PATHS[name]} HTTP/1.1", "Host: sink", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join((*lines, "", "")).encode() + body


@contextmanager
def twins(name: str, directory: Path, *args: str) -> Iterator[tuple[Running, Running]]:
    """Run one sink twice, before one upstream that takes its time."""
    good = {
        "score": answer(200, drafttopic_answer()),
        "egress": answer(201),
        "shim": answer(202, b""),
    }[name]

    def slow(received: Received, sock: socket.socket) -> bool | None:
        time.sleep(UPSTREAM_SECONDS)
        return good(received, sock)

    behave: Behave = slow
    with Upstream(behave) as upstream:
        env = {
            "PREDICTOR_URL": upstream.url,
            "EVENTGATE_URLS": f"{upstream.url}/v1/events",
            "SERVICE_URLS": f"*={upstream.url}",
            "ALLOW_ANONYMOUS": "true",
        }
        app = f"sinks.{APPS[name]}:create_app()"
        with (
            gunicorn(app, env, directory / "one", *args) as one,
            gunicorn(app, env, directory / "other", *args) as other,
        ):
            yield one, other


class GoodTraffic:
    """Clients that each keep one connection busy; `done` counts what is answered well."""

    def __init__(self, port: int, request: bytes) -> None:
        self._port, self._request = port, request
        self._done = [0] * GOOD_CLIENTS
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(number,)) for number in range(GOOD_CLIENTS)
        ]

    def __enter__(self) -> GoodTraffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def done(self) -> int:
        """Return the good answers so far."""
        return sum(self._done)

    def _work(self, number: int) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(OSError):
                address = ("127.0.0.1", self._port)
                with socket.create_connection(address, PATIENCE_SECONDS) as sock:
                    with sock.makefile("rb") as file:
                        while not self._stop.is_set():
                            sock.sendall(self._request)
                            self._done[number] += _is_good(file)


def _is_good(file: Any) -> bool:
    """Read one answer. raises: OSError for none."""
    status = file.readline()
    if not status:
        raise ConnectionError("no answer")
    length = 0
    while (line := file.readline()).strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    file.read(length)
    return status.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 202 "))


class SlowClients:
    """Holds connections that say nothing, or a byte a second, until the block ends."""

    def __init__(self, port: int, request: bytes) -> None:
        head, _, body = request.partition(b"\r\n\r\n")
        half = head + b"\r\nce-extension: "
        whole = head + b"\r\n\r\n" + body[: len(body) // 2]
        self._stop = threading.Event()
        self._sockets: list[tuple[socket.socket, bool]] = []
        for said in (b"", half, whole):
            for _ in range(EACH_KIND):
                sock = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
                sock.sendall(said)
                sock.setblocking(False)
                self._sockets.append((sock, bool(said)))
        self._thread = threading.Thread(target=self._drip)

    def __enter__(self) -> SlowClients:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for sock, _ in self._sockets:
            sock.close()

    def open(self) -> int:
        """Return how many of them the server still holds."""
        return sum(_is_open(sock) for sock, _ in self._sockets)

    def _drip(self) -> None:
        while not self._stop.wait(1):
            for sock, drips in self._sockets:
                if drips:
                    with contextlib.suppress(OSError):
                        sock.send(b"x")


def _is_open(sock: socket.socket) -> bool:
    try:
        sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False  # an answer, or the end


def answered(pair: tuple[Running, Running], request: bytes, turns: int) -> tuple[int, int]:
    """Return the good answers without and with slow clients, which each of the pair has in turn."""
    alone = beside = 0
    one, other = pair
    with GoodTraffic(one.port, request) as first, GoodTraffic(other.port, request) as second:
        for _ in range(turns):
            for held, port, free in ((first, one.port, second), (second, other.port, first)):
                with SlowClients(port, request) as slow:
                    time.sleep(SETTLE_SECONDS)
                    free_before, held_before = free.done(), held.done()
                    time.sleep(SLICE_SECONDS)
                    alone += free.done() - free_before
                    beside += held.done() - held_before
                    assert slow.open() >= 2.9 * EACH_KIND
    return alone, beside


@pytest.mark.parametrize("name", PATHS)
def test_slow_clients_take_nothing_from_good_traffic(name: str, tmp_path: Path) -> None:
    """300 connections that hold on to the server leave good traffic at least 90 % of its rate."""
    request = message(name)
    shares: list[float] = []
    with twins(name, tmp_path) as pair:
        while len(shares) < TRIES and max(shares, default=0) < 0.9:
            alone, beside = answered(pair, request, TURNS)
            assert alone > 0.1 * 2 * TURNS * SLICE_SECONDS * GOOD_CLIENTS / UPSTREAM_SECONDS
            shares.append(beside / alone)

    assert max(shares) >= 0.9, shares


def test_slow_clients_stop_a_server_that_gives_each_a_thread(tmp_path: Path) -> None:
    """The same measurement sees the worker that this project does not use come to a halt."""
    with twins("score", tmp_path, "-k", "gthread", "--threads", "32") as pair:
        alone, beside = answered(pair, message("score"), turns=1)

    assert beside < 0.5 * alone
