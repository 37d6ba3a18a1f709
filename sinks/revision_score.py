"""The mediawiki/revision/score document of one scored revision.

Source: schemas/event/primary, mediawiki/revision/score/3.0.0.
"""

from __future__ import annotations

from typing import Any

from sinks.errors import InvalidEvent
from sinks.page_change import Meta, PageChange, Performer
from sinks.prediction import Prediction

TITLE = "mediawiki/revision/score"
VERSION = "3.0.0"
SCHEMA = f"/{TITLE}/{VERSION}"


def check(change: PageChange) -> None:
    """Raise InvalidEvent(invalid_event) for what a page change may be but a score may not."""
    if change.page.page_id < 1:
        raise InvalidEvent("invalid_event", "page_id has to be at least 1 to be published")


def build(change: PageChange, prediction: Prediction, stream: str, event_id: str) -> dict[str, Any]:
    """Return the JSON-ready document; a member is absent where the input has not got it.

    stream:    where the event is to be published.
    event_id:  `meta.id`; `meta.dt` is left to the intake.
    raises:    InvalidEvent(invalid_event), as `check`.
    """
    check(change)
    page, revision = change.page, change.revision
    members = {
        "$schema": SCHEMA,
        "dt": change.dt,
        "meta": build_meta(change.meta, stream, event_id),
        "database": change.wiki_id,
        "page_id": page.page_id,
        "page_title": page.page_title,
        "page_namespace": page.namespace_id,
        "page_is_redirect": page.is_redirect,
        "rev_id": revision.rev_id,
        "rev_parent_id": revision.rev_parent_id,
        "rev_timestamp": revision.rev_dt,
        "performer": None if change.performer is None else _performer(change.performer),
        "scores": {
            prediction.model_name: {
                "model_name": prediction.model_name,
                "model_version": prediction.model_version,
                "prediction": list(prediction.labels),
                "probability": dict(prediction.probability),
            }
        },
    }
    return _present(members)


def build_meta(meta: Meta, stream: str, event_id: str) -> dict[str, Any]:
    """Return the `meta` of an output document: where it goes, and what it was made from."""
    return _present(
        {
            "stream": stream,
            "id": event_id,
            "domain": meta.domain,
            "request_id": meta.request_id,
            "uri": meta.uri,
        }
    )


def _performer(performer: Performer) -> dict[str, Any]:
    return _present(
        {
            "user_text": performer.user_text,
            "user_groups": None if performer.groups is None else list(performer.groups),
            "user_is_bot": performer.is_bot,
            "user_id": performer.user_id,
            "user_edit_count": performer.edit_count,
            "user_registration_dt": performer.registration_dt,
        }
    )


def _present(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
