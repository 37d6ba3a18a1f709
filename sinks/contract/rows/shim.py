"""Rows about what is sent to the shim: plain JSON, and KafkaSource's request.

source: eventing-kafka-broker, InvalidCloudEventInterceptor.java.
"""

from __future__ import annotations

from typing import Final

from sinks.contract.rows.row import DOCUMENT, GOOD, SHIM, Demand, Row, malformed, rejected
from sinks.contract.rows.sample import Change, Make, member, post, post_document, posts
from sinks.contract.rows.script import Edit, body, header, target

_PLAIN: Final = "sinks: the shim takes plain JSON from callers that do not speak CloudEvents"
_KAFKA: Final = "KafkaSource: a record that is no CloudEvent"
_RECORD: Final[tuple[Edit, ...]] = (
    header("ce-specversion", "1.0"),
    header("ce-type", "dev.knative.kafka.event"),
    header(
        "ce-source", "/apis/v1/namespaces/default/kafkasources/pages#eqiad.mediawiki.page_change.v1"
    ),
    header("ce-id", "partition:3/offset:123456"),
    header("ce-subject", "partition:3#123456"),
    header("ce-time", "2026-09-23T10:00:00.123Z"),
    header("ce-key", '{"wiki_id":"enwiki","page_id":123}'),
    header("ce-partitionkey", '{"wiki_id":"enwiki","page_id":123}'),
    header("ce-kafkaheadermeta", "x"),
)


def _record(*edits: Edit) -> Make:
    return post("plain", *_RECORD, *edits)


_TAKEN: Final = (
    *Demand(SHIM, _PLAIN, "curl calls like this", "answer 200 and JSON with each outcome").rows(
        {"plain_json": post("plain")}, DOCUMENT
    ),
    *Demand(
        SHIM, _PLAIN, "a repetition would be published twice", "make the id from the document"
    ).rows(
        {"plain_json_redelivered": posts(post("plain"), post("plain"))},
        DOCUMENT,
        DOCUMENT,
        relation="same_event",
    ),
    *Demand(
        SHIM,
        _KAFKA,
        "KafkaSource hands over the bytes of a record, often without a content type",
        "read the data as JSON whatever its type",
    ).rows(
        {
            f"kafka_record_of_type_{name}": _record(header("content-type", kind))
            for name, kind in {
                "none": None,
                "json": "application/json",
                "bytes": "application/octet-stream",
                "text": "text/plain",
            }.items()
        },
        GOOD,
    ),
)

_NO_DOCUMENTS: Final = (
    *Demand(SHIM, _PLAIN, "what is no document can never be handled", "answer 400").rows(
        {
            f"plain_{name}": post("plain", body(raw))
            for name, raw in {
                "array": b"[]",
                "number": b"1",
                "cut_off": b"{",
                "empty": b"",
            }.items()
        },
        malformed(reason="malformed_data"),
    ),
    *Demand(SHIM, _KAFKA, "a topic may hold anything", "answer 400").rows(
        {
            f"kafka_record_{name}": _record(body(raw))
            for name, raw in {
                "avro": b"\x00\x00\x00\x00\x01Obj",
                "array": b"[1]",
                "tombstone": b"",
            }.items()
        },
        malformed(reason="malformed_data"),
    ),
    *Demand(SHIM, _PLAIN, "forms and texts are no events", "answer 415").rows(
        {"plain_text": post("plain", header("content-type", "text/plain"))},
        rejected(415, "unsupported_media_type"),
    ),
    *Demand(
        SHIM,
        "CloudEvents 1.0.2, spec.md, required attributes",
        "half an event taken for plain JSON would lose what its sender said",
        "answer 400",
    ).rows(
        {"partly_an_event": post("binary", header("ce-id", None), header("ce-type", None))},
        malformed("id"),
    ),
)

_TRIGGERS: Final = Demand(
    SHIM,
    "sinks: ?trigger=NAME restricts an event to one Trigger",
    "a typo would reach nobody, or everybody, silently",
    "answer 422 and list the Triggers",
).rows(
    {
        "trigger_unknown": post("plain", target(lambda path: f"{path}?trigger=no-such-trigger")),
        "parameter_misspelt": post("plain", target(lambda path: f"{path}?triger=drafttopic")),
    },
    rejected(422, "unknown_trigger"),
)


def _of_schema(schema: str) -> Change:
    # Of a canary nothing but its domain is looked at.
    real = member("meta/domain", "en.wikipedia.org")
    return lambda data: member("$schema", schema)(real(data))


_SCHEMAS: Final = Demand(
    SHIM,
    "MediaWiki event platform: $schema says what a document is",
    "an unknown document cannot be typed",
    "answer 422 and name the schemas",
).rows(
    {
        f"typed_schema_{name}_{mode}": post_document(_of_schema(schema), mode)
        for name, schema in {
            "unknown": "/mediawiki/page/links/1.0.0",
            "major": "/mediawiki/page/change/9.0.0",
        }.items()
        for mode in ("plain", "binary", "structured")
    },
    rejected(422, "unsupported_schema"),
)

ROWS: Final[tuple[Row, ...]] = (*_TAKEN, *_NO_DOCUMENTS, *_TRIGGERS, *_SCHEMAS)
