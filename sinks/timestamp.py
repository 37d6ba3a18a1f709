"""RFC 3339 timestamps as text: read liberally, written as `YYYY-MM-DDTHH:MM:SS[.f]Z`.

Seconds and fractions are copied, never computed, so nine digits survive.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final

_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ]((?:[01]\d|2[0-3]):[0-5]\d)(:[0-5]\d)(\.\d{1,9})?\d*"
    r"(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
)
_MOST_CHARS_KEPT: Final = len("2026-09-23T10:00:00.123456789+00:00")


def utc_time(text: str) -> str:
    """Return the same instant as `...T...Z`.

    A fraction is cut after nine digits, the most that Go reads.
    raises: ValueError if `text` is not RFC 3339, names no real day, leaves the years 1-9999, or is
            a leap second, which neither Go nor Python read.
    """
    # One change has the same time in several places, and goes to each row.
    return _kept_utc_time(text) if len(text) <= _MOST_CHARS_KEPT else _utc_time(text)


def _utc_time(text: str) -> str:
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError("not an RFC 3339 time such as 2026-09-23T10:00:00Z")
    day, minute, second, fraction, sign, offset_hours, offset_minutes = match.groups("")
    if not sign:
        date.fromisoformat(day)
        return f"{day}T{minute}{second}{fraction}Z"
    moment = datetime.fromisoformat(f"{day}T{minute}")
    offset = timedelta(hours=int(offset_hours), minutes=int(offset_minutes))
    try:
        moment = moment - offset if sign == "+" else moment + offset
    except OverflowError as error:
        raise ValueError("a time before year 1 or after year 9999") from error
    return f"{moment.isoformat(timespec='minutes')}{second}{fraction}Z"


_kept_utc_time = lru_cache(maxsize=1024)(_utc_time)


def lag_seconds(text: str, now: float) -> float | None:
    """Return how many seconds before `now` that was, 0 if it has still to come; None for a leap
    second.

    text:  RFC 3339, as schemas want it.
    now:   seconds since 1970.
    """
    try:
        then = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    return max(now - then.timestamp(), 0.0)


def age_seconds(utc: str, now: datetime) -> float:
    """Return how many seconds before `now` the time `utc` (as `utc_time` writes it) was."""
    moment = datetime.fromisoformat(utc[:16]).replace(tzinfo=UTC)
    return (now - moment).total_seconds() - float(utc[17:-1])
