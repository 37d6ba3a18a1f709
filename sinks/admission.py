"""How much a process takes on at a time; the rest is told to come again, while memory lasts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sinks.errors import SinkError, Unavailable

# Bodies of the largest size that may be in memory at a time; their documents take many times more.
MAX_LARGEST_BODIES: Final = 16


class Admission:
    """Counts deliveries in and out.

    max_in_flight:  deliveries worked on at a time.
    max_bytes:      of the bodies of all of them together.
    """

    def __init__(self, max_in_flight: int, max_bytes: int) -> None:
        self._max_in_flight = max_in_flight
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._bytes = 0
        self.in_flight = 0

    @contextmanager
    def admitted(self, body_bytes: int) -> Iterator[None]:
        """Count one delivery in, and out at the end of the block.

        raises: Unavailable(overloaded) before anything of the body has been read.
        """
        with self._lock:
            if self.in_flight >= self._max_in_flight:
                raise _overloaded("MAX_IN_FLIGHT events are being worked on")
            if self.in_flight and self._bytes + body_bytes > self._max_bytes:
                raise _overloaded(f"the events in work have {self._max_bytes} bytes already")
            self.in_flight += 1
            self._bytes += body_bytes
        try:
            yield
        finally:
            with self._lock:
                self.in_flight -= 1
                self._bytes -= body_bytes


def _overloaded(detail: str) -> SinkError:
    error = Unavailable("overloaded", f"{detail}: repeat after a second")
    error.retry_after = "1"
    return error
