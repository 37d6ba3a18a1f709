"""What a document says about its wiki, page, revision and model, and where its schema has that.

The one table of these places. Pure; documents come unchecked.
source: the schemas of what our sinks read and make.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from sinks import (
    inputs,
    page_change,
    prediction_classification,
    revision_create,
    revision_score,
    weighted_tags,
)
from sinks.errors import InvalidEvent


@dataclass(frozen=True, slots=True)
class Places:
    """JSON pointers into one kind of document; None: it does not say this.

    models:  of one name, or of an object with a member for each model.
    """

    wiki: str
    page_id: str
    rev_id: str | None
    models: str | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What stands at these places; None, or no model: nothing, or nothing of the right type."""

    wiki: str | None = None
    page_id: int | None = None
    rev_id: int | None = None
    models: tuple[str, ...] = ()


_OF_A_REVISION: Final = Places("/database", "/page_id", "/rev_id", None)
_OF_A_PAGE: Final = Places("/wiki_id", "/page/page_id", "/revision/rev_id", None)
PLACES: Final[Mapping[str, Places]] = MappingProxyType(
    {
        page_change.TITLE: _OF_A_PAGE,
        revision_create.TITLE: _OF_A_REVISION,
        revision_score.OUTPUT.title: replace(_OF_A_REVISION, models="/scores"),
        prediction_classification.OUTPUT.title: replace(
            _OF_A_PAGE, models="/predicted_classification/model_name"
        ),
        weighted_tags.OUTPUT.title: replace(_OF_A_PAGE, rev_id=None),
    }
)


def facts_of(document: Mapping[str, Any]) -> Facts:
    """Return what the document says; of a kind that is not known here, nothing."""
    try:
        title, _ = inputs.schema_of(document)
    except InvalidEvent:
        return Facts()
    if (places := PLACES.get(title)) is None:
        return Facts()
    wiki = _at(document, places.wiki)
    return Facts(
        wiki if wiki and isinstance(wiki, str) else None,
        _number(_at(document, places.page_id)),
        _number(_at(document, places.rev_id)),
        _names(_at(document, places.models)),
    )


def _at(document: Any, pointer: str | None) -> Any:
    if pointer is None:
        return None
    value = document
    for name in pointer.split("/")[1:]:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _number(value: Any) -> int | None:
    """JSON Schema takes 1.0 for an integer, as our sinks do, and true for none."""
    whole = type(value) is int or type(value) is float and value.is_integer()
    return int(value) if whole else None


def _names(value: Any) -> tuple[str, ...]:
    if isinstance(value, Mapping):
        return tuple(value)
    return (value,) if value and isinstance(value, str) else ()
