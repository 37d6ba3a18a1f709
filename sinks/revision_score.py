"""The mediawiki/revision/score document of one scored revision.

Source: schemas/event/primary, mediawiki/revision/score.
"""

from __future__ import annotations

from typing import Any, Final

from sinks.errors import InvalidEvent
from sinks.output import Output, present
from sinks.page_change import PageChange, Performer
from sinks.prediction import Prediction


def from_change(change: PageChange) -> dict[str, Any]:
    """Return the members that come from the change; one is absent where the change has not got it.

    raises: InvalidEvent(invalid_event) for page 0, which may be read and not be published.
    """
    page, revision = change.page, change.revision
    if page.page_id < 1:
        raise InvalidEvent("invalid_event", "page_id has to be at least 1 to be published")
    # The performer of an edit, a creation or a move is the editor of its revision.
    shown = None if revision.is_editor_visible is False else change.performer
    return present(
        {
            "dt": change.dt,
            "database": change.wiki_id,
            "page_id": page.page_id,
            "page_title": page.page_title,
            "page_namespace": page.namespace_id,
            "page_is_redirect": page.is_redirect,
            "rev_id": revision.rev_id,
            "rev_parent_id": revision.rev_parent_id,
            "rev_timestamp": revision.rev_dt,
            "performer": None if shown is None else _performer(shown),
        }
    )


def scores(prediction: Prediction) -> dict[str, Any]:
    """Return the member that comes from the prediction."""
    return {
        "scores": {
            prediction.model_name: {
                "model_name": prediction.model_name,
                "model_version": prediction.model_version,
                "prediction": list(prediction.labels),
                "probability": dict(prediction.probability),
            }
        }
    }


def _performer(performer: Performer) -> dict[str, Any]:
    return present(
        {
            "user_text": performer.user_text,
            "user_groups": None if performer.groups is None else list(performer.groups),
            "user_is_bot": performer.is_bot,
            "user_id": performer.user_id,
            "user_edit_count": performer.edit_count,
            "user_registration_dt": performer.registration_dt,
        }
    )


OUTPUT: Final = Output("mediawiki/revision/score", "3.0.0", from_change)
