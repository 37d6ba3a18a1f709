"""Comparing published events: what a file of them holds, and what differs in two of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sinks.compare.difference import ABSENT, Difference, differences, shown
from sinks.compare.published import Key, Reading, Unreadable, read
from tests.factories import merged, prediction_classification, revision_score, weighted_tags


def lines(*documents: dict[str, Any]) -> list[bytes]:
    return [json.dumps(each).encode() + b"\n" for each in documents]


def reading(*documents: dict[str, Any]) -> Reading:
    return read(lines(*documents))


# What a file holds.


def test_read_every_kind_of_event_is_keyed_by_what_it_is_about() -> None:
    """Tags have no revision: their time stands for it."""
    found = reading(revision_score(), prediction_classification(), weighted_tags())

    assert set(found.events) == {
        Key("drafttopic", "enwiki", 123, 1300200300),
        Key("article-country", "enwiki", 123, 1300200300),
        Key("article-country-tags", "enwiki", 123, "2026-09-23T10:00:00Z"),
    }


def test_read_cleared_tags_belong_to_the_row_of_their_prefix() -> None:
    """A clear names no tag."""
    tags = {"weighted_tags": {"set": None, "clear": ["recommendation.tone"]}}

    (key,) = reading(merged(weighted_tags(), tags)).events

    assert key.row == "revise-tone-task-generator"


def test_read_lines_of_eventstreams_are_read() -> None:
    """`data:` lines hold the events; the others say nothing."""
    (line,) = lines(revision_score())
    found = read([b":ok\n", b"\n", b"event: message\n", b"id: [{}]\n", b"data: " + line, b"\n"])

    assert (len(found), found.others) == (1, 0)


def test_read_time_in_another_way_is_the_same_time() -> None:
    """Today's servers copy a time as it is written, ours write UTC."""
    one, other = (
        reading(weighted_tags(dt=dt))
        for dt in ("2026-09-23T12:00:00+02:00", "2026-09-23T10:00:00Z")
    )

    assert one.events.keys() == other.events.keys()


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"$schema": "/mediawiki/page/change/1.2.0"},
        revision_score(**{"$schema": None}),
        revision_score(scores={"drafttopic": None, "no-such-model": {}}),
        revision_score(scores={"damaging": {}}),
        revision_score(scores=None),
        revision_score(rev_id=None),
        revision_score(dt="yesterday"),
        prediction_classification(predicted_classification={"model_name": "drafttopic"}),
        weighted_tags(weighted_tags={"set": {"other": []}}),
    ],
)
def test_read_what_is_no_event_of_a_row_is_counted(document: dict[str, Any]) -> None:
    """A topic may hold more than ours; nothing that it holds is an error."""
    found = reading(document)

    assert (len(found), found.others) == (0, 1)


def test_read_canaries_are_counted_apart() -> None:
    """Nobody has made them of a change."""
    found = reading(revision_score(meta={"domain": "canary"}))

    assert (len(found), found.canaries, found.others) == (0, 1, 0)


def test_read_only_some_rows_leaves_out_the_others() -> None:
    """--row."""
    found = read(lines(revision_score(), weighted_tags()), ["article-country-tags"])

    assert [key.row for key in found.events] == ["article-country-tags"]
    assert found.others == 1


def test_read_last_line_that_is_cut_is_left_out() -> None:
    """Where a capture was stopped in the middle."""
    (line,) = lines(revision_score())
    found = read([line, line[:50]])

    assert (len(found), found.cut) == (1, True)


@pytest.mark.parametrize("second", [b"{\n", b"event\n", b"[]\n", b"1\n", b"[]"])
def test_read_what_is_no_json_document_is_named_by_its_line(second: bytes) -> None:
    """A wrong file is no file without events."""
    with pytest.raises(Unreadable, match="line 2 "):
        read([*lines(revision_score()), second])


# What differs.


@pytest.mark.parametrize(
    ("one", "other", "pointers"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 0.1}, {"a": 0.1 + 1e-10}, []),
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": 0.1}, {"a": 0.1 + 1e-8}, ["/a"]),
        ({"a": True}, {"a": 1}, ["/a"]),
        ({"a": None}, {}, ["/a"]),
        ({"a": None}, {"a": False}, ["/a"]),
        ({"a": "1"}, {"a": 1}, ["/a"]),
        ({}, {"a": {"b": 1}}, ["/a"]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 2}}, ["/a/b", "/a/c"]),
        ({"a": [1, 2]}, {"a": [2, 1]}, ["/a/0", "/a/1"]),
        ({"a": [1]}, {"a": [1, 2]}, ["/a"]),
        ({"a": []}, {"a": {}}, ["/a"]),
        ({"a/b": 1, "c~d": 1}, {"a/b": 2, "c~d": 2}, ["/a~1b", "/c~0d"]),
        ({"meta": {"dt": 1, "offset": 2}}, {"meta": {"topic": 1}}, []),
    ],
)
def test_differences_are_json_pointers(
    one: dict[str, Any], other: dict[str, Any], pointers: list[str]
) -> None:
    """What EventGate and Kafka add is none; neither are scores within the tolerance."""
    assert sorted(each.pointer for each in differences(one, other)) == pointers


@pytest.mark.parametrize(
    ("pointer", "place"),
    [
        ("/rev_id", "/rev_id"),
        ("/scores/drafttopic/probability/STEM.STEM*", "/scores/drafttopic/probability/*"),
        (
            "/predicted_classification/probabilities/a~1b",
            "/predicted_classification/probabilities/*",
        ),
        (
            "/weighted_tags/set/recommendation.tone/0/score",
            "/weighted_tags/set/recommendation.tone/*/score",
        ),
        ("/performer/user_groups/12", "/performer/user_groups/*"),
    ],
)
def test_place_leaves_out_numbers_and_labels(pointer: str, place: str) -> None:
    """Sixty labels that differ are one thing to look at."""
    assert Difference(pointer, 1, 2).place == place


def test_shown_value_is_short() -> None:
    """One line in a terminal."""
    assert shown(ABSENT) == "absent"
    assert shown("x") == "'x'"
    assert len(shown("x" * 1000)) == 60
