"""How long and how many dead letters are kept: the oldest go first, and are counted."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, and_, delete, func, or_, select

from sinks import log
from sinks.errors import SinkError
from sinks.letter_database import Database
from sinks.letter_table import LETTERS

_C: Final = LETTERS.c
# After so long the sum of all bytes is read again: other processes keep and drop letters, too.
_SUM_SECONDS: Final = 10.0


class Bound:
    """Drops what is too old, and the oldest while all are too large.

    dropped:  counts letters that were dropped: "age" or "size", and how many.
    """

    def __init__(
        self,
        database: Database,
        max_age: timedelta,
        max_bytes: int,
        dropped: Callable[[str, int], None],
    ) -> None:
        self._database = database
        self._max_age = max_age
        self._max_bytes = max_bytes
        self._dropped = dropped
        self._lock = threading.Lock()
        self._bytes = 0
        self._summed = float("-inf")

    def changed(self) -> None:
        """Have the sum read again: it is not known what was dropped."""
        with self._lock:
            self._summed = float("-inf")

    def hold(self, now: datetime, number: int = 0, grown: int = 0) -> None:
        """Drop what has to go, but for one letter that has just been kept.

        grown:  how many bytes that has added.

        A failure is only logged, since nothing is lost by it; the next call tries again.
        """
        with self._lock:
            self._bytes += grown
            try:
                aged = self._drop_old(now, number)
                large = self._drop_large(number) if number else 0
            except SinkError as error:
                problem = {"detail": error.detail, "upstream_text": error.upstream_text}
                log.write(logging.WARNING, "no letter can be dropped now", problem)
                return
        for cause, letters in (("age", aged), ("size", large)):
            if letters:
                self._dropped(cause, letters)
        if aged or large:
            detail = f"{aged} for their age, {large} to make room"
            log.write(logging.WARNING, "letters dropped", {"detail": detail})

    def _drop_old(self, now: datetime, number: int) -> int:
        old = and_(_C.last_arrived < now - self._max_age, _C.number != number)
        with self._database.reading() as connection:
            if connection.execute(select(_C.number).where(old).limit(1)).first() is None:
                return 0
        with self._database.writing() as connection:
            gone = connection.execute(delete(LETTERS).where(old)).rowcount
        self._summed = float("-inf")
        return gone

    def _drop_large(self, number: int) -> int:
        if time.monotonic() - self._summed > _SUM_SECONDS:
            with self._database.reading() as connection:
                self._bytes = _sum(connection)
            self._summed = time.monotonic()
        if self._bytes <= self._max_bytes:
            return 0
        with self._database.writing() as connection:
            # Somebody else may have dropped some: nothing goes before it has to.
            self._bytes, self._summed = _sum(connection), time.monotonic()
            gone, freed = self._drop_oldest(connection, number)
        self._bytes -= freed
        return gone

    def _drop_oldest(self, connection: Connection, number: int) -> tuple[int, int]:
        """Drop as many as needed, if any; return how many letters and bytes."""
        by_age = select(_C.number, _C.last_arrived, _C.bytes).where(_C.number != number)
        freed, last = 0, None
        ordered = by_age.order_by(_C.last_arrived, _C.number).execution_options(yield_per=1000)
        with connection.execute(ordered) as rows:
            for row in rows:
                if self._bytes - freed <= self._max_bytes:
                    break
                freed, last = freed + row.bytes, row
        if last is None:
            return 0, 0
        as_old = and_(_C.last_arrived == last.last_arrived, _C.number <= last.number)
        oldest = and_(or_(_C.last_arrived < last.last_arrived, as_old), _C.number != number)
        return connection.execute(delete(LETTERS).where(oldest)).rowcount, freed


def _sum(connection: Connection) -> int:
    return int(connection.execute(select(func.coalesce(func.sum(_C.bytes), 0))).scalar_one())
