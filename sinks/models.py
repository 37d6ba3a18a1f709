"""The one table of models: which changes each takes, what it is asked, and what it is published as.

README says what else a new model needs besides its row here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from sinks import revision_score, revscoring
from sinks.deployed import InferenceService
from sinks.envelope import event_type
from sinks.errors import Reason
from sinks.page_change import PageChange
from sinks.prediction import Prediction
from sinks.revscoring import Labels
from sinks.timestamp import age_seconds


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model.

    name:              the row's name: path segment, `model` attribute, key under `scores`.
    stream:            where its events are published; `test_stream` in the test set of names.
    output_type:       CloudEvents type of its replies; differs from every input type.
    kinds:             page_change_kinds it scores; a revision-create is always one it scores.
    namespaces:        namespaces it scores; None is all.
    redirects:         whether it scores redirects.
    request:           change -> body of the predict request.
    prediction:        (answer, change) -> Prediction; raises WrongShape.
    unknown_revision:  how the predictor's error begins when it does not know the revision (yet).
    """

    name: str
    stream: str
    test_stream: str
    output_type: str
    kinds: frozenset[str]
    namespaces: frozenset[int] | None
    redirects: bool
    request: Callable[[PageChange], dict[str, Any]]
    prediction: Callable[[Any, PageChange], Prediction]
    unknown_revision: str


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a row's decision depends on besides the change itself."""

    deployed: Mapping[str, InferenceService]
    max_event_age_seconds: float
    now: datetime


def _revscoring(name: str, labels: Labels, stream: str) -> ModelRow:
    return ModelRow(
        name=name,
        stream=f"mediawiki.revision_score_{stream}",
        test_stream="mediawiki.revision-score-test",
        output_type=event_type(revision_score.TITLE, 3),
        kinds=frozenset(("edit", "create")),
        namespaces=None,
        redirects=True,
        request=revscoring.request,
        prediction=partial(revscoring.prediction, model=name, labels=labels),
        unknown_revision=revscoring.UNKNOWN_REVISION,
    )


# itemquality and itemtopic share the streams of their Wikipedia siblings, as in production.
ROWS: Final = (
    _revscoring("articlequality", "single", "articlequality"),
    _revscoring("itemquality", "single", "articlequality"),
    _revscoring("articletopic", "list", "articletopic"),
    _revscoring("itemtopic", "list", "articletopic"),
    _revscoring("drafttopic", "list", "drafttopic"),
    _revscoring("draftquality", "single", "draftquality"),
    _revscoring("damaging", "boolean", "damaging"),
    _revscoring("goodfaith", "boolean", "goodfaith"),
    _revscoring("reverted", "boolean", "reverted"),
)
MODELS: Final[Mapping[str, ModelRow]] = {row.name: row for row in ROWS}


def isvc_name(row: ModelRow, change: PageChange) -> str:
    """Return the name under which the row's InferenceService for this wiki would be deployed."""
    return f"{change.wiki_id}-{row.name}"


def unwanted(row: ModelRow, change: PageChange, conditions: Conditions) -> Reason | None:
    """Return why this row does not score this change, or None if it does."""
    if change.page_change_kind is not None and change.page_change_kind not in row.kinds:
        return "page_change_kind"
    if isvc_name(row, change) not in conditions.deployed:
        return "wiki_not_deployed"
    if change.revision.is_content_visible is False:
        return "hidden_content"
    if row.namespaces is not None and change.page.namespace_id not in row.namespaces:
        return "namespace"
    if not row.redirects and change.page.is_redirect is not False:
        return "redirect"
    oldest = conditions.max_event_age_seconds
    if oldest and age_seconds(change.dt, conditions.now) > oldest:
        return "too_old"
    return None
