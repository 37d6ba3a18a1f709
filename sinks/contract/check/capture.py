"""One HTTP message as `curl -i`, `curl -v` or a sniffer wrote it: head and body, chunks undone.

Knows HTTP/1.1 framing and HTTP/2 as curl shows it; knows nothing of events.
source: https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import re
from typing import Final

from sinks.contract.check.payload import Payload, Unreadable, json_payload
from sinks.contract.check.rules import found, shown
from sinks.contract.finding import Finding, Severity

_REQUEST = re.compile(rb"([A-Z]{1,20}) (\S+) HTTP/\d(?:\.\d)?")
_STATUS = re.compile(rb"HTTP/\d(?:\.\d)? (\d{3})(?: .*)?")
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")
_LINE_END = re.compile(rb"(?:\r?\n)?")
_VERBOSE = (b"* ", b"> ", b"< ")
_MOVED = re.compile(rb"[{}] \[\d+ bytes data\]")
# On the body's own line where that does not end in a line break.
_LEFT_INTACT = re.compile(rb"\* Connection #\d+ to host \S+ left intact\r?\n")
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
# Ten times what servers take: more is no message, and would take long to judge.
_MAX_HEAD_BYTES: Final = 256 * 1024
_MAX_HEADERS: Final = 1000
_MAX_INTERIM: Final = 10


def payload_of(content: bytes) -> Payload:
    """Return the payload that the bytes of a file are.

    raises: Unreadable if they are none, saying what they are instead.
    """
    text = content.lstrip(b"\r\n\t ")
    if not text:
        raise Unreadable("is empty")
    if text.startswith(_UTF16):
        raise Unreadable("is UTF-16 text: save it as UTF-8")
    if text.startswith(_VERBOSE):
        text = _without_marks(text)
    first = text.split(b"\n", 1)[0].rstrip(b"\r")
    if _REQUEST.fullmatch(first) or _STATUS.fullmatch(first):
        return _message(text)
    if text.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"{", b"[")):
        return json_payload(content)
    raise Unreadable(
        "is neither JSON nor an HTTP capture, which begins with a line such as POST / HTTP/1.1 or"
        " HTTP/1.1 200 OK"
    )


def _without_marks(text: bytes) -> bytes:
    """Return the message in the output of `curl -v`: the response, or else the request.

    The body stands among the marked lines, unmarked.
    """
    lines = _LEFT_INTACT.sub(b"", text).splitlines(keepends=True)
    mark = b"< " if any(line.startswith(b"< HTTP/") for line in lines) else b"> "
    head = [line.removeprefix(mark) for line in lines if line.startswith(mark)]
    body = [line for line in lines if not line.startswith(_VERBOSE) and not _MOVED.match(line)]
    return b"".join(head) + b"".join(body)


def _message(text: bytes) -> Payload:
    head, body = _split(text)
    for _ in range(_MAX_INTERIM):
        status = _STATUS.match(head)
        if not status or not 100 <= int(status[1]) < 200 or not _STATUS.match(body):
            break
        head, body = _split(body)
    first, *lines = head.decode("latin-1").splitlines()
    headers, findings = _headers(lines)
    body, framing = _body(headers, body)
    findings += framing
    if status := _STATUS.match(first.encode("latin-1")):
        found_status = int(status[1])
        return Payload(
            "HTTP response", headers, body, status=found_status, findings=tuple(findings)
        )
    method, target, _ = first.split(" ", 2)
    return Payload("HTTP request", headers, body, method, target, findings=tuple(findings))


def _split(text: bytes) -> tuple[bytes, bytes]:
    end = _END_OF_HEAD.search(text)
    head, body = (text[: end.start()], text[end.end() :]) if end else (text.rstrip(b"\r\n"), b"")
    if len(head) > _MAX_HEAD_BYTES or head.count(b"\n") > _MAX_HEADERS:
        raise Unreadable(
            f"has an HTTP head of over {_MAX_HEADERS} lines or {_MAX_HEAD_BYTES // 1024} KiB, which"
            " no server would read"
        )
    return head, body


def _headers(lines: list[str]) -> tuple[tuple[tuple[str, str], ...], list[Finding]]:
    headers: list[tuple[str, str]] = []
    findings: list[Finding] = []
    for number, line in enumerate(lines, 2):
        name, colon, value = line.partition(":")
        if colon and _HEADER_NAME.fullmatch(name):
            headers.append((name, value.strip(" \t")))
        else:
            problem = f"{shown(line)} is no line `name: value`"
            findings.append(found("header_line", f"line {number}", problem))
    return tuple(headers), findings


def _body(headers: tuple[tuple[str, str], ...], body: bytes) -> tuple[bytes, list[Finding]]:
    """Return the body as a receiver would see it."""
    named = [(name.lower(), value) for name, value in headers]
    if any(name == "transfer-encoding" and "chunked" in value.lower() for name, value in named):
        return _unchunked(body)
    lengths = {value for name, value in named if name == "content-length"}
    if not lengths:
        return body, []
    said = min(lengths)
    if len(lengths) > 1 or not re.fullmatch(r"[0-9]{1,12}", said):
        problem = f"says {' and '.join(sorted(map(shown, lengths)))}, which is no one number"
        return body, [found("content_length", "Content-Length", problem)]
    length = int(said)
    if length <= len(body) and not body[length:].strip(b"\r\n"):
        return body[:length], []  # an editor ends a file with a line break
    problem = f"says {length} bytes, but the body has {len(body)}"
    # A receiver waits in vain for missing bytes; it never sees those that are too many.
    severity: Severity = "error" if length > len(body) else "warning"
    return body[:length], [found("content_length", "Content-Length", problem, severity)]


def _unchunked(body: bytes) -> tuple[bytes, list[Finding]]:
    """Return the body without the framing of chunks; `curl -i` has already undone it."""
    parts: list[bytes] = []
    at = 0
    while match := _CHUNK.match(body, at):
        size = int(match[1], 16)
        if size == 0:
            return b"".join(parts), []
        begin, end = match.end(), match.end() + size
        parts.append(body[begin:end])
        line_end = _LINE_END.match(body, end)
        at = line_end.end() if line_end else end
        if end > len(body):
            break
    if not parts:
        return body, []
    problem = f"ends within or between chunks, after {len(body)} bytes; the last has size 0"
    return b"".join(parts), [found("chunked_encoding", "body", problem)]
