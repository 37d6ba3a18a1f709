"""The one table of what may differ between today's published events and ours.

Each entry is a known defect of today's model servers that is none of ours, by its id in the list
that `tests/contract/test_known_defects.py` goes through, or a decision, by a word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from sinks import prediction_classification, revision_score, weighted_tags
from sinks.compare import grounds
from sinks.compare.difference import Difference
from sinks.compare.grounds import Document
from sinks.compare.published import Published

_SCORE: Final = revision_score.OUTPUT.title
_PREDICTION: Final = prediction_classification.OUTPUT.title
_TAGS: Final = weighted_tags.OUTPUT.title
_ALL: Final = (_SCORE, _PREDICTION, _TAGS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """One way in which both documents about one revision differ rightly.

    name:      id of the defect, or a word for a decision. why: in words.
    titles:    of the output schemas that it is about.
    pointers:  where it is; empty: wherever `holds`.
    holds:     (the difference, our document) -> whether it is this one.
    """

    name: str
    why: str
    titles: tuple[str, ...]
    pointers: tuple[str, ...] = ()
    holds: Callable[[Difference, Document], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """One reason for which only one of both sides has published; `holds` gets what it has."""

    name: str
    why: str
    holds: Callable[[Published, Document], bool]


CHANGED: Final = (
    Changed(
        name="A6",
        why="today's id is another one at every attempt; ours follows from the change and the row",
        titles=_ALL,
        pointers=("/meta/id",),
        holds=grounds.is_made_id,
    ),
    Changed(
        name="A3",
        why="today's server looks for the parent revision where a page change has not got it",
        titles=(_SCORE,),
        pointers=("/rev_parent_id",),
        holds=grounds.only_ours_has,
    ),
    Changed(
        name="A4",
        why="today's server copies three of six members of the performer",
        titles=(_SCORE,),
        pointers=(
            "/performer/user_id",
            "/performer/user_edit_count",
            "/performer/user_registration_dt",
        ),
        holds=grounds.only_ours_has,
    ),
    Changed(
        name="D9",
        why="our staging has a test stream for tags; today's uses the one that search reads",
        titles=(_TAGS,),
        pointers=("/meta/stream",),
        holds=grounds.is_test_stream,
    ),
    Changed(
        name="test stream",
        why="a decision: a shadow run publishes to the test streams",
        titles=(_SCORE, _PREDICTION),
        pointers=("/meta/stream",),
        holds=grounds.is_test_stream,
    ),
    Changed(
        name="A16",
        why="what is hidden when the change comes is not published by us",
        titles=(_PREDICTION,),
        pointers=(*grounds.EDITOR, *grounds.COMMENT),
        holds=grounds.is_hidden,
    ),
    Changed(
        name="UTC",
        why="a decision: times are written as UTC, with upper-case T and Z",
        titles=_ALL,
        holds=grounds.is_same_time,
    ),
    Changed(
        name="unsafe",
        why="a decision: what cannot stand in a header, or is no URI, is left out of meta",
        titles=_ALL,
        pointers=("/meta/request_id", "/meta/uri"),
        holds=grounds.is_unsafe,
    ),
)


ONLY_OURS: Final = (
    Alone(name="B1", why="every page move crashes today's server", holds=grounds.is_move),
    Alone(
        name="A7",
        why="without a country, today's says nothing",
        holds=grounds.has_no_country,
    ),
    Alone(
        name="D1",
        why="today's server derives a language that this wiki has not got",
        holds=grounds.is_named_wrongly,
    ),
    Alone(name="B2", why="no performer: today's server crashes", holds=grounds.lacks_performer),
    Alone(
        name="B3",
        why="a performer without groups, or is_bot: it crashes",
        holds=grounds.lacks_groups_or_bot,
    ),
    Alone(
        name="B4",
        why="a prior revision without rev_id, or rev_dt: it crashes",
        holds=grounds.has_half_a_prior_revision,
    ),
    Alone(
        name="B6",
        why="no namespace, or not whether it is a redirect: it refuses that",
        holds=grounds.lacks_namespace_or_redirect,
    ),
)


ONLY_TODAY: Final = (
    Alone(
        name="D8",
        why="hidden revisions are not sent to predictors",
        holds=grounds.is_of_hidden_content,
    ),
    Alone(
        name="D4",
        why="today's server takes what has wikipedia in its domain for one",
        holds=grounds.is_of_no_wiki_of_the_row,
    ),
)
# Of several events about one revision.
REPEATED_TODAY: Final = "A6", "each attempt of today's server is an event of its own"
MIXED_UP_TODAY: Final = "A1", "today's server mixes up changes that come at the same time"
REPEATED_OURS: Final = "redelivered", "the same event with the same id: consumers drop the second"

Reason = TypeVar("Reason", Changed, Alone)


def why_changed(difference: Difference, ours: Document) -> Changed | None:
    """Return the entry that a difference of two documents is, or None: nobody expects it."""
    title = str(ours["$schema"])[1:].rpartition("/")[0]
    return _first(
        each
        for each in CHANGED
        if title in each.titles
        and (not each.pointers or difference.pointer in each.pointers)
        and each.holds(difference, ours)
    )


def why_only_ours(published: Published) -> Alone | None:
    """Return why today's server has not published this, or None: nobody knows."""
    document = published.document
    return _first(each for each in ONLY_OURS if each.holds(published, document))


def why_only_today(published: Published) -> Alone | None:
    """Return why our sinks have not published this, or None: they should have."""
    document = published.document
    return _first(each for each in ONLY_TODAY if each.holds(published, document))


def _first(found: Iterable[Reason]) -> Reason | None:
    return next(iter(found), None)
