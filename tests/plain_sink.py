"""A correct sink of the plainest kind, with the standard library alone: it takes any event.

It looks at nothing but the envelope, answers 204 and 400, shows a page to whoever GETs, and ends
each connection after a failure (over HTTP/1.0 after each answer): all of it is right, and unlike
our sinks.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REQUIRED = ("id", "source", "type")


class _Refused(Exception):
    """Status and text of a failure."""


class _Sink(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._say(200, b"healthy")

    def do_POST(self) -> None:
        try:
            self._take(self._body())
        except _Refused as refused:
            status, text = refused.args
            self._say(status, text)
        else:
            self._say(204, b"")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(self._chunks())
        return self._exactly(self.headers.get("Content-Length", "0"), 10)

    def _chunks(self) -> Iterator[bytes]:
        while part := self._exactly(self.rfile.readline().decode("latin-1").strip(), 16):
            yield part
            self.rfile.readline()

    def _exactly(self, length: str, base: int) -> bytes:
        try:
            size = int(length, base)
        except ValueError:
            raise _Refused(400, b"no length") from None
        if size < 0:
            raise _Refused(400, b"no length")
        read = self.rfile.read(size)
        if len(read) < size:
            raise _Refused(408, b"the sender went away")
        return read

    def _take(self, body: bytes) -> None:
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind == "application/cloudevents+json":
            try:
                event = json.loads(body)
            except (ValueError, RecursionError):
                raise _Refused(400, b"no JSON") from None
        elif kind.startswith("application/cloudevents"):
            raise _Refused(415, b"only JSON")
        else:
            event = {name.lower()[3:]: value for name, value in self.headers.items()}
        if not isinstance(event, dict) or event.get("specversion") != "1.0":
            raise _Refused(400, b"no event")
        if not all(isinstance(event.get(name), str) and event[name] for name in REQUIRED):
            raise _Refused(400, b"no event")

    def _say(self, status: int, text: bytes) -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(text)))
        if status >= 400:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Clients that have gone away are nobody's mistake."""


@contextmanager
def plain_sink(protocol: str) -> Iterator[str]:
    """Run it in this process and give its URL; `protocol` is HTTP/1.0 or HTTP/1.1."""
    handler = type("Sink", (_Sink,), {"protocol_version": protocol})
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
