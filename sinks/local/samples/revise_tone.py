"""Sample answers of the revise-tone task generator.

| rev_id                  | answer                                                             |
|-------------------------|--------------------------------------------------------------------|
| 1000-1999               | 200, no predictions: the revision is unknown                       |
| 2000-2999               | 200, no predictions: the text is hidden                            |
| 5000-5999               | 200, no predictions: the page could not be fetched                 |
| 6000-6999               | 500 `error` "LookupError : ...", as for any unplanned exception    |
| 8000-8999               | the paragraphs after (rev_id - 8000) / 10 seconds                  |
| 9000-9999               | 200 of a wrong shape: `{"paragraphs": []}`                         |
| 10000-10999             | 200, one paragraph with a null score                               |
| 11000-11999             | 503 `error` "Model with name ... is not ready."                    |
| any other               | 200, one to three paragraphs, or for half of the revisions none    |

All of `lang`, `page_id`, `page_title` and `rev_id` are required: absent or of another type is a
400 `error`; a `lang` that the model does not know is a 400 `detail` "Unsupported lang.".

source: machinelearning-liftwing-inference-services revise_tone_task_generator.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import HTTPException
from kserve.errors import InvalidInput

from sinks.local.samples import ranges

LANGUAGES: Final = frozenset("en fr ar pt test es ru ja nl zh de".split())
MEMBERS: Final[Mapping[str, type]] = {
    "lang": str,
    "page_id": int,
    "page_title": str,
    "rev_id": int,
}
SECTIONS: Final = ("LEAD_SECTION", "Career", "Legacy")
TEXT: Final = "Sample: without doubt the most brilliant of all, as every paragraph here will tell."


def answer(isvc: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the paragraphs to revise, or what the module's table says instead."""
    for name, kind in MEMBERS.items():
        if type(request.get(name)) is not kind:  # isinstance would take true for 1
            raise InvalidInput(f'Expected "{name}" to be of type {kind.__name__}')
    lang, rev_id = request["lang"], request["rev_id"]
    if lang not in LANGUAGES:
        raise HTTPException(400, "Unsupported lang.")
    ranges.raise_error(ranges.COMMON_ERRORS, isvc, rev_id)
    if rev_id in ranges.WRONG_SHAPE:
        return {"paragraphs": []}
    return {
        "page_id": request["page_id"],
        "page_title": request["page_title"],
        "wiki_id": f"{lang}wiki",
        "revision_id": rev_id,
        "lang": lang,
        "predictions": sample_predictions(isvc, rev_id),
    }


def sample_predictions(isvc: str, rev_id: int) -> list[dict[str, Any]]:
    """Return what speaks against the tone of each paragraph, in the order of the page.

    A page that cannot be fetched looks like one without an issue, as it does with the real server.
    """
    unfetched = (ranges.UNKNOWN_REVISION, ranges.HIDDEN, ranges.MEDIAWIKI_FAILURE)
    if any(rev_id in rev_ids for rev_ids in unfetched):
        return []
    if rev_id in ranges.NULL_NUMBERS:
        return [paragraph(0, None)]
    if ranges.share(isvc, rev_id) < 0.5:
        return []
    count = 1 + int(ranges.share(isvc, rev_id, "count") * 2.9)
    # Only paragraphs that the model decided against are listed.
    return [paragraph(i, 0.5 + ranges.share(isvc, rev_id, i) / 2) for i in range(count)]


def paragraph(number: int, score: float | None) -> dict[str, Any]:
    """Return one entry of `predictions`; score 0..1."""
    return {
        "paragraph_index": number * 3,
        "section_name": SECTIONS[number],
        "text": TEXT,
        "score": score,
    }
