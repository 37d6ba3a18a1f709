"""What a row of the table of models says, and which changes a row does not want."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sinks.deployed import InferenceService
from sinks.envelope import event_type
from sinks.output import Output
from sinks.page_change import PageChange
from sinks.prediction import Prediction
from sinks.reasons import IgnoredReason
from sinks.timestamp import age_seconds
from sinks.wikis import Wiki

# Predictors of one family are asked alike and answer alike.
Family = Literal["revscoring", "outlink", "article-country", "revertrisk", "revise-tone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which changes a row scores.

    titles:          schema titles of the documents that it reads.
    model_name:      of whose prediction events it reads, if it reads these.
    kinds:           page_change_kinds; a revision-create is always of a wanted kind.
    wiki_group:      all wikis of this group of the table of wikis; None: none by group.
    wikis:           wiki_ids besides; None with no group: where an InferenceService is deployed.
    excluded_wikis:  wiki_ids of the group that the predictor cannot answer for.
    namespaces:      None is all.
    redirects:       whether redirects too.
    """

    titles: tuple[str, ...]
    model_name: str | None = None
    kinds: frozenset[str]
    wiki_group: str | None = None
    wikis: frozenset[str] | None = None
    excluded_wikis: frozenset[str] = frozenset()
    namespaces: frozenset[int] | None = frozenset((0,))
    redirects: bool = False

    @property
    def where_deployed(self) -> bool:
        """Whether the wikis are those with an InferenceService of their own."""
        return self.wiki_group is None and self.wikis is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """How a row's predictor is asked.

    service:           the one InferenceService; None: each wiki has its own, see `deployed`.
    request:           (change, its wiki) -> body of the predict request.
    prediction:        (answer, change, row's name) -> Prediction; raises WrongShape.
    unknown_revision:  matches the error text if it does not know the revision (yet).
    """

    family: Family
    service: InferenceService | None
    request: Callable[[PageChange, Wiki], dict[str, Any]]
    prediction: Callable[[Any, PageChange, str], Prediction]
    unknown_revision: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow:
    """One model.

    name:             path segment, `model` attribute, `model_name` in the document.
    stream:           where its events are published; `test_stream` in the test set of names.
    question:         None: it publishes what another model's prediction event says.
    output:           the kind of document that it replies.
    from_prediction:  the members of that document that the prediction makes.
    """

    name: str
    stream: str
    test_stream: str
    wanted: Wanted
    question: Question | None
    output: Output
    from_prediction: Callable[[Prediction], dict[str, Any]]

    @property
    def output_type(self) -> str:
        """The CloudEvents type of its replies; differs from every type that it reads."""
        return event_type(self.output.title, self.output.major)


class Conditions(NamedTuple):
    """What a row's decision depends on besides the change itself.

    deployed:  InferenceServices of single wikis by name.
    wikis:     all wikis by wiki_id.
    """

    deployed: Mapping[str, InferenceService]
    wikis: Mapping[str, Wiki]
    max_event_age_seconds: float
    now: datetime


def isvc_name(row: ModelRow, wiki_id: str) -> str:
    """Return the name under which the row's InferenceService for one wiki would be deployed."""
    return f"{wiki_id}-{row.name}"


def question_for(
    row: ModelRow, wiki_id: str, deployed: Mapping[str, InferenceService]
) -> tuple[Question, InferenceService]:
    """Return what this row asks about this wiki, and whom.

    raises: LookupError if that is nobody, which `unwanted` has to know before.
    """
    if row.question is None:
        raise LookupError(f"{row.name} asks no predictor")
    return row.question, row.question.service or deployed[isvc_name(row, wiki_id)]


def unwanted(row: ModelRow, change: PageChange, conditions: Conditions) -> IgnoredReason | None:
    """Return why this row does not score this change, or None if it does."""
    wanted = row.wanted
    if change.prediction is not None and change.prediction.model_name != wanted.model_name:
        return "model_name"
    if change.page_change_kind is not None and change.page_change_kind not in wanted.kinds:
        return "page_change_kind"
    if reason := unwanted_wiki(row, change.wiki_id, conditions):
        return reason
    if change.revision.is_content_visible is False:
        return "hidden_content"
    if wanted.namespaces is not None and change.page.namespace_id not in wanted.namespaces:
        return "namespace"
    if not wanted.redirects and change.page.is_redirect is not False:
        return "redirect"
    # What another row has predicted is passed on at any age, or half of it would be published.
    oldest = conditions.max_event_age_seconds if row.question else 0
    if oldest and age_seconds(change.dt, conditions.now) > oldest:
        return "too_old"
    return None


def unwanted_wiki(row: ModelRow, wiki_id: str, conditions: Conditions) -> IgnoredReason | None:
    """Return why this row scores nothing on this wiki, or None if it does."""
    wanted, wiki = row.wanted, conditions.wikis.get(wiki_id)
    if wanted.where_deployed:
        return None if isvc_name(row, wiki_id) in conditions.deployed else "wiki_not_deployed"
    if wiki_id in wanted.excluded_wikis:
        return "predictor_cannot"
    in_group = wiki is not None and wiki.group == wanted.wiki_group
    return None if in_group or wiki_id in (wanted.wikis or ()) else "wiki_not_supported"
