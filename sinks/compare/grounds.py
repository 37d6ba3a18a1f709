"""How to tell, by two documents or by one, which defect or decision is behind a difference."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final
from uuid import RFC_4122, UUID

from sinks import revision_score, wikis
from sinks.compare.difference import ABSENT, Difference
from sinks.compare.published import Published
from sinks.errors import safe_id
from sinks.models import MODELS
from sinks.schema import is_uri_reference
from sinks.timestamp import utc_time
from sinks.wikis import Wiki

Document = Mapping[str, Any]
_TIMES: Final = ("dt", "rev_dt", "rev_timestamp", "registration_dt", "user_registration_dt")
EDITOR: Final = ("/performer", "/revision/editor", "/prior_state/revision/editor")
COMMENT: Final = ("/comment", "/revision/comment", "/prior_state/revision/comment")
_RISKS: Final = ("revertrisk-language-agnostic", "revertrisk-multilingual")
_NAMED_BY_HOST: Final = ("outlink-topic-model", "article-country", "article-country-tags")


def only_ours_has(difference: Difference, _: Document) -> bool:
    return difference.today is ABSENT and difference.ours is not ABSENT


def is_made_id(difference: Difference, _: Document) -> bool:
    try:
        made = UUID(difference.ours)
    except (AttributeError, TypeError, ValueError):
        return False
    return made.variant == RFC_4122 and made.version == 5


def is_test_stream(difference: Difference, ours: Document) -> bool:
    pair = difference.today, difference.ours
    return any(
        pair == (row.stream, row.test_stream)
        for row in MODELS.values()
        if row.output.schema == ours["$schema"]
    )


def is_hidden(difference: Difference, ours: Document) -> bool:
    """Left out by us, because a flag of the revision, or of that one before, says so."""
    if difference.ours is not ABSENT:
        return False
    before = ours.get("prior_state", {}).get("revision", {})
    revisions = [ours["revision"], *([before] if "prior_state" in difference.pointer else [])]
    flag = "is_editor_visible" if difference.pointer in EDITOR else "is_comment_visible"
    return any(each.get(flag) is False for each in revisions)


def is_same_time(difference: Difference, _: Document) -> bool:
    if difference.pointer.rpartition("/")[2] not in _TIMES:
        return False
    try:
        return bool(utc_time(difference.today) == difference.ours)
    except (TypeError, ValueError):
        return False


def is_unsafe(difference: Difference, _: Document) -> bool:
    if difference.ours is not ABSENT:
        return False
    if difference.pointer == "/meta/uri":
        return not (isinstance(difference.today, str) and is_uri_reference(difference.today))
    return safe_id(difference.today) is None


def is_move(_: Published, document: Document) -> bool:
    return document.get("page_change_kind") == "move"


def has_no_country(published: Published, document: Document) -> bool:
    if published.key.row == "article-country":
        return not document["predicted_classification"]["predictions"]
    return published.key.row == "article-country-tags" and "clear" in document["weighted_tags"]


def is_named_wrongly(published: Published, _: Document) -> bool:
    """Today's language is the text before the last `wiki`: no host's, or no language's name."""
    wiki = _wikis().get(published.key.wiki_id)
    derived = published.key.wiki_id.rpartition("wiki")[0]
    if wiki is None or published.key.row not in (*_RISKS, *_NAMED_BY_HOST):
        return False
    return derived != (wiki.language if published.key.row in _RISKS else wiki.host_label)


def _is_score(published: Published) -> bool:
    return MODELS[published.key.row].output is revision_score.OUTPUT


def lacks_performer(published: Published, document: Document) -> bool:
    return _is_score(published) and "performer" not in document


def lacks_groups_or_bot(published: Published, document: Document) -> bool:
    performer = document.get("performer", {})
    has = {"user_groups", "user_is_bot"} <= performer.keys()
    return _is_score(published) and bool(performer) and not has


def has_half_a_prior_revision(_: Published, document: Document) -> bool:
    prior = document.get("prior_state", {}).get("revision")
    return prior is not None and not {"rev_id", "rev_dt"} <= prior.keys()


def lacks_namespace_or_redirect(published: Published, document: Document) -> bool:
    has = {"page_namespace", "page_is_redirect"} <= document.keys()
    return _is_score(published) and not has


def is_of_hidden_content(_: Published, document: Document) -> bool:
    return document.get("revision", {}).get("is_content_visible") is False


def is_of_no_wiki_of_the_row(published: Published, _: Document) -> bool:
    row, wiki = MODELS[published.key.row], _wikis().get(published.key.wiki_id)
    if row.wanted.where_deployed:
        return False
    in_group = wiki is not None and wiki.group == row.wanted.wiki_group
    return not in_group and published.key.wiki_id not in (row.wanted.wikis or ())


@cache
def _wikis() -> Mapping[str, Wiki]:
    return wikis.load()
