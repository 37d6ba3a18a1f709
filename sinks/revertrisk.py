"""The revert-risk models: what their predictors are asked, and how their answers read.

Source: machinelearning-liftwing-inference-services, src/models/revert_risk_model and
src/models/revertrisk_wikidata.
"""

from __future__ import annotations

from typing import Any

from sinks.page_change import PageChange
from sinks.prediction import Prediction, WrongShape, are_probabilities, check_revision, version_of
from sinks.wikis import WIKIPEDIA, Wiki


def request(change: PageChange, wiki: Wiki) -> dict[str, Any]:
    """Return the body of the predict request. `lang` is the language's code: `yue` for zh-yue."""
    language = wiki.language if wiki.group == WIKIPEDIA else wiki.host_label
    return {"rev_id": change.revision.rev_id, "lang": language}


def item_request(change: PageChange, wiki: Wiki) -> dict[str, Any]:
    """Return the body of the predict request of the Wikidata model, which has no language."""
    return {"rev_id": change.revision.rev_id}


def prediction(answer: Any, change: PageChange, model: str) -> Prediction:
    """Return whether the revision will be reverted, and both probabilities.

    raises: WrongShape, also if the answer is about another model or revision.
    """
    check_revision(answer, change.revision.rev_id)
    try:
        decided, probability = answer["output"]["prediction"], answer["output"]["probabilities"]
    except (KeyError, TypeError):
        raise WrongShape("output, prediction or probabilities is missing") from None
    if not isinstance(decided, bool):
        raise WrongShape("prediction is not a boolean")
    if not isinstance(probability, dict) or not are_probabilities(probability.values()):
        raise WrongShape("probabilities is not an object of numbers from 0 to 1")
    if set(probability) != {"true", "false"}:
        raise WrongShape("probabilities is not of true and false")
    label = "true" if decided else "false"
    return Prediction(model, version_of(answer, model), (label,), probability)
