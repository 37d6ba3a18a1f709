"""Rows about the data: documents of the MediaWiki event platform that a sink must refuse, and how.

source: mediawiki/page/change, mediawiki/revision/score; EventGate's checks of stream and schema.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from sinks.contract.rows.row import EGRESS, GOOD, SCORE, Demand, Role, Row, in_both_modes, rejected
from sinks.contract.rows.sample import Make, Sample, changed, document, post

_SCHEMA: Final = "MediaWiki event platform: $schema names the schema that a document satisfies"
_STREAM: Final = "EventGate: a stream takes documents of one schema"
_SAFE: Final = "sinks: what becomes part of addresses and headers is plain ASCII"
_WHY: Final = "what can never be handled would be repeated until it is dead-lettered"
_FIX: Final = "answer 422 and name the member"
_BOTH: Final = SCORE | EGRESS
Change = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def _with(pointer: str, value: Any) -> Change:
    """Set one member (`meta/stream`); None removes it."""

    def change(data: Mapping[str, Any]) -> Mapping[str, Any]:
        first, _, rest = pointer.partition("/")
        inner = _with(rest, value)(data[first]) if rest else value
        kept = {name: each for name, each in data.items() if name != first}
        return kept if inner is None else {**kept, first: inner}

    return change


def _of(change: Change, mode: str) -> Make:
    def other(sample: Sample) -> Sample:
        return sample.with_data(change(sample.data))

    return changed(other, post(mode))


def _rows(
    roles: frozenset[Role], clause: str, reason: str, names: str, changes: Mapping[str, Change]
) -> tuple[Row, ...]:
    cases = {name: partial(_of, change) for name, change in changes.items()}
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
            "schema_absent": _with("$schema", None),
            "schema_no_string": _with("$schema", 1),
            "schema_unknown": _with("$schema", "/mediawiki/page/links/1.0.0"),
            "schema_major": _with("$schema", "/mediawiki/page/change/9.0.0"),
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
            {f"{prefix}_{pointer.replace('/', '_')}": _with(pointer, value)},
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
        SCORE, _SAFE, "invalid_event", "wiki_id", {"wiki_unsafe": _with("wiki_id", "enwiki/../x")}
    ),
    *_rows(EGRESS, _SAFE, "invalid_id", "id", {"meta_id_unsafe": _with("meta/id", "a b")}),
)

_STREAMS: Final = (
    *_rows(
        EGRESS,
        _STREAM,
        "stream_not_allowed",
        "stream",
        {"stream_not_allowed": _with("meta/stream", "mediawiki.page_change.v1")},
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
