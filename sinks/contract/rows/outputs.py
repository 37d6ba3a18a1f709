"""Rows about what is published: nothing hidden, each kind of document, and none that is faulty.

Rows about scores are in `documents`: egress has one for its good event.
source: mediawiki/page/prediction_classification_change; mediawiki/cirrussearch/
page_weighted_tags_change.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from sinks.contract.rows.row import (
    EGRESS,
    GOOD,
    SCORE,
    Demand,
    Expected,
    Row,
    in_both_modes,
    rejected,
)
from sinks.contract.rows.sample import (
    Change,
    Make,
    Sample,
    canary,
    changed,
    member,
    post,
    post_document,
)
from sinks.event_samples import document
from sinks.models import ROWS as MODEL_ROWS

_HIDDEN_WORD: Final = "What-nobody-may-know"
_USER: Final = {"user_text": _HIDDEN_WORD}
_HIDES: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "hidden_editor": ("is_editor_visible", {"performer": _USER, "revision/editor": _USER}),
    "hidden_comment": (
        "is_comment_visible",
        {"comment": _HIDDEN_WORD, "revision/comment": _HIDDEN_WORD},
    ),
}


def _hidden(flag: str, members: Mapping[str, Any]) -> Change:
    """A change that says of these members that they are hidden."""

    def change(data: Mapping[str, Any]) -> Mapping[str, Any]:
        for pointer, value in {**members, f"revision/{flag}": False}.items():
            data = member(pointer, value)(data)
        return data

    return change


_HIDDEN: Final = Demand(
    SCORE,
    "MediaWiki: a revision's is_editor_visible and is_comment_visible say what is hidden",
    "what was hidden on the wiki would be told in a public stream",
    "leave it out, wherever it stands, and reply all the same",
).rows(
    in_both_modes(
        {
            name: partial(post_document, _hidden(flag, members))
            for name, (flag, members) in _HIDES.items()
        }
    ),
    Expected("good", never=_HIDDEN_WORD),
)

_TEST_STREAM_OF: Final = {row.stream: row.test_stream for row in MODEL_ROWS}
_PREDICTION, _TAGS = "prediction_classification", "weighted_tags"
_TAKEN: Final = Demand(
    EGRESS,
    "sinks: egress publishes whatever the rows of score-sink reply",
    "the predictions of whole families of models would end in the dead letters",
    "take every kind of document that the table of models names",
)
_REFUSED: Final = Demand(
    EGRESS,
    "the schema that $schema names: EventGate answers 400 to what it does not allow",
    "what can never be handled would be repeated until it is dead-lettered",
    "answer 422 and name the member",
)


def _unchanged(data: Mapping[str, Any]) -> Mapping[str, Any]:
    return data


def _sent(name: str, change: Change, mode: str) -> Make:
    """A document of this kind, changed, with the attributes that belong to it.

    Its stream is one of the test set where that of the good event is.
    """

    def other(sample: Sample) -> Sample:
        good = canary(document(name))
        if sample.data["meta"]["stream"] in _TEST_STREAM_OF.values():
            good = member("meta/stream", _TEST_STREAM_OF[good["meta"]["stream"]])(good)
        return sample.with_document(good).with_data(change(good))

    return changed(other, post(mode))


def _refused(prefix: str, name: str, changes: Mapping[str, tuple[str, Change]]) -> tuple[Row, ...]:
    """What is refused of a kind: row's name -> the member at fault, and what makes it so."""
    return tuple(
        row
        for what, (fault, change) in changes.items()
        for reason in ["unsupported_schema" if fault == "$schema" else "invalid_document"]
        for row in _REFUSED.rows(
            in_both_modes({f"{prefix}_{what}": partial(_sent, name, change)}),
            rejected(422, reason, fault),
        )
    )


def _tagged(**members: Any) -> Change:
    return member("weighted_tags", members)


_GROUP: Final = "classification.prediction.articlecountry"
_GOOD: Final = _TAKEN.rows(
    in_both_modes(
        {
            "prediction_relayed": partial(_sent, _PREDICTION, _unchanged),
            "tags_relayed": partial(_sent, _TAGS, _unchanged),
            "tags_that_clear_relayed": partial(_sent, _TAGS, _tagged(clear=[_GROUP])),
        }
    ),
    GOOD,
)
_FAULTY: Final = (
    *_refused(
        "prediction",
        _PREDICTION,
        {
            "of_another_version": (
                "$schema",
                member("$schema", "/mediawiki/page/prediction_classification_change/1.1.0"),
            ),
            "with_an_unknown_member": ("wikibase_item_id", member("page/wikibase_item_id", "Q1")),
            "without_a_revision": ("revision", member("revision", None)),
            "without_a_model": ("model_name", member("predicted_classification/model_name", None)),
            "with_a_wrong_probability": (
                "probabilities",
                member("predicted_classification/probabilities", {"Iceland": "high"}),
            ),
        },
    ),
    *_refused(
        "tags",
        _TAGS,
        {
            "of_another_version": (
                "$schema",
                member("$schema", "/development/cirrussearch/page_weighted_tags_change/1.0.0"),
            ),
            "with_an_unknown_member": ("rev_id", member("page/rev_id", 1)),
            "absent": ("weighted_tags", member("weighted_tags", None)),
            "neither_set_nor_cleared": ("weighted_tags", _tagged()),
            "with_a_score_above_1": (
                "score",
                _tagged(set={_GROUP: [{"tag": "Iceland", "score": 1.5}]}),
            ),
            "without_a_name": ("tag", _tagged(set={_GROUP: [{"score": 0.5}]})),
            "cleared_with_a_slash": ("clear", _tagged(clear=["a/b"])),
        },
    ),
)

ROWS: Final[tuple[Row, ...]] = (*_HIDDEN, *_GOOD, *_FAULTY)
