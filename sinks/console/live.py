"""Server-sent events: each line that has changed, as HTML, for as long as somebody watches.

Nothing waits here for a slow browser: what changed meanwhile is looked up when it reads on.
source: WHATWG HTML, server-sent events.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from sinks.console.board import Board
from sinks.console.line import Line
from sinks.console.selection import Selection

MOST_WATCHERS: Final = 32
# So that a browser that has gone is noticed, and leaves its place to another one.
HEARTBEAT_SECONDS: Final = 5.0
# A browser that has taken nothing for so long is cut off; it comes back by itself if it can.
STALLED_SECONDS: Final = 20.0
# How long it may take to notice that the process has been told to stop.
TICK_SECONDS: Final = 0.3
# Between two looks, so that a burst is a few large writes.
_PAUSE_SECONDS: Final = 0.1
_LINES_A_WRITE: Final = 20
_GREETING: Final = b"retry: 1000\n\n"
_HEARTBEAT: Final = b": still here\n\n"


class Position:
    """Where somebody is in what has changed: `<process>-<sequence number>`, so that a position of
    a process that is no more is known for one."""

    def __init__(self, process: str) -> None:
        self._process = process

    def written(self, sequence: int) -> str:
        return f"{self._process}-{sequence}"

    def read(self, text: str) -> int | None:
        """Return the sequence number; None if it is of another process, or none at all."""
        process, _, number = text.rpartition("-")
        known = process == self._process and number.isascii() and number.isdecimal()
        return int(number[:18]) if known else None


def messages(
    board: Board,
    selection: Selection,
    position: Position,
    last_seen: str,
    rendered: Callable[[Line], str],
    stopping: Callable[[], bool],
) -> Iterator[bytes]:
    """Yield server-sent events until the process is told to stop.

    `line` has the HTML of a line that is new or has changed, `gone` the number of one that is not
    to be shown (any more), `reset` says that all that the browser has is of another process.
    last_seen:  id of the last event that the browser has got.
    """
    yield _GREETING
    seen = position.read(last_seen)
    if seen is None:
        yield _message("reset", position.written(0), "")
        seen = 0
    seen = min(seen, board.sequence)
    quiet_since = time.monotonic()
    while not stopping():
        lines, until = board.changed_after(seen, TICK_SECONDS)
        for begin in range(0, len(lines), _LINES_A_WRITE):
            part = lines[begin : begin + _LINES_A_WRITE]
            yield b"".join(_told(line, selection, position, rendered) for line in part)
        seen = until  # also where the line that has changed has left by now: nothing is to be told
        now = time.monotonic()
        if lines:
            quiet_since = now
            time.sleep(_PAUSE_SECONDS)
        elif now - quiet_since >= HEARTBEAT_SECONDS:
            quiet_since = now
            yield _HEARTBEAT


def _told(
    line: Line, selection: Selection, position: Position, rendered: Callable[[Line], str]
) -> bytes:
    event_id = position.written(line.changed)
    gone = b"".join(_message("gone", event_id, str(number)) for number in line.replaced)
    if selection.takes(line):
        return gone + _message("line", event_id, rendered(line))
    return gone + _message("gone", event_id, str(line.number))


def _message(event: str, event_id: str, data: str) -> bytes:
    """Every line break of any kind begins a new `data` line, so no text can end a message."""
    lines = "".join(f"data: {line}\n" for line in data.splitlines() or [""])
    return f"event: {event}\nid: {event_id}\n{lines}\n".encode()


class Watchers:
    """Counts who watches, and cuts off who does not read.

    stopping: whether the process has been told to stop: nobody who hangs may delay it.
    """

    def __init__(
        self,
        stopping: Callable[[], bool],
        most: int = MOST_WATCHERS,
        stalled_seconds: float = STALLED_SECONDS,
    ) -> None:
        self._stopping = stopping
        self._most = most
        self._stalled_seconds = stalled_seconds
        self._sockets: dict[object, Any] = {}
        self._writing: dict[object, float] = {}
        self._lock = threading.Lock()
        self._sweeping = False

    def admit(self, sock: Any) -> object | None:
        """Return a ticket, None if there are too many. sock: None where the server hides it."""
        with self._lock:
            if len(self._sockets) >= self._most:
                return None
            ticket = object()
            self._sockets[ticket] = sock
            if not self._sweeping:
                self._sweeping = True
                threading.Thread(target=self._sweep, name="watchers", daemon=True).start()
            return ticket

    def leave(self, ticket: object) -> None:
        """Give the ticket back."""
        with self._lock:
            self._sockets.pop(ticket, None)
            self._writing.pop(ticket, None)

    def written(self, ticket: object, parts: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the parts, and know how long the server takes to hand each over."""
        for part in parts:
            self._writing[ticket] = time.monotonic()
            yield part
            self._writing.pop(ticket, None)

    def _sweep(self) -> None:
        while True:
            time.sleep(TICK_SECONDS)
            with self._lock:
                if not self._sockets:
                    self._sweeping = False
                    return
                oldest = time.monotonic() - (1.0 if self._stopping() else self._stalled_seconds)
                stalled = [each for each, since in list(self._writing.items()) if since < oldest]
                for ticket in stalled:
                    if (sock := self._sockets.get(ticket)) is not None:
                        _cut_off(sock)


def _cut_off(sock: Any) -> None:
    """The write that waits ends with a broken pipe, as if the browser had gone."""
    real = getattr(sock, "_sock", sock)  # gevent's own shutdown lets a write end as a bug would
    with contextlib.suppress(OSError):
        real.shutdown(2)
