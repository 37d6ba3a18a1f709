"""Server-sent events: bytes in as they come, events out; bounded, whatever a server sends. Pure.

Unlike a browser it leaves the data as bytes: what is no UTF-8 is for the reader of the data to say.
source: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

MAX_EVENT_BYTES: Final = 4 * 2**20
# A server that never ends an event is left: what is behind it would never come.
_MOST_TO_PASS_OVER: Final = 64
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_BOM: Final = b"\xef\xbb\xbf"
_MAX_RETRY_DIGITS: Final = 9


class EndlessEvent(ValueError):
    """An event goes on and on; the connection is of no more use."""


class ServerSentEvent(NamedTuple):
    """One block of a stream, up to its empty line.

    id:        the last id that the stream has given, by now; empty if none.
    type:      `message` if the stream does not say.
    data:      empty: there is nothing to handle, but the id counts.
    too_large: how many bytes it had, if more than the limit; the data are dropped.
    """

    id: str
    type: str
    data: bytes
    too_large: int = 0


class EventReader:
    """Reads one connection's stream, in at most twice the memory of the largest event.

    last_event_id:    of the connection before: it holds until the stream gives another.
    max_event_bytes:  of the data of one event, and of one line.
    retry_seconds:    what the stream wants a reader to wait before it connects again; None: it
                      says nothing.
    """

    def __init__(self, last_event_id: str = "", max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self.retry_seconds: float | None = None
        self._told_id = self._id = last_event_id
        self._max_event_bytes = max_event_bytes
        self._start: bytes | None = b""  # of the stream, while it may be a byte order mark
        self._after_cr = False
        self._line: list[bytes] = []
        self._line_size = 0
        self._type = ""
        self._data: list[bytes] = []
        self._data_size = self._size = 0
        self._too_large = False

    def feed(self, chunk: bytes) -> Iterator[ServerSentEvent]:
        """Yield the events that end in this chunk; a stream may be cut into chunks anywhere.

        An event that is cut by the end of the stream is never yielded, so its id does not count.
        raises: EndlessEvent.
        """
        if self._start is not None:
            chunk = self._without_bom(self._start + chunk)
        if chunk and self._after_cr:  # this may be the other half of a line end
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        begin = 0
        for end in _LINE_END.finditer(chunk):
            self._add(chunk[begin : end.start()])
            begin = end.end()
            if event := self._ended():
                yield event
        self._after_cr = self._after_cr or chunk.endswith(b"\r")
        self._add(chunk[begin:])

    def _without_bom(self, start: bytes) -> bytes:
        if len(start) < len(_BOM) and _BOM.startswith(start):
            self._start = start
            return b""
        self._start = None
        return start.removeprefix(_BOM)

    def _add(self, part: bytes) -> None:
        """Take a part of a line; what is too long is counted, but not kept."""
        self._line_size += len(part)
        self._size += len(part)
        if self._line_size <= self._max_event_bytes:
            self._line.append(part)
        if self._size > _MOST_TO_PASS_OVER * self._max_event_bytes:
            raise EndlessEvent(f"it sends an event that does not end, {self._size} bytes so far")

    def _ended(self) -> ServerSentEvent | None:
        """Take the end of a line; return the event if the line was empty."""
        line, size = b"".join(self._line), self._line_size
        self._line, self._line_size = [], 0
        if not size:
            return self._dispatched()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if size > self._max_event_bytes:
            self._too_large = True
        elif name == b"data":
            self._take(value)
        elif name == b"event":
            self._type = value.decode("utf-8", "replace")
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode("utf-8", "replace")
        elif name == b"retry" and value.isdigit() and len(value) <= _MAX_RETRY_DIGITS:
            self.retry_seconds = int(value) / 1000
        return None

    def _take(self, value: bytes) -> None:
        self._data_size += len(value) + 1
        if self._data_size <= self._max_event_bytes + 1 and not self._too_large:
            self._data.append(value)
        else:
            self._too_large = True
            self._data = []

    def _dispatched(self) -> ServerSentEvent | None:
        data = b"" if self._too_large else b"\n".join(self._data)
        size = self._size if self._too_large else 0
        event = ServerSentEvent(self._id, self._type or "message", data, size)
        self._type, self._data, self._too_large = "", [], False
        self._data_size = self._size = 0
        if not (data or size or event.id != self._told_id):
            return None
        self._told_id = event.id
        return event
