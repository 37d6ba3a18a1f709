"""Rows about the data: documents of the MediaWiki event platform that a sink must refuse, and how.

source: mediawiki/page/change, mediawiki/revision/score; EventGate's checks of stream and schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from sinks.contract.rows.row import EGRESS, GOOD, SCORE, Demand, Role, Row, in_both_modes, rejected
from sinks.contract.rows.sample import Change, changed, member, post, post_document
from sinks.event_samples import document

_SCHEMA: Final = "MediaWiki event platform: $schema names the schema that a document satisfies"
_STREAM: Final = "EventGate: a stream takes documents of one schema"
_SAFE: Final = "sinks: what becomes part of addresses and headers is plain ASCII"
_WHY: Final = "what can never be handled would be repeated until it is dead-lettered"
_FIX: Final = "answer 422 and name the member"
_BOTH: Final = SCORE | EGRESS


def _rows(
    roles: frozenset[Role], clause: str, reason: str, names: str, changes: Mapping[str, Change]
) -> tuple[Row, ...]:
    cases = {name: partial(post_document, change) for name, change in changes.items()}
    return Demand(roles, clause, _WHY, _FIX).rows(
        in_both_modes(cases), rejected(422, reason, names)
    )


_SCHEMAS: Final = (
    *_rows(
        _BOTH,
        _SCHEMA,
        "unsupported_schema",
        "$schema",
        {
            "schema_absent": member("$schema", None),
            "schema_no_string": member("$schema", 1),
            "schema_unknown": member("$schema", "/mediawiki/page/links/1.0.0"),
            "schema_major": member("$schema", "/mediawiki/page/change/9.0.0"),
        },
    ),
    *_rows(
        EGRESS,
        "sinks: egress publishes predictions only",
        "unsupported_schema",
        "$schema",
        {"page_change_to_egress": lambda _: document("page_change")},
    ),
)


def _wrong(prefix: str, roles: frozenset[Role], values: Mapping[str, Any]) -> tuple[Row, ...]:
    """Each of these members absent (None) or wrong, one at a time."""
    return tuple(
        row
        for pointer, value in values.items()
        for row in _rows(
            roles,
            _SCHEMA,
            "invalid_document",
            pointer.rpartition("/")[2],
            {f"{prefix}_{pointer.replace('/', '_')}": member(pointer, value)},
        )
    )


_MEMBERS: Final = (
    *_wrong("no", SCORE, {"wiki_id": None, "revision": None, "meta": None}),
    *_wrong("wrong", SCORE, {"revision/rev_id": "1", "dt": "yesterday"}),
    *_wrong("no_score", EGRESS, {"dt": None, "meta/stream": None}),
    *_wrong("wrong_score", EGRESS, {"scores": [], "rev_id": "1", "page_id": 0}),
)

_UNSAFE: Final = (
    *_rows(
        SCORE, _SAFE, "invalid_event", "wiki_id", {"wiki_unsafe": member("wiki_id", "enwiki/../x")}
    ),
    *_rows(EGRESS, _SAFE, "invalid_id", "id", {"meta_id_unsafe": member("meta/id", "a b")}),
)

_STREAMS: Final = (
    *_rows(
        EGRESS,
        _STREAM,
        "stream_not_allowed",
        "stream",
        {"stream_not_allowed": member("meta/stream", "mediawiki.page_change.v1")},
    ),
    *Demand(
        EGRESS,
        "sinks: egress decides by meta.stream",
        "a Trigger that filtered by stream has routed it by mistake",
        "answer 422",
    ).rows(
        {
            "stream_attribute_contradicts": changed(
                lambda sample: sample.with_attributes(stream="mediawiki.other"), post("binary")
            )
        },
        rejected(422, "stream_mismatch", "stream"),
    ),
    *Demand(
        EGRESS,
        "sinks: egress decides by meta.stream",
        "every reply of score-sink has it",
        "take it",
    ).rows(
        {
            "stream_attribute_agrees": changed(
                lambda sample: sample.with_attributes(stream=sample.data["meta"]["stream"]),
                post("binary"),
            )
        },
        GOOD,
    ),
)

ROWS: Final[tuple[Row, ...]] = (*_SCHEMAS, *_MEMBERS, *_UNSAFE, *_STREAMS)
