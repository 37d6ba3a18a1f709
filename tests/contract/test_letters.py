"""Dead letters kept, found and marked, the same in SQLite and in a real PostgreSQL."""

from __future__ import annotations

from typing import Any

import pytest

from sinks.letters import Letters, Selection
from sinks.reasons import Outcome
from tests.letters import ALL, MINUTE, NOW, as_kept, ids, letter, opened
from tests.postgresql import PostgreSQL

# --- one letter -------------------------------------------------------------------------------

LONG = "".join(chr(33 + number * 7919 % 90) for number in range(9000))


@pytest.mark.parametrize(
    "over",
    [
        {"headers": {}, "body": b""},
        {"body": bytes(range(256)) * 20_000},
        {"headers": {"content-type": "a/b\xff\xe9", "ce-x": "\x00 \\ \\n \"'"}},
        {"error": "NUL \x00, line\nend, \\x00, \\", "reason": "\x00"},
        {"source": "Źródło 源 \U0001f600", "wiki_id": "\ud800"},
        {"source": LONG, "destination": LONG, "row": LONG, "wiki_id": LONG, "type": LONG},
        {"status": 503, "destination": "http://h/models/x", "reason": "bug"},
    ],
)
def test_kept_letter_is_found_as_it_was(letters: Letters, over: dict[str, Any]) -> None:
    """Whatever bytes and texts it has, in a column, a key or an index."""
    letters.keep(letter(**over), NOW)

    assert letters.find(ALL) == [as_kept(letter(**over))]


def test_text_of_any_encoding_is_kept_in_a_database_of_one(postgres: PostgreSQL) -> None:
    """A database in Latin-1 takes Polish and Chinese, too."""
    foreign = letter(source="Źródło 源", error="\U0001f600")
    with opened(postgres.new_database("LATIN1")) as letters:
        letters.keep(foreign, NOW)

        assert [kept.letter for kept in letters.find(ALL)] == [foreign]


def test_letter_that_arrives_again_is_counted_and_replaced(letters: Letters) -> None:
    """The last arrival is what a replay has to handle, and no replay has seen it."""
    first = letter(body=b"old", status=500, reason="bug", error="old")
    last = letter(body=b"newer", headers={"ce-id": "1", "ce-y": "2"}, status=None, type="t")
    letters.keep(first, NOW)
    letters.mark(letters.find(ALL)[0], "rejected", "bug", "detail", NOW)

    letters.keep(last, NOW + MINUTE)

    (kept,) = letters.find(ALL)
    assert (kept.letter, kept.number, kept.count) == (last, 1, 2)
    assert (kept.first_arrived, kept.last_arrived) == (NOW, NOW + MINUTE)
    assert (kept.outcome, kept.outcome_reason, kept.outcome_detail) == (None, "", "")
    assert kept.replayed is None


@pytest.mark.parametrize(
    "over",
    [{"source": "/b"}, {"ce_id": "2"}, {"destination": "http://b"}, {"source": "1", "ce_id": ""}],
)
def test_letter_of_another_event_or_destination_is_another(
    letters: Letters, over: dict[str, str]
) -> None:
    """Two destinations may refuse the same event."""
    letters.keep(letter(), NOW)
    letters.keep(letter(**over), NOW)

    assert [kept.count for kept in letters.find(ALL)] == [1, 1]


def test_letters_after_a_restart_are_all_there(database_url: str) -> None:
    """Numbers go on, and none is given twice."""
    with opened(database_url) as letters:
        for number in range(3):
            letters.keep(letter(str(number)), NOW)
        before = letters.find(ALL)
        letters.drop(Selection(numbers=frozenset({before[-1].number})))

    with opened(database_url) as letters:
        assert letters.find(ALL) == before[:-1]
        letters.keep(letter("new"), NOW)
        assert letters.find(ALL)[-1].number > before[-1].number


# --- selections -------------------------------------------------------------------------------

CHOSEN: list[tuple[Selection, str]] = [
    (ALL, "abcd"),
    (Selection(row="drafttopic"), "ab"),
    (Selection(wiki_id="enwiki"), "ac"),
    (Selection(reason="bug"), "bc"),
    (Selection(destination="http://h/models/drafttopic"), "a"),
    (Selection(status=422), "ad"),
    (Selection(status=10**30), ""),
    (Selection(since=NOW + MINUTE), "bcd"),
    (Selection(until=NOW + MINUTE), "a"),
    (Selection(since=NOW + MINUTE, until=NOW + 3 * MINUTE), "bc"),
    (Selection(since=(NOW + MINUTE).astimezone(None)), "bcd"),
    (Selection(pending=True), "abd"),
    (Selection(row="drafttopic", reason="bug"), "b"),
    (Selection(row="drafttopic", wiki_id="enwiki", status=500), ""),
    (Selection(row="DRAFTTOPIC"), ""),
    (Selection(row="\x00' OR 1=1 --"), ""),
    (Selection(numbers=frozenset({1, 3})), "ac"),
    (Selection(numbers=frozenset({1, 99}), wiki_id="enwiki"), "a"),
    (Selection(numbers=frozenset({0, -1, 10**30})), ""),
    (Selection(numbers=frozenset(range(2, 100_000))), "bcd"),
]


@pytest.fixture
def four(letters: Letters) -> Letters:
    """Letters a, b, c and d, a minute apart; b was deferred and c replied by a replay."""
    told: dict[str, dict[str, Any]] = {
        "a": {"row": "drafttopic", "wiki_id": "enwiki", "status": 422},
        "b": {"row": "drafttopic", "wiki_id": "dewiki", "status": 500, "reason": "bug"},
        "c": {"row": "outlink", "wiki_id": "enwiki", "reason": "bug"},
        "d": {"status": 422},
    }
    told["a"]["destination"] = "http://h/models/drafttopic"
    for minutes, (name, over) in enumerate(told.items()):
        letters.keep(letter(name, **over), NOW + minutes * MINUTE)
    outcomes: dict[str, Outcome] = {"b": "deferred", "c": "replied"}
    for kept in letters.find(ALL):
        if outcome := outcomes.get(kept.letter.ce_id):
            letters.mark(kept, outcome, "", "", NOW)
    return letters


@pytest.mark.parametrize(("selection", "names"), CHOSEN)
def test_selection_finds_counts_and_drops_the_same(
    four: Letters, selection: Selection, names: str
) -> None:
    """What is shown is what is counted, and what a command drops."""
    assert ids(four.find(selection)) == list(names)
    assert four.count(selection) == len(names)
    assert four.drop(selection) == len(names)
    assert ids(four.find(ALL)) == [name for name in "abcd" if name not in names]


def test_find_goes_on_after_a_number(four: Letters) -> None:
    """Pages neither overlap nor leave gaps."""
    first = four.find(ALL, limit=3)
    rest = four.find(ALL, after=first[-1].number, limit=3)

    assert ids(first + rest) == list("abcd")
    assert four.find(ALL, after=rest[-1].number) == []
    assert four.find(ALL, after=10**30, limit=10**30) == []


def test_find_of_large_letters_returns_fewer(letters: Letters) -> None:
    """A page fits into memory, whatever its letters are."""
    for name in "abc":
        letters.keep(letter(name, body=bytes(30 * 2**20)), NOW)

    assert ids(letters.find(ALL)) == ["a", "b"]
    assert ids(letters.find(ALL, after=2)) == ["c"]


# --- replays ----------------------------------------------------------------------------------


def test_mark_notes_what_a_replay_came_to(letters: Letters) -> None:
    """All of it is shown again."""
    letters.keep(letter(), NOW)

    assert letters.mark(letters.find(ALL)[0], "rejected", "invalid_event", "é\x00", NOW + MINUTE)

    (kept,) = letters.find(ALL)
    assert (kept.outcome, kept.outcome_reason, kept.outcome_detail) == (
        "rejected",
        "invalid_event",
        "é\x00",
    )
    assert (kept.replayed, kept.last_arrived, kept.count) == (NOW + MINUTE, NOW, 1)


def test_mark_of_a_letter_that_arrived_again_leaves_it_pending(letters: Letters) -> None:
    """The replay was one of the arrival before."""
    letters.keep(letter(), NOW)
    (before,) = letters.find(ALL)
    letters.keep(letter(), NOW)

    assert not letters.mark(before, "replied", "", "", NOW)
    assert letters.count(Selection(pending=True)) == 1


def test_mark_of_a_dropped_letter_is_no_mark(letters: Letters) -> None:
    """A letter with the same name that comes later is another one."""
    letters.keep(letter(), NOW)
    (before,) = letters.find(ALL)
    letters.drop(ALL)
    letters.keep(letter(), NOW)

    assert not letters.mark(before, "replied", "", "", NOW)
    assert letters.count(Selection(pending=True)) == 1
