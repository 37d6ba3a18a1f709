"""How many dead letters are pending, for who asks often and cannot wait for a database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

from sinks.errors import SinkError


class PendingLetters:
    """Counts in a thread of its own, of which there is one at most.

    count:         reads the database. raises: SinkError.
    wait_seconds:  that a caller waits for it.
    """

    def __init__(self, count: Callable[[], int], wait_seconds: float) -> None:
        self._count = count
        self._wait_seconds = wait_seconds
        self._lock = threading.Lock()
        self._counting: Future[int | None] | None = None

    def __call__(self) -> int | None:
        """Return how many there are; None if the database does not tell, or not in time."""
        with self._lock:
            if self._counting is None or self._counting.done():
                self._counting = Future()
                threading.Thread(target=self._read, args=(self._counting,), daemon=True).start()
            counting = self._counting
        try:
            return counting.result(self._wait_seconds)
        except TimeoutError:
            return None

    def _read(self, counting: Future[int | None]) -> None:
        found = None
        try:
            found = self._count()
        except SinkError:
            return  # whoever keeps a letter, or reads one, logs it
        finally:
            counting.set_result(found)
