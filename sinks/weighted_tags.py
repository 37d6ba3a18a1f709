"""The mediawiki/cirrussearch/page_weighted_tags_change document: what a page is found by.

It carries no revision: consumers cannot tell which of two is about the newer one. Version 1.0.0 is
inferred from its twin under `development/`.
Source: schemas/event/primary, development/cirrussearch/page_weighted_tags_change.
"""

from __future__ import annotations

from typing import Any, Final

from sinks.errors import InvalidEvent
from sinks.output import Output
from sinks.page_change import PageChange
from sinks.prediction import Prediction


def from_change(change: PageChange) -> dict[str, Any]:
    """Return the members that come from the change.

    raises: InvalidEvent(invalid_document) if it has no namespace, or one below 0.
    """
    page = change.page
    if page.namespace_id is None or page.namespace_id < 0:
        raise InvalidEvent(
            "invalid_document", "/page/namespace_id: has to be there, 0 or more, to publish tags"
        )
    return {
        "dt": change.dt,
        "wiki_id": change.wiki_id,
        "page": {
            "page_id": page.page_id,
            "page_title": page.page_title,
            "namespace_id": page.namespace_id,
        },
        "rev_based": True,  # the search updater may merge it with the page change
    }


def weighted_tags(prediction: Prediction, prefix: str) -> dict[str, Any]:
    """Return the member that comes from the prediction: its labels as tags, or none any more.

    prefix:  the tags' group; no `/` in it.
    raises:  InvalidEvent(invalid_document) for a label that cannot be a tag.
    """
    if not prediction.labels:
        return {"weighted_tags": {"clear": [prefix]}}
    scored = {label: prediction.probability.get(label) for label in prediction.labels}
    if not all(label and score is not None and 0 <= score <= 1 for label, score in scored.items()):
        raise InvalidEvent(
            "invalid_document", "predictions: each has to be a name with a probability in 0..1"
        )
    tags = [{"tag": label, "score": score} for label, score in scored.items()]
    return {"weighted_tags": {"set": {prefix: tags}}}


OUTPUT: Final = Output("mediawiki/cirrussearch/page_weighted_tags_change", "1.0.0", from_change)
