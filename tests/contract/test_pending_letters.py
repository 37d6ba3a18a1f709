"""How many dead letters are pending: counted in the database, and told to whoever scrapes."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect

from sinks.errors import Unavailable
from sinks.letters import Letters
from sinks.pending_letters import PendingLetters
from sinks.reasons import Outcome
from tests.letters import ALL, NOW, letter, opened
from tests.lone_sink import Client
from tests.postgresql import PostgreSQL
from tests.processes import gunicorn
from tests.upstream import Reply

LETTERS = 5


def settled(letters: Letters, number: int, outcome: Outcome) -> None:
    """A replay of a letter has come to this."""
    (kept,) = letters.find(ALL, after=number - 1, limit=1)
    assert letters.mark(kept, outcome, "", "", NOW)


def gauge(scrape: Reply) -> list[bytes]:
    """The samples of the gauge."""
    return re.findall(rb"^sinks_letters_pending.*", scrape.body, re.MULTILINE)


def failing() -> int:
    raise Unavailable("storage_failed", "down", stage="storage")


def test_pending_letters_are_those_that_no_replay_has_settled(letters: Letters) -> None:
    """Not yet replayed, deferred, or arrived again; not relayed, ignored or rejected."""
    for number in range(1, LETTERS + 1):
        letters.keep(letter(str(number)), NOW)
    outcomes: tuple[Outcome, ...] = ("deferred", "relayed", "ignored", "rejected")
    for number, outcome in enumerate(outcomes, 1):
        settled(letters, number, outcome)

    before = letters.pending()
    letters.keep(letter("2"), NOW)  # relayed once, and here again

    assert (before, letters.pending()) == (2, 3)


def test_pending_letters_need_no_look_at_any_letter_in_postgresql(postgres: PostgreSQL) -> None:
    """They have an index of their own, also where the table is older than that."""
    url = postgres.new_database()
    with opened(url):
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP INDEX letters_pending")

    with opened(url) as again:
        again.keep(letter(), NOW)
        indexes = {each["name"] for each in inspect(engine).get_indexes("letters")}
        with engine.begin() as connection:
            for other in ("seqscan", "bitmapscan"):  # which a small table would be read by
                connection.exec_driver_sql(f"SET enable_{other} = off")
            plan = connection.exec_driver_sql(
                "EXPLAIN SELECT count(*) FROM letters WHERE outcome IS NULL OR outcome = 'deferred'"
            ).all()
    engine.dispose()

    assert "letters_pending" in indexes
    assert any("Index Only Scan using letters_pending" in str(line) for line in plan)


@pytest.mark.parametrize("count", [failing, lambda: threading.Event().wait(30)])
def test_pending_letters_of_a_database_that_does_not_tell_are_none(
    count: Callable[[], int],
) -> None:
    """Nobody waits for long, and no number is shown that may be wrong."""
    pending = PendingLetters(count, 0.05)

    assert [pending(), pending()] == [None, None]


def test_pending_letters_are_counted_once_at_a_time() -> None:
    """Scrapes of a database that hangs do not pile up, and it is asked again when it answers."""
    asked, go = [], threading.Event()

    def count() -> int:
        asked.append(1)
        go.wait(30)
        return 7

    pending = PendingLetters(count, 0.05)
    slow = [pending() for _ in range(3)]
    go.set()
    patient = PendingLetters(count, 30)

    assert (slow, len(asked)) == ([None] * 3, 1)
    assert patient() == 7


def test_scrape_shows_pending_letters_and_outlives_its_database(
    postgres: PostgreSQL, tmp_path: Path
) -> None:
    """With the database away the rest is shown, and no gauge; with it back, the gauge too."""
    env = {"DATABASE_URL": postgres.new_database(), "ALLOW_ANONYMOUS": "true"}
    with gunicorn("sinks.deadletter_sink:create_app()", env, tmp_path) as sink:
        with Client(sink.port) as client:
            assert client.send("/", {}, b"no event").status == 202
            there = client.get("/metrics")
            postgres.stop()
            away = client.get("/metrics")
            postgres.start()
            back = client.get("/metrics")

    assert gauge(there) == gauge(back) == [b'sinks_letters_pending{sink="deadletter-sink"} 1.0']
    assert (away.status, gauge(away)) == (200, [])
    assert b"sinks_events_total" in away.body
