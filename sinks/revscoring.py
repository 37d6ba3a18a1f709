"""The revscoring family of predictors: what they are asked, and how their answers read.

Source: wikimedia/machinelearning-liftwing-inference-services, revscoring_model/model_servers.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from sinks.page_change import PageChange
from sinks.prediction import Prediction, WrongShape, are_probabilities
from sinks.wikis import Wiki

# boolean: true or false; single: one label; list: any number of labels.
Labels = Literal["boolean", "single", "list"]
_BOOLEAN = frozenset(("true", "false"))

# The server's own words for a revision that its MediaWiki replica does not know (yet, or any more).
UNKNOWN_REVISION = re.compile("The MW API does not have any info related to the rev-id")


def request(change: PageChange, wiki: Wiki) -> dict[str, Any]:
    """Return the body of the predict request. Without `event` the predictor publishes nothing."""
    return {"rev_id": change.revision.rev_id}


def prediction(answer: Any, change: PageChange, model: str, labels: Labels) -> Prediction:
    """Return the prediction in `{<wiki>: {"models": ..., "scores": {"<rev_id>": ...}}}`.

    raises: WrongShape.
    """
    try:
        wiki = answer[change.wiki_id]
        version = wiki["models"][model]["version"]
        score = wiki["scores"][str(change.revision.rev_id)][model]["score"]
        decided, probability = score["prediction"], score["probability"]
    except (KeyError, TypeError, IndexError):
        raise WrongShape("wiki, models, scores, revision, model or score is missing") from None
    if not isinstance(version, str):
        raise WrongShape("the model version is not a string")
    if not isinstance(probability, dict) or not are_probabilities(probability.values()):
        raise WrongShape("probability is not an object of numbers from 0 to 1")
    decided_labels = _labels(decided, labels)
    needed = _BOOLEAN if labels == "boolean" else set(decided_labels)
    if not probability or not needed <= probability.keys():
        raise WrongShape("a label has no probability")
    return Prediction(model, version, decided_labels, probability)


def _labels(decided: object, labels: Labels) -> tuple[str, ...]:
    if labels == "boolean" and isinstance(decided, bool):
        return ("true",) if decided else ("false",)
    if labels == "single" and isinstance(decided, str):
        return (decided,)
    if labels == "list" and isinstance(decided, list):
        if all(isinstance(label, str) for label in decided):
            return tuple(decided)
    raise WrongShape(f"prediction is not of the kind {labels}")
