"""What consumers of the streams have to know: order, empty predictions, what makes no event.

What depends on the rows is derived from them; the rest is written by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sinks import prediction_classification, revision_score, weighted_tags
from sinks.catalogue.line import code
from sinks.catalogue.page import Block, Heading, Items, Paragraph, Table
from sinks.model_row import ModelRow

# Typical bytes of the two events that say that there is no country, of a real edit.
EMPTY_PREDICTION_BYTES = 1900
CLEARED_TAGS_BYTES = 550
# Assumed, not measured: changes of articles a second, share without a country.
_VOLUMES = (("low", 3, 0.2), ("middle", 5, 0.4), ("high", 10, 0.6))


def blocks(rows: Sequence[ModelRow]) -> tuple[Block, ...]:
    """Return the sections for consumers."""
    return (*_order(rows), *_no_country(), *_no_event(rows))


def _order(rows: Sequence[ModelRow]) -> tuple[Block, ...]:
    tags = _names(row for row in rows if row.output is weighted_tags.OUTPUT)
    return (
        Heading("Order and duplicates"),
        Paragraph(
            "Events are delivered at least once and in no order: an edit whose delivery is"
            " repeated can come after the edit that followed it."
        ),
        Items(
            (
                f"Scores ({code(revision_score.OUTPUT.title)}: `rev_id`) and predictions"
                f" ({code(prediction_classification.OUTPUT.title)}: `revision.rev_id`) carry the"
                " revision that they were made from. Keep, for each wiki, page and model, the"
                " event with the highest; one with a lower number is late.",
                f"Tags ({code(weighted_tags.OUTPUT.title)}, from {tags}) carry no revision, so they"
                " cannot be ordered with certainty. Keep, for each wiki, page and prefix, the event"
                " with the latest `dt`: it is the time of the change, not of the prediction, and"
                " does not tell two changes within one second apart. `rev_based` says that a"
                " revision was the cause, and not which one. For countries the prediction stream"
                " says the same with the revision: read that if order matters.",
                "`article-country` looks at the page as it is when it is asked, so what it says may"
                " be of a later revision than the one that it names.",
                "A duplicate has the same `meta.id`, whatever the predictor said the second time:"
                " drop it. A page change and a revision-create of one revision are two inputs, and"
                " make two events with different ids.",
            )
        ),
    )


def _no_country() -> tuple[Block, ...]:
    return (
        Heading("Articles without a country"),
        Paragraph(
            "`article-country` publishes a prediction for every change that it scores, also when"
            " there is no country: `predictions` and `probabilities` are empty then, and"
            " `article-country-tags` replies with `clear` instead of `set`. Otherwise an article"
            " that has lost its last country would be found under it for ever. The model server by"
            " itself publishes nothing in this case, so these events come on top. An empty answer"
            " is also what it gives for a page that is gone, or that its MediaWiki does not know"
            " yet: the tags of a page are then cleared until its next change. If it cannot look up"
            " a page's links it predicts without them, and does not tell."
        ),
        Paragraph("`extra events a second = 2 * changes a second * share without a country`"),
        Paragraph(
            "Neither factor has been measured for this page. With factors that are merely assumed,"
            f" and {EMPTY_PREDICTION_BYTES} bytes for an empty prediction and"
            f" {CLEARED_TAGS_BYTES} for `clear`, before compression and replication:"
        ),
        Table(
            ("assumption", "changes a second", "share", "extra events", "more by", "volume"),
            tuple(_volume(*assumed) for assumed in _VOLUMES),
        ),
        Paragraph(
            "To measure: the events a second of `mediawiki.article_country_prediction_change.v1`"
            " are the changes, and those of them with empty `predictions` are the share; leave out"
            " canaries (`meta.domain` is `canary`). The sinks count events by outcome and not by"
            " row: the difference that the two Triggers make is seen in"
            ' `rate(sinks_events_total{sink="score-sink",outcome="replied"}[1h])` and'
            ' `rate(sinks_events_total{sink="egress-sink",outcome="relayed"}[1h])`.'
        ),
        Heading("Articles without a paragraph to revise"),
        Paragraph(
            "`revise-tone-task-generator` clears its tag where no paragraph is to be revised. It"
            " does so too where the page or the revision is gone, or its text could not be fetched:"
            " its server answers alike."
        ),
    )


def _volume(name: str, changes: float, share: float) -> tuple[str, ...]:
    pairs = changes * share
    day = pairs * 86_400 * (EMPTY_PREDICTION_BYTES + CLEARED_TAGS_BYTES)
    return (
        name,
        str(changes),
        f"{share:.0%}",
        f"{2 * pairs:.1f} a second",
        f"{share / (1 - share):.0%}",
        f"{day / 1e9:.1f} GB a day",
    )


def _no_event(rows: Sequence[ModelRow]) -> tuple[Block, ...]:
    moves = _names(
        row
        for row in rows
        if "move" in row.wanted.kinds and row.output is prediction_classification.OUTPUT
    )
    articles = _names(row for row in rows if not row.wanted.redirects)
    return (
        Heading("Moves, deletions, suppression"),
        Items(
            (
                f"A move is scored by {moves}. Their predictions hold the new title, and in"
                " `prior_state.page` what was different before; the page's id stays. The scores and"
                " the tone are not made anew, so titles in earlier events may be out of date.",
                "A deletion, an undeletion and a change of visibility are scored by no row. What"
                " was published before stays as it is: who mirrors pages has to follow"
                " `mediawiki.page_change.v1` as well.",
                "A page that becomes a redirect, or moves to a namespace that is not one of the"
                f" row's, is scored no more by {articles}; their last prediction and tags stay.",
                "What is hidden when the change happens is not published: no event if the content"
                " is, and otherwise an event without the editor (`performer`, `revision.editor`)"
                " or without the comment. What is hidden later has been published already; nothing"
                " calls it back.",
            )
        ),
    )


def _names(rows: Iterable[ModelRow]) -> str:
    *others, last = (code(row.name) for row in rows)
    return f"{', '.join(others)} and {last}" if others else last
