"""How many dead letters are pending, for who asks often and cannot wait for a database."""

from __future__ import annotations

import threading
from collections.abc import Callable

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
        self._done = threading.Event()
        self._done.set()
        self._found: int | None = None

    def __call__(self) -> int | None:
        """Return how many there are; None if the database does not tell, or not in time."""
        with self._lock:
            if self._done.is_set():
                self._done, self._found = threading.Event(), None
                threading.Thread(target=self._read, args=(self._done,), daemon=True).start()
            done = self._done
        return self._found if done.wait(self._wait_seconds) else None

    def _read(self, done: threading.Event) -> None:
        try:
            self._found = self._count()
        except SinkError:
            return  # whoever keeps a letter, or reads one, logs it
        finally:
            done.set()
