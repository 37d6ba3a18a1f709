"""An HTTP/1.1 answer read from a connection: whole, bounded, decoded, no second one behind it."""

from __future__ import annotations

import zlib
from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from sinks.connection import Connection
from sinks.deadline import Deadline
from sinks.http_message import AnswerTooLarge, HttpResponse, UnreadableAnswer

_FRAMING: Final = frozenset(("content-length", "transfer-encoding"))
# Of an answer's head and trailers; and what a chunk of one byte has around it.
_MAX_HEAD_BYTES: Final = 65536
_MAX_FRAMING_PER_BYTE: Final = 16
_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32


class _Reading:
    """One answer, as httptools reads it; interim ones are passed over.

    status:  0 until the head of the final answer has come.
    whole:   whether all of it has come.
    lasting: whether the connection can be used again.
    """

    def __init__(self, max_bytes: int) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.whole = False
        self.lasting = False
        self._begun = False
        self._parser = HttpResponseParser(self)
        self._max_bytes = max_bytes
        self._parts: list[bytes] = []
        self._body_bytes = 0
        self._fed_bytes = 0

    def feed(self, data: bytes) -> None:
        """Take what the peer has sent next; nothing means that it has closed its side.

        raises: AnswerTooLarge, UnreadableAnswer; ConnectionResetError if no answer has begun.
        """
        if not data:
            self._end()
            return
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:  # to whatever: nobody asked for it
            self.whole, self.lasting = True, False
        except HttpParserError as error:
            if not self.whole:
                raise UnreadableAnswer(str(error.__context__ or error)) from error
            self.lasting = False
        self._fed_bytes += len(data)
        coming = self.headers.get("content-length", "0") if self.status and not self.whole else "0"
        if max(self._body_bytes, int(coming)) > self._max_bytes:
            raise AnswerTooLarge(f"over {self._max_bytes} bytes")
        framing = self._fed_bytes - self._body_bytes
        if framing > _MAX_HEAD_BYTES + _MAX_FRAMING_PER_BYTE * self._body_bytes:
            raise UnreadableAnswer("its head, or what is between its chunks, does not end")

    def response(self) -> HttpResponse:
        """Return the whole answer, decoded. raises: AnswerTooLarge, UnreadableAnswer."""
        encoding = self.headers.get("content-encoding", "")
        body = _decoded(b"".join(self._parts), encoding, self._max_bytes)
        return HttpResponse(self.status, self.headers, body)

    def close(self) -> None:
        """Let go of the parser, which knows this object: nothing would free the two at once."""
        del self._parser

    def _end(self) -> None:
        if not self._begun:  # after an interim answer at most
            raise ConnectionResetError("closed without an answer")
        if not self.status or self._is_framed():
            raise UnreadableAnswer("it ended early")
        self.whole, self.lasting = True, False

    def _is_framed(self) -> bool:
        return not _FRAMING.isdisjoint(self.headers)

    # What httptools calls.

    def on_message_begin(self) -> None:
        self._begun = True
        if self.whole:  # one more, that nobody asked for
            self.lasting = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.status:  # a trailer
            return
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        if key == "content-encoding" and key in self.headers:  # encoded twice
            text = f"{self.headers.pop(key)}, {text}"
        self.headers.setdefault(key, text)  # of a repeated one the first, as Go's clients do

    def on_headers_complete(self) -> None:
        if self.whole:
            return
        status = self._parser.get_status_code()
        if status >= 200 or status == 101:
            self.status = status
            self.lasting = self._parser.should_keep_alive()
        elif self.headers.get("content-length", "0") != "0" or "transfer-encoding" in self.headers:
            raise UnreadableAnswer("an interim answer with a body")
        else:
            self.headers.clear()

    def on_body(self, part: bytes) -> None:
        if not self.whole:
            self._parts.append(part)
            self._body_bytes += len(part)

    def on_message_complete(self) -> None:
        self.whole = bool(self.status)
        self._begun = self.whole


def answer_on(
    connection: Connection, deadline: Deadline, max_bytes: int
) -> tuple[HttpResponse, bool]:
    """Return the whole answer that comes, and whether the connection can be used again.

    raises: AnswerTooLarge, UnreadableAnswer; OSError, TimeoutError.
    """
    reading = _Reading(max_bytes)
    try:
        while not reading.whole:
            reading.feed(connection.receive(deadline))
        return reading.response(), reading.lasting
    finally:
        reading.close()


def _decoded(body: bytes, encoding: str, max_bytes: int) -> bytes:
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise UnreadableAnswer("a Content-Encoding that nobody asked for")
    inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        plain = inflater.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise UnreadableAnswer(str(error)) from error
    if len(plain) > max_bytes:
        raise AnswerTooLarge(f"over {max_bytes} bytes")
    if not inflater.eof:
        raise UnreadableAnswer("compressed data cut off")
    return plain
