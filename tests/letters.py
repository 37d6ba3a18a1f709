"""Dead letters and databases for them, as the tests of both want them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sinks.letter import Letter
from sinks.letters import KeptLetter, Letters, Selection

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ALL = Selection()


def as_kept(letter: Letter, number: int = 1) -> KeptLetter:
    """The letter on disk, arrived once and not yet replayed."""
    return KeptLetter(
        number=number,
        letter=letter,
        first_arrived=NOW,
        last_arrived=NOW,
        count=1,
        outcome=None,
        outcome_reason="",
        outcome_detail="",
        replayed=None,
    )


class Dropped(dict[str, int]):
    """Counts as the telemetry does."""

    def __call__(self, cause: str, letters: int) -> None:
        self[cause] = self.get(cause, 0) + letters


@contextmanager
def opened(database_url: str, **over: Any) -> Iterator[Letters]:
    """A database in which letters stay, until the block ends."""
    bound = {"max_age_seconds": 1e9, "max_bytes": 2**40, "clock": lambda: NOW}
    letters = Letters(database_url, **(bound | over))
    try:
        yield letters
    finally:
        letters.close()


def letter(ce_id: str = "1", **over: Any) -> Letter:
    return Letter(**({"headers": {"ce-id": ce_id}, "body": b"x", "ce_id": ce_id} | over))


def ids(found: list[KeptLetter]) -> list[str]:
    return [each.letter.ce_id for each in found]
