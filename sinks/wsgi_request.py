"""What a delivery's HTTP request holds: the headers of an event, a bounded body, a deadline."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final
from urllib.parse import parse_qsl

from gevent import Timeout, monkey

from sinks.deadline import Deadline
from sinks.errors import BodyTooLarge, MalformedEvent, Unavailable

Environ = Mapping[str, Any]  # as PEP 3333 says
# Where EventApp writes which of its rules a request goes by.
RULE: Final = "sinks.rule"
# A body is on its way when its head arrives; who takes longer holds a connection for nothing.
BODY_SECONDS: Final = 30.0
_MILLISECONDS = re.compile(r"-?\d{1,10}", re.ASCII)


def headers_of(environ: Environ) -> dict[str, str]:
    """Return the lower-case headers that make an event: content type, `ce-` and trace ones."""
    headers = {
        key[5:].lower().replace("_", "-"): value
        for key, value in environ.items()
        if key.startswith(("HTTP_CE_", "HTTP_TRACE"))
    }
    if content_type := environ.get("CONTENT_TYPE"):
        headers["content-type"] = content_type
    return headers


def arguments_of(environ: Environ) -> list[tuple[str, str]]:
    """Return names and values of the URL's parameters, in order."""
    return parse_qsl(_text(environ.get("QUERY_STRING", "")), keep_blank_values=True)


def path_of(environ: Environ) -> str:
    """Return the path, for people to read."""
    return _text(environ["PATH_INFO"])


def rule_of(environ: Environ) -> str:
    """Return the rule of EventApp that the path goes by, as `/models/<name>`."""
    rule: str = environ[RULE]
    return rule


def _text(value: str) -> str:
    """PEP 3333 hands over one Latin-1 character a byte; what browsers and curl send is UTF-8."""
    return value.encode("latin-1").decode("utf-8", "replace")


def deadline_of(environ: Environ, own_seconds: float) -> Deadline:
    """Return the earlier of our own and the caller's `Event-Timeout-Ms`; a malformed one is none.

    raises: Unavailable(deadline) if the caller says that no time is left.
    """
    own = Deadline.after(own_seconds)
    text = environ.get("HTTP_EVENT_TIMEOUT_MS", "")
    if not _MILLISECONDS.fullmatch(text):
        return own
    if int(text) <= 0:
        raise Unavailable("deadline", "Event-Timeout-Ms says that no time is left")
    return own.within(int(text) / 1000)


def expected_bytes(environ: Environ, max_bytes: int) -> int:
    """Return how much memory the body may take: what is declared, nothing where that is refused
    unread, and the most where nothing is declared."""
    declared = _declared_bytes(environ)
    if declared is None:
        return max_bytes if "HTTP_TRANSFER_ENCODING" in environ else 0
    return declared if declared <= max_bytes else 0


def body_of(environ: Environ, max_bytes: int, deadline: Deadline) -> bytes:
    """Return the whole body; at most one byte over the limit is read.

    raises: BodyTooLarge; MalformedEvent(client_disconnected); Unavailable(deadline) if it does not
            come within 30 s or the deadline.
    """
    declared = _declared_bytes(environ)
    if declared is None or declared <= max_bytes:
        most = max_bytes + 1 if declared is None else declared
        body = _read(environ["wsgi.input"].read, most, deadline)
        declared = len(body) if declared is None else declared
    if declared > max_bytes:
        raise BodyTooLarge("body_too_large", f"the body may have at most {max_bytes} bytes")
    if len(body) < declared:
        raise MalformedEvent("client_disconnected", "the body ended early: send all of it")
    return body


def _declared_bytes(environ: Environ) -> int | None:
    """Return the body's length; None if it comes in chunks, or nothing tells."""
    text = environ.get("CONTENT_LENGTH", "")
    return int(text) if text.isdecimal() and "HTTP_TRANSFER_ENCODING" not in environ else None


def _read(read: Callable[[int], bytes], most: int, deadline: Deadline) -> bytes:
    parts: list[bytes] = []
    try:
        with _ended_after(deadline.within(BODY_SECONDS).remaining()):
            while most and (part := read(most)):
                parts.append(part)
                most -= len(part)
    except Timeout as error:
        raise Unavailable("deadline", "the body did not come in time: send it at once") from error
    except Exception as error:  # every server has errors of its own for a broken body
        raise MalformedEvent(
            "client_disconnected", "the body is broken or ended early: send all of it"
        ) from error
    return b"".join(parts)


def _ended_after(seconds: float) -> AbstractContextManager[object]:
    """Return what ends a read that the server does for us, and that lasts while bytes drip in."""
    patched = monkey.is_module_patched("socket")  # not where an app is called without the server
    return Timeout(seconds) if patched else nullcontext()
