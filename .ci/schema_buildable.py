"""Proof that our readers are strict enough: what they accept can be sent on.

Whatever a reader accepts is copied into an output document, as the builder copies it, and judged by
the output schema.
"""

from __future__ import annotations

from typing import Any

from schema_documents import look, member
from schema_judges import Disproved, verdicts
from schema_spoilt import count_noticed, weakened

SCORE = "mediawiki/revision/score/3.0.0"
PREDICTION = "mediawiki/page/prediction_classification_change"
TAGS = "mediawiki/cirrussearch/page_weighted_tags_change/1.0.0"
CHANGE = "mediawiki/page/change"
CREATE = "mediawiki/revision/create"
# What the builder copies: output member -> reader member. `meta.uri` is not in it, because the
# builder drops a bad one.
SAME = """
    meta.stream meta.id meta.domain meta.request_id database page_id page_title page_namespace
    page_is_redirect rev_id rev_parent_id rev_timestamp performer.user_text performer.user_id
    performer.user_groups performer.user_is_bot performer.user_edit_count
    performer.user_registration_dt
"""
RENAMED = """
    meta.stream meta.id meta.domain meta.request_id wiki_id page.page_id page.page_title
    page.namespace_id page.is_redirect revision.rev_id revision.rev_parent_id revision.rev_dt
    performer.user_text performer.user_id performer.groups performer.is_bot performer.edit_count
    performer.registration_dt
"""
TAGGED = """
    meta.stream meta.id meta.domain meta.request_id dt wiki_id page.page_id page.page_title
    page.namespace_id
"""
COPIED = {
    CHANGE: dict(zip(SAME.split(), RENAMED.split(), strict=True)) | {"dt": "dt"},
    CREATE: {name: name for name in SAME.split()} | {"dt": "rev_timestamp"},
    PREDICTION: {name: name for name in TAGGED.split()},
}
ABSENT = object()
# The one value that may be read and cannot be sent, so that the builder refuses it: reader member,
# this value, and one that can be sent.
REFUSED = {CHANGE: ("page.page_id", 0, 1), PREDICTION: ("page.namespace_id", ABSENT, 0)}
# What the builder adds.
CONSTANT: dict[str, dict[str, Any]] = {
    SCORE: {"$schema": f"/{SCORE}"},
    TAGS: {
        "$schema": f"/{TAGS}",
        "rev_based": True,
        "weighted_tags": {"set": {"classification.prediction.a": [{"tag": "b", "score": 1}]}},
    },
}


def built(document: Any, title: str, constant: dict[str, Any]) -> dict[str, Any]:
    """Return the output document with the members of `document` that are there to copy."""
    result: dict[str, Any] = {**constant, "meta": {}}
    refused, unsendable, instead = REFUSED.get(title, ("", None, None))
    for target, source in COPIED[title].items():
        try:
            value = look(document, tuple(source.split(".")))
        except (LookupError, TypeError):
            value = ABSENT
        if source == refused and (value is unsendable or value == unsendable):
            value = instead
        if value is not ABSENT:
            *outer, name = target.split(".")
            (result.setdefault(outer[0], {}) if outer else result)[name] = value
    return result


def prove_buildable(upstream: dict[str, Any], reader: dict[str, Any], documents: list[Any]) -> str:
    """What `reader` accepts is valid by `upstream`, the output schema, once it is copied."""
    title, output = reader["title"], upstream["$id"].removeprefix("/")
    name = f"buildable {reader['$id']} into {output}"
    fine = verdicts(upstream, [built(document, title, CONSTANT[output]) for document in documents])
    accepted = verdicts(reader, documents)
    for document, *says in zip(documents, *accepted, *fine, strict=True):
        if says[0] > says[2] or says[1] > says[3]:
            raise Disproved(f"{name}: accepted, but makes no valid output", document)
    leaves = [member(source) for source in COPIED[title].values()]
    spoilt = (
        (place, schema)
        for place, schema in weakened(reader)
        if any(place[: len(leaf)] == leaf for leaf in leaves)
    )
    faults = count_noticed(name, spoilt, documents, lambda lib, i, says: says and not fine[lib][i])
    counts = " / ".join(str(sum(of_library)) for of_library in accepted)
    return (
        f"{name}: {len(documents)} documents, {counts} accepted; "
        f"these can all be built; {faults} spoilt schemas noticed"
    )
