"""Why a filter lets an event pass or not, and why a row does not score it, in words."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from sinks.decision import Deciding, Declined
from sinks.filters import Filter, Judged
from sinks.model_row import ModelRow, isvc_name
from sinks.page_change import PageChange

UNWANTED: Final[Mapping[str, str]] = {
    "canary": "meta.domain is canary: it only shows that its stream works",
    "private_stream": "it is from a private wiki",
}
_COMPARED: Final = {
    "exact": ("is", "not"),
    "prefix": ("begins with", "which does not begin with"),
    "suffix": ("ends with", "which does not end with"),
}


def condition(one: Filter) -> str:
    """Return what a single condition asks for: `wikiid is enwiki`."""
    return f"{one.attribute} {_COMPARED[one.dialect][0]} {one.text or 'not empty'}"


def why_failed(judged: Judged) -> Iterator[str]:
    """Yield what of a filter the event does not meet, with the values that it has; nothing of one
    that has passed."""
    if judged.passed:
        return
    if judged.filter.attribute:
        yield _failure(judged, judged.filter.text)
    elif judged.filter.dialect == "not":
        yield f"refused, because {_met(judged.parts[0])}"
    elif judged.filter.dialect == "any":
        yield _none_of(judged)
    else:
        for part in judged.parts:
            yield from why_failed(part)


def _failed(judged: Judged) -> str:
    return " and ".join(why_failed(judged))


def _failure(judged: Judged, wanted: str) -> str:
    one, value = judged.filter, judged.value
    if value is None:
        return f"the event has no {one.attribute}, and {wanted or 'any'} is wanted"
    if not wanted:
        return f"{one.attribute} is empty"
    return f"{one.attribute} is {value}, {_COMPARED[one.dialect][1]} {wanted}"


def _none_of(judged: Judged) -> str:
    """Alternatives of one attribute are told as one; of others those that come nearest."""
    parts = [part.filter for part in judged.parts]
    alike = {(one.dialect, one.attribute) for one in parts}
    if len(alike) == 1 and parts[0].attribute:
        return _failure(judged.parts[0], " or ".join(one.text for one in parts))
    least = min(map(_distance, judged.parts))
    nearest = [_failed(part) for part in judged.parts if _distance(part) == least]
    return nearest[0] if len(nearest) == 1 else f"none of: {', or '.join(nearest)}"


def _distance(judged: Judged) -> tuple[int, int]:
    """How far an event is from passing: conditions that it does not meet, then those that it does,
    the more the nearer."""
    if judged.filter.dialect == "not" or not judged.parts:
        return int(not judged.passed), -int(judged.passed)
    parts = list(map(_distance, judged.parts))
    if judged.filter.dialect == "any":
        return min(parts)
    return sum(each[0] for each in parts), sum(each[1] for each in parts)


def _met(judged: Judged) -> str:
    """Return why a filter lets the event pass."""
    if judged.filter.attribute:
        return condition(judged.filter)
    if judged.filter.dialect == "not":
        return f"not so: {_failed(judged.parts[0])}"
    met = [_met(part) for part in judged.parts if part.passed]
    return " and ".join(met) or "there is no condition"


def why_declined(declined: Declined, row: ModelRow, deciding: Deciding) -> str:
    """Return why the row does not score the event; docs/operations.md has the same reasons."""
    if declined.change is None:
        return UNWANTED[declined.reason]
    return _why_unwanted(declined.reason, declined.change, row, deciding)


def _why_unwanted(reason: str, change: PageChange, row: ModelRow, deciding: Deciding) -> str:
    wanted, wiki = row.wanted, change.wiki_id
    namespaces = sorted(wanted.namespaces or ())
    predicted_by = change.prediction.model_name if change.prediction else "nobody"
    wikis = [f"the group {wanted.wiki_group}"] if wanted.wiki_group else []
    texts = {
        "model_name": f"the prediction is {predicted_by}'s, and it feeds on {wanted.model_name}'s",
        "page_change_kind": f"page_change_kind {change.page_change_kind} is not one of"
        f" {_listed(sorted(wanted.kinds))}",
        "wiki_not_deployed": f"there is no InferenceService {isvc_name(row, wiki)} here",
        "predictor_cannot": f"the model is for such wikis, but its server cannot answer for {wiki}",
        "wiki_not_supported": f"{wiki} is not one of its wikis:"
        f" {_listed([*wikis, *sorted(wanted.wikis or ())])}",
        "hidden_content": "the revision's content is hidden",
        "namespace": f"namespace {change.page.namespace_id} is not one of {_listed(namespaces)}",
        "redirect": "the page is a redirect"
        if change.page.is_redirect
        else "the event does not say whether the page is a redirect",
        "too_old": f"{change.dt} is more than {deciding.max_event_age_seconds:g} s ago",
    }
    return texts[reason]


def _listed(values: Collection[object]) -> str:
    few = [str(value) for value in values][:8]
    return ", ".join([*few, "..."] if len(values) > len(few) else few)
