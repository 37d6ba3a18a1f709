"""HTTP/1.1 requests and answers as values, and a request as bytes: never as those of two."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

_URL = re.compile(r"[!-~]+")


class HttpRequest(NamedTuple):
    """One request; Host, unless it is among the headers, and Content-Length come from the rest."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


class HttpResponse(NamedTuple):
    """One whole answer, ours or an upstream's.

    headers:  an upstream's have names in lower case; ours are without Content-Length.
    body:     decoded.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class AnswerTooLarge(Exception):
    """The answer is over the limit; nothing beyond the limit was kept."""


class UnreadableAnswer(Exception):
    """Not HTTP, cut off, or in an encoding that was not asked for and cannot be read."""


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


def request_bytes(request: HttpRequest) -> tuple[str, str, int, bytes]:
    """Return scheme, host and port to connect to, and the request as bytes.

    raises: ValueError for a URL or header that cannot be sent, or would make two requests of one.
    """
    scheme, host, port, netloc, target = _split(request.url)
    headers = {"Host": netloc, **request.headers, "Content-Length": str(len(request.body))}
    names, text = "".join(headers).replace("-", ""), "".join(headers.values())
    if not (
        names.isalnum() and "" not in headers and (names + text).isascii() and text.isprintable()
    ):
        raise ValueError("a header has a line break, control or non-ASCII characters")
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    head = f"{request.method} {target} HTTP/1.1\r\n{lines}\r\n"
    return scheme, host, port, head.encode("ascii") + request.body
