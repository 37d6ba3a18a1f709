"""Schemas that are not at hand: each is the nearest one that is, and what is known to differ.

INFERRED is the whole statement; everything that it does not name is as in the nearest schema.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from schema_documents import MAX, changed, look, member, setting
from schema_judges import Disproved

Schema = dict[str, Any]
Edit = Callable[[Schema], Schema]

BOOLEAN = {"type": "boolean"}
COUNT = {"type": "integer", "minimum": 0, "maximum": MAX}
NAME = {"type": "string", "minLength": 1}
DATE = {"type": "string", "format": "date-time", "maxLength": 128}
TEXT = {"type": "string"}
OPEN = {"type": "object"}
SIGNED = {"type": "integer", "minimum": -MAX, "maximum": MAX}
# Of the revert in page/change only its presence is known. These members are those that
# revision/create has for the same thing, so that generated documents are not empty there.
REVERT: Schema = {
    "type": "object",
    "properties": {
        "rev_revert_method": {"type": "string", "enum": ["rollback", "undo", "manual"]},
        "rev_is_exact_revert": BOOLEAN,
        "rev_original_rev_id": SIGNED,
        "rev_reverted_revs": {"type": "array", "items": SIGNED},
    },
}

PAGES = ("page", "prior_state.page", "created_redirect_page")
REVISIONS = ("revision", "prior_state.revision")
USERS = ("performer", "revision.editor", "prior_state.revision.editor")


def added(holders: tuple[str, ...], name: str, schema: Schema) -> Edit:
    """Return the edit that gives each of the holders a new optional member."""

    def edit(document_schema: Schema) -> Schema:
        for holder in holders:
            if name in look(document_schema, member(holder))["properties"]:
                raise Disproved(f"{holder}.{name}: is no difference", holder)
            place = member(f"{holder}.{name}")
            document_schema = changed(document_schema, place, setting(schema))
        return document_schema

    return edit


def optional(name: str) -> Edit:
    """Return the edit that requires a member of the document no longer."""

    def edit(document_schema: Schema) -> Schema:
        required = document_schema["required"]
        if name not in required:
            raise Disproved(f"{name}: is no difference", required)
        return {**document_schema, "required": [other for other in required if other != name]}

    return edit


def signed(name: str) -> Edit:
    """Return the edit by which a member that counts from 0 may be negative."""

    def edit(document_schema: Schema) -> Schema:
        place = (*member(name), "minimum")
        if look(document_schema, place) != 0:
            raise Disproved(f"{name}: is no difference", look(document_schema, place))
        return changed(document_schema, place, setting(-MAX))  # type: ignore[no-any-return]

    return edit


# Schema -> the nearest one at hand, and the differences.
INFERRED: dict[str, tuple[str, tuple[Edit, ...]]] = {
    "mediawiki/page/prediction_classification_change/1.3.0": (
        "mediawiki/page/prediction_classification_change/1.1.0",
        (
            optional("performer"),
            added(PAGES, "namespace_is_content", BOOLEAN),
            signed("page.redirect_page_link.namespace_id"),
            added(USERS, "user_central_id", COUNT),
            added(USERS, "wiki_id", NAME),
            added(REVISIONS, "revert", OPEN),
        ),
    ),
    "mediawiki/cirrussearch/page_weighted_tags_change/1.0.0": (
        "development/cirrussearch/page_weighted_tags_change/1.0.0",
        (),
    ),
    "mediawiki/page/change/1.12.0": (
        "mediawiki/page/change/1.2.0",
        (
            added(PAGES, "namespace_is_content", BOOLEAN),
            added(PAGES, "wikibase_item_id", TEXT),
            signed("page.redirect_page_link.namespace_id"),
            added(USERS, "user_central_id", COUNT),
            added(USERS, "wiki_id", NAME),
            added(USERS, "first_edit_dt", DATE),
            added(USERS, "edit_global_count", COUNT),
            added(REVISIONS, "revert", REVERT),
        ),
    ),
}
