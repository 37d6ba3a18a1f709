"""How to read mediawiki/revision/create 1.x and 2.x: a change without kind or visibility flags.

Source: schemas/event/primary, mediawiki/revision/create.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sinks.page_change import (
    Page,
    PageChange,
    Revision,
    integer,
    parse_meta,
    parse_performer,
    time_of,
    wiki_of,
)

TITLE = "mediawiki/revision/create"
STREAM = "mediawiki.revision-create"


def parse(document: Mapping[str, Any]) -> PageChange:
    """Return the values of a document that its reader schema has accepted.

    raises: InvalidEvent(invalid_event, invalid_id, invalid_time).
    """
    created = time_of(document["rev_timestamp"], "/rev_timestamp")
    return PageChange(
        schema=document["$schema"],
        meta=parse_meta(document["meta"]),
        dt=created,
        wiki_id=wiki_of(document["database"], "/database"),
        page_change_kind=None,
        page=Page(
            page_id=int(document["page_id"]),
            page_title=document["page_title"],
            namespace_id=int(document["page_namespace"]),
            is_redirect=document["page_is_redirect"],
        ),
        revision=Revision(
            rev_id=int(document["rev_id"]),
            rev_dt=created,
            rev_parent_id=integer(document.get("rev_parent_id")),
        ),
        performer=parse_performer(document.get("performer"), "/performer", "user_"),
        document=document,
    )
