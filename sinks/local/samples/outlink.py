"""Sample answers of the outlink topic model.

| revision_id             | answer                                                           |
|-------------------------|------------------------------------------------------------------|
| 1000-1999               | 400 `detail` with "MediaWiki API error 'nosuchrevid'"            |
| 2000-2999               | 400 `detail` with "MediaWiki API error 'permissiondenied'"       |
| 12000-12999             | 400 `detail` with "MediaWiki API error 'missingtitle'"           |
| 13000-13999             | 400 `detail` with "MediaWiki API error 'invalidtitle'"           |
| 14000-14999             | 400 `detail` with "MediaWiki API error 'nosuchpageid'"           |
| 5000-5999               | 500 `error`, free text: the MediaWiki API failed                 |
| 6000-6999               | 500 `error` "LookupError : ...", as for any unplanned exception  |
| 8000-8999               | the topics after (revision_id - 8000) / 10 seconds               |
| 9000-9999               | 200 of a wrong shape: `{"predictions": []}`                      |
| 10000-10999             | 200, all topics, each with a null score                          |
| 11000-11999             | 503 `error` "Model with name ... is not ready."                  |
| not an integer          | 400 `error`                                                      |
| absent, any other       | 200, the topics of the revision, or of the page as it is now     |

Of the other members: `page_id` and `page_title` both or neither, neither `lang` nor `wiki_id`, a
`wiki_id` that is no Wikipedia's, or a `threshold` without a fraction part (0 for 0.0): 400 `error`.
`lang` that is not the first label of a Wikipedia's host name: 500 `error`. `debug` does nothing.
One revision in eight or so has a topic with a score just above 1, as fastText gives it.

source: machinelearning-liftwing-inference-services outlink_topic_model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import HTTPException
from kserve.errors import InferenceError, InvalidInput

from sinks import wikis
from sinks.local.samples import hosts, ranges
from sinks.local.samples.revscoring import TOPICS

MISSING_TITLE: Final = range(12000, 13000)
INVALID_TITLE: Final = range(13000, 14000)
UNKNOWN_PAGE: Final = range(14000, 15000)
CODES: Final[Mapping[range, str]] = {
    ranges.UNKNOWN_REVISION: "nosuchrevid",
    ranges.HIDDEN: "permissiondenied",
    MISSING_TITLE: "missingtitle",
    INVALID_TITLE: "invalidtitle",
    UNKNOWN_PAGE: "nosuchpageid",
}
ERRORS: Final[ranges.Errors] = {
    **ranges.COMMON_ERRORS,
    ranges.MEDIAWIKI_FAILURE: (InferenceError, "Sample of a MediaWiki API time-out, revision {}"),
    **{
        rev_ids: (
            lambda text: HTTPException(400, text),
            f"Sample of revision {{}}: MediaWiki API error '{code}'",
        )
        for rev_ids, code in CODES.items()
    },
}
LABELS: Final[Mapping[str, str]] = {
    wiki.wiki_id: wiki.host_label for wiki in wikis.load().values() if wiki.group == wikis.WIKIPEDIA
}
ABOVE_ONE: Final = 1.00001


def answer(isvc: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the topics of one page, strongest first, or what the module's table says instead."""
    label = host_label(request)
    page, article = page_of(request, label)
    threshold = request.get("threshold", 0.5)
    if not isinstance(threshold, float):
        raise InvalidInput('Expected "threshold" to be a number with a fraction part')
    rev_id = request.get("revision_id")
    if rev_id is not None and type(rev_id) is not int:
        raise InvalidInput('Expected "revision_id" to be an integer')
    scores: Mapping[str, float | None] = sample_scores(isvc, rev_id or page, threshold)
    if rev_id is not None:
        ranges.raise_error(ERRORS, isvc, rev_id)
        if rev_id in ranges.WRONG_SHAPE:
            return {"predictions": []}
        if rev_id in ranges.NULL_NUMBERS:
            scores = dict.fromkeys(TOPICS)
    results = [{"topic": topic, "score": score} for topic, score in scores.items()]
    return {"prediction": {"article": article, "results": results}}


def host_label(request: Mapping[str, Any]) -> str:
    """Return the first label of the wiki's host name; `lang` is one already.

    raises: InvalidInput, InferenceError.
    testwiki and test2wiki are not in the server's table: only `lang` names them.
    """
    lang = request.get("lang")
    if lang is not None:
        if not isinstance(lang, str) or not lang:
            raise InvalidInput('Expected "lang" to be a string')
        hosts.check(lang)
        return lang
    wiki_id = request.get("wiki_id")
    if not isinstance(wiki_id, str):
        raise InvalidInput('Expected "lang" or "wiki_id"')
    if wiki_id not in LABELS:
        raise InvalidInput(f"The wiki_id {wiki_id} is not a Wikipedia's")
    return LABELS[wiki_id]


def page_of(request: Mapping[str, Any], label: str) -> tuple[int | str, str]:
    """Return the page's id or title, and the URL of its article. raises: InvalidInput."""
    page_id, title = request.get("page_id"), request.get("page_title")
    if page_id and title:
        raise InvalidInput('Expected "page_id" or "page_title", not both')
    if type(page_id) is int and page_id > 0:
        return page_id, f"https://{label}.wikipedia.org/wiki?curid={page_id}"
    if isinstance(title, str) and title:
        return title, f"https://{label}.wikipedia.org/wiki/{title}"
    raise InvalidInput('Expected "page_id" or "page_title"')


def sample_scores(isvc: str, key: int | str, threshold: float) -> dict[str, float]:
    """Return topic -> score, highest first, of all topics whose score is at least `threshold`."""
    strength = {topic: ranges.share(isvc, key, topic) ** 16 for topic in TOPICS}
    scores = {topic: score if score < 0.9 else ABOVE_ONE for topic, score in strength.items()}
    ranked = sorted(scores, key=scores.__getitem__, reverse=True)
    return {topic: scores[topic] for topic in ranked if scores[topic] >= threshold}
