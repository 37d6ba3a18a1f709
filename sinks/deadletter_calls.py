"""What the API on dead letters does, without HTTP: list, show, replay, drop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from sinks.deadline import Deadline
from sinks.errors import InvalidEvent, Unavailable
from sinks.letter_document import whole
from sinks.letter_selection import (
    Parsers,
    Selection,
    conditions,
    flag,
    number,
    parsed,
    position,
    selection,
    up_to,
    words,
)
from sinks.letters import Letters, listing
from sinks.replay_run import CONCURRENCY, MAX_CONCURRENCY, Run, pending, replay, until_at_most
from sinks.replaying import Replaying

MAX_LETTERS: Final = 1000
_LETTERS: Final = 100
# Letters begin in this part of a call's time; the rest is for them to end, and to answer.
_BEGINNING: Final = 0.8
_PAGE: Final[Parsers] = {"after": position, "limit": up_to(MAX_LETTERS)}
_REPLAY: Final[Parsers] = {
    "dry_run": flag,
    "again": flag,
    "trigger": words,
    "concurrency": up_to(MAX_CONCURRENCY),
}


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the API.

    query:    names and values of the URL's parameters, in order.
    segment:  last one of the path.
    """

    query: Sequence[tuple[str, str]]
    segment: str
    deadline: Deadline


@dataclass(frozen=True, slots=True)
class Calls:
    """The four calls: each returns what becomes JSON.

    replaying:  None: nothing can be replayed here.
    stopping:   whether the process has been told to end.

    All raise InvalidEvent for a wrong parameter, Unavailable(storage_failed).
    """

    letters: Letters
    replaying: Replaying | None
    stopping: Callable[[], bool]
    running: threading.Lock = field(default_factory=threading.Lock)

    def list(self, call: Call) -> dict[str, Any]:
        values = parsed(call.query, {**_selecting(), **_PAGE})
        wanted, limit = selection(values), values.get("limit", _LETTERS)
        found = list(islice(listing(self.letters, wanted, values.get("after", 0)), limit + 1))
        return {
            "letters": found[:limit],
            "next": found[limit - 1]["number"] if len(found) > limit else None,
            "total": self.letters.count(wanted),
        }

    def show(self, call: Call) -> dict[str, Any]:
        parsed(call.query, {})
        try:
            wanted = number(call.segment)
        except ValueError as error:
            raise InvalidEvent("unknown_letter", f"that is {error}: see GET /letters") from None
        found = self.letters.find(Selection(numbers=frozenset({wanted})))
        if not found:
            raise InvalidEvent("unknown_letter", "no letter has this number: see GET /letters")
        return whole(found[0])

    def replay(self, call: Call) -> dict[str, Any]:
        values = parsed(call.query, {**_selecting(), **_PAGE, **_REPLAY})
        if self.replaying is None:
            raise Unavailable(
                "unknown_trigger", "no Trigger is loaded: set SERVICE_URLS, and TRIGGERS_DIR"
            )
        if not self.running.acquire(blocking=False):
            raise Unavailable("overloaded", "another call is replaying: repeat once it has ended")
        try:
            return self._replayed(self.replaying, values, call.deadline)
        finally:
            self.running.release()

    def _replayed(
        self, replaying: Replaying, values: Mapping[str, Any], deadline: Deadline
    ) -> dict[str, Any]:
        wanted = until_at_most(selection(values), replaying.now())
        wanted = wanted if values.get("again") else pending(wanted)
        begin_by = Deadline.after(deadline.remaining() * _BEGINNING)
        run = Run(
            deadline=lambda: deadline,
            stop=lambda: begin_by.remaining() <= 0 or self.stopping(),
            concurrency=values.get("concurrency", CONCURRENCY),
            trigger=values.get("trigger"),
            after=values.get("after", 0),
            most=values.get("limit", _LETTERS),
            dry=values.get("dry_run", False),
        )
        told = [asdict(each) for each in replay(wanted, replaying, run)]
        last = max((each["number"] for each in told), default=run.after)
        left = self.letters.count(wanted, after=last)
        return {"replayed": told, "left": left, "next": last if left else None}

    def drop(self, call: Call) -> dict[str, Any]:
        values = parsed(call.query, {**_selecting(), "all": flag})
        wanted = selection(values)
        if wanted == Selection() and not values.get("all"):
            raise InvalidEvent("invalid_query", "name a condition, or all=true to drop every one")
        return {"dropped": self.letters.drop(wanted)}


def _selecting() -> Parsers:
    return conditions(datetime.now(UTC))
