"""Rows about what a model of score-sink takes: which documents, and which changes of pages.

source: the conditions of change propagation's rules for the model servers; the table of models.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from sinks import page_change
from sinks.contract.rows.row import (
    ALL_MODELS,
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
    changed,
    member,
    post,
    post_document,
)
from sinks.event_samples import document
from sinks.inputs import PRIVATE_STREAM
from sinks.models import ROWS as MODEL_ROWS

_OF_CHANGES: Final = frozenset(
    row.name for row in MODEL_ROWS if page_change.TITLE in row.wanted.titles
)
_OF_PREDICTIONS: Final = ALL_MODELS - _OF_CHANGES
_WHERE_DEPLOYED: Final = frozenset(row.name for row in MODEL_ROWS if row.wanted.where_deployed)
_OF_NAMESPACES: Final = frozenset(
    row.name for row in MODEL_ROWS if row.wanted.namespaces is not None
)
_OF_NO_REDIRECTS: Final = frozenset(row.name for row in MODEL_ROWS if not row.wanted.redirects)


def _ignored(
    changes: Mapping[str, tuple[str, Change]], models: frozenset[str] = ALL_MODELS
) -> tuple[Row, ...]:
    """What these models ignore: row's name -> reason, and what makes it of the good event."""
    demand = Demand(
        SCORE,
        "sinks: the rows' conditions; Knative data plane: 202 and empty is done with",
        "a change that the model does not score must be neither repeated nor answered",
        "answer 202 and nothing",
        models,
    )
    return tuple(
        row
        for name, (reason, change) in changes.items()
        for row in demand.rows(
            in_both_modes({f"ignored_{name}": partial(post_document, change)}),
            Expected("ignored", 202, reason),
        )
    )


_NO_SUCH_WIKI: Final = member("wiki_id", "nosuchwiki")
_IGNORED: Final = (
    *_ignored(
        {
            "canary": ("canary", member("meta/domain", "canary")),
            "delete": ("page_change_kind", member("page_change_kind", "delete")),
            "new_kind": ("page_change_kind", member("page_change_kind", "something_new")),
            "hidden": ("hidden_content", member("revision/is_content_visible", False)),
            "private": (
                "private_stream",
                member("meta/stream", PRIVATE_STREAM),
            ),
        }
    ),
    *_ignored({"wiki": ("wiki_not_deployed", _NO_SUCH_WIKI)}, _WHERE_DEPLOYED),
    *_ignored(
        {"unsupported_wiki": ("wiki_not_supported", _NO_SUCH_WIKI)}, ALL_MODELS - _WHERE_DEPLOYED
    ),
    *_ignored({"talk_page": ("namespace", member("page/namespace_id", 1))}, _OF_NAMESPACES),
    *_ignored({"redirect": ("redirect", member("page/is_redirect", True))}, _OF_NO_REDIRECTS),
    *_ignored(
        {
            "other_model": (
                "model_name",
                member("predicted_classification/model_name", "outlink-topic-model"),
            )
        },
        _OF_PREDICTIONS,
    ),
)


def _another(name: str, mode: str) -> Make:
    """A good event of another kind, with the attributes that belong to it."""

    def other(sample: Sample) -> Sample:
        return sample.with_document(document(name))

    return changed(other, post(mode))


def _of_another_kind(name: str, models: frozenset[str], what: str) -> tuple[Row, ...]:
    return Demand(
        SCORE,
        "MediaWiki event platform: $schema says what a document is; sinks: what a row reads",
        "a Trigger that names the wrong row would be repeated until it is dead-lettered",
        "answer 422 and name the schemas that the row reads",
        models,
    ).rows(
        in_both_modes({what: partial(_another, name)}),
        rejected(422, "unsupported_schema", "$schema"),
    )


_KINDS: Final = (
    *_of_another_kind("prediction_classification", _OF_CHANGES, "prediction_for_a_page_change"),
    *_of_another_kind("page_change", _OF_PREDICTIONS, "page_change_for_a_prediction"),
)

ROWS: Final[tuple[Row, ...]] = (*_IGNORED, *_KINDS)
