"""Rules of event-platform documents, and of the attributes that our own event types carry.

Source: wikimedia/eventgate and its Wikimedia factory; schemas/event/primary; sinks/envelope.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sinks.contract.check.rule import Rule

_EVENTGATE = "EventGate"
_OURS = "sinks/envelope.py: attributes of our own event types"
_SINKS = "our sinks answer 422"

DOCUMENT_RULES: Final[Mapping[str, Rule]] = {
    "data_missing": Rule(
        "an event of ours has data",
        f"{_OURS}; the sinks decide by the data",
        "send the document as the data",
    ),
    "data_content_type": Rule(
        "the data of our events is application/json",
        f"{_OURS}; score-sink and egress-sink answer 415",
        "set Content-Type (structured: datacontenttype) to application/json",
    ),
    "data_not_object": Rule(
        "the data of our events is one JSON object",
        f"{_OURS}; our sinks answer 400",
        "send one document, as an object",
    ),
    "schema_missing": Rule(
        "a document has $schema",
        f"{_EVENTGATE} answers 500: $schema could not be extracted",
        "add $schema, such as /mediawiki/revision/score/3.0.0",
    ),
    "schema_uri": Rule(
        "$schema is /<title>/<x.y.z>",
        f"{_EVENTGATE} (Wikimedia) answers 500: absolute addresses are refused, because whoever"
        " sends one chooses what it fetches",
        "write it relative, with a leading slash and three numbers",
    ),
    "schema_unknown": Rule(
        "$schema is a version that we know",
        f"{_EVENTGATE} takes what its registry has; egress-sink relays only the versions it has",
        "use a version that is known here, or check it where the schema is",
        "warning",
    ),
    "document_invalid": Rule(
        "a document is as its schema says",
        f"{_EVENTGATE} answers 400 invalid; {_SINKS}",
        "add or change the member, or leave it out if it is optional",
    ),
    "document_unreadable": Rule(
        "ids, wikis and times of an input can be used further on",
        f"{_SINKS}: they go into attributes, addresses and host names",
        "correct the member where the event is made",
    ),
    "schema_differs": Rule(
        "dataschema ends in the data's $schema",
        f"CloudEvents 1.0.2, spec.md, dataschema; {_OURS}",
        "write the registry's base and then the $schema",
    ),
    "stream_missing": Rule(
        "a document has meta.stream",
        f"{_EVENTGATE} (Wikimedia) answers 500: it looks the stream up first",
        "add /meta/stream",
    ),
    "stream_not_allowed": Rule(
        "the stream is one for this schema",
        f"{_EVENTGATE} (Wikimedia) answers 500: the schema is not allowed in stream; egress-sink"
        " 422, unless EGRESS_STREAMS has it",
        "use a stream of this schema; if it is newly declared, name it with --stream",
    ),
    "stream_unknown": Rule(
        "the stream is one that we know",
        f"{_EVENTGATE} (Wikimedia) answers 500 for a stream that is not configured",
        "compare it with the stream configuration; if it is right, name it with --stream",
        "warning",
    ),
    "meta_id_missing": Rule(
        "a document has meta.id",
        f"{_EVENTGATE} makes a new one for each attempt, so duplicates cannot be told",
        "set /meta/id where the event is made, the same for each attempt",
        "warning",
    ),
    "message_size": Rule(
        "a document has at most 4 MiB",
        f"{_EVENTGATE} answers 500: Kafka's message.max.bytes is 4 MiB",
        "make it smaller",
    ),
    "private_stream": Rule(
        "changes of private wikis stay where they are",
        "mediawiki.page_change.private.v1; our sinks ignore it",
        "do not send it on, and do not share this file",
        "warning",
    ),
    "event_untyped": Rule(
        "our data comes with our type",
        f"{_OURS}; Triggers filter on type, http-shim makes it anew",
        "send it through http-shim, or set the type and attributes of an event of ours",
        "warning",
    ),
    "attribute_missing": Rule(
        "our events have all attributes that the data gives",
        f"{_OURS}; Triggers filter on them, brokers order by partitionkey",
        "add the attribute",
    ),
    "attribute_differs": Rule(
        "our events have attributes that agree with the data",
        f"{_OURS}; egress-sink answers 422 where stream differs",
        "make the attribute from the data",
    ),
    "random_id": Rule(
        "the id of a reply of ours is made from the event that caused it",
        f"{_OURS}: a redelivery makes the same event, so duplicates are seen",
        "make it a UUID version 5 of source and id of the cause, model and type",
        "warning",
    ),
}
