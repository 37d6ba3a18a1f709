"""Dead letters as they are kept, and which of them are meant: parameters of a URL, or options of a
command, as a Selection."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sinks.attributes import MAX_ATTRIBUTE_CHARS
from sinks.errors import InvalidEvent
from sinks.letter import Letter
from sinks.reasons import Outcome
from sinks.timestamp import utc_time

_AGE = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_NUMBER = re.compile(r"[1-9]\d{0,17}", re.ASCII)
_STATUS = re.compile(r"[1-5]\d\d", re.ASCII)


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


def moment(text: str, now: datetime) -> datetime:
    """Return the time that is meant: RFC 3339, or an age such as 30m, 2h, 3d before `now`.

    raises: ValueError, saying what would be right.
    """
    if age := _AGE.fullmatch(text):
        try:
            return now - timedelta(**{_UNITS[age[2]]: int(age[1])})
        except OverflowError as error:
            raise ValueError("an age before year 1") from error
    try:
        return datetime.fromisoformat(utc_time(text))
    except ValueError as error:
        raise ValueError(f"{error}, nor an age such as 30m, 2h or 3d") from None


def number(text: str) -> int:
    """Return the number of a letter. raises: ValueError."""
    if not _NUMBER.fullmatch(text):
        raise ValueError("not the number of a letter, such as 1")
    return int(text)


def position(text: str) -> int:
    """Return the number after which a page begins; 0 is before the first. raises: ValueError."""
    return 0 if text == "0" else number(text)


def status(text: str) -> int:
    """Return an HTTP status. raises: ValueError."""
    if not _STATUS.fullmatch(text):
        raise ValueError("not an HTTP status, such as 503")
    return int(text)


def words(text: str) -> str:
    """Return the text: an empty one would select everything. raises: ValueError."""
    if not text or len(text) > MAX_ATTRIBUTE_CHARS or "\0" in text:
        raise ValueError(f"empty, or over {MAX_ATTRIBUTE_CHARS} characters: leave it out")
    return text


def flag(text: str) -> bool:
    """Return whether it says true. raises: ValueError."""
    if text not in ("true", "false"):
        raise ValueError("neither true nor false")
    return text == "true"


def up_to(most: int, least: int = 1) -> Callable[[str], int]:
    """Return the parser of a whole number."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"\d{1,6}", text, re.ASCII) or not least <= int(text) <= most:
            raise ValueError(f"not a whole number from {least} to {most}")
        return int(text)

    return parse


Parsers = Mapping[str, Callable[[str], Any]]


def conditions(now: datetime) -> Parsers:
    """Return the parsers of what a Selection can ask for, by the name in a URL."""
    return {
        "number": number,
        "since": lambda text: moment(text, now),
        "until": lambda text: moment(text, now),
        "row": words,
        "wiki": words,
        "reason": words,
        "status": status,
        "destination": words,
        "pending": flag,
    }


def parsed(pairs: Iterable[tuple[str, str]], parsers: Parsers) -> dict[str, Any]:
    """Return the values of a query by name; `number` may be repeated and becomes a frozenset.

    raises: InvalidEvent(invalid_query), naming the parameter: a misspelt one would select more.
    """
    found: dict[str, Any] = {}
    for name, text in pairs:
        if name not in parsers:
            raise InvalidEvent(
                "invalid_query",
                f"{_shown(name)} is no parameter here: there are {', '.join(parsers)}",
            )
        if name in found and name != "number":
            raise InvalidEvent("invalid_query", f"{name} is given twice: give it once")
        try:
            value = parsers[name](text)
        except ValueError as error:
            raise InvalidEvent("invalid_query", f"{name} is {error}") from None
        found[name] = found.get(name, frozenset()) | {value} if name == "number" else value
    return found


def selection(values: Mapping[str, Any]) -> Selection:
    """Return what these values of `conditions` select; others are left out."""
    return Selection(
        numbers=values.get("number", frozenset()),
        since=values.get("since"),
        until=values.get("until"),
        row=values.get("row", ""),
        wiki_id=values.get("wiki", ""),
        reason=values.get("reason", ""),
        destination=values.get("destination", ""),
        status=values.get("status"),
        pending=values.get("pending", False),
    )


def _shown(name: str) -> str:
    return name if re.fullmatch(r"[a-z_]{1,40}", name) else "what is asked"
