"""HTTP/1.1 requests and answers as bytes: nothing in them can make a second one of either."""

from __future__ import annotations

import http.client
import re
import zlib
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

import requests

from sinks.connection import Connection

_HEADER_LINES = re.compile(r"(?:[A-Za-z0-9-]+: [\x20-\x7e]*\r\n)+")
_URL = re.compile(r"[!-~]+")
_CHUNK_BYTES: Final = 65536
_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32


class AnswerTooLarge(requests.RequestException):
    """The answer is over the limit; nothing beyond the limit was kept."""


class UnreadableAnswer(requests.RequestException):
    """Not HTTP/1.x, cut off, or in an encoding that was not asked for and cannot be read."""


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


def request_bytes(request: requests.PreparedRequest) -> tuple[str, str, int, bytes]:
    """Return scheme, host and port to connect to, and the request as bytes.

    raises: ValueError for a URL or header that cannot be sent, or would make two requests of one.
    """
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


def final_answer(connection: Connection, method: str | None) -> http.client.HTTPResponse:
    """Return the answer with its headers read; http.client skips no interim one but 100.

    raises: OSError, TimeoutError, http.client.HTTPException.
    """
    while True:
        answer = http.client.HTTPResponse(connection, method=method)  # type: ignore[arg-type]  # needs makefile only
        answer.begin()
        if connection.ended:  # http.client takes the end of the stream for the end of the headers
            raise http.client.IncompleteRead(b"")
        if answer.status >= 200 or answer.status == 101:
            return answer


def response_of(
    answer: http.client.HTTPResponse, request: requests.PreparedRequest, max_bytes: int
) -> requests.Response:
    """Return the whole answer, decoded.

    raises: AnswerTooLarge; OSError, http.client.HTTPException, ValueError, zlib.error.
    """
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
