"""One feed: events from its source to the shim, several at a time, and where it goes on.

Every thread takes the next event while no other does, delivers it, and acknowledges it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from sinks.feed.account import Account, Ended
from sinks.feed.delivering import Delivering, Stopped
from sinks.feed.item import Change, Item, Unreadable, change_in, is_wanted
from sinks.feed.position import Stored
from sinks.feed.window import Ticket, Window

# How soon a stop is noticed by who waits for the oldest event.
_TICK_SECONDS: Final = 0.2
_NOTHING: Final = Change("", "", "")


class Source(Protocol):
    """Where events come from.

    key: its name in the state; None: it cannot be read again.
    """

    key: str | None

    def start(self, stored: Stored | None, tell: Callable[[str], None]) -> Any:
        """Return the position to begin at."""

    def stored(self, position: Any) -> Stored:
        """Return what the state keeps of a position."""

    def read(self, position: Any) -> Iterator[Item]:
        """Yield what is behind the position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which events are sent, and how fast.

    wikis:  of these alone; empty: of all.
    rate:   events begun a second; 0: as fast as they are acknowledged.
    limit:  events at most; None: all.
    """

    wikis: Collection[str] = ()
    rate: float = 0.0
    limit: int | None = None


class _Taken(NamedTuple):
    """An event on its way."""

    item: Item
    change: Change
    ticket: Ticket[Any]


class Feed:
    """trigger:  the one that its events are for; None: all.
    stopped:  set by whoever wants the feed to stop.
    ended:    gets each event that has come to its end.
    """

    def __init__(
        self,
        trigger: str | None,
        source: Source,
        begin: Any,
        choice: Choice,
        account: Account,
        stopped: threading.Event,
        ended: Callable[[Ended], None],
    ) -> None:
        self.trigger = trigger
        self.source = source
        self.account = account
        self._choice = choice
        self._stopped = stopped
        self._ended = ended
        self._window = Window(begin)
        self._items = source.read(begin)
        self._taking = threading.Lock()
        self._moved = threading.Condition()
        self._next_at = 0.0
        self._on_their_way = 0

    @property
    def position(self) -> Any:
        """The place before which all is acknowledged."""
        with self._moved:
            return self._window.position

    @property
    def is_delivering(self) -> bool:
        """Whether an event is on its way, or waits to be sent again."""
        return self._on_their_way > 0

    def work(self, delivering: Delivering) -> None:
        """Deliver one event after the other, until there are no more or the feed is stopped.

        raises: what the source raises; WrongShim, Undelivered.
        """
        while (taken := self._take()) is not None:
            try:
                delivered = delivering.deliver(taken.item.data, self.trigger)
                done = delivered.done
                what = (done.outcome, done.reason, done.detail, delivered)
                self._end(taken.ticket, Ended(self.trigger, taken.item.where, taken.change, *what))
            except Stopped:
                return
            finally:
                with self._moved:
                    self._on_their_way -= 1

    def _take(self) -> _Taken | None:
        """Return the next event that is to be sent, or None."""
        with self._taking:
            while not self._is_over() and (item := next(self._items, None)) is not None:
                with self._moved:
                    ticket = self._window.begin(item.position)
                change = self._change_of(item, ticket)
                if change is None:
                    continue
                self._pace()
                if self._stopped.is_set():
                    return None
                with self._moved:
                    self._on_their_way += 1
                self.account.sent += 1
                return _Taken(item, change, ticket)
        return None

    def _is_over(self) -> bool:
        """True if no more events may begin; waits while one holds up too many others."""
        with self._moved:
            while self._window.is_full and not self._stopped.is_set():
                self._moved.wait(_TICK_SECONDS)
        limit = self._choice.limit
        return self._stopped.is_set() or (limit is not None and self.account.sent >= limit)

    def _change_of(self, item: Item, ticket: Ticket[Any]) -> Change | None:
        """Return what the event says of itself; None for what is not sent, and done with it."""
        problem, change = item.problem, _NOTHING
        try:
            change = change_in(item.data) if item.data else _NOTHING
        except Unreadable as error:
            problem = str(error)
        if problem:
            what = ("rejected", "unreadable", problem, None)
            self._end(ticket, Ended(self.trigger, item.where, _NOTHING, *what))
            return None
        if not item.data or not is_wanted(change, self._choice.wikis):
            self.account.filtered += bool(item.data)
            self._acknowledge(ticket)
            return None
        return change

    def _end(self, ticket: Ticket[Any], ended: Ended) -> None:
        # Told first: what is told twice after a crash is better than what is never told.
        self.account.add(ended)
        self._ended(ended)
        self._acknowledge(ticket)

    def _acknowledge(self, ticket: Ticket[Any]) -> None:
        with self._moved:
            self._window.acknowledge(ticket)
            self._moved.notify_all()

    def _pace(self) -> None:
        if self._choice.rate:
            now = time.monotonic()
            self._stopped.wait(max(0.0, self._next_at - now))
            self._next_at = max(now, self._next_at) + 1 / self._choice.rate
