"""One event to the shim, again and again, until the shim has answered for it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple
from urllib.parse import urlencode

from sinks.deadline import Deadline
from sinks.errors import SinkError
from sinks.feed.backoff import asked_seconds, delay_seconds
from sinks.feed.shim_answer import Again, Done, Mistake, judged
from sinks.http_client import HttpClient

_HEADERS: Final = {"Content-Type": "application/json"}


class Stopped(Exception):
    """The feed has to stop before the event is acknowledged."""


class WrongShim(Exception):
    """No event can be delivered like this; the text says what to do."""


class Undelivered(Exception):
    """An event was repeated for as long as somebody wanted to wait."""


class Delivered(NamedTuple):
    """What became of an event at last.

    attempts: how often it was sent.
    """

    done: Done
    attempts: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivering:
    """How events are delivered.

    url:              the shim's `/events`.
    answer_seconds:   for one answer.
    give_up_seconds:  for one event; None: for ever.
    wait:             waits so long; true if the feed has to stop.
    is_known:         whether the shim has taken an event before: what whoever answers there says of
                      the command then is no mistake in it, but passes, as a rollout does.
    deferred:         called with a line for people, whenever an event has to be sent again.
    """

    http: HttpClient
    url: str
    answer_seconds: float
    give_up_seconds: float | None
    wait: Callable[[float], bool]
    is_known: Callable[[], bool]
    deferred: Callable[[str], None]

    def deliver(self, data: bytes, trigger: str | None) -> Delivered:
        """Return once the event is acknowledged, or refused for good.

        trigger: the only one that gets it; None: all.
        raises:  Stopped, WrongShim, Undelivered.
        """
        begun, attempts, rejected = time.monotonic(), 0, 0
        only: tuple[str, ...] = (trigger,) if trigger else ()
        while True:
            attempts += 1
            verdict = self._sent(data, only)
            if isinstance(verdict, Mistake) and verdict.reason and not trigger and only:
                verdict, only = Again("the shim has other Triggers now"), ()
            if isinstance(verdict, Mistake) and not verdict.reason and self.is_known():
                verdict = Again(verdict.detail)
            if isinstance(verdict, Mistake):
                raise WrongShim(verdict.detail)
            seconds = time.monotonic() - begun
            if isinstance(verdict, Done):
                return Delivered(_with_rejected(verdict, rejected), attempts, seconds)
            rejected = max(rejected, verdict.rejected)
            only = only if trigger else verdict.triggers or only
            self._wait(verdict, attempts, seconds)

    def _sent(self, data: bytes, only: Sequence[str]) -> Done | Again | Mistake:
        query = f"?{urlencode([('trigger', name) for name in only])}" if only else ""
        deadline = Deadline.after(self.answer_seconds)
        try:
            response = self.http.post(self.url + query, data, _HEADERS, deadline)
        except SinkError as error:
            return Again(error.detail)
        return judged(response.status, response.headers, response.body)

    def _wait(self, verdict: Again, attempts: int, seconds: float) -> None:
        asked = asked_seconds(verdict.retry_after, datetime.now(UTC))
        delay = max(asked, delay_seconds(attempts, random.random()))  # noqa: S311
        if self.give_up_seconds is not None:
            if seconds > self.give_up_seconds:
                raise Undelivered(f"{verdict.detail}; for {seconds:.0f} s by now")
            delay = min(delay, self.give_up_seconds - seconds)
        self.deferred(f"{verdict.detail}; again in {delay:.1f} s")
        if self.wait(delay):
            raise Stopped


def _with_rejected(done: Done, rejected: int) -> Done:
    """What some Triggers have rejected before the others took it, is rejected for good too."""
    if not rejected or not done.kept:
        return done
    return Done("rejected", "deliveries_rejected", f"{rejected} Triggers rejected it", kept=False)
