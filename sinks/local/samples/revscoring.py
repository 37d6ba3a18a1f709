"""Sample answers of the revscoring family, one InferenceService for each wiki and model.

| rev_id                  | answer                                                                |
|-------------------------|-----------------------------------------------------------------------|
| 1000-1999               | 400 `error` "The MW API does not have any info related to the rev-id" |
| 2000-2999               | 400 `error` "Missing resource for rev-id", as for hidden text         |
| 3000-3999               | 400 `error` "Unexpected content type for rev-id"                      |
| 4000-4999               | 400 `error` "Generic error while extracting features for rev-id"      |
| 5000-5999               | 500 `error`, free text: the MediaWiki API failed                      |
| 6000-6999               | 500 `error` "LookupError : ...", as for any unplanned exception       |
| 7000-7999               | 422 `detail`, an HTTPException                                        |
| 8000-8999               | the score after (rev_id - 8000) / 10 seconds: 8025 takes 2.5 s        |
| 9000-9999               | 200 of a wrong shape: `{"predictions": []}`                           |
| 10000-10999             | 200, the score with null probabilities                                |
| 11000-11999             | 503 `error` "Model with name ... is not ready."                       |
| absent, not an integer  | 400 `error` 'Expected "rev_id" ...'                                   |
| any other               | 200, the score                                                        |

`extended_output` does nothing.

source: machinelearning-liftwing-inference-services revscoring_model; kserve 0.21 kserve/errors.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import HTTPException
from kserve.errors import InferenceError, InvalidInput

from sinks.local.samples import ranges

UNEXPECTED_CONTENT_TYPE: Final = range(3000, 4000)
GENERIC_ERROR: Final = range(4000, 5000)
ERRORS: Final[ranges.Errors] = {
    **ranges.COMMON_ERRORS,
    ranges.UNKNOWN_REVISION: (
        InvalidInput,
        "The MW API does not have any info related to the rev-id {}",
    ),
    ranges.HIDDEN: (InvalidInput, "Missing resource for rev-id {}: sample of hidden text"),
    UNEXPECTED_CONTENT_TYPE: (InvalidInput, "Unexpected content type for rev-id {}: sample"),
    GENERIC_ERROR: (InvalidInput, "Generic error while extracting features for rev-id {}: sample"),
    ranges.MEDIAWIKI_FAILURE: (InferenceError, "Sample of a MediaWiki API time-out, revision {}"),
    ranges.UNSCORABLE: (
        lambda text: HTTPException(422, text),
        "Sample of an unscorable revision, {}",
    ),
}

VERSION: Final = "sample-1"
TOPICS: Final = tuple(  # a part of wikimedia/drafttopic's labels
    "Culture.Biography.Biography*|Culture.Biography.Women|Culture.Food and drink|Culture.Literature"
    "|Culture.Media.Films|Culture.Media.Media*|Culture.Philosophy and religion|Culture.Sports"
    "|Geography.Geographical|Geography.Regions.Africa.Africa*|Geography.Regions.Asia.Asia*"
    "|Geography.Regions.Europe.Europe*|Geography.Regions.Europe.Northern Europe"
    "|Geography.Regions.Oceania|History and Society.History|History and Society.Society"
    "|STEM.Libraries & Information|STEM.Medicine & Health|STEM.Space|STEM.STEM*".split("|")
)
BOOLEANS: Final = ("false", "true")
LABELS: Final[Mapping[str, tuple[str, ...]]] = {
    "articlequality": ("Stub", "Start", "C", "B", "GA", "FA"),
    "ruwiki-articlequality": ("IV", "III", "II", "I", "ХС", "ДС", "ИС"),
    "itemquality": ("A", "B", "C", "D", "E"),
    "draftquality": ("OK", "spam", "vandalism", "attack"),
}


def answer(isvc: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the score of `request["rev_id"]`, or what the module's table says instead."""
    rev_id = request.get("rev_id")
    if type(rev_id) is not int:  # isinstance would take true for 1
        raise InvalidInput('Expected "rev_id" to be an integer')
    ranges.raise_error(ERRORS, isvc, rev_id)
    if rev_id in ranges.WRONG_SHAPE:
        return {"predictions": []}
    score = sample_score(isvc, rev_id)
    if rev_id in ranges.NULL_NUMBERS:
        score = {**score, "probability": dict.fromkeys(score["probability"])}
    wiki, _, model = isvc.rpartition("-")
    scores = {str(rev_id): {model: {"score": score}}}
    return {wiki: {"models": {model: {"version": VERSION}}, "scores": scores}}


def sample_score(isvc: str, rev_id: int) -> dict[str, Any]:
    """Return the `prediction` and `probability` that stand for one isvc's view of one revision.

    returns: prediction bool, str, or list[str] (may be empty) as the model does; probability of
             every label, 0..1, with sum 1 unless the prediction is a list.
    """
    labels = labels_of(isvc)
    # The power makes strong labels rare: a revision gets none to some three topics.
    strength = {label: ranges.share(isvc, rev_id, label) ** 16 for label in labels}
    if labels is TOPICS:
        return {"prediction": [t for t in labels if strength[t] > 0.5], "probability": strength}
    total = sum(strength.values())
    best = max(labels, key=strength.__getitem__)
    return {
        "prediction": best == "true" if labels is BOOLEANS else best,
        "probability": {label: strength[label] / total for label in labels},
    }


def labels_of(isvc: str) -> tuple[str, ...]:
    """Return the labels of `<wiki>-<model>`; of an unknown model, those that its name suggests."""
    model = isvc.rpartition("-")[2]
    if model.endswith("topic"):
        return TOPICS
    generic = ("low", "middle", "high") if model.endswith("quality") else BOOLEANS
    return LABELS.get(isvc) or LABELS.get(model, generic)
