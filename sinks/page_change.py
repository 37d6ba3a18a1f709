"""The change of a page as our own values, and how to read it from mediawiki/page/change 1.x.

What is optional in the schema is None here. The document itself goes along for the one output that
copies most of it, by the allow-list of its own schema.
Source: schemas/event/primary, mediawiki/page/change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from sinks.errors import InvalidEvent, safe_id
from sinks.prediction import Prediction
from sinks.schema import is_uri_reference
from sinks.timestamp import utc_time

TITLE = "mediawiki/page/change"
STREAM = "mediawiki.page_change.v1"
_WIKI_ID = re.compile(r"[a-z][a-z0-9_]{0,63}")


class Meta(NamedTuple):
    """The members of `meta` that go on; `id`, `request_id` and `stream` are safe in headers."""

    stream: str
    id: str | None
    domain: str | None
    request_id: str | None
    uri: str | None


class Performer(NamedTuple):
    """Who made the change; every member can be absent. `registration_dt` is UTC text."""

    user_text: str | None
    user_id: int | None
    groups: tuple[str, ...] | None
    is_bot: bool | None
    edit_count: int | None
    registration_dt: str | None


class Page(NamedTuple):
    page_id: int
    page_title: str
    namespace_id: int | None
    is_redirect: bool | None


class Revision(NamedTuple):
    """`rev_parent_id` 0 means a page creation, None unknown; `rev_dt` is UTC text.

    The flags are False for what is hidden; None, as in every revision-create, is not known.
    """

    rev_id: int
    rev_dt: str
    rev_parent_id: int | None = None
    is_content_visible: bool | None = None
    is_editor_visible: bool | None = None


class PageChange(NamedTuple):
    """One change of one page.

    schema:            the document's `$schema`, e.g. `/mediawiki/page/change/1.2.0`.
    dt:                when it happened, UTC text `...Z`; for revision-create the revision's time.
    page_change_kind:  create, edit, move, delete, undelete, visibility_change or a newer one;
                       None for revision-create, which has none.
    performer:         None if the document has none, e.g. because it is suppressed.
    document:          what this was parsed from.
    prediction:        what a model has said of it, if the document is that model's event.
    """

    schema: str
    meta: Meta
    dt: str
    wiki_id: str
    page_change_kind: str | None
    page: Page
    revision: Revision
    performer: Performer | None
    document: Mapping[str, Any]
    prediction: Prediction | None = None


def parse(document: Mapping[str, Any]) -> PageChange:
    """Return the values of a document that its reader schema has accepted.

    raises: InvalidEvent(invalid_event, invalid_id, invalid_time).
    """
    page, revision = document["page"], document["revision"]
    return PageChange(
        schema=document["$schema"],
        meta=parse_meta(document["meta"]),
        dt=time_of(document["dt"], "/dt"),
        wiki_id=wiki_of(document["wiki_id"], "/wiki_id"),
        page_change_kind=document["page_change_kind"],
        page=Page(
            page_id=int(page["page_id"]),
            page_title=page["page_title"],
            namespace_id=integer(page.get("namespace_id")),
            is_redirect=page.get("is_redirect"),
        ),
        revision=Revision(
            rev_id=int(revision["rev_id"]),
            rev_dt=time_of(revision["rev_dt"], "/revision/rev_dt"),
            rev_parent_id=integer(revision.get("rev_parent_id")),
            is_content_visible=revision.get("is_content_visible"),
            is_editor_visible=revision.get("is_editor_visible"),
        ),
        performer=parse_performer(document.get("performer"), "/performer", ""),
        document=document,
    )


def parse_meta(meta: Mapping[str, Any]) -> Meta:
    """Return `meta`; an unsafe `request_id` and a `uri` that is none are left out.

    raises: InvalidEvent(invalid_id) for an `id` or `stream` that cannot stand in a header.
    """
    for name in ("id", "stream"):
        if name in meta and safe_id(meta[name]) is None:
            raise InvalidEvent(
                "invalid_id", f'/meta/{name} has to be 1-128 printable ASCII without space, ", %'
            )
    uri = meta.get("uri")
    return Meta(
        stream=meta["stream"],
        id=meta.get("id"),
        domain=meta.get("domain"),
        request_id=safe_id(meta.get("request_id")),
        uri=uri if uri and is_uri_reference(uri) else None,
    )


def parse_performer(
    performer: Mapping[str, Any] | None, pointer: str, prefix: str
) -> Performer | None:
    """Return the performer, whose members `groups`, `is_bot`, ... may carry a name prefix."""
    if performer is None:
        return None
    groups = performer.get(f"{prefix}groups")
    name = f"{prefix}registration_dt"
    registered = performer.get(name)
    return Performer(
        user_text=performer.get("user_text"),
        user_id=integer(performer.get("user_id")),
        groups=None if groups is None else tuple(groups),
        is_bot=performer.get(f"{prefix}is_bot"),
        edit_count=integer(performer.get(f"{prefix}edit_count")),
        registration_dt=None if registered is None else time_of(registered, f"{pointer}/{name}"),
    )


def integer(value: float | None) -> int | None:
    """JSON Schema takes 1.0 for an integer; the documents that we write say 1."""
    return None if value is None else int(value)


def time_of(text: str, pointer: str) -> str:
    """Return the time as UTC text. raises: InvalidEvent(invalid_time)."""
    try:
        return utc_time(text)
    except ValueError as error:
        raise InvalidEvent("invalid_time", f"{pointer} is {error}") from None


def wiki_of(wiki_id: str, pointer: str) -> str:
    """Return a wiki's database name, safe in host names and paths. raises: InvalidEvent."""
    if not _WIKI_ID.fullmatch(wiki_id):
        raise InvalidEvent(
            "invalid_event", f"{pointer} has to be a database name: a-z, 0-9, _, at most 64"
        )
    return wiki_id
