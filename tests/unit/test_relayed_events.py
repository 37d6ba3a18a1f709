"""The memory of relayed events: bounded, and never mistaken about what is the same."""

from __future__ import annotations

import sys
import threading
import tracemalloc

import pytest

from sinks.relayed_events import Relayed, RelayedEvents, relayed_event

SOURCE = "/mediawiki/enwiki"


def event(number: int, document: bytes = b"{}") -> Relayed:
    return relayed_event(SOURCE, f"event-{number}", document)


def test_event_remembered_is_known_again() -> None:
    """The same source, id and document are the same event."""
    memory = RelayedEvents(3)

    memory.add(event(1))

    assert event(1) in memory


@pytest.mark.parametrize(
    "other",
    [
        relayed_event(SOURCE, "event-2", b"{}"),
        relayed_event("/mediawiki/dewiki", "event-1", b"{}"),
        relayed_event(SOURCE, "event-1", b'{"a":1}'),
        relayed_event(SOURCE + "event-", "1", b"{}"),
        relayed_event("", f"{SOURCE}event-1", b"{}"),
    ],
    ids=["id", "source", "document", "id_begins_later", "no_source"],
)
def test_event_that_differs_anywhere_is_unknown(other: Relayed) -> None:
    """What is not certainly the same has to be published."""
    memory = RelayedEvents(3)

    memory.add(event(1))

    assert other not in memory


def test_event_with_another_document_replaces_the_first() -> None:
    """One id is remembered with what was published last."""
    memory = RelayedEvents(3)

    memory.add(event(1, b"1"))
    memory.add(event(1, b"2"))

    assert event(1, b"2") in memory
    assert event(1, b"1") not in memory


def test_memory_full_forgets_the_oldest_relayed() -> None:
    """Relaying an event once more makes it young; asking for it does not."""
    memory = RelayedEvents(3)
    for number in (1, 2, 3, 1):
        memory.add(event(number))

    assert event(2) in memory
    memory.add(event(4))

    assert [number for number in range(1, 5) if event(number) in memory] == [1, 3, 4]


def test_memory_of_none_remembers_nothing() -> None:
    """0 switches it off."""
    memory = RelayedEvents(0)

    memory.add(event(1))

    assert event(1) not in memory


def test_memory_size_does_not_depend_on_the_events() -> None:
    """Ids of a megabyte and documents of a megabyte cost as little as short ones."""
    memory = RelayedEvents(1000)
    tracemalloc.start()
    try:
        for number in range(3000):
            memory.add(relayed_event("s" * 1000, f"{number}" * 1000, b"x" * 1000))
        memory.add(relayed_event("s" * 10**6, "i" * 10**6, b"x" * 10**6))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept < 1000 * 400


def test_memory_many_threads_stays_bounded_and_whole() -> None:
    """Under load nothing is lost, and nothing is kept too long."""
    memory, wrong = RelayedEvents(50), list[object]()

    def run(first: int) -> None:
        try:
            for number in range(first, first + 2000):
                memory.add(event(number % 200))
        except Exception as error:
            wrong.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=run, args=(first,)) for first in range(0, 800, 100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)

    assert wrong == []
    assert sum(event(number) in memory for number in range(200)) == 50
