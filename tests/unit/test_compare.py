"""Comparing published events: what is a pair, which differences are expected, what is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sinks.compare import report
from sinks.compare.comparison import Comparison, compare
from sinks.compare.expected import CHANGED, ONLY_OURS, ONLY_TODAY
from sinks.compare.published import Reading, read
from tests.factories import (
    merged,
    prediction_classification,
    revision_score,
    weighted_tags,
)

ROW = "drafttopic"
TODAYS_ID = "0b5a7c52-77a4-4c50-9d7a-6f8a2d3f1c11"
COMPLETE = {  # nothing of it would crash today's server
    "page_namespace": 0,
    "page_is_redirect": False,
    "performer": {"user_text": "x", "user_groups": [], "user_is_bot": False},
}
OTHER_ID = "1c6b8d63-88b5-4d61-8e8b-7f9b3e402d22"


def reading(*documents: dict[str, Any]) -> Reading:
    return read([json.dumps(each).encode() for each in documents])


def today(document: dict[str, Any], **over: Any) -> dict[str, Any]:
    """The same event as today's server makes it: with an id that says nothing."""
    return merged(merged(document, {"meta": {"id": TODAYS_ID}}), over)


def at(minute: int, **over: Any) -> dict[str, Any]:
    """A score of a revision of its own, in this minute of an hour."""
    dt = f"2026-09-23T10:{minute:02d}:00Z"
    return revision_score(dt=dt, rev_id=1300200300 + minute, **over)


def groups(comparison: Comparison) -> set[tuple[str, str, str | None]]:
    """(kind, place, name) of all that differs but ids."""
    return {
        (group.kind, group.place, group.expected)
        for group in comparison.groups
        if group.place != "/meta/id"
    }


# Who expects it.

SCORES: list[
    tuple[str, Callable[[dict[str, Any]], dict[str, Any]], set[tuple[str, str | None]]]
] = [
    ("parent", lambda ours: merged(ours, {"rev_parent_id": None}), {("/rev_parent_id", "A3")}),
    ("other parent", lambda ours: merged(ours, {"rev_parent_id": 6}), {("/rev_parent_id", None)}),
    (
        "performer",
        lambda ours: merged(ours, {"performer": {"user_id": None}}),
        {("/performer/user_id", "A4")},
    ),
    ("no performer", lambda ours: merged(ours, {"performer": None}), {("/performer", None)}),
    (
        "version",
        lambda ours: merged(ours, {"scores": {ROW: {"model_version": "1.2.0"}}}),
        {(f"/scores/{ROW}/model_version", None)},
    ),
    (
        "probability",
        lambda ours: merged(ours, {"scores": {ROW: {"probability": {"STEM.STEM*": 0.8}}}}),
        {(f"/scores/{ROW}/probability/*", None)},
    ),
    ("title", lambda ours: merged(ours, {"page_title": "Other"}), {("/page_title", None)}),
    ("time", lambda ours: merged(ours, {"dt": "2026-09-23T10:00:00z"}), {("/dt", "UTC")}),
    ("other time", lambda ours: merged(ours, {"dt": "2026-09-23T10:00:01Z"}), {("/dt", None)}),
    (
        "request id",
        lambda ours: merged(ours, {"meta": {"request_id": "a b"}}),
        {("/meta/request_id", "unsafe")},
    ),
    (
        "lost request id",
        lambda ours: merged(ours, {"meta": {"request_id": "safe"}}),
        {("/meta/request_id", None)},
    ),
    ("uri", lambda ours: merged(ours, {"meta": {"uri": "a b"}}), {("/meta/uri", "unsafe")}),
    ("stream", lambda ours: merged(ours, {"meta": {"stream": "x"}}), {("/meta/stream", None)}),
]


@pytest.mark.parametrize(
    ("change", "expected"), [pytest.param(*each[1:], id=each[0]) for each in SCORES]
)
def test_compare_pair_names_each_difference_or_finds_it(
    change: Callable[[dict[str, Any]], dict[str, Any]], expected: set[tuple[str, str | None]]
) -> None:
    """Only what is in the table, and looks as it says, is expected."""
    ours = revision_score(rev_parent_id=5, performer={"user_text": "x", "user_id": 1})

    comparison = compare(reading(today(change(ours))), reading(ours))

    assert groups(comparison) == {("different", *each) for each in expected}
    unexpected = any(name is None for _, name in expected)
    assert comparison.findings == int(unexpected)
    assert (comparison.as_expected, comparison.different) == (int(not unexpected), int(unexpected))


def test_compare_id_of_ours_that_is_random_is_a_finding() -> None:
    """Consumers know a repetition by its id, so it has to follow from the change."""
    ours = revision_score(meta={"id": OTHER_ID})

    assert compare(reading(today(ours)), reading(ours)).findings == 1


def test_compare_events_that_are_the_same_are_equal() -> None:
    """Such as of two runs of ours."""
    comparison = compare(reading(revision_score()), reading(revision_score()))

    assert (comparison.equal, comparison.findings, comparison.groups) == (1, 0, {})


@pytest.mark.parametrize(
    ("document", "name"),
    [
        pytest.param(revision_score(), "test stream", id="score"),
        pytest.param(weighted_tags(), "D9", id="tags"),
    ],
)
def test_compare_shadow_run_publishes_to_test_streams(document: dict[str, Any], name: str) -> None:
    """Beside production, ours go where nobody depends on them."""
    stream = (
        "mediawiki.revision-score-test"
        if "scores" in document
        else ("mediawiki.page_weighted_tags_change.rc0")
    )

    comparison = compare(
        reading(today(document)), reading(merged(document, {"meta": {"stream": stream}}))
    )

    assert groups(comparison) == {("different", "/meta/stream", name)}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param(revision_score(performer={"user_text": "x"}), "B3", id="groups"),
        pytest.param(revision_score(), "B2", id="performer"),
        pytest.param(
            revision_score(
                performer={"user_groups": [], "user_is_bot": False}, page_is_redirect=False
            ),
            "B6",
            id="namespace",
        ),
        pytest.param(prediction_classification(page_change_kind="move"), "B1", id="move"),
        pytest.param(
            prediction_classification(prior_state={"revision": {"rev_id": 1}}), "B4", id="prior"
        ),
        pytest.param(
            prediction_classification(predicted_classification={"predictions": []}), "A7", id="none"
        ),
        pytest.param(
            weighted_tags(
                weighted_tags={"set": None, "clear": ["classification.prediction.articlecountry"]}
            ),
            "A7",
            id="clear",
        ),
        pytest.param(prediction_classification(wiki_id="zh_yuewiki"), "D1", id="language"),
        pytest.param(prediction_classification(wiki_id="alswiki"), None, id="no language but host"),
        pytest.param(prediction_classification(), None, id="nothing"),
    ],
)
def test_compare_event_of_ours_alone_is_explained_or_found(
    document: dict[str, Any], expected: str | None
) -> None:
    """What today's server is known to lose."""
    comparison = compare(reading(), reading(document))

    assert groups(comparison) == {("only ours", "", expected)}
    assert comparison.findings == (expected is None)


def test_compare_tags_of_ours_alone_are_explained_by_their_prediction() -> None:
    """Tags do not say that the page was moved."""
    comparison = compare(
        reading(), reading(prediction_classification(page_change_kind="move"), weighted_tags())
    )

    assert groups(comparison) == {("only ours", "", "B1")}
    assert {group.row for group in comparison.groups} == {"article-country", "article-country-tags"}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param(
            prediction_classification(revision={"is_content_visible": False}), "D8", id="hidden"
        ),
        pytest.param(prediction_classification(wiki_id="nostalgiawiki"), "D4", id="wiki"),
        pytest.param(prediction_classification(wiki_id="testwiki"), None, id="testwiki"),
        pytest.param(revision_score(), None, id="score"),
        pytest.param(weighted_tags(), None, id="tags"),
    ],
)
def test_compare_event_of_today_alone_is_explained_or_found(
    document: dict[str, Any], expected: str | None
) -> None:
    """What is not explained has been lost by us."""
    comparison = compare(reading(document), reading())

    assert groups(comparison) == {("only today", "", expected)}
    assert comparison.findings == (expected is None)


# Repetitions, and the ends of files.


def test_compare_repetition_by_today_is_expected() -> None:
    """Each attempt has another id."""
    again = today(revision_score(), meta={"id": OTHER_ID})

    comparison = compare(reading(today(revision_score()), again), reading(revision_score()))

    assert groups(comparison) == {("twice today", "", "A6")}
    assert (comparison.as_expected, comparison.findings) == (1, 0)


def test_compare_score_of_another_revision_by_today_does_not_hide_the_right_one() -> None:
    """A1: of two events with one revision, the one that is like ours is its."""
    wrong = today(revision_score(), scores={ROW: {"probability": {"STEM.STEM*": 0.1}}})

    comparison = compare(reading(wrong, today(revision_score())), reading(revision_score()))

    assert groups(comparison) == {("twice today", "", "A1")}
    assert (comparison.as_expected, comparison.findings) == (1, 0)


def test_compare_redelivery_of_ours_is_expected_and_another_event_is_not() -> None:
    """At least once: but the same event, with the same id."""
    ours = revision_score()
    again = compare(reading(today(ours)), reading(ours, ours))
    other = compare(reading(today(ours)), reading(ours, merged(ours, {"page_title": "Other"})))

    assert groups(again) == {("twice ours", "", "redelivered")}
    assert again.findings == 0
    assert groups(other) == {("twice ours", "", None)}
    assert other.findings == 1


def test_compare_event_without_counterpart_at_an_end_of_long_files_is_not_judged() -> None:
    """Two captures never begin and end at the same moment."""
    common = [at(minute) for minute in range(5, 55)]

    comparison = compare(
        reading(at(0), *map(today, common), at(59)),
        reading(at(1, **COMPLETE), *common, at(58, **COMPLETE)),
    )

    assert (comparison.at_edges, comparison.findings) == (4, 0)
    assert comparison.window == ("2026-09-23T10:00:00Z", "2026-09-23T10:59:00Z")


def test_compare_event_without_counterpart_in_between_is_found() -> None:
    """That is what a shadow run is for."""
    common = [at(minute) for minute in range(60)]

    comparison = compare(reading(*map(today, common)), reading(*common[:30], *common[31:]))

    assert groups(comparison) == {("only today", "", None)}
    assert (comparison.at_edges, comparison.findings) == (0, 1)


def test_compare_half_of_a_file_missing_is_found() -> None:
    """A sink that has stopped is no capture that was cut."""
    common = [at(minute) for minute in range(60)]

    comparison = compare(reading(*map(today, common)), reading(*common[:30]))

    assert comparison.findings == 30 - comparison.at_edges >= 27


def test_compare_short_files_are_judged_to_their_ends() -> None:
    """Otherwise nothing of them would be."""
    comparison = compare(reading(today(at(0)), at(1)), reading(at(0)))

    assert (comparison.at_edges, comparison.findings) == (0, 1)


# The table, and the report.


def test_expected_names_are_of_one_thing_each() -> None:
    """A name stands for one reason, which says why."""
    for table in (CHANGED, ONLY_OURS, ONLY_TODAY):
        names = [each.name for each in table]
        assert len(set(names)) == len(names)
        assert all(each.why for each in table)


def test_report_says_what_it_has_counted_and_shows_the_first_of_each_finding() -> None:
    """A finding names the wiki, the page, the revision, the place and both values."""
    ours = [at(0), at(1)]
    one = [today(each, page_title="Other") for each in ours]
    readings = reading(*one), reading(*ours)
    comparison = compare(*readings)

    told = [text for text, _ in report.lines(comparison, *readings)]

    assert "finding: differs: 2 drafttopic /page_title" in told
    assert (
        "  enwiki page 123, revision 1300200300 /page_title: today 'Other', ours 'Example'" in told
    )
    assert told[-1] == (
        "2 pairs: 0 equal, 0 as expected, 2 different; 0 only today, 0 only ours; 2 findings"
    )


def test_report_as_document_has_the_same_numbers() -> None:
    """For programs."""
    readings = reading(today(at(0))), reading(at(0), at(1))
    document = report.as_document(compare(*readings), *readings)

    assert document["pairs"] == {"equal": 0, "as_expected": 1, "different": 0}
    assert document["findings"] == 0
    (alone,) = (each for each in document["groups"] if each["kind"] == "only ours")
    assert (alone["expected"], alone["count"], alone["first"]["rev_id"]) == ("B2", 1, 1300200301)
    assert json.loads(json.dumps(document)) == document
