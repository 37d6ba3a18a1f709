"""Replaying many dead letters: side by side, stopped and gone on with, and paced."""

from __future__ import annotations

import itertools
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sinks.deadline import Deadline
from sinks.errors import SinkError
from sinks.letters import Letters
from sinks.replay_run import Run, pending, replay
from tests.letters import ALL, opened
from tests.replays import FAILING, TAKEN, Wired, keep, run, wired_to
from tests.upstream import Received


@pytest.fixture
def letters(tmp_path: Path) -> Iterator[Letters]:
    with opened(f"sqlite:///{tmp_path}/letters.sqlite") as made:
        yield made


@pytest.fixture
def wired_to_either(database_url: str) -> Iterator[Wired]:
    """With PostgreSQL, too."""
    with opened(database_url) as letters, wired_to(letters) as made:
        yield made


def test_replay_in_a_dry_run_sends_and_marks_nothing(wired: Wired) -> None:
    """It says which letter would go where, and which nowhere."""
    keep(wired.letters, f"{wired.server.url}/score", 1)
    keep(wired.letters, "http://elsewhere/", 2)
    before = wired.letters.find(ALL)

    told = run(wired.replaying, dry=True)

    assert [(each.number, each.outcome, each.reason) for each in told] == [
        (1, None, ""),
        (2, "deferred", "unknown_destination"),
    ]
    assert told[0].detail == f"to Trigger score, {wired.server.url}/score"
    assert (wired.letters.find(ALL), wired.server.connections) == (before, 0)


def test_replay_stopped_in_the_middle_and_run_again_sends_each_letter_once(
    wired_to_either: Wired,
) -> None:
    """What has begun is waited for and marked; the next run takes the rest."""
    wired = wired_to_either
    for number in range(120):
        keep(wired.letters, f"{wired.server.url}/score", number)
    enough = threading.Event()

    def count(received: Received, sock: Any) -> bool | None:
        if len(wired.server.received) >= 50:
            enough.set()
        return TAKEN(received, sock)

    wired.script["/score"] = count
    first = run(wired.replaying, pending(ALL), stop=enough.is_set, concurrency=4)
    left = wired.letters.count(pending(ALL))
    second = run(wired.replaying, pending(ALL), concurrency=4)

    assert 50 <= len(first) < 60
    assert left == 120 - len(first)
    assert sorted(each.number for each in (*first, *second)) == list(range(1, 121))
    assert set(Counter(wired.asked).values()) == {1}
    assert wired.letters.count(pending(ALL)) == 0


def test_replay_that_is_closed_waits_for_letters_in_work_and_marks_them(wired: Wired) -> None:
    """Whoever reads the outcomes may lose interest, such as a closed pipe."""
    for number in range(40):
        keep(wired.letters, f"{wired.server.url}/score", number)
    generator = replay(ALL, wired.replaying, Run(deadline=lambda: Deadline.after(10)))
    next(generator)

    generator.close()
    wired.replaying.close()

    done = 40 - wired.letters.count(pending(ALL))
    assert 0 < done < 40
    assert len(wired.server.received) == done


def test_replay_of_500_letters_is_bounded_and_forgets_none(wired: Wired) -> None:
    """A subscriber that fails every third time; runs go on until nothing is pending."""
    for number in range(500):
        keep(wired.letters, f"{wired.server.url}/score", number)
    ticket, lock = itertools.count(1), threading.Lock()
    open_now, most, taken = 0, 0, Counter[str]()

    def behave(received: Received, sock: Any) -> bool | None:
        nonlocal open_now, most
        with lock:
            open_now += 1
            most = max(most, open_now)
            fails = next(ticket) % 3 == 0
            if not fails:
                taken[received.headers["ce-id"]] += 1
        time.sleep(0.002)
        with lock:
            open_now -= 1
        return (FAILING if fails else TAKEN)(received, sock)

    wired.script["/score"] = behave
    runs = 0
    while wired.letters.count(pending(ALL)):
        done = run(wired.replaying, pending(ALL), concurrency=16)
        assert len({each.number for each in done}) == len(done) > 0
        runs += 1

    assert taken == Counter(f"event-{number}" for number in range(500))
    assert {each.outcome for each in wired.letters.find(ALL, limit=500)} == {"relayed"}
    assert 1 < most <= 16
    assert 2 < runs < 20


def test_replay_after_a_number_and_with_a_limit_takes_only_those(wired: Wired) -> None:
    """A run can be cut into parts."""
    for number in range(6):
        keep(wired.letters, f"{wired.server.url}/score", number)

    assert sorted(each.number for each in run(wired.replaying, after=2, most=3)) == [3, 4, 5]


def test_replay_at_a_rate_begins_no_more_than_that(wired: Wired) -> None:
    """A predictor that has just come back gets time to breathe."""
    for number in range(10):
        keep(wired.letters, f"{wired.server.url}/score", number)
    begun = time.monotonic()

    run(wired.replaying, rate=30.0)

    assert time.monotonic() - begun >= 9 / 30


def test_replay_waiting_for_its_rate_stops_soon(wired: Wired) -> None:
    """Ctrl-C does not wait for the next letter's turn."""
    for number in range(3):
        keep(wired.letters, f"{wired.server.url}/score", number)
    begun = time.monotonic()

    run(wired.replaying, rate=0.1, stop=lambda: time.monotonic() - begun > 0.3)

    assert time.monotonic() - begun < 5
    assert len(wired.server.received) == 1


def test_replay_to_an_unknown_trigger_sends_nothing(wired: Wired) -> None:
    """A misspelt name is told before the first letter."""
    keep(wired.letters, f"{wired.server.url}/score")

    with pytest.raises(SinkError) as raised:
        run(wired.replaying, trigger="scores")

    assert raised.value.reason == "unknown_trigger"
    assert (wired.asked, wired.letters.count(pending(ALL))) == ([], 1)


def test_replay_whose_database_fails_ends_and_says_so(wired: Wired, tmp_path: Path) -> None:
    """What cannot be marked would be sent again and again without anybody knowing."""
    for number in range(40):
        keep(wired.letters, f"{wired.server.url}/score", number)

    def lose(received: Received, sock: Any) -> bool | None:
        with sqlite3.connect(tmp_path / "letters.sqlite") as connection:
            connection.execute("DROP TABLE IF EXISTS letters")
        connection.close()
        return TAKEN(received, sock)

    wired.script["/score"] = lose
    with pytest.raises(SinkError) as raised:
        run(wired.replaying, concurrency=2)

    assert raised.value.reason == "storage_failed"
    assert len(wired.server.received) < 10
