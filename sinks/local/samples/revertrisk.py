"""Sample answers of the revert-risk models: language-agnostic, multilingual, and Wikidata's.

| rev_id                  | language-agnostic, multilingual                                      |
|-------------------------|----------------------------------------------------------------------|
| 1000-1999               | 422 `detail` "Could not make prediction ...": revision_missing       |
| 2000-2999               | 422 `detail`: revision_info_deleted                                  |
| 5000-5999               | 500 `error`, free text: the MediaWiki API failed                     |
| 6000-6999               | 500 `error` "LookupError : ...", as for any unplanned exception      |
| 7000-7999               | 422 `detail`: parent_revision_missing                                |
| 8000-8999               | the prediction after (rev_id - 8000) / 10 seconds                    |
| 9000-9999               | 200 of a wrong shape: `{"predictions": []}`                          |
| 10000-10999             | 200, the prediction with null probabilities                          |
| 11000-11999             | 503 `error` "Model with name ... is not ready."                      |
| absent, 0, no integer   | 400 `error` "The parameter rev_id is required."                      |
| any other               | 200, the prediction                                                  |

`lang`: absent or empty 400 `error` "The parameter lang is required."; ending in `wiki`, or not the
language of a Wikipedia ("lang 'xx' does not exist ..."), 400 `detail`; `vro` or `rup`, whose hosts
have other names that the server does not know, 500 `error`. The language-agnostic model also takes
up to 20 `instances` of one language: its answer has `predictions`, and `errors` if some (not all,
which is a 422) cannot be scored; ids from 8000 to 9999 are nothing special there.

| rev_id                  | Wikidata, which has no `lang` and no `wiki_db`                       |
|-------------------------|----------------------------------------------------------------------|
| 1000-2999, 5000-6999    | 500 `error` "Error in preprocess for rev_id N. Reason: ..."          |
| 8000-11999              | as above                                                             |
| absent, no integer, < 1 | 400 `detail` "Invalid rev_id: ..."                                   |
| any other               | 200, the prediction                                                  |

source: machinelearning-liftwing-inference-services revert_risk_model, revertrisk_wikidata.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import HTTPException
from kserve.errors import InferenceError, InvalidInput

from sinks import wikis
from sinks.local.samples import hosts, ranges

BATCHES: Final = "revertrisk-language-agnostic"
ITEMS: Final = "revertrisk-wikidata"
VERSIONS: Final = {BATCHES: "3", "revertrisk-multilingual": "4", ITEMS: "2"}
MAX_INSTANCES: Final = 20
# The server also takes `test`, for testwiki, which is no language of the table.
LANGUAGES: Final = {w.language for w in wikis.load().values() if w.group == wikis.WIKIPEDIA} | {
    "test"
}
# The server knows the hosts of gsw, sgs, lzh, nan and yue by other names, and not those of these.
NOT_REWRITTEN: Final = {"vro", "rup"}
CODES: Final[Mapping[range, str]] = {
    ranges.UNKNOWN_REVISION: "revision_missing",
    ranges.HIDDEN: "revision_info_deleted",
    ranges.UNSCORABLE: "parent_revision_missing",
}
ERRORS: Final[ranges.Errors] = {
    **ranges.COMMON_ERRORS,
    ranges.MEDIAWIKI_FAILURE: (InferenceError, "Sample of a MediaWiki API time-out, revision {}"),
}
ITEM_ERRORS: Final[ranges.Errors] = {
    **ranges.COMMON_ERRORS,
    **{
        rev_ids: (InferenceError, f"Error in preprocess for rev_id {{}}. Reason: {reason}")
        for rev_ids, reason in (
            (ranges.UNKNOWN_REVISION, "sample of an unknown revision"),
            (ranges.HIDDEN, "sample of hidden text"),
            (ranges.MEDIAWIKI_FAILURE, "sample of a MediaWiki API time-out"),
            (ranges.UNPLANNED_EXCEPTION, "sample of any exception"),
        )
    },
}


def answer(isvc: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the prediction of the request's revision, or what the module's table says instead."""
    if isvc == ITEMS:
        return item_answer(isvc, request.get("rev_id"))
    if isvc == BATCHES and "instances" in request:
        return batch_answer(isvc, request["instances"])
    rev_id, lang = revision_of(request)
    ranges.raise_error(ERRORS, isvc, rev_id)
    if code := code_of(rev_id):
        if isvc == BATCHES:
            raise unscorable({(rev_id, lang): code})
        raise HTTPException(422, refusal(rev_id, lang, code))
    if rev_id in ranges.WRONG_SHAPE:
        return {"predictions": []}
    return prediction(isvc, rev_id, {"wiki_db": f"{lang}wiki"})


def item_answer(isvc: str, rev_id: object) -> dict[str, Any]:
    """Return the answer of Wikidata's model, whose every failure is a 500."""
    if type(rev_id) is not int or rev_id <= 0:
        raise HTTPException(400, f"Invalid rev_id: {rev_id}")
    ranges.raise_error(ITEM_ERRORS, isvc, rev_id)
    if rev_id in ranges.WRONG_SHAPE:
        return {"predictions": []}
    return prediction(isvc, rev_id, {})


def batch_answer(isvc: str, instances: object) -> dict[str, Any]:
    """Return `predictions` in the order of the instances, and `errors` where a part failed."""
    if not isinstance(instances, list) or not 0 < len(instances) <= MAX_INSTANCES:
        raise InvalidInput(f'Expected "instances" to be a list of 1 to {MAX_INSTANCES}')
    revisions = [revision_of(each if isinstance(each, dict) else {}) for each in instances]
    if len({lang for _, lang in revisions}) > 1:
        raise InvalidInput("Expected one language in all instances")
    for rev_id, _ in revisions:
        ranges.raise_error(ERRORS, isvc, rev_id)
    failed = {(rev_id, lang): code for rev_id, lang in revisions if (code := code_of(rev_id))}
    scored = [revision for revision in dict.fromkeys(revisions) if revision not in failed]
    if not scored:
        raise unscorable(failed)
    predictions = [prediction(isvc, id_, {"wiki_db": f"{lang}wiki"}) for id_, lang in scored]
    errors = [refusal(rev_id, lang, code) for (rev_id, lang), code in failed.items()]
    return {"predictions": predictions, **({"errors": errors} if errors else {})}


def revision_of(request: Mapping[str, Any]) -> tuple[int, str]:
    """Return `rev_id` and `lang`. raises: InvalidInput, HTTPException, InferenceError."""
    lang, rev_id = request.get("lang"), request.get("rev_id")
    if not isinstance(lang, str) or not lang:
        raise InvalidInput("The parameter lang is required.")
    if type(rev_id) is not int or not rev_id:
        raise InvalidInput("The parameter rev_id is required.")
    if lang.endswith("wiki"):
        raise HTTPException(400, "Expected lang without the suffix wiki")
    if lang not in LANGUAGES:
        raise HTTPException(400, f"lang '{lang}' does not exist among the sample's Wikipedias.")
    if lang in NOT_REWRITTEN:
        hosts.check(lang)
    return rev_id, lang


def code_of(rev_id: int) -> str | None:
    """Return why the revision cannot be scored, or None if it can."""
    return next((code for rev_ids, code in CODES.items() if rev_id in rev_ids), None)


def refusal(rev_id: int, lang: str, code: str) -> str:
    """Return the text about one revision that cannot be scored."""
    return f"Could not make prediction for revision {rev_id} ({lang}). Reason: {code}"


def unscorable(failed: Mapping[tuple[int, str], str]) -> HTTPException:
    """Return the 422 of the batch model, which shows Python's view of all its revisions."""
    reasons = list(failed.values())
    text = f"Could not make prediction for revisions {failed.keys()}. Reason: {reasons}"
    return HTTPException(422, text)


def prediction(isvc: str, rev_id: int, wiki: Mapping[str, str]) -> dict[str, Any]:
    """Return the answer for one revision; null probabilities where the table wants them."""
    risk = ranges.share(isvc, rev_id)
    probabilities: dict[str, float | None] = {"true": risk, "false": 1 - risk}
    if rev_id in ranges.NULL_NUMBERS:
        probabilities = dict.fromkeys(probabilities)
    return {
        "model_name": isvc,
        "model_version": VERSIONS.get(isvc, "1"),
        **wiki,
        "revision_id": rev_id,
        "output": {"prediction": risk > 0.5, "probabilities": probabilities},
    }
