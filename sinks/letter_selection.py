"""Dead letters as they are kept, and which of them are meant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sinks.letter import Letter
from sinks.reasons import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLetter:
    """A letter on disk; all times are UTC.

    number:    ascends with the first arrival, and is never given again.
    count:     arrivals of the same (source, id, destination); the letter is the last one's.
    outcome:   what the last replay came to; None: none since the last arrival.
    replayed:  when that was.
    """

    number: int
    letter: Letter
    first_arrived: datetime
    last_arrived: datetime
    count: int
    outcome: Outcome | None
    outcome_reason: str
    outcome_detail: str
    replayed: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Conditions that all have to hold; those left out hold for every letter.

    since, until:  since <= last arrival < until; with a time zone.
    pending:       only letters that no replay has settled: never replayed, or deferred.
    """

    numbers: frozenset[int] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    row: str = ""
    wiki_id: str = ""
    reason: str = ""
    destination: str = ""
    status: int | None = None
    pending: bool = False
