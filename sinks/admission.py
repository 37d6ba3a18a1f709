"""How much a process takes on at a time; the rest is told to come again, while memory lasts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from sinks.errors import SinkError, Unavailable

# Of large bodies that may be in memory at a time: 16 of the largest that most sinks take. The
# documents made of them take many times more.
MAX_BYTES: Final = 64 * 2**20


class Admission:
    """Counts deliveries in and out.

    max_in_flight:  deliveries worked on at a time.
    max_bytes:      of the large bodies of all of them together. A body is large if `max_in_flight`
                    of its size would not fit; small ones are not counted, so that ordinary events
                    go on while large ones fill their limit, and all bodies have 2 * max_bytes.
    """

    def __init__(self, max_in_flight: int, max_bytes: int) -> None:
        self._max_in_flight = max_in_flight
        self._max_bytes = max_bytes
        self._small = max_bytes // max_in_flight
        self._lock = threading.Lock()
        self._bytes = 0
        self.in_flight = 0

    @contextmanager
    def admitted(self, body_bytes: int) -> Iterator[Callable[[bytes], bytes]]:
        """Count one delivery in, and out at the end of the block.

        body_bytes:  the most that its body can have; a chunked body does not tell before.
        yields:      a function through which the body goes once it is there: what was reserved
                     for more than it has is free again.
        raises:      Unavailable(overloaded) before anything of the body has been read.
        """
        reserved = self._enter(body_bytes)

        def measured(body: bytes) -> bytes:
            nonlocal reserved
            with self._lock:
                self._bytes -= reserved
                reserved = min(reserved, self._counted(len(body)))
                self._bytes += reserved
            return body

        try:
            yield measured
        finally:
            with self._lock:
                self.in_flight -= 1
                self._bytes -= reserved

    def _enter(self, body_bytes: int) -> int:
        reserved = self._counted(body_bytes)
        with self._lock:
            if self.in_flight >= self._max_in_flight:
                raise _overloaded("MAX_IN_FLIGHT events are being worked on")
            if reserved and self._bytes and self._bytes + reserved > self._max_bytes:
                raise _overloaded(f"large events in work take up their {self._max_bytes} bytes")
            self.in_flight += 1
            self._bytes += reserved
        return reserved

    def _counted(self, body_bytes: int) -> int:
        return body_bytes if body_bytes > self._small else 0


def _overloaded(detail: str) -> SinkError:
    error = Unavailable("overloaded", f"{detail}: repeat after a second")
    error.retry_after = "1"
    return error
