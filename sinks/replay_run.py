"""Many dead letters, replayed side by side: bounded, paced, and to be stopped between any two.

What is done is marked, so the next run goes on with the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final

from sinks.deadline import Deadline
from sinks.destination import named
from sinks.letter_selection import KeptLetter, Selection
from sinks.replaying import Replayed, Replaying, replay_one, would_replay

MAX_CONCURRENCY: Final = 64
CONCURRENCY: Final = 8
# Letters read at a time.
_PAGE: Final = 100
# Of the bodies of all letters in work together, but for a single one.
_MAX_BYTES: Final = 64 * 2**20
# How soon a stop is noticed while nothing ends.
_TICK_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How to replay.

    deadline:     makes the deadline of one letter when that begins.
    stop:         asked before each letter; those that have begun are waited for.
    concurrency:  letters at a time, 1-64.
    rate:         letters begun a second; 0: as fast as they end.
    trigger:      name of the Trigger that gets all of them; None: each to its own.
    after:        letters with a greater number only.
    most:         letters at most; None: all.
    dry:          tell what would be done.
    """

    deadline: Callable[[], Deadline]
    stop: Callable[[], bool] = lambda: False
    concurrency: int = CONCURRENCY
    rate: float = 0.0
    trigger: str | None = None
    after: int = 0
    most: int | None = None
    dry: bool = False


def until_at_most(selection: Selection, now: datetime) -> Selection:
    """Return the selection of what has arrived before `now`: what a replay makes fail again
    elsewhere comes back as a new letter, and would be replayed for ever."""
    return replace(selection, until=min(selection.until or now, now))


def pending(selection: Selection) -> Selection:
    """Return the selection of those that no replay has settled."""
    return replace(selection, pending=True)


def replay(selection: Selection, replaying: Replaying, run: Run) -> Generator[Replayed, None, None]:
    """Yield what became of each selected letter, as they end; about in the order of numbers.

    raises: InvalidEvent(unknown_trigger) before the first; Unavailable(storage_failed) once those
            that have begun have ended.
    """
    if run.trigger is not None:
        named(replaying.triggers, run.trigger)
    letters = _letters(selection, replaying, run)
    if run.dry:
        for kept in letters:
            if run.stop():
                return
            yield would_replay(kept, replaying.triggers, run.trigger)
        return
    running: dict[Future[Replayed], int] = {}
    begin = time.monotonic()
    with ThreadPoolExecutor(run.concurrency) as pool:
        for kept in letters:
            size = len(kept.letter.body)
            yield from _until_room(running, size, begin, run)
            if run.stop():
                break
            begin = time.monotonic() + (1 / run.rate if run.rate else 0)
            one = partial(replay_one, kept, replaying, run.deadline(), run.trigger)
            running[pool.submit(one)] = size
        while running:
            yield from _ended(running, None)


def _letters(selection: Selection, replaying: Replaying, run: Run) -> Iterator[KeptLetter]:
    """Page by page: one page is as much as may be in memory."""
    after, left = run.after, run.most
    while left is None or left > 0:
        limit = _PAGE if left is None else min(_PAGE, left)
        page = replaying.letters.find(selection, after=after, limit=limit)
        if not page:
            return
        yield from page
        after = page[-1].number
        left = None if left is None else left - len(page)


def _until_room(
    running: dict[Future[Replayed], int], size: int, begin: float, run: Run
) -> Iterator[Replayed]:
    """Yield what ends until one more may begin, or the run is to stop."""
    while not run.stop():
        yield from _ended(running, 0)
        too_early = begin - time.monotonic()
        full = len(running) >= run.concurrency
        if running and (full or sum(running.values()) + size > _MAX_BYTES):
            yield from _ended(running, _TICK_SECONDS)
        elif too_early > 0:
            time.sleep(min(too_early, _TICK_SECONDS))
        else:
            return


def _ended(running: dict[Future[Replayed], int], seconds: float | None) -> Iterator[Replayed]:
    """Yield what has ended, after waiting so long for one to end."""
    ended, _ = wait(running, seconds, FIRST_COMPLETED)
    for each in ended:
        del running[each]
        yield each.result()
