"""Which of several hosts is tried first: one that has failed stands behind the others for a while.

Then one event tries it in its normal place, and the others only once it has answered: a host that
hangs holds up that one event and not all of them. No network: it is told what happens.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple


class Order(NamedTuple):
    """Hosts by their position: those to be tried, and those for when all of these have failed."""

    ahead: list[int]
    behind: list[int]


@dataclass(slots=True)
class _Host:
    """What is known of one; times are readings of the clock.

    avoided_until:  None if it is where it belongs.
    news_at:        when it was last seen to fail, or to work again; what was begun before that and
                    ends later tells how it was.
    owes:           answers to what was begun since then that it has not given yet.
    silent_since:   when it has answered last, or was first asked for what it owes.
    """

    avoided_until: float | None = None
    news_at: float = float("-inf")
    owes: int = 0
    silent_since: float = 0.0

    def is_free(self, now: float) -> bool:
        """True if it is to be tried in its normal place."""
        return self.avoided_until is None or now >= self.avoided_until

    def is_silent(self, now: float, seconds: float) -> bool:
        """True if it has owed answers for so long and given none."""
        return self.owes > 0 and now - self.silent_since > seconds


class Avoidance:
    """Keeps the hosts in order; thread-safe.

    avoid_seconds:   how long one that failed stands behind the others.
    silent_seconds:  one that owes answers and has given none for so long gets no more events: they
                     would all wait until its time-out.
    changed:         gets host, whether it now stands behind the others, and why.
    clock:           a monotonic clock, in seconds.
    """

    def __init__(
        self,
        hosts: Sequence[str],
        *,
        avoid_seconds: float,
        silent_seconds: float,
        changed: Callable[[str, bool, str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._names = hosts
        self._hosts = [_Host() for _ in hosts]
        self._avoid_seconds = avoid_seconds
        self._silent_seconds = silent_seconds
        self._changed = changed
        self._clock = clock
        self._lock = Lock()

    def order(self) -> Order:
        """Return all hosts, in their normal order within both groups."""
        now = self._clock()
        ahead = [at for at, host in enumerate(self._hosts) if host.is_free(now)]
        while len(ahead) > 1 and self._hosts[ahead[0]].is_silent(now, self._silent_seconds):
            self.failed(ahead.pop(0), now, f"no answer for {self._silent_seconds:g} s")
        return Order(ahead, [at for at in range(len(self._hosts)) if at not in ahead])

    def begin(self, at: int, seconds: float) -> float:
        """A host is asked something, for so long at most; return when that was."""
        with self._lock:
            now, host = self._clock(), self._hosts[at]
            if host.avoided_until is not None and self._another_is_free(at, now):
                host.avoided_until = max(host.avoided_until, now + seconds)  # for the others
            if host.owes == 0:
                host.silent_since = now
            host.owes += 1
            return now

    def end(self, at: int, begun: float) -> None:
        """What was begun then is over, however it went."""
        with self._lock:
            host = self._hosts[at]
            if begun >= host.news_at and host.owes:
                host.owes -= 1

    def failed(self, at: int, begun: float, why: str) -> None:
        """What was begun then has failed: the host is avoided from now on, if there is another."""
        if len(self._hosts) == 1:
            return
        with self._lock:
            now, host = self._clock(), self._hosts[at]
            if begun < host.news_at:
                return
            begins = host.avoided_until is None
            host.news_at, host.owes = now, 0
            host.avoided_until = now + self._avoid_seconds
        if begins:
            self._changed(self._names[at], True, why)

    def answered(self, at: int, begun: float) -> None:
        """A host has answered what was begun then: it is back where it belongs.

        The avoided ones behind it whose time is over are back where they belong as well: as long
        as this one answers nobody tries them.
        """
        back: list[int] = []
        with self._lock:
            now = self._clock()
            self._hosts[at].silent_since = now
            for other in range(at, len(self._hosts)):
                host = self._hosts[other]
                works = host.is_free(now) if other > at else begun >= host.news_at
                if host.avoided_until is not None and works:
                    host.news_at, host.owes, host.avoided_until = now, 0, None
                    back.append(other)
        for other in back:
            why = "it answers" if other == at else "its time is over"
            self._changed(self._names[other], False, why)

    def _another_is_free(self, at: int, now: float) -> bool:
        return any(host.is_free(now) for other, host in enumerate(self._hosts) if other != at)
