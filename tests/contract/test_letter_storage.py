"""How dead letters stay: bounds, many writers, what is on disk, and a database that fails."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from sinks.errors import Unavailable
from sinks.letter_database import Database
from sinks.letters import Letters, Selection
from tests.letters import ALL, MINUTE, NOW, Dropped, ids, letter, opened
from tests.postgresql import PASSWORD, PostgreSQL
from tests.processes import ROOT, clean_env

# --- bounds -----------------------------------------------------------------------------------


def test_letters_over_the_age_go_and_are_counted(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The last arrival counts, and one line tells how many went."""
    dropped = Dropped()
    with opened(database_url, max_age_seconds=90, dropped=dropped) as letters:
        for name in "abc":
            letters.keep(letter(name), NOW)
        letters.keep(letter("b"), NOW + MINUTE)
        with caplog.at_level(logging.WARNING, "sinks"):
            letters.keep(letter("d"), NOW + 2 * MINUTE)

        assert ids(letters.find(ALL)) == ["b", "d"]
    assert dropped == {"age": 2}
    assert [vars(record)["fields"] for record in caplog.records] == [
        {"detail": "2 for their age, 0 to make room"}
    ]


@pytest.mark.parametrize("ask", [lambda letters: len(letters.find(ALL)), lambda x: x.count(ALL)])
def test_letters_over_the_age_go_while_none_arrives(
    database_url: str, ask: Callable[[Letters], int]
) -> None:
    """Whoever looks does not see them any more."""
    dropped = Dropped()
    now = [NOW]
    with opened(database_url, max_age_seconds=90, dropped=dropped, clock=lambda: now[0]) as letters:
        letters.keep(letter(), NOW)
        assert ask(letters) == 1

        now[0] += 2 * MINUTE

        assert ask(letters) == 0
    assert dropped == {"age": 1}


def test_letters_over_the_size_go_oldest_first(database_url: str) -> None:
    """By their last arrival, no more than needed, and counted."""
    dropped = Dropped()
    with opened(database_url, max_bytes=100_000, dropped=dropped) as letters:
        for minutes, name in enumerate("abcda"):
            letters.keep(letter(name, body=bytes(24_000)), NOW + minutes * MINUTE)
        assert (ids(letters.find(ALL)), dropped) == (list("abcd"), {})

        letters.keep(letter("e", body=bytes(40_000)), NOW + 9 * MINUTE)

        assert ids(letters.find(ALL)) == ["a", "d", "e"]
    assert dropped == {"size": 2}


def test_letter_just_kept_stays_even_if_it_is_over_the_size(database_url: str) -> None:
    """It was acknowledged, and somebody should see it."""
    with opened(database_url, max_bytes=100_000) as letters:
        letters.keep(letter("a"), NOW + MINUTE)
        letters.keep(letter("b", body=bytes(200_000)), NOW)

        assert ids(letters.find(ALL)) == ["b"]


def test_letter_that_arrives_again_counts_once_for_the_size(database_url: str) -> None:
    """A sender that repeats one letter pushes out nobody else's."""
    dropped = Dropped()
    with opened(database_url, max_bytes=100_000, dropped=dropped) as letters:
        letters.keep(letter("a", body=bytes(30_000)), NOW)
        for minutes in range(20):
            letters.keep(letter("b", body=bytes(30_000)), NOW + minutes * MINUTE)

        assert ids(letters.find(ALL)) == ["a", "b"]
    assert dropped == {}


def test_size_of_letters_before_a_restart_counts(database_url: str) -> None:
    """The bound is one of the database, not of a process."""
    with opened(database_url) as letters:
        letters.keep(letter("a", body=bytes(90_000)), NOW)
    with opened(database_url, max_bytes=100_000) as letters:
        letters.keep(letter("b", body=bytes(20_000)), NOW + MINUTE)

        assert ids(letters.find(ALL)) == ["b"]


def test_dropped_letters_make_room(database_url: str) -> None:
    """What a command has dropped does not push out more."""
    dropped = Dropped()
    with opened(database_url, max_bytes=100_000, dropped=dropped) as letters:
        for name in "ab":
            letters.keep(letter(name, body=bytes(45_000)), NOW)
        letters.drop(Selection(numbers=frozenset({2})))
        letters.keep(letter("c", body=bytes(45_000)), NOW)

        assert ids(letters.find(ALL)) == ["a", "c"]
    assert dropped == {"command": 1}


def test_letters_that_another_process_has_dropped_push_out_nothing(database_url: str) -> None:
    """Somebody makes room with the command while the sink runs."""
    dropped = Dropped()
    with (
        opened(database_url) as command,
        opened(database_url, max_bytes=100_000, dropped=dropped) as letters,
    ):
        for name in "ab":
            letters.keep(letter(name, body=bytes(45_000)), NOW)
        command.drop(Selection(numbers=frozenset({2})))
        letters.keep(letter("c", body=bytes(45_000)), NOW)

        assert ids(letters.find(ALL)) == ["a", "c"]
    assert dropped == {}


def test_letters_without_bodies_are_bounded_on_disk_too(tmp_path: Path) -> None:
    """What a row takes beside its letter counts."""
    with opened(f"sqlite:///{tmp_path}/letters.sqlite", max_bytes=100_000) as letters:
        for number in range(1000):
            letters.keep(letter(str(number), headers={}, body=b""), NOW)

    assert (tmp_path / "letters.sqlite").stat().st_size < 2 * 100_000


# --- at the same time -------------------------------------------------------------------------


def test_letters_of_many_threads_are_all_kept(letters: Letters) -> None:
    """Each thread's own letters, and every arrival of one that all of them have."""

    def keep(thread: int) -> None:
        for number in range(10):
            letters.keep(letter(f"{thread}-{number}"), NOW)
            letters.keep(letter("same"), NOW)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(keep, range(16)))

    counts = {kept.letter.ce_id: kept.count for kept in letters.find(ALL, limit=1000)}
    assert counts.pop("same") == 160
    assert len(counts) == 160
    assert set(counts.values()) == {1}


TWO_PROCESSES = """
import sys
from datetime import UTC, datetime
from sinks.letter import Letter
from sinks.letters import Letters

sys.stdin.readline()
letters = Letters(sys.argv[1], max_age_seconds=1e9, max_bytes=2**40)
for number in range(50):
    for name in ("same", sys.argv[2] + str(number)):
        letters.keep(Letter(headers={}, body=b"x", ce_id=name), datetime.now(UTC))
"""


def test_letters_of_processes_that_start_together_are_all_kept(database_url: str) -> None:
    """The table is made once, and an arrival in either process counts."""
    processes = [
        subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", TWO_PROCESSES, database_url, name],
            cwd=ROOT,
            env=clean_env({}),
            stdin=subprocess.PIPE,
        )
        for name in "abc"
    ]
    for process in processes:
        assert process.stdin
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0, 0, 0]

    with opened(database_url) as letters:
        counts = {kept.letter.ce_id: kept.count for kept in letters.find(ALL, limit=1000)}
    assert counts.pop("same") == 150
    assert len(counts) == 150


def test_mark_and_arrival_at_once_never_settle_what_arrived(letters: Letters) -> None:
    """Whichever is first: an arrival that no replay has seen stays pending."""
    for number in range(20):
        letters.keep(letter(str(number)), NOW)
        before = letters.find(ALL)[-1]
        both = threading.Barrier(2)

        def arrive(name: str = str(number), both: threading.Barrier = both) -> None:
            both.wait(10)
            letters.keep(letter(name), NOW)

        thread = threading.Thread(target=arrive)
        thread.start()
        both.wait(10)
        letters.mark(before, "replied", "", "", NOW)
        thread.join()

    assert letters.count(Selection(pending=True)) == 20


def test_reading_twice_sees_one_moment(database_url: str) -> None:
    """Else what is dropped between looking and fetching would look like the last page."""
    with opened(database_url) as letters:
        letters.keep(letter(), NOW)
        database = Database(database_url)
        with database.reading() as connection:
            counts = []
            for _ in range(2):
                counts.append(connection.scalar(text("SELECT count(*) FROM letters")))
                letters.drop(ALL)
        database.close()

    assert counts == [1, 1]


# --- on disk ----------------------------------------------------------------------------------


def test_sqlite_writes_are_synchronous(tmp_path: Path) -> None:
    """FULL is 2: with a write-ahead log, each commit is flushed to the disk."""
    database = Database(f"sqlite:///{tmp_path}/letters.sqlite")
    with database.writing() as connection:
        asked = ("journal_mode", "synchronous", "journal_size_limit")
        said = [connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in asked]
    database.close()

    assert said == ["wal", 2, 16 * 2**20]


def test_sqlite_log_is_given_back_after_a_burst(tmp_path: Path) -> None:
    """A large letter leaves no log of its size behind."""
    with opened(f"sqlite:///{tmp_path}/letters.sqlite") as letters:
        letters.keep(letter("large", body=os.urandom(40 * 2**20)), NOW)
        for number in range(3):
            letters.keep(letter(str(number)), NOW)

        assert (tmp_path / "letters.sqlite-wal").stat().st_size <= 16 * 2**20


def test_postgresql_commits_are_synchronous_whatever_is_set(postgres: PostgreSQL) -> None:
    """Somebody's default for speed is not ours; other options of the URL are kept."""
    options = "-csynchronous_commit=off%20-cwork_mem=1MB"
    database = Database(f"{postgres.new_database()}&options={options}")
    with database.writing() as connection:
        asked = ("synchronous_commit", "work_mem", "fsync")
        said = [connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in asked]
    database.close()

    assert said == ["on", "1MB", "on"]


# --- failures ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "database_url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:x?mode=memory&uri=true",
        "sqlite:////proc/letters.sqlite",
        "sqlite:////dev/null/letters.sqlite",
        "mysql://me:{PASSWORD}@h/x",
        "postgresql+psycopg://me:{PASSWORD}@h:port/x",
        "postgresql+psycopg://me:{PASSWORD}@127.0.0.1:9/x",
        "postgresql+psycopg://me:{PASSWORD}@host.invalid/x",
        "postgresql+psycopg://me:{PASSWORD}@127.0.0.1:9/x?nonsense=1",
        "{PASSWORD}",
        "",
    ],
)
def test_database_that_cannot_be_used_is_refused_without_its_password(database_url: str) -> None:
    """Nothing is acknowledged that would be gone with the process."""
    with pytest.raises(Unavailable) as raised:
        Letters(database_url.format(PASSWORD=PASSWORD), max_age_seconds=1, max_bytes=1)

    assert (raised.value.reason, raised.value.stage) == ("storage_failed", "storage")
    assert raised.value.detail.startswith("DATABASE_URL cannot be used: ")
    assert PASSWORD not in f"{raised.value.detail} {raised.value.upstream_text}"


def test_database_that_is_another_file_is_refused(tmp_path: Path) -> None:
    """Nobody's file is overwritten."""
    path = tmp_path / "letters.sqlite"
    path.write_bytes(b"something else\n" * 1000)

    with pytest.raises(Unavailable, match="not a database"):
        Letters(f"sqlite:///{path}", max_age_seconds=1, max_bytes=1)

    assert path.read_bytes() == b"something else\n" * 1000


def test_database_with_another_password_is_refused_without_it(postgres: PostgreSQL) -> None:
    """The password is wrong, and may be somebody's right one elsewhere."""
    with pytest.raises(Unavailable, match="password authentication failed") as raised:
        Letters(postgres.url(password="mistyped-secret"), max_age_seconds=1, max_bytes=1)  # noqa: S106

    assert "mistyped-secret" not in str(raised.value)


def test_postgresql_that_goes_away_loses_nothing(postgres: PostgreSQL) -> None:
    """Every call says so while it is away, and works again afterwards with no restart."""
    with opened(postgres.new_database()) as letters:
        letters.keep(letter("before"), NOW)
        (kept,) = letters.find(ALL)
        postgres.crash()
        calls: list[Callable[[], object]] = [
            lambda: letters.keep(letter("lost"), NOW),
            lambda: letters.find(ALL),
            lambda: letters.count(ALL),
            lambda: letters.mark(kept, "replied", "", "", NOW),
            lambda: letters.drop(ALL),
        ]
        try:
            for each in calls:
                with pytest.raises(Unavailable) as raised:
                    each()
                assert raised.value.reason == "storage_failed"
        finally:
            postgres.start()
        letters.keep(letter("after"), NOW)

        assert ids(letters.find(ALL)) == ["before", "after"]
