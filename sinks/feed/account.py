"""What has become of a feed's events so far, and the words for it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from sinks.feed.delivering import Delivered
from sinks.feed.item import Change
from sinks.timestamp import age_seconds

# The rate is of this time.
_RATE_SECONDS: Final = 10.0


class Ended(NamedTuple):
    """One event that has come to its end; of what was not sent, `delivered` is None."""

    feed: str | None
    where: str
    change: Change
    outcome: str
    reason: str
    detail: str
    delivered: Delivered | None

    @property
    def is_kept(self) -> bool:
        """Whether the shim has answered for it; what is not kept is rejected for good."""
        return self.delivered is not None and self.delivered.done.kept


@dataclass(slots=True)
class Account:
    """Counts of one feed; any thread may add to it.

    sent:          events that were begun; acknowledged and rejected are parts of it.
    ignored:       of the acknowledged, those that no row wanted.
    rejected:      what nobody can ever take, unreadable lines included.
    filtered:      of other wikis.
    deferred:      answers after which an event had to be sent again.
    """

    clock: Callable[[], float]
    sent: int = 0
    acknowledged: int = 0
    ignored: int = 0
    rejected: int = 0
    filtered: int = 0
    deferred: int = 0
    last_dt: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _times: deque[float] = field(default_factory=deque)

    def add(self, ended: Ended) -> None:
        """Count an event that has come to its end."""
        with self._lock:
            if not ended.is_kept:
                self.rejected += 1
                return
            self.acknowledged += 1
            self.ignored += ended.outcome == "ignored"
            self.last_dt = ended.change.dt or self.last_dt
            self._times.append(self.clock())

    def defer(self) -> None:
        """Count an answer after which an event is sent again."""
        with self._lock:
            self.deferred += 1

    def rate(self) -> float:
        """Return how many events were acknowledged a second, lately."""
        with self._lock:
            since = self.clock() - _RATE_SECONDS
            while self._times and self._times[0] < since:
                self._times.popleft()
            return len(self._times) / _RATE_SECONDS

    def counts(self) -> str:
        """Return the sum as words."""
        told = [
            f"{self.sent} sent",
            f"{self.acknowledged} acknowledged ({self.ignored} ignored)",
            f"{self.rejected} rejected",
            f"{self.deferred} deferred",
        ]
        return ", ".join(told + ([f"{self.filtered} filtered"] * (self.filtered > 0)))

    def line(self, now: datetime) -> str:
        """Return the sum with rate, and lag: how old the last acknowledged change is."""
        lag = f", lag {lag_of(self.last_dt, now)}" if self.last_dt else ""
        return f"{self.counts()}, {self.rate():.1f}/s{lag}"


def lag_of(dt: str, now: datetime) -> str:
    """Return the age of a time, as people say it."""
    seconds = age_seconds(dt, now)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
