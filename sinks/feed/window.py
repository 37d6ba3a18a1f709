"""Which position is acknowledged, while several events are on their way. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

Position = TypeVar("Position")
# Events begun since the oldest that is not acknowledged: what a crash sends again at most.
MAX_SPREAD: Final = 1000


@dataclass(slots=True, eq=False)
class Ticket(Generic[Position]):
    """One event on its way; `position` is the one behind it."""

    position: Position
    acknowledged: bool = False


class Window(Generic[Position]):
    """Events in the order of their source.

    position:  the last one before which all events are acknowledged.
    """

    def __init__(self, position: Position, max_spread: int = MAX_SPREAD) -> None:
        self.position = position
        self._max_spread = max_spread
        self._tickets: deque[Ticket[Position]] = deque()

    @property
    def is_full(self) -> bool:
        """True while one event holds up so many others that no more may begin."""
        return len(self._tickets) >= self._max_spread

    def begin(self, position: Position) -> Ticket[Position]:
        """Return the ticket of the next event.

        position: the one behind it: where a reader goes on that has done with it.
        """
        ticket = Ticket(position)
        self._tickets.append(ticket)
        return ticket

    def acknowledge(self, ticket: Ticket[Position]) -> None:
        """Let an event be done, in any order."""
        ticket.acknowledged = True
        while self._tickets and self._tickets[0].acknowledged:
            self.position = self._tickets.popleft().position
