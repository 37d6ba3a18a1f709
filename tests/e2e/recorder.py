"""Doors of a server outside the cluster: TLS where wanted, and a record of all that was asked.

A door passes HTTP on to a port of loopback and the answer back; both keep their bytes but for the
framing.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

_SECONDS: Final = 300.0
# They say how a message is framed on one connection; the next one frames anew.
_FRAMING: Final = frozenset(("connection", "keep-alive", "transfer-encoding", "content-length"))


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that came through a door."""

    method: str
    path: str
    host: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Door:
    """A port of the server's host.

    tls:    a server's context: speaks TLS.
    knows:  whether something is behind this (Host, path); else the answer is an empty 404.
    """

    port: int
    tls: ssl.SSLContext | None = None
    knows: Callable[[str, str], bool] = lambda _host, _path: True


@dataclass(frozen=True, slots=True)
class Record:
    """What came through all doors of a server, in the order in which it came."""

    asked: list[Asked] = field(default_factory=list)


@contextmanager
def opened(door: Door, address: str, server_port: int, record: Record) -> Iterator[None]:
    """Keep a door open in this thread's network until the block ends; connections end with it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            host = self.headers.get("Host", "")
            record.asked.append(Asked(self.command, self.path, host, body))
            if door.knows(host.partition(":")[0], self.path):
                self._answer(*_asked_of(server_port, self, body))
            else:
                self._answer(404, "Not Found", [], b"")

        do_GET = do_POST = pass_on

        def _answer(
            self, status: int, reason: str, headers: list[tuple[str, str]], body: bytes
        ) -> None:
            self.send_response_only(status, reason)
            for name, value in headers:
                if name.lower() not in _FRAMING:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """The record is the log."""

    with _Server((address, door.port), Handler, door.tls) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()
            server.hang_up()


def _asked_of(
    port: int, request: BaseHTTPRequestHandler, body: bytes
) -> tuple[int, str, list[tuple[str, str]], bytes]:
    """Ask the server itself; return status, reason, headers and body of its answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        connection.putrequest(
            request.command, request.path, skip_host=True, skip_accept_encoding=True
        )
        for name, value in request.headers.items():
            if name.lower() not in _FRAMING:
                connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.reason, answer.getheaders(), answer.read()
    finally:
        connection.close()


class _Server(ThreadingHTTPServer):
    """Knows its connections, so that they can be ended."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, address: tuple[str, int], handler: Any, tls: ssl.SSLContext | None) -> None:
        super().__init__(address, handler)
        self._tls = tls
        self._connections: list[socket.socket] = []

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if self._tls:  # the handshake is for the connection's own thread
            connection = self._tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        self._connections.append(connection)
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up, or whose server does, gets no answer; that is all."""

    def hang_up(self) -> None:
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
