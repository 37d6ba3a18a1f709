"""What a delivery's HTTP request holds: the headers of an event, a bounded body, a deadline."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from flask import Request
from gevent import Timeout, monkey

from sinks.deadline import Deadline
from sinks.errors import BodyTooLarge, MalformedEvent, SinkError, Unavailable

# A body is on its way when its head arrives; who takes longer holds a connection for nothing.
BODY_SECONDS: Final = 30.0
_MILLISECONDS = re.compile(r"-?\d{1,10}", re.ASCII)


def headers_of(request: Request) -> dict[str, str]:
    """Return the lower-case headers that make an event: content type, `ce-` and trace ones."""
    headers = {
        name[5:].lower().replace("_", "-"): value
        for name, value in request.environ.items()
        if name.startswith(("HTTP_CE_", "HTTP_TRACE"))
    }
    if content_type := request.environ.get("CONTENT_TYPE"):
        headers["content-type"] = content_type
    return headers


def deadline_of(request: Request, own_seconds: float) -> Deadline:
    """Return the earlier of our own and the caller's `Event-Timeout-Ms`; a malformed one is none.

    raises: Unavailable(deadline) if the caller says that no time is left.
    """
    own = Deadline.after(own_seconds)
    text = request.environ.get("HTTP_EVENT_TIMEOUT_MS", "")
    if not _MILLISECONDS.fullmatch(text):
        return own
    if int(text) <= 0:
        raise Unavailable("deadline", "Event-Timeout-Ms says that no time is left")
    return own.within(int(text) / 1000)


def expected_bytes(request: Request, max_bytes: int) -> int:
    """Return how much memory the body may take: what is declared, nothing where that is refused
    unread, and the most where nothing is declared."""
    declared = request.content_length
    if declared is None:
        return max_bytes if "HTTP_TRANSFER_ENCODING" in request.environ else 0
    return declared if declared <= max_bytes else 0


def body_of(request: Request, max_bytes: int, deadline: Deadline) -> bytes:
    """Return the whole body; at most one byte over the limit is read.

    raises: BodyTooLarge; MalformedEvent(client_disconnected); Unavailable(deadline) if it does not
            come within 30 s or the deadline.
    """
    declared = request.content_length or 0
    body = b"" if declared > max_bytes else _read(request, declared or max_bytes + 1, deadline)
    if max(declared, len(body)) > max_bytes:
        raise BodyTooLarge("body_too_large", f"the body may have at most {max_bytes} bytes")
    if len(body) < declared:
        raise MalformedEvent("client_disconnected", "the body ended early: send all of it")
    return body


def _read(request: Request, most: int, deadline: Deadline) -> bytes:
    parts: list[bytes] = []
    late = Unavailable("deadline", "the body did not come in time: send it at once")
    seconds = deadline.within(BODY_SECONDS).remaining()
    try:
        with _ended_after(seconds, late):
            stream = request.stream
            while most and (part := stream.read(most)):
                parts.append(part)
                most -= len(part)
    except SinkError:
        raise
    except Exception as error:  # every server has errors of its own for a broken body
        raise MalformedEvent(
            "client_disconnected", "the body is broken or ended early: send all of it"
        ) from error
    return b"".join(parts)


def _ended_after(seconds: float, late: SinkError) -> AbstractContextManager[object]:
    """Return what ends a read that the server does for us, and that lasts while bytes drip in."""
    patched = monkey.is_module_patched("socket")  # not where an app is called without the server
    return Timeout(seconds, late) if patched else nullcontext()
