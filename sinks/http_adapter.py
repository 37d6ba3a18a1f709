"""A `requests` transport adapter on http.client: one deadline, a bounded answer, no redirects.

Connections are kept for 4 s at most, because EventGate closes idle ones after 5 s. A request goes
out a second time only when a pooled connection turns out dead before the first byte of an answer.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import zlib
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter

from sinks.connection import Connection, GetAddrInfo, connect
from sinks.connection_pool import Pool
from sinks.deadline import Deadline

IDLE_SECONDS: Final = 4.0
_HEADER_LINES = re.compile(r"(?:[A-Za-z0-9-]+: [\x20-\x7e]*\r\n)+")
_URL = re.compile(r"[!-~]+")
_CHUNK_BYTES: Final = 65536
_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32


class AnswerTooLarge(requests.RequestException):
    """The answer is over the limit; nothing beyond the limit was kept."""


class UnreadableAnswer(requests.RequestException):
    """Not HTTP/1.x, cut off, or in an encoding that was not asked for and cannot be read."""


class DeadlineAdapter(BaseAdapter):
    """Sends requests.PreparedRequest; `timeout` is a Deadline for everything from DNS to decoding.

    connect_timeout_seconds:  for DNS, TCP and TLS together.
    max_answer_bytes:         after decoding.
    tls:                      trust for https; made at the first https request if None.
    getaddrinfo:              socket.getaddrinfo, or something that behaves like it.
    """

    def __init__(
        self,
        connect_timeout_seconds: float,
        max_answer_bytes: int,
        tls: ssl.SSLContext | None = None,
        getaddrinfo: GetAddrInfo = socket.getaddrinfo,
    ) -> None:
        super().__init__()
        self._connect_timeout_seconds = connect_timeout_seconds
        self._max_answer_bytes = max_answer_bytes
        self._tls = tls
        self._getaddrinfo = getaddrinfo
        self._pool = Pool(IDLE_SECONDS)

    def send(  # type: ignore[override]  # requests passes what it likes as timeout
        self, request: requests.PreparedRequest, *, timeout: Deadline, **_: object
    ) -> requests.Response:
        """Return the whole answer.

        raises: requests.ConnectTimeout, requests.ReadTimeout, requests.ConnectionError,
                AnswerTooLarge, UnreadableAnswer.
        """
        scheme, host, port, message = _wire(request)
        origin = (scheme, host, port)
        pooled = self._pool.take(origin)
        if pooled is not None:
            try:
                return self._exchange(origin, pooled, message, request, timeout)
            except requests.ConnectionError:
                if pooled.received:
                    raise
        fresh = self._connect(scheme, host, port, timeout)
        return self._exchange(origin, fresh, message, request, timeout)

    def close(self) -> None:
        """Close all idle connections."""
        self._pool.close()

    def _connect(self, scheme: str, host: str, port: int, deadline: Deadline) -> Connection:
        if scheme == "https" and self._tls is None:
            self._tls = ssl.create_default_context()
        opening = deadline.within(self._connect_timeout_seconds)
        tls = self._tls if scheme == "https" else None
        try:
            return connect(host, port, opening, tls, self._getaddrinfo)
        except TimeoutError as error:
            raise requests.ConnectTimeout(f"connecting to {host}:{port}") from error
        except OSError as error:
            raise requests.ConnectionError(f"connecting to {host}:{port}: {error}") from error

    def _exchange(
        self,
        origin: tuple[str, str, int],
        connection: Connection,
        message: bytes,
        request: requests.PreparedRequest,
        deadline: Deadline,
    ) -> requests.Response:
        connection.use(deadline)
        keep = False
        try:
            connection.send(message)
            answer = _final_answer(connection, request.method)
            response = _response(answer, request, self._max_answer_bytes)
            keep = answer.isclosed() and not answer.will_close
            return response
        except AnswerTooLarge:
            raise  # an OSError as well, like all of requests' own
        except TimeoutError as error:
            raise requests.ReadTimeout(f"waiting for {origin[1]}:{origin[2]}") from error
        except (OSError, http.client.RemoteDisconnected) as error:
            raise requests.ConnectionError(f"{origin[1]}:{origin[2]}: {error}") from error
        except (http.client.HTTPException, ValueError, zlib.error) as error:
            raise UnreadableAnswer(type(error).__name__) from error
        finally:
            if keep:
                self._pool.give(origin, connection)
            else:
                connection.close()


@lru_cache(maxsize=1024)
def _split(url: str) -> tuple[str, str, int, str, str]:
    """(scheme, host, port, netloc, target) of an http or https URL."""
    if not _URL.fullmatch(url):  # before urlsplit, which drops line breaks silently
        raise ValueError("a URL has no spaces, control or non-ASCII characters")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError("not an http or https URL with a host")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme, parts.hostname, port, parts.netloc, target


def _wire(request: requests.PreparedRequest) -> tuple[str, str, int, bytes]:
    """Where the request goes, and its bytes. raises: ValueError for what would be two requests."""
    scheme, host, port, netloc, target = _split(str(request.url))
    body = request.body
    if not isinstance(body, bytes):
        raise ValueError("the body has to be bytes")
    headers = {"Host": netloc, **request.headers, "Content-Length": str(len(body))}
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    # As many lines as headers: a value with a line break would have made one more.
    if not _HEADER_LINES.fullmatch(lines) or lines.count("\r\n") != len(headers):
        raise ValueError("a header has a line break, control or non-ASCII characters")
    head = f"{request.method} {target} HTTP/1.1\r\n{lines}\r\n"
    return scheme, host, port, head.encode("ascii") + body


def _final_answer(connection: Connection, method: str | None) -> http.client.HTTPResponse:
    """The answer with its headers read; http.client itself skips no interim one but 100."""
    while True:
        answer = http.client.HTTPResponse(connection, method=method)  # type: ignore[arg-type]  # needs makefile only
        answer.begin()
        if connection.ended:  # http.client takes the end of the stream for the end of the headers
            raise http.client.IncompleteRead(b"")
        if answer.status >= 200 or answer.status == 101:
            return answer


def _response(
    answer: http.client.HTTPResponse, request: requests.PreparedRequest, max_bytes: int
) -> requests.Response:
    response = requests.Response()
    response.status_code = answer.status
    response.reason = answer.reason
    response.request = request
    response.url = str(request.url)
    response.headers.update(answer.getheaders())
    body = _body(answer, max_bytes)
    response._content = _decoded(body, answer.getheader("Content-Encoding", ""), max_bytes)
    return response


def _body(answer: http.client.HTTPResponse, max_bytes: int) -> bytes:
    if answer.length is not None:
        if answer.length > max_bytes:
            raise AnswerTooLarge(f"over {max_bytes} bytes")
        return answer.read()
    parts: list[bytes] = []
    size = 0
    while part := answer.read(_CHUNK_BYTES):
        size += len(part)
        if size > max_bytes:
            raise AnswerTooLarge(f"over {max_bytes} bytes")
        parts.append(part)
    return b"".join(parts)


def _decoded(body: bytes, encoding: str, max_bytes: int) -> bytes:
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise ValueError("a Content-Encoding that nobody asked for")
    inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
    plain = inflater.decompress(body, max_bytes + 1)
    if len(plain) > max_bytes:
        raise AnswerTooLarge(f"over {max_bytes} bytes")
    if not inflater.eof:
        raise ValueError("compressed data cut off")
    return plain
