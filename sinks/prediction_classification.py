"""The mediawiki/page/prediction_classification_change document: made, and read back.

Most of it is the page change itself. Version 1.3.0 is inferred from what production sends.
Source: schemas/event/primary, mediawiki/page/prediction_classification_change.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, Final

from sinks import page_change
from sinks.allow_list import Copy, copier
from sinks.errors import InvalidEvent
from sinks.output import Output
from sinks.page_change import PageChange
from sinks.prediction import Prediction
from sinks.schema import DocumentSchema, output_schema

# Flag of a revision -> what may not be published while it is False. The performer of an edit, a
# creation or a move is the editor of its revision, and so is the comment on it.
_HIDES: Final = {
    "is_editor_visible": ("editor", "performer"),
    "is_comment_visible": ("comment",),
}


def from_change(change: PageChange) -> dict[str, Any]:
    """Return a copy of the change: what the schema names, without what is hidden.

    raises: InvalidEvent(invalid_document, invalid_time), naming the member at fault.
    """
    members = _copy()(change.document, "")
    document = {"$schema": OUTPUT.schema, "meta": {"stream": change.meta.stream}, **members}
    if problem := _schema().first_problem(document):
        raise InvalidEvent("invalid_document", f"{problem.pointer}: {problem.text} in the output")
    return _visible(members)


def predicted_classification(prediction: Prediction) -> dict[str, Any]:
    """Return the member that comes from the prediction.

    raises: LookupError for one without a version: who adds such a model configures it.
    """
    if prediction.model_version is None:
        raise LookupError(f"{prediction.model_name} has no version: see Scoring.model_versions")
    return {
        "predicted_classification": {
            "model_name": prediction.model_name,
            "model_version": prediction.model_version,
            "predictions": list(prediction.labels),
            "probabilities": dict(prediction.probability),
        }
    }


def parse(document: Mapping[str, Any]) -> PageChange:
    """Return the change that was predicted on, with its prediction.

    document:  one that its reader schema has accepted.
    raises:    InvalidEvent(invalid_event, invalid_id, invalid_time).
    """
    predicted = document["predicted_classification"]
    prediction = Prediction(
        model_name=predicted["model_name"],
        model_version=predicted["model_version"],
        labels=tuple(predicted["predictions"]),
        probability=predicted["probabilities"],
    )
    return page_change.parse(document)._replace(prediction=prediction)


def _visible(members: dict[str, Any]) -> dict[str, Any]:
    """Return the members without what the change hides, in the prior state neither: it can be the
    same revision."""
    hidden = _hidden(members["revision"])
    shown = _without(members, hidden)
    shown["revision"] = _without(members["revision"], hidden)
    prior = members.get("prior_state", {})
    if "revision" in prior:
        before = _without(prior["revision"], hidden | _hidden(prior["revision"]))
        shown["prior_state"] = {**prior, "revision": before}
    return shown


def _hidden(revision: Mapping[str, Any]) -> set[str]:
    return {name for flag, names in _HIDES.items() if revision.get(flag) is False for name in names}


def _without(members: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if name not in names}


@cache
def _schema() -> DocumentSchema:
    return output_schema(OUTPUT.title, OUTPUT.version)


@cache
def _copy() -> Copy:
    """What copies the change; what else the document has is made, never copied."""
    properties = _schema().definition["properties"]
    made = ("$schema", "meta", "predicted_classification")
    return copier({"type": "object", "properties": _without(properties, made)})


OUTPUT: Final = Output("mediawiki/page/prediction_classification_change", "1.3.0", from_change)
