"""The soak's ledger finds what it is there to find, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.soak.changes import KINDS, TAGS, change, wrong_in
from tests.soak.ledger import Ledger, Sentence, shown

ROW = "drafttopic"
FOLLOWS = {"tags": "country"}
Enter = Callable[[Ledger], None]


def ledger() -> Ledger:
    """Changes 0 and 1 are good, 2 is never taken, 3 is wanted by nobody."""
    rows: dict[int, frozenset[str]] = {0: frozenset((ROW,)), 1: frozenset(("country", "tags"))}
    return Ledger(
        wanted=lambda index: frozenset((ROW,)) if index == 2 else rows.get(index, frozenset()),
        doomed=lambda index: index == 2,
        follows=FOLLOWS,
        weak=("kill",),
    )


def sentence(index: int, enter: Enter, broker: bool = True) -> Sentence:
    """The verdict on one change."""
    book = ledger()
    enter(book)
    return book.sentence([index], lambda _: broker)


def published(book: Ledger) -> None:
    book.published(0, ROW, "id-1")
    book.settled(0, ROW, "delivered")


def doomed(book: Ledger) -> None:
    book.owed("letter", "change 2")
    book.kept("letter", 2, ROW, made=True, refused=True)
    book.settled(2, ROW, "dead letter")


def exhausted(book: Ledger) -> None:
    book.kept("letter", 0, ROW, made=False, refused=False)


def behind(book: Ledger) -> None:
    book.kept("letter", 1, "country", made=False, refused=False)


@pytest.mark.parametrize(
    ("index", "enter", "counted"),
    [
        (0, published, {"published": 1}),
        (0, exhausted, {"dead letters": 1}),
        (1, behind, {"dead letters": 1, "behind a dead letter": 1}),
        (2, doomed, {"dead letters, as they must": 1}),
        (3, lambda _: None, {"ignored": 1}),
    ],
)
def test_sentence_all_accounted_for_has_no_violations(
    index: int, enter: Enter, counted: dict[str, int]
) -> None:
    found = sentence(index, enter)

    assert found.violations == []
    assert counted.items() <= found.counts.items()


def acknowledged(book: Ledger) -> None:
    book.settled(0, ROW, "delivered")


def gave_up(book: Ledger) -> None:
    book.settled(0, ROW, "given up")


def letter_gone(book: Ledger) -> None:
    doomed(book)
    book.owed("another letter", "change 2, drafttopic")


def made_letter_hides_no_tags(book: Ledger) -> None:
    book.kept("letter", 1, "country", made=True, refused=False)
    book.settled(1, "tags", "delivered")


def two_ids(book: Ledger) -> None:
    book.published(0, ROW, "id-1")
    book.published(0, ROW, "id-2")
    book.again(0, ROW, "redelivered")


def other_page(book: Ledger) -> None:
    book.published(0, ROW, "id-1", "page_id 7, not 8")


def refused(book: Ledger) -> None:
    book.kept("letter", 0, ROW, made=False, refused=True)


def unwanted(book: Ledger) -> None:
    book.published(3, ROW, "id-1")


def twice(book: Ledger) -> None:
    published(book)
    book.published(0, ROW, "id-1")


@pytest.mark.parametrize(
    ("index", "enter", "violation"),
    [
        (0, acknowledged, "lost: change 0, drafttopic"),
        (0, lambda _: None, "unaccounted: change 0, drafttopic"),
        (0, gave_up, "given up: change 0, drafttopic"),
        (2, letter_gone, "lost letter: change 2, drafttopic"),
        (1, made_letter_hides_no_tags, "lost: change 1, tags"),
        (0, two_ids, "second id: change 0, drafttopic, id-1, id-2"),
        (0, other_page, "wrong: change 0, drafttopic, id-1: page_id 7, not 8"),
        (0, refused, "wrong: change 0, drafttopic: refused, although nothing is wrong with it"),
        (3, unwanted, "published although not wanted: change 3, drafttopic"),
        (0, twice, "duplicate without a cause: change 0, drafttopic, 1"),
        (0, lambda book: book.broken("answered 500"), "wrong: answered 500"),
    ],
)
def test_sentence_fault_names_it(index: int, enter: Enter, violation: str) -> None:
    assert violation in sentence(index, enter).violations


def test_sentence_caller_that_may_give_up_is_only_counted() -> None:
    found = sentence(0, gave_up, broker=False)

    assert found.violations == []
    assert found.counts["given up"] == 1


def test_sentence_given_up_and_yet_published_counts_as_published() -> None:
    def enter(book: Ledger) -> None:
        gave_up(book)
        book.published(0, ROW, "id-1")

    assert sentence(0, enter).counts["published"] == 1


def test_sentence_duplicates_are_explained_by_strong_causes_first() -> None:
    def enter(book: Ledger) -> None:
        for _ in range(3):
            book.published(0, ROW, "id-1")
        book.again(0, ROW, "kill")
        book.again(0, ROW, "kill")
        book.again(0, ROW, "redelivered")

    found = sentence(0, enter)

    assert found.duplicates == {"redelivered": 1, "kill": 1}
    assert found.violations == []


def test_shown_many_of_a_sort_are_cut_and_counted() -> None:
    lines = shown([f"lost: {number}" for number in range(12)] + ["second id: 1"])

    assert lines[10:] == ["lost: 2 more", "second id: 1"]


def test_change_same_seed_and_index_is_the_same() -> None:
    assert [change(5, index) for index in range(50)] == [change(5, index) for index in range(50)]
    assert change(5, 1).id != change(6, 1).id


def test_change_thousand_of_them_has_every_kind_and_way() -> None:
    made = [change(1, index) for index in range(1000)]

    assert {each.kind for each in made} == set(KINDS)
    assert {each.way for each in made} == {"broker", "changeprop", "events"}
    assert len({each.rev_id for each in made}) == len({each.title for each in made}) == len(made)


def test_wrong_in_document_about_another_change_names_every_member() -> None:
    found = wrong_in(change(1, 0), TAGS, {"wiki_id": "dewiki", "page": {"page_id": 7}})

    assert all(f"{name} " in found for name in ("wiki", "page_id", "title", "score"))
