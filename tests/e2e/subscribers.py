"""Subscribers that answer what a test wants and keep what came: one server, a path for each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

Answer = tuple[int, Mapping[str, str], bytes]
TAKEN: Final[Answer] = (202, {}, b"")


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request of a Broker.

    at:       seconds of time.monotonic() when it was complete.
    headers:  names in lower case.
    """

    at: float
    headers: Mapping[str, str]
    body: bytes

    @property
    def attributes(self) -> dict[str, str]:
        """Context attributes of an event in binary mode, without `ce-`."""
        return {name[3:]: text for name, text in self.headers.items() if name.startswith("ce-")}


Behave = Callable[[Delivery], Answer]


@dataclass(slots=True)
class Subscribers:
    """What each subscriber, by name, answers and has got; without a behaviour it takes everything.

    url: of all of them; a subscriber's name is its path.
    """

    url: str
    behave: dict[str, Behave] = field(default_factory=dict)
    _received: dict[str, list[Delivery]] = field(default_factory=dict)

    def at(self, name: str) -> str:
        """Return the URL of a subscriber."""
        return f"{self.url}/{name}"

    def received(self, name: str) -> list[Delivery]:
        """Return what a subscriber has got so far."""
        return list(self._received.get(name, ()))

    def take(self, name: str, delivery: Delivery) -> Answer:
        """Keep what has come for a subscriber, and return its answer."""
        self._received.setdefault(name, []).append(delivery)
        behave = self.behave.get(name)
        return behave(delivery) if behave else TAKEN


@contextmanager
def serving(address: str) -> Iterator[Subscribers]:
    """Serve on a free port of an address of this machine until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet, or each hop waits for an acknowledgement

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): text for name, text in self.headers.items()}
            delivery = Delivery(time.monotonic(), headers, body)
            status, fields, text = subscribers.take(self.path.strip("/"), delivery)
            self.send_response(status)
            for name, value in {**fields, "Content-Length": str(len(text))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:
            """The tests look at what was received."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    with Server((address, 0), Handler) as server:
        subscribers = Subscribers(f"http://{address}:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield subscribers
        finally:
            server.shutdown()
