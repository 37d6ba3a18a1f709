"""How long to wait before something is tried again. Pure."""

from __future__ import annotations

import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

FIRST_SECONDS: Final = 1.0
MOST_SECONDS: Final = 60.0
# Of what a server may ask for.
MOST_ASKED_SECONDS: Final = 3600.0
_SECONDS: Final = re.compile(r"\d{1,9}", re.ASCII)


def delay_seconds(failures: int, chance: float, first: float = FIRST_SECONDS) -> float:
    """Return twice as long for each failure, up to a minute, and by chance up to a half less.

    failures:  in a row, at least 1.
    chance:    0 to 1; many that failed together shall not come back together.
    first:     what the first failure is worth.
    """
    longest = min(first * 2.0 ** min(failures - 1, 16), max(first, MOST_SECONDS))
    return longest * (1 - chance / 2)


def asked_seconds(retry_after: str | None, now: datetime) -> float:
    """Return what a `Retry-After` asks for, 0 where it asks for nothing; an hour at most.

    source: RFC 9110, 10.2.3.
    """
    if retry_after is None:
        return 0.0
    if _SECONDS.fullmatch(retry_after):
        return min(float(retry_after), MOST_ASKED_SECONDS)
    try:
        seconds = (parsedate_to_datetime(retry_after) - now).total_seconds()
    except (ValueError, TypeError, OverflowError):  # no date, or none with a zone, or in no year
        return 0.0
    return min(max(seconds, 0.0), MOST_ASKED_SECONDS)
