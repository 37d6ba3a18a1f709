"""HTTP/1.1 on asyncio streams, as much as the soak needs: it has to send broken answers too."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_LIMIT = 2**20


@dataclass(frozen=True, slots=True)
class Message:
    """A request or an answer; header names are in lower case."""

    first: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.first.split(" ")[1]

    @property
    def status(self) -> int:
        return int(self.first.split(" ")[1])


async def read(reader: asyncio.StreamReader) -> Message:
    """Return the next message. raises: EOFError, OSError, ValueError."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Message(first, headers, body)


def message(first: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """Return the bytes of a message of known length."""
    lines = [first, *(f"{name}: {value}" for name, value in headers.items())]
    head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""])
    return head.encode("latin-1") + body


def answer(status: int, body: Any = b"", headers: Mapping[str, str] | None = None) -> bytes:
    """Return the bytes of an answer; a body that is no bytes is written as JSON."""
    kind = {} if isinstance(body, bytes) else {"Content-Type": "application/json"}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return message(f"HTTP/1.1 {status} X", {**kind, **(headers or {})}, content)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close the connection so that the peer gets a reset."""
    sock = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


Behave = Callable[[Message, asyncio.StreamWriter], Awaitable[bool]]


@dataclass
class Server:
    """Serves on one port; `open` and `close` it as often as you like.

    behave:  answers a request; a true result keeps the connection.
    idle:    seconds after which an idle connection is closed, asked anew each time.
    """

    port: int
    behave: Behave
    idle: Callable[[], float] = lambda: 30.0
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def open(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(
                self._serve, "127.0.0.1", self.port, limit=_LIMIT, backlog=1024
            )

    def close(self) -> None:
        """Refuse new connections, reset the open ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
            for writer in list(self._writers):
                reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                request = await asyncio.wait_for(read(reader), self.idle())
                if not await self.behave(request, writer):
                    return
                await writer.drain()
        except (EOFError, OSError, ValueError):  # TimeoutError is an OSError
            return
        finally:
            self._writers.discard(writer)
            writer.close()


@dataclass
class Client:
    """POSTs to one server over connections that it keeps, as Go's and Node's clients do."""

    port: int
    _idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def post(
        self, path: str, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Message:
        """Return the answer. raises: TimeoutError; OSError or EOFError if there is none."""
        async with asyncio.timeout(seconds):
            connection = self._take() or await asyncio.open_connection(
                "127.0.0.1", self.port, limit=_LIMIT
            )
            reader, writer = connection
            keep = False
            try:
                named = {"Host": f"127.0.0.1:{self.port}", **headers}
                writer.write(message(f"POST {path} HTTP/1.1", named, body))
                await writer.drain()
                found = await read(reader)
                keep = found.headers.get("connection", "").lower() != "close"
                return found
            finally:
                if keep:
                    self._idle.append(connection)
                else:
                    writer.close()

    def _take(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return None

    def close(self) -> None:
        for _, writer in self._idle:
            writer.close()
