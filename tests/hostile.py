"""Hostile requests: every part wrong in turn, and how a tape of bytes becomes one of any kind.

Hypothesis draws only the tapes, one for a request: drawing every choice by itself would take longer
than answering. Zeros choose what comes first everywhere, and that is a good event.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, TypeVar

import orjson

from tests.factories import DATA, PAGE_CHANGE_TYPE, SCORE_TYPE
from tests.hostile_values import (
    ATTRIBUTES,
    HEADERS,
    JSON,
    MAX_BODY_BYTES,
    MEMBERS,
    METHODS,
    PIECES,
    STRUCTURED,
    TARGETS,
    TYPES,
    WORST,
    WRONG,
    bodies,
)

TAPE_BYTES: Final = 40
PATHS: Final = {"score": b"/models/drafttopic", "egress": b"/", "shim": b"/events"}
FRAMINGS: Final = ("chunked", "short", "unterminated", "bad_chunk", "none", "expect")
# Which parts of a generated request are hostile.
PLANS: Final[tuple[str, ...]] = (
    "", "member", "member", "member member", "member member member", "attribute", "attribute",
    "attribute attribute", "header", "header", "header header header", "type", "bytes", "bytes",
    "bytes bytes", "body", "framing", "target", "method", "member attribute header",
    "attribute type", "header framing", "member target", "type body", "size", "caller",
)  # fmt: skip
Header = tuple[bytes, bytes]
Path = tuple[str | int, ...]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `framing`: `length` for a Content-Length that is right, or one of FRAMINGS."""

    target: bytes
    headers: tuple[Header, ...]
    body: bytes
    method: bytes = b"POST"
    framing: str = "length"

    @property
    def raw(self) -> bytes:
        """The request as it goes over the wire."""
        lines = [b"%s %s HTTP/1.1" % (self.method, self.target)]
        if all(name.lower() != b"host" for name, _ in self.headers):
            lines.append(b"Host: sink")
        lines += [b"%s: %s" % header for header in self.headers]
        size, body = len(self.body), self.body
        if self.framing in ("length", "short", "expect"):
            lines.append(b"Content-Length: %d" % (size + 9 * (self.framing == "short")))
        elif self.framing != "none":
            lines.append(b"Transfer-Encoding: chunked")
            ends = {"chunked": b"0\r\n\r\n", "unterminated": b"", "bad_chunk": b"zz\r\n"}
            body = (b"%x\r\n%s\r\n" % (size, body) if body else b"") + ends[self.framing]
        if self.framing == "expect":
            lines.append(b"Expect: 100-continue")
        return b"\r\n".join((*lines, b"", body))


# --- good events, to begin with -----------------------------------------------------------------


@cache
def documents(app: str) -> tuple[bytes, ...]:
    """Return the sample documents that the app takes, an ordinary one first."""
    pattern, first = "events/*.json", "page_change_edit.json"
    if app == "egress":
        pattern, first = "rows/*/*/output.json", "drafttopic/edit/output.json"
    paths = sorted(DATA.glob(pattern), key=lambda path: (not path.as_posix().endswith(first), path))
    return tuple(orjson.dumps(orjson.loads(path.read_bytes())) for path in paths)


@cache
def members(document: bytes) -> tuple[Path, ...]:
    """Return the paths of all members of a document, at every depth."""
    return tuple(_members(orjson.loads(document), ()))


def _members(value: Any, path: Path) -> Iterator[Path]:
    for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, name)
        if isinstance(inner, dict | list):
            yield from _members(inner, (*path, name))


def modes(app: str) -> tuple[str, ...]:
    return ("binary", "structured", "plain") if app == "shim" else ("binary", "structured")


def attributes_of(app: str) -> dict[str, Any]:
    """Return the attributes of a good event."""
    kind = SCORE_TYPE if app == "egress" else PAGE_CHANGE_TYPE
    return {"specversion": "1.0", "id": "event-1", "source": "/mediawiki/enwiki", "type": kind}


def good(app: str, mode: str, data: bytes, attributes: dict[str, Any] | None = None) -> Request:
    """Return an event with this JSON text as its data; mode `plain` is just the text."""
    named = attributes_of(app) if attributes is None else attributes
    if mode == "plain":
        return Request(PATHS[app], ((b"Content-Type", JSON),), data)
    if mode == "structured":
        envelope = orjson.dumps(named | {"data": "@data@"}).replace(b'"@data@"', data)
        return Request(PATHS[app], ((b"Content-Type", STRUCTURED),), envelope)
    headers = tuple((b"ce-" + name.encode(), value.encode()) for name, value in named.items())
    return Request(PATHS[app], (*headers, (b"Content-Type", JSON)), data)


# --- one thing after another wrong --------------------------------------------------------------


def members_in_turn(app: str, thorough: bool) -> Iterator[Request]:
    """Each member of a sample document absent, and with each of the worst values.

    thorough:  so in one document of each kind, not in one alone; of all else every 53rd.
    """
    samples = documents(app)[:1] if app == "egress" else _kinds(documents(app))
    known, count = modes(app), 0
    for sample in samples:
        for path in members(sample):
            for value in (None, *WRONG):
                count += 1
                worst = value is None or value in WORST
                if (worst and (thorough or sample == samples[0])) or count % 53 == 0:
                    document = orjson.loads(sample)
                    _put(document, path, None if value is None else "@0@")
                    text = orjson.dumps(document).replace(b'"@0@"', value or b"")
                    yield good(app, known[count % len(known)], text)


def _kinds(samples: Sequence[bytes]) -> list[bytes]:
    """The first of each kind of change, and of each major version of each schema."""
    found: dict[Any, bytes] = {}
    for sample in samples:
        document = orjson.loads(sample)
        major = document["$schema"].partition(".")[0]
        found.setdefault((major, document.get("page_change_kind")), sample)
    return list(found.values())


def attributes_in_turn(app: str) -> Iterator[Request]:
    """Each attribute absent, and wrong in turn, in both modes."""
    data = documents(app)[0]
    for name in (*ATTRIBUTES, b"data", b"data_base64", b"X", b"\xc3\xa9"):
        text = name.decode()
        rest = {key: value for key, value in attributes_of(app).items() if key != text}
        event = good(app, "binary", data, rest)
        yield event
        yield good(app, "structured", data, rest)
        for value in WRONG:
            envelope = good(app, "structured", data, rest | {text: "@0@"})
            yield replace(envelope, body=envelope.body.replace(b'"@0@"', value))
        for value in PIECES:
            if name == b"datacontenttype":
                yield replace(event, headers=(*event.headers[:-1], (b"Content-Type", value)))
            elif name.isascii():
                yield replace(event, headers=(*event.headers, (b"ce-" + name, value)))


def bodies_in_turn(app: str) -> Iterator[Request]:
    """A body of each class in each mode, and a good one cut off at every tenth byte."""
    plain = documents(app)[0]
    for mode in modes(app):
        event = good(app, mode, plain)
        coded = (*event.headers, (b"Content-Encoding", b"gzip"))
        for body in bodies(plain).values():
            yield replace(event, body=body)
            yield replace(event, body=body, headers=coded, framing="chunked")
        for end in range(0, len(event.body), 10):
            yield replace(event, body=event.body[:end])


def _put(document: Any, path: Path, mark: str | None) -> None:
    """Put a mark, which JSON text replaces later, in place of a member; None removes the member.

    Nothing happens where an earlier change has left no such place.
    """
    *parents, last = path
    for step in parents:
        document = document[step] if _has(document, step) else None
    if mark is None and _has(document, last):
        del document[last]
    elif mark is not None and (_has(document, last) or isinstance(document, dict)):
        document[last] = mark


def _has(document: Any, step: str | int) -> bool:
    if isinstance(document, dict):
        return step in document
    return isinstance(document, list) and isinstance(step, int) and step < len(document)


# --- a tape becomes a request -------------------------------------------------------------------


class Choices:
    """Reads a tape: each choice is its next byte; at its end every choice is the first."""

    def __init__(self, tape: bytes) -> None:
        self._left = iter(tape)

    def below(self, count: int) -> int:
        """Return a number below `count`, which may be up to 65536."""
        first = next(self._left, 0)
        return (first if count <= 256 else first * 256 + next(self._left, 0)) % count

    def of(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]


def request_of(app: str, tape: bytes) -> Request:
    """Return the request that the tape stands for."""
    choices = Choices(tape)
    plan = choices.of(PLANS).split()
    mode = choices.of(modes(app))
    sample = choices.of(documents(app))
    document, attributes = orjson.loads(sample), attributes_of(app)
    texts: dict[bytes, bytes] = {}
    for number in range(plan.count("member")):
        _wrong_member(choices, document, members(sample), f"@{number}@", texts)
    if mode == "structured":
        for number in range(plan.count("attribute")):
            attributes[choices.of(ATTRIBUTES).decode()] = f"@a{number}@"
            texts[b'"@a%d@"' % number] = choices.of(WRONG)
    request = good(app, mode, orjson.dumps(document), attributes)
    for mark, text in texts.items():
        request = replace(request, body=request.body.replace(mark, text))
    if mode == "binary":
        for _ in range(plan.count("attribute")):
            request = _with_header(choices, request, b"ce-" + choices.of(ATTRIBUTES))
    for part in plan:
        if part in _PARTS:
            request = _PARTS[part](choices, request, app)
    return replace(request, body=request.body[: MAX_BODY_BYTES + 10])


def _wrong_member(
    choices: Choices,
    document: Any,
    paths: Sequence[Path],
    mark: str,
    texts: dict[bytes, bytes],
) -> None:
    path = choices.of(paths)
    action = choices.below(8)
    if action == 0:
        _put(document, path, None)
        return
    texts[b'"%s"' % mark.encode()] = choices.of(WRONG)
    if action == 1:
        _put(document, (*path[:-1], choices.of(MEMBERS)), mark)
    elif action == 2 and isinstance(path[-1], str):
        _put(document, (*path[:-1], f"{mark}k"), mark)  # becomes a second member of this name
        texts[b'"%sk"' % mark.encode()] = orjson.dumps(path[-1])
    else:
        _put(document, path, mark)


def _with_header(choices: Choices, request: Request, name: bytes) -> Request:
    action = choices.below(8)
    value = b"".join(choices.of(PIECES) for _ in range(choices.below(3) + 1))
    if name == b"Event-Timeout-Ms":
        value += b"x"  # a deadline of no time would rightly be 503
    kept = request.headers
    if action < 5:
        kept = tuple(header for header in kept if header[0].lower() != name.lower())
    if action == 0:
        return replace(request, headers=kept)
    if action == 7:
        value = (value or b"b") * (8000 // (len(value) or 1))
    times = {5: 2, 6: 80}.get(action, 1)
    return replace(request, headers=(*kept, *[(name, value)] * times))


def _header(choices: Choices, request: Request, _app: str) -> Request:
    return _with_header(choices, request, choices.of(HEADERS))


def _type(choices: Choices, request: Request, _app: str) -> Request:
    kept = tuple(header for header in request.headers if header[0] != b"Content-Type")
    return replace(request, headers=(*kept, (b"Content-Type", choices.of(TYPES))))


def _bytes(choices: Choices, request: Request, _app: str) -> Request:
    body, text = request.body, request.body.decode("utf-8", "replace")
    at = choices.below(max(1, min(len(body), 65536)))
    made: tuple[Callable[[], bytes], ...] = (
        lambda: body[:at],
        lambda: body[at:],
        lambda: body[:at] + choices.of(WRONG) + body[at:],
        lambda: body[:at] + bytes([choices.below(256)]) + body[at + 1 :],
        lambda: body[:at] + body[at + choices.below(256) :],
        lambda: body[:at] + body[: choices.below(256)] + body[at:],
        lambda: body + choices.of(WRONG),
        lambda: b"\xef\xbb\xbf" + body,
        lambda: text.encode(choices.of(("utf-16", "utf-32", "utf-16-be"))),
        lambda: text.encode("latin-1", "replace"),
        lambda: zlib.compress(body, 1),
        lambda: json.dumps(text).encode(),
        lambda: body.replace(b'"', choices.of((b"'", b"", b'\\"', b'""'))),
        lambda: body.replace(b":", choices.of((b"=", b"", b"::", b":[")), choices.below(20) + 1),
        lambda: body + b" " * choices.below(65536),
        lambda: body * (choices.below(3) + 2),
    )
    return replace(request, body=choices.of(made)())


def _body(choices: Choices, request: Request, app: str) -> Request:
    return replace(request, body=choices.of(tuple(bodies(documents(app)[0]).values())))


def _size(choices: Choices, request: Request, _app: str) -> Request:
    return replace(request, body=request.body.ljust(MAX_BODY_BYTES - 1 + choices.below(4)))


def _framing(choices: Choices, request: Request, _app: str) -> Request:
    return replace(request, framing=choices.of(FRAMINGS))


def _target(choices: Choices, request: Request, _app: str) -> Request:
    return replace(request, target=choices.of(TARGETS).replace(b"{}", request.target))


def _method(choices: Choices, request: Request, _app: str) -> Request:
    return replace(request, method=choices.of(METHODS))


def _caller(choices: Choices, request: Request, _app: str) -> Request:
    scheme = choices.of((b"Bearer ", b"bearer", b"Basic ", b""))
    header = (b"Authorization", scheme + choices.of(PIECES))
    return replace(request, headers=(*request.headers, header))


_PARTS: Final[dict[str, Callable[[Choices, Request, str], Request]]] = {
    "header": _header,
    "type": _type,
    "bytes": _bytes,
    "body": _body,
    "size": _size,
    "framing": _framing,
    "target": _target,
    "method": _method,
    "caller": _caller,
}
