"""Dead letters in a database: kept within a bound, found, marked by replays, and dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import and_, delete, func, select, update

from sinks.letter import Letter
from sinks.letter_bound import Bound
from sinks.letter_database import Database
from sinks.letter_document import listed
from sinks.letter_selection import KeptLetter, Selection
from sinks.letter_table import LARGEST, LETTERS, PENDING, arrival, chosen, kept_letter
from sinks.reasons import Outcome

__all__ = ["KeptLetter", "Letters", "Selection", "listing"]

_C: Final = LETTERS.c
# How much one `find` may bring into memory, but for its first letter.
_FOUND_BYTES: Final = 64 * 2**20


def _now() -> datetime:
    return datetime.now(UTC)


def _uncounted(_cause: str, _letters: int) -> None:
    return


class Letters:
    """One database of letters, for any number of threads or greenlets; other processes may use
    it, too.

    database_url:     sqlite:///PATH or postgresql+psycopg://...
    max_age_seconds:  letters whose last arrival is longer ago are dropped.
    max_bytes:        of all letters; over it the oldest are dropped, but never the one just kept.
                      Several processes may exceed it for 10 s by what they keep meanwhile.
    dropped:          counts letters that were dropped: "age", "size" or "command", and how many.
    clock:            tells the age of letters while none arrives.

    Every failure of the database is Unavailable(storage_failed); the next call tries again.
    """

    def __init__(
        self,
        database_url: str,
        *,
        max_age_seconds: float,
        max_bytes: int,
        dropped: Callable[[str, int], None] = _uncounted,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._dropped = dropped
        self._clock = clock
        self._database = Database(database_url)
        max_age = timedelta(seconds=max_age_seconds)
        self._bound = Bound(self._database, max_age, max_bytes, dropped)

    def keep(self, letter: Letter, now: datetime) -> None:
        """Keep a letter, or count it once more; it is on disk when this returns."""
        with self._database.writing() as connection:
            row = connection.execute(arrival(letter, now, self._database.dialect)).one()
        self._bound.hold(now, row.number, row.grown)

    def find(self, selection: Selection, *, after: int = 0, limit: int = 100) -> list[KeptLetter]:
        """Return letters with numbers larger than `after`, ascending: at most `limit`, fewer if
        they are large. There are no more only when none is returned."""
        self._bound.hold(self._clock())
        wanted = and_(_C.number > min(after, LARGEST), *chosen(selection))
        sizes = select(_C.number, _C.bytes).where(wanted).order_by(_C.number)
        with self._database.reading() as connection:
            room, last = _FOUND_BYTES, 0
            for row in connection.execute(sizes.limit(min(limit, LARGEST))).all():
                if last and row.bytes > room:
                    break
                room, last = room - row.bytes, row.number
            rows = select(LETTERS).where(wanted, _C.number <= last).order_by(_C.number)
            return [kept_letter(row) for row in connection.execute(rows)]

    def count(self, selection: Selection, *, after: int = 0) -> int:
        """Return how many letters there are with numbers larger than `after`."""
        self._bound.hold(self._clock())
        wanted = and_(_C.number > min(after, LARGEST), *chosen(selection))
        with self._database.reading() as connection:
            counted = select(func.count()).select_from(LETTERS).where(wanted)
            return int(connection.execute(counted).scalar_one())

    def pending(self) -> int:
        """Return how many letters no replay has settled; nothing is dropped for it."""
        with self._database.reading() as connection:
            counted = select(func.count()).select_from(LETTERS).where(PENDING)
            return int(connection.execute(counted).scalar_one())

    def mark(
        self, kept: KeptLetter, outcome: Outcome, reason: str, detail: str, now: datetime
    ) -> bool:
        """Note what a replay of this letter came to; False if it has arrived again meanwhile, or
        is gone: then nothing is noted, and what has arrived stays pending."""
        same = and_(_C.number == kept.number, _C.count == kept.count)
        noted = {"outcome": outcome, "outcome_reason": reason, "outcome_detail": detail}
        with self._database.writing() as connection:
            marked = connection.execute(update(LETTERS).where(same).values(**noted, replayed=now))
            return marked.rowcount == 1

    def drop(self, selection: Selection) -> int:
        """Drop letters for good; return how many. An empty selection drops all."""
        with self._database.writing() as connection:
            gone = connection.execute(delete(LETTERS).where(*chosen(selection))).rowcount
        self._bound.changed()
        if gone:
            self._dropped("command", gone)
        return gone

    def close(self) -> None:
        """Close all connections."""
        self._database.close()


def listing(letters: Letters, selection: Selection, after: int) -> Iterator[dict[str, Any]]:
    """Yield what a list tells of each letter, ascending: without bodies, which do not fit into
    memory a thousand at a time."""
    while page := letters.find(selection, after=after):
        yield from map(listed, page)
        after = page[-1].number
