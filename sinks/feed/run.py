"""All feeds of one command, in threads, until they end or are stopped; and the state on disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from sinks.feed.delivering import Delivering
from sinks.feed.feeding import Feed
from sinks.feed.position import Positions

_TICK_SECONDS: Final = 0.05
_SAVE_SECONDS: Final = 1.0
# For events on their way when a stop is asked for.
_GRACE_SECONDS: Final = 5.0


class Saving:
    """Keeps the positions of all feeds in the state file; None where sources have none."""

    def __init__(self, feeds: Sequence[Feed], positions: Positions | None) -> None:
        self._feeds = feeds
        self._positions = positions
        self._saved_at = float("-inf")

    def tick(self) -> None:
        """Save at most every second. raises: InvalidState."""
        if time.monotonic() - self._saved_at >= _SAVE_SECONDS:
            self.now()

    def now(self) -> None:
        """Save. raises: InvalidState."""
        if self._positions is None:
            return
        for feed in self._feeds:
            if feed.source.key is not None:
                stored = feed.source.stored(feed.position)
                self._positions.put(feed.source.key, feed.trigger, stored)
        self._positions.save()
        self._saved_at = time.monotonic()


def run(
    feeds: Sequence[Feed],
    delivering: Sequence[Delivering],
    concurrency: int,
    stopped: threading.Event,
    tick: Callable[[], bool],
) -> Exception | None:
    """Return once all have ended, or `tick` is false; or why one cannot go on, which ends all.

    delivering:   of each feed.
    concurrency:  threads, and so events on their way, of each feed.
    tick:         called all the time; false: stop.
    """
    failures: list[Exception] = []

    def work(feed: Feed, how: Delivering) -> None:
        try:
            feed.work(how)
        except Exception as error:  # noqa: BLE001 - whoever has called decides about it
            failures.append(error)

    # A thread may wait for a silent source for long; nobody has to wait for the thread.
    threads = [
        threading.Thread(target=work, args=each, daemon=True)
        for each in zip(feeds, delivering, strict=True)
        for _ in range(concurrency)
    ]
    for thread in threads:
        thread.start()
    while _working(threads) and tick() and not failures:
        time.sleep(_TICK_SECONDS)
    stopped.set()
    limit = time.monotonic() + _GRACE_SECONDS
    while any(feed.is_delivering for feed in feeds) and time.monotonic() < limit:
        tick()
        time.sleep(_TICK_SECONDS)
    return failures[0] if failures else None


def _working(threads: Sequence[threading.Thread]) -> bool:
    return any(thread.is_alive() for thread in threads)
