"""How much a process takes on at a time; the rest is told to come again, while memory lasts."""

from __future__ import annotations

import threading
from collections.abc import Callable
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

    def admitted(self, body_bytes: int) -> Admitted:
        """Return the block of one delivery: it is counted in at its beginning, out at its end.

        body_bytes:  the most that its body can have; a chunked body does not tell before.
        raises:      Unavailable(overloaded) before anything of the body has been read.
        """
        return Admitted(self, body_bytes)

    def enter(self, body_bytes: int) -> int:
        """Count a delivery in; return what is reserved for its body. raises: as admitted."""
        reserved = body_bytes if body_bytes > self._small else 0
        with self._lock:
            if self.in_flight >= self._max_in_flight:
                raise _overloaded("MAX_IN_FLIGHT events are being worked on")
            if reserved and self._bytes and self._bytes + reserved > self._max_bytes:
                raise _overloaded(f"large events in work take up their {self._max_bytes} bytes")
            self.in_flight += 1
            self._bytes += reserved
        return reserved

    def keep(self, reserved: int, body_bytes: int) -> int:
        """Free what was reserved for more than the body has; return what is left."""
        kept = min(reserved, body_bytes) if body_bytes > self._small else 0
        with self._lock:
            self._bytes += kept - reserved
        return kept

    def leave(self, reserved: int) -> None:
        """Count a delivery out."""
        with self._lock:
            self.in_flight -= 1
            self._bytes -= reserved


class Admitted:
    """One delivery that is counted in: a class and no generator, because every event has one."""

    __slots__ = ("_admission", "_body_bytes", "_reserved")

    def __init__(self, admission: Admission, body_bytes: int) -> None:
        self._admission = admission
        self._body_bytes = body_bytes
        self._reserved = 0

    def __enter__(self) -> Callable[[bytes], bytes]:
        """Return a function through which the body goes once it is there: what was reserved for
        more than it has is free again."""
        self._reserved = self._admission.enter(self._body_bytes)
        return self._measured

    def __exit__(self, *_: object) -> None:
        self._admission.leave(self._reserved)

    def _measured(self, body: bytes) -> bytes:
        if self._reserved:
            self._reserved = self._admission.keep(self._reserved, len(body))
        return body


def _overloaded(detail: str) -> SinkError:
    error = Unavailable("overloaded", f"{detail}: repeat after a second")
    error.retry_after = "1"
    return error
