"""Idle connections, kept for the next request to the same origin."""

from __future__ import annotations

import time
import weakref
from collections import deque
from contextlib import suppress
from typing import Any

from sinks.connection import Connection


class Pool:
    """Idle connections per origin, the latest first; none is handed out after `idle_seconds`."""

    def __init__(self, idle_seconds: float) -> None:
        self._idle_seconds = idle_seconds
        self._idle: dict[Any, deque[Connection]] = {}
        weakref.finalize(self, _close, self._idle)

    def take(self, origin: Any) -> Connection | None:
        """Return a connection that the peer may still close at any moment, or None."""
        idle = self._idle.get(origin)
        while idle:
            try:
                connection = idle.pop()
            except IndexError:  # another thread has taken the last one
                break
            young = time.monotonic() - connection.idle_since < self._idle_seconds
            if young and connection.is_quiet():
                return connection
            connection.close()
        return None

    def give(self, origin: Any, connection: Connection) -> None:
        """Keep a connection on which a whole answer has been read."""
        connection.idle_since = time.monotonic()
        idle = self._idle.setdefault(origin, deque())
        idle.append(connection)
        # After a burst the oldest would never be taken again, and their peers have hung up.
        with suppress(IndexError):  # another thread may take the last one
            while connection.idle_since - idle[0].idle_since >= self._idle_seconds:
                idle.popleft().close()

    def close(self) -> None:
        """Close all that are idle; so does the end of the pool itself."""
        _close(self._idle)


def _close(all_idle: dict[Any, deque[Connection]]) -> None:
    for idle in list(all_idle.values()):
        with suppress(IndexError):  # another thread may take the last one
            while idle:
                idle.pop().close()
