"""A process that somebody else has started, by its descriptor: its number may become another's."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

_TICK_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class WatchedProcess:
    """Can be waited for and be sent signals; `hurry` cuts all waiting short."""

    _descriptor: int
    _hurry: threading.Event

    def has_ended(self, seconds: float | None = 0) -> bool:
        """Wait so long for its end; None: until it has ended."""
        poll = select.poll()  # select itself does not take numbers above 1023
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(None if seconds is None else seconds * 1000))

    def wait(self, seconds: float) -> None:
        """Return when it has ended, or after so long."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit and not self._hurry.is_set():
            if self.has_ended(_TICK_SECONDS):
                return

    def end(self, grace_seconds: float) -> None:
        """Return when it has ended: SIGTERM, and after the grace SIGKILL.

        raises: ProcessLookupError if it has ended meanwhile.
        """
        self._send(signal.SIGTERM)
        self.wait(grace_seconds)
        self._send(signal.SIGKILL)
        self.has_ended(None)

    def _send(self, number: int) -> None:
        if not self.has_ended():
            signal.pidfd_send_signal(self._descriptor, number)


@contextmanager
def watched(pid: int, hurry: threading.Event) -> Iterator[WatchedProcess]:
    """Watch a process until the block ends. raises: ProcessLookupError if it has ended."""
    descriptor = os.pidfd_open(pid)
    try:
        yield WatchedProcess(descriptor, hurry)
    finally:
        os.close(descriptor)
