"""The database of the dead letters, opened so that a commit is on disk when it returns."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from sinks.errors import SinkError, Unavailable
from sinks.letter_table import LETTERS, METADATA

# As many letters at a time as may wait for PostgreSQL; SQLite takes one after the other.
_CONNECTIONS: Final = 24
_WAIT_SECONDS: Final = 20
# SQLite itself waits without letting anybody else run: only for what is over in a moment.
_BLOCKING_SECONDS: Final = 0.02
_SQLITE: Final = (
    f"PRAGMA busy_timeout={_WAIT_SECONDS * 1000}",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    # A large statement is journalled apart, by default in /tmp, which a read-only root has not.
    "PRAGMA temp_store=MEMORY",
    # A burst of letters makes the log long; what is over this is given back.
    f"PRAGMA journal_size_limit={16 * 2**20}",
    f"PRAGMA busy_timeout={_BLOCKING_SECONDS * 1000:.0f}",
)
_POSTGRESQL: Final = f"-c synchronous_commit=on -c statement_timeout={_WAIT_SECONDS}s"
# A server that has vanished is noticed within half a minute.
_KEEPALIVE: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": _WAIT_SECONDS * 1000,
}
_MAKING: Final = "SELECT pg_advisory_xact_lock(7310575243651310963)"  # one process at a time


class Database:
    """SQLite or PostgreSQL, for any number of threads or greenlets.

    A file does not yield: other greenlets run before and after each transaction.

    database_url:  sqlite:///PATH, whose directory is made, or postgresql+psycopg://...
    raises:        Unavailable(storage_failed) that says what is wrong, without a password.
    """

    def __init__(self, database_url: str) -> None:
        self._engine = _engine(database_url)
        self._readers = self._engine.execution_options(**_READS[self._engine.dialect.name])
        self.dialect = self._engine.dialect.name
        self._turn = threading.Lock()
        try:
            with self.writing() as connection:
                if self.dialect == "postgresql":
                    connection.exec_driver_sql(_MAKING)
                METADATA.create_all(connection)
                for index in LETTERS.indexes:  # that an older table has not got
                    index.create(connection, checkfirst=True)
        except SinkError as error:
            self.close()
            raise _unusable(error.upstream_text) from None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees the letters as they are at one moment."""
        with _failures("read"), self._readers.begin() as connection:
            yield connection
        time.sleep(0)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is on disk when the block has ended, or has changed nothing."""
        # SQLite lets one write and has the others poll; here they wait for their turn.
        taken = self.dialect != "sqlite" or self._turn.acquire(timeout=_WAIT_SECONDS)
        if not taken:
            raise _failed("write", "the letters before this one take too long")
        try:
            with _failures("write"), self._engine.begin() as connection:
                yield connection
        finally:
            if self.dialect == "sqlite":
                self._turn.release()
        time.sleep(0)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


@contextmanager
def _failures(what: str) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        # Only what the database says: SQLAlchemy's text has the statement, too.
        said = str(getattr(error, "orig", None) or type(error).__name__)
        raise _failed(what, said.strip().partition("\n")[0]) from error


def _failed(what: str, said: str) -> Unavailable:
    error = Unavailable(
        "storage_failed",
        f"the database of the dead letters cannot {what}: repeat it; whoever runs the sink looks"
        " at DATABASE_URL and its disk",
        stage="storage",
    )
    error.upstream_text = said
    return error


def _unusable(why: str) -> Unavailable:
    return Unavailable("storage_failed", f"DATABASE_URL cannot be used: {why}", stage="storage")


def _engine(database_url: str) -> Engine:
    try:
        url = make_url(database_url)
        return _KINDS[url.get_backend_name()](url)
    except (SQLAlchemyError, ValueError, KeyError):  # their texts may have the password
        wanted = "it has to be sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/NAME"
        raise _unusable(wanted) from None
    except OSError as error:
        raise _unusable(f"its directory cannot be made: {error.strerror}") from None


def _postgresql(url: URL) -> Engine:
    options = f"{url.query.get('options', '')} {_POSTGRESQL}"
    return create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=_CONNECTIONS,
        max_overflow=0,
        pool_timeout=_WAIT_SECONDS,
        connect_args={**_KEEPALIVE, "options": options, "client_encoding": "utf8"},
    )


def _sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise ValueError("no file")
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_size=_CONNECTIONS,
        max_overflow=0,
        pool_timeout=_WAIT_SECONDS,
        connect_args={"timeout": _WAIT_SECONDS},
    )
    event.listen(engine, "connect", _connected)
    event.listen(engine, "begin", _begun)
    return engine


def _connected(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # the driver would begin too late
    for pragma in _SQLITE:
        connection.execute(pragma).close()


def _begun(connection: Connection) -> None:
    """Begin. A write lock that is asked for in the middle fails at once where another process
    writes; asked for first, it can be waited for, and others run meanwhile."""
    reads = connection.get_execution_options().get("reads", False)
    limit = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
            return
        except OperationalError as error:
            code = getattr(error.orig, "sqlite_errorcode", None)
            if code != sqlite3.SQLITE_BUSY or time.monotonic() > limit:
                raise
            time.sleep(_BLOCKING_SECONDS)


_KINDS: Final = {"postgresql": _postgresql, "sqlite": _sqlite}
# What makes a transaction see one moment, even if it asks twice.
_READS: Final[Mapping[str, Mapping[str, Any]]] = {
    "postgresql": {"isolation_level": "REPEATABLE READ"},
    "sqlite": {"reads": True},
}
