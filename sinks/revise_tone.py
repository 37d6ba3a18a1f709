"""The revise-tone task generator: what its predictor is asked, and how its answer reads.

Source: machinelearning-liftwing-inference-services, src/models/revise_tone_task_generator.
"""

from __future__ import annotations

from typing import Any

from sinks.page_change import PageChange
from sinks.prediction import Prediction, WrongShape, are_probabilities, check_revision
from sinks.wikis import Wiki

_TAG = "exists"


def request(change: PageChange, wiki: Wiki) -> dict[str, Any]:
    """Return the body of the predict request. The server itself publishes unless told not to."""
    return {
        "lang": wiki.host_label,
        "page_id": change.page.page_id,
        "page_title": change.page.page_title,
        "rev_id": change.revision.rev_id,
    }


def prediction(answer: Any, change: PageChange, model: str) -> Prediction:
    """Return the tag `exists` with the highest score if any paragraph should be revised.

    raises: WrongShape, also if the answer is about another revision.
    """
    check_revision(answer, change.revision.rev_id)
    try:
        found = answer["predictions"]
        scores = [paragraph["score"] for paragraph in found]
    except (KeyError, TypeError):
        raise WrongShape("predictions or score is missing") from None
    if not isinstance(found, list):
        raise WrongShape("predictions is not a list of objects with a score")
    if not are_probabilities(scores, rounding=0):
        raise WrongShape("a score is not a number from 0 to 1")
    probability = {_TAG: max(scores)} if scores else {}
    return Prediction(model, None, tuple(probability), probability)
