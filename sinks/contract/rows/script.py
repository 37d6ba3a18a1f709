"""What a row does to a sink: a script of acts on one or more connections, as plain data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes; a peer that has closed already is no mistake of ours."""

    data: bytes
    connection: int = 0


@dataclass(frozen=True, slots=True)
class Pause:
    """Do nothing for so long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class AwaitInterim:
    """Wait for `100 Continue`, but not for ever: a client may send its body without it."""

    seconds: float = 1.0
    connection: int = 0


@dataclass(frozen=True, slots=True)
class EndSending:
    """Close our half of the connection; the answer can still be read."""

    connection: int = 0


@dataclass(frozen=True, slots=True)
class Hear:
    """Read one final answer."""

    connection: int = 0


Act = Send | Pause | AwaitInterim | EndSending | Hear
Script = tuple[Act, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. `headers`: as on the wire, repeats allowed, without Host and framing."""

    target: str
    headers: tuple[tuple[str, bytes], ...]
    body: bytes
    host: str
    method: str = "POST"

    def head(self, *more: str) -> bytes:
        """Return request line and headers, `more` header lines included."""
        lines = [
            f"{self.method} {self.target} HTTP/1.1".encode("latin-1"),
            b"Host: " + self.host.encode(),
        ]
        lines += [name.encode("latin-1") + b": " + value for name, value in self.headers]
        lines += [line.encode("latin-1") for line in more]
        return b"\r\n".join((*lines, b"", b""))

    def raw(self, *more: str) -> bytes:
        """Return the whole request, framed by its length."""
        return self.head(f"Content-Length: {len(self.body)}", *more) + self.body

    def chunked(self, *parts: bytes) -> bytes:
        """Return the whole request with `parts` as the chunks of its body."""
        return self.head("Transfer-Encoding: chunked") + chunks(*parts, b"")


Edit = Callable[[Request], Request]


def chunks(*parts: bytes) -> bytes:
    """Return the parts as HTTP/1.1 chunks; an empty one is the last."""
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


def header(name: str, value: str | bytes | None) -> Edit:
    """Set a header in place of all of this name; None takes it away."""
    raw = value.encode() if isinstance(value, str) else value

    def edit(request: Request) -> Request:
        kept = tuple(pair for pair in request.headers if pair[0].lower() != name.lower())
        return replace(request, headers=kept if raw is None else (*kept, (name, raw)))

    return edit


def named(change: Callable[[str], str]) -> Edit:
    """Write the names of all headers another way."""
    return lambda request: replace(
        request, headers=tuple((change(name), value) for name, value in request.headers)
    )


def body(raw: bytes | Callable[[bytes], bytes]) -> Edit:
    """Set the body, or make it from the one that is there."""
    return lambda request: replace(request, body=raw(request.body) if callable(raw) else raw)


def target(path: str | Callable[[str], str]) -> Edit:
    """Set the request target, or make it from the one that is there."""
    return lambda request: replace(request, target=path(request.target) if callable(path) else path)


def method(name: str) -> Edit:
    """Set the method."""
    return lambda request: replace(request, method=name)
