"""What a feed reads from a source, and what it has to know of each event. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from sinks import jsondata
from sinks.errors import MalformedEvent
from sinks.timestamp import utc_time


class Item(NamedTuple):
    """One event of a source, or a place where there is none.

    position:  behind it.
    data:      one document; empty: there is nothing to send.
    problem:   why it cannot be sent, if so.
    where:     for people.
    """

    position: Any
    data: bytes
    problem: str = ""
    where: str = ""


class Change(NamedTuple):
    """What is told of a document; empty where it does not say.

    dt: as `utc_time` writes it.
    """

    id: str
    wiki_id: str
    dt: str


class Unreadable(ValueError):
    """These bytes are no document; the text says why."""


def change_in(data: bytes) -> Change:
    """Return what a document says of itself; all else is the shim's to judge.

    raises: Unreadable.
    """
    try:
        document = jsondata.loads(data)
    except MalformedEvent as error:
        raise Unreadable(error.detail) from None
    if not isinstance(document, dict):
        raise Unreadable("this is JSON, but no document: it has to be an object")
    meta = document.get("meta")
    wiki_id = document.get("wiki_id", document.get("database"))
    return Change(
        _text(meta.get("id")) if isinstance(meta, dict) else "",
        _text(wiki_id),
        _time(document.get("dt", meta.get("dt") if isinstance(meta, dict) else None)),
    )


def is_wanted(change: Change, wikis: Collection[str]) -> bool:
    """Return whether the change is of one of these wikis; none given: of any."""
    return not wikis or change.wiki_id in wikis


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _time(value: object) -> str:
    try:
        return utc_time(value) if isinstance(value, str) else ""
    except ValueError:
        return ""
