"""What a predictor said about one change, as our own value, and the shapes that answers share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

_NUMBERS = (float, int)
# Outlink's scores exceed 1 by about 1e-5, others may by a last digit; what is wrong is further off.
_ROUNDING = 1e-4


class Prediction(NamedTuple):
    """What one model said about one change.

    model_version:  None if the predictor's answer names none.
    labels:       what the model decided for; can be empty.
    probability:  label -> number, for all labels of the model; need not sum to 1.
    """

    model_name: str
    model_version: str | None
    labels: tuple[str, ...]
    probability: Mapping[str, float]


class WrongShape(ValueError):
    """The predictor's answer is not what its contract says; the text names the place."""


def are_probabilities(values: Iterable[object], rounding: float = _ROUNDING) -> bool:
    """Return whether all are numbers from 0 to 1, give or take `rounding`.

    No booleans, which Python counts among the integers.
    """
    least, most = -rounding, 1 + rounding
    for value in values:
        if type(value) not in _NUMBERS or not least <= value <= most:  # type: ignore[operator]  # checked by type()
            return False
    return True


def results(answer: Any, name: str, rounding: float = _ROUNDING) -> Mapping[str, float]:
    """Return name -> score, in the order of `{"prediction": {"results": [{<name>, "score"}]}}`.

    raises: WrongShape, also for a name that is there twice.
    """
    try:
        found = answer["prediction"]["results"]
        scores = {each[name]: each["score"] for each in found}
    except (KeyError, TypeError):
        raise WrongShape(f"prediction, results, {name} or score is missing") from None
    if not isinstance(found, list) or not all(isinstance(key, str) and key for key in scores):
        raise WrongShape(f"results is not a list of objects whose {name} is a name")
    if not are_probabilities(scores.values(), rounding):
        raise WrongShape("a score is not a number from 0 to 1")
    if len(scores) != len(found):
        raise WrongShape(f"a {name} is there twice")
    return scores


def version_of(answer: Any, model: str) -> str:
    """Return `model_version` of an answer that says which model it is from; or WrongShape."""
    name, version = answer.get("model_name"), answer.get("model_version")
    if name != model:
        raise WrongShape(f"model_name is not {model}")
    if not isinstance(version, str):
        raise WrongShape("model_version is not a string")
    return version


def check_revision(answer: Any, rev_id: int) -> None:
    """Raise WrongShape if the answer is about another revision: it would be mislabelled."""
    if answer.get("revision_id") != rev_id:
        raise WrongShape("revision_id is not the one that was asked for")
