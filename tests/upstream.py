"""An upstream that speaks real HTTP over real sockets and behaves as a test wants.

And `call`, the client beside it: one request on a connection of its own, the answer as it came.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.factories import drafttopic_answer


@dataclass(frozen=True)
class Received:
    """One request as it came over the wire; header names in lower case, as sent in raw_head."""

    method: str
    target: str
    headers: Mapping[str, str]
    raw_head: bytes
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


Behave = Callable[[Received, socket.socket], bool | None]


@dataclass(frozen=True)
class Reply:
    """One answer; headers as on the wire, repeated ones included."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def call(
    port: int,
    path: str,
    headers: Mapping[str, str | bytes] | None = None,
    body: bytes | None = b"",
    method: str = "POST",
    timeout: float = 10,
) -> Reply:
    """Send one request to a server on loopback and return its answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        return Reply(answer.status, answer.msg, answer.read())
    finally:
        connection.close()


def answer(
    status: int,
    body: bytes | str | dict[str, Any] | list[Any] = b"",
    headers: Mapping[str, str] | None = None,
    reason: str = "X",
) -> Behave:
    """Return a behaviour: answer every request with this, keep the connection."""
    kind = {} if isinstance(body, bytes | str) else {"Content-Type": "application/json"}
    raw = body if isinstance(body, bytes) else _text(body)
    fields = {**kind, "Content-Length": str(len(raw)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    message = f"HTTP/1.1 {status} {reason}\r\n{head}\r\n".encode("latin-1") + raw

    def behave(_received: Received, sock: socket.socket) -> bool:
        sock.sendall(message)
        return True

    return behave


@contextlib.contextmanager
def raw_server(
    handle: Callable[[socket.socket], object], tls: ssl.SSLContext | None = None
) -> Iterator[int]:
    """Yield the port of a server that hands each connection to `handle`, whatever comes."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    opened: list[socket.socket] = []

    def run(sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:
            if tls is None:
                handle(sock)
                return
            with tls.wrap_socket(sock, server_side=True) as secure:
                opened.append(secure)
                handle(secure)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                opened.append(sock)
                threading.Thread(target=run, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        close(listener, *opened)


def close(*sockets: socket.socket) -> None:
    """End connections and listeners, those included that a thread is waiting for."""
    for each in sockets:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)  # close alone does not wake accept
        each.close()


def predictor(received: Received, sock: socket.socket) -> bool | None:
    """Behave as the drafttopic predictor of whatever wiki is asked for."""
    wiki = received.target.split("/")[3].partition("-")[0]
    return answer(200, drafttopic_answer(received.json()["rev_id"], wiki))(received, sock)


def _text(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


@dataclass
class Upstream:
    """A server on a free loopback port; one thread per connection, ended by `close`.

    behave:       gets each request and its socket; a true result keeps the connection open.
    tls:          a server's context: speaks TLS.
    received:     all requests so far. connections: how many were accepted.
    """

    behave: Behave
    tls: ssl.SSLContext | None = None
    received: list[Received] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self._closing = threading.Event()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Upstream:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        close(self._listener, *self._open)

    def wait(self, seconds: float) -> None:
        """Hang for so long, or until the upstream is closed."""
        self._closing.wait(seconds)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.connections += 1
                self._open.append(sock)
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:
            if self.tls is None:
                self._converse(sock)
            else:
                with self.tls.wrap_socket(sock, server_side=True) as secure:
                    self._open.append(secure)
                    self._converse(secure)

    def _converse(self, sock: socket.socket) -> None:
        buffer = b""
        while True:
            while b"\r\n\r\n" not in buffer:
                more = sock.recv(65536)
                if not more:
                    return
                buffer += more
            head, _, buffer = buffer.partition(b"\r\n\r\n")
            request = _parse(head)
            length = int(request.headers.get("content-length", "0"))
            while len(buffer) < length:
                more = sock.recv(65536)
                if not more:
                    return
                buffer += more
            complete = Received(
                request.method, request.target, request.headers, head, buffer[:length]
            )
            buffer = buffer[length:]
            self.received.append(complete)
            if not self.behave(complete, sock):
                return


def _parse(head: bytes) -> Received:
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines)
    }
    return Received(method, target, headers, head, b"")
