"""The table of dead letters, the same in SQLite and in PostgreSQL, and what is asked of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    ColumnElement,
    Executable,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    Table,
    Text,
    TypeDecorator,
    bindparam,
    false,
    or_,
)
from sqlalchemy.dialects import postgresql, sqlite

from sinks.letter import Letter
from sinks.letter_selection import KeptLetter, Selection
from sinks.reasons import Outcome

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_ROW_BYTES: Final = 256  # that a letter takes beside its own, about
# Of all whole numbers that a column takes.
LARGEST: Final = 2**63 - 1
_INSERTS: Final[Mapping[str, Callable[[Table], postgresql.Insert | sqlite.Insert]]] = {
    "postgresql": postgresql.insert,
    "sqlite": sqlite.insert,
}


class AnyText(TypeDecorator[str]):
    """Any text, as ASCII with the escapes of a Python literal: PostgreSQL cannot hold NUL, and may
    have an encoding that has not got every character."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: object) -> str | None:
        return None if value is None else value.encode("unicode_escape").decode("ascii")

    def process_result_value(self, value: str | None, dialect: object) -> str | None:
        return None if value is None else value.encode("ascii").decode("unicode_escape")


class Moment(TypeDecorator[datetime]):
    """Microseconds since 1970: SQLite has no type for times."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: object) -> int | None:
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: object) -> datetime | None:
        return None if value is None else _EPOCH + value * _MICROSECOND


METADATA: Final = MetaData()
# What is large stands last, so that SQLite reads the rest without it.
LETTERS: Final = Table(
    "letters",
    METADATA,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    # SHA-256 of source, id and destination: these can be longer than an index takes.
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("first_arrived", Moment, nullable=False),
    Column("last_arrived", Moment, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    # How many bytes the last arrival has added.
    Column("grown", BigInteger, nullable=False),
    Column("status", Integer),
    Column("outcome", AnyText),
    Column("outcome_reason", AnyText, nullable=False),
    Column("outcome_detail", AnyText, nullable=False),
    Column("replayed", Moment),
    Column("row", AnyText, nullable=False),
    Column("wiki_id", AnyText, nullable=False),
    Column("reason", AnyText, nullable=False),
    Column("destination", AnyText, nullable=False),
    Column("type", AnyText, nullable=False),
    Column("source", AnyText, nullable=False),
    Column("ce_id", AnyText, nullable=False),
    Column("error", AnyText, nullable=False),
    Column("headers", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
_C: Final = LETTERS.c
Index("letters_by_age", _C.last_arrived, _C.number, _C.bytes)
for _name in ("row", "wiki_id", "reason", "destination", "outcome"):
    # A hash takes texts of any length.
    Index(f"letters_by_{_name}", _C[_name], postgresql_using="hash")
_DEFERRED: Final[BindParameter[str]] = bindparam("deferred", "deferred", literal_execute=True)
# Written out, as a planner has to see that it is what the index has.
PENDING: Final = or_(_C.outcome.is_(None), _C.outcome == _DEFERRED)
# SQLite counts them by their outcome; a hash cannot tell what has none.
Index("letters_pending", _C.number, postgresql_where=PENDING).ddl_if(dialect="postgresql")


def arrival(letter: Letter, now: datetime, dialect: str) -> Executable:
    """Return what keeps a letter, or counts it once more and forgets what replays came to; it
    returns `number` and `grown`."""
    values = _values(letter)
    unknown = {"outcome": None, "outcome_reason": "", "outcome_detail": "", "replayed": None}
    insert = _INSERTS[dialect](LETTERS).values(
        **values,
        **unknown,
        digest=_digest(letter),
        first_arrived=now,
        last_arrived=now,
        count=1,
        grown=values["bytes"],
    )
    replaced = {name: insert.excluded[name] for name in (*values, *unknown, "last_arrived")}
    counted = {"count": _C.count + 1, "grown": insert.excluded.bytes - _C.bytes}
    again = insert.on_conflict_do_update(index_elements=["digest"], set_=replaced | counted)
    return again.returning(_C.number, _C.grown)


def chosen(selection: Selection) -> list[ColumnElement[bool]]:
    """Return the conditions of a selection."""
    wanted: list[ColumnElement[bool]] = [
        _C[name] == text
        for name in ("row", "wiki_id", "reason", "destination")
        if (text := getattr(selection, name))
    ]
    if selection.numbers:
        possible = [number for number in selection.numbers if 0 < number <= LARGEST]
        # As digits: there may be more of them than a statement takes values.
        listed: BindParameter[int] = bindparam(
            "numbers", possible, expanding=True, literal_execute=True
        )
        wanted.append(_C.number.in_(listed) if possible else false())
    if selection.since is not None:
        wanted.append(_C.last_arrived >= selection.since)
    if selection.until is not None:
        wanted.append(_C.last_arrived < selection.until)
    if selection.status is not None:
        possible_status = 0 <= selection.status <= 999
        wanted.append(_C.status == selection.status if possible_status else false())
    if selection.pending:
        wanted.append(PENDING)
    return wanted


def kept_letter(row: Row[Any]) -> KeptLetter:
    """Return the letter of a row of the whole table."""
    found = row._mapping
    letter = Letter(
        headers=json.loads(found["headers"]),
        **{name: found[name] for name in Letter.__slots__ if name != "headers"},
    )
    own = (name for name in KeptLetter.__slots__ if name not in ("letter", "outcome"))
    outcome = cast("Outcome | None", found["outcome"])
    return KeptLetter(letter=letter, outcome=outcome, **{name: found[name] for name in own})


def _values(letter: Letter) -> dict[str, Any]:
    """Return what a letter itself fills."""
    values = {name: getattr(letter, name) for name in Letter.__slots__}
    values["headers"] = json.dumps(dict(letter.headers))
    texts = (text for text in values.values() if isinstance(text, str))
    values["bytes"] = _ROW_BYTES + len(letter.body) + sum(map(len, texts))
    return values


def _digest(letter: Letter) -> bytes:
    which = json.dumps([letter.source, letter.ce_id, letter.destination])
    return hashlib.sha256(which.encode("ascii")).digest()
