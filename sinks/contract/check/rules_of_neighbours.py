"""Rules of HTTP captures, of Knative Eventing and its Go SDK, and of EventGate's own endpoint.

Source: knative/eventing 1.22, pkg/broker/filter, pkg/broker/ingress, pkg/kncloudevents;
cloudevents/sdk-go 2.16; wikimedia/eventgate, routes/events.js.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sinks.contract.check.rule import Rule

_HTTP = "RFC 9112"
_GO = "cloudevents/sdk-go 2.16, as in Knative Eventing"
_FILTER = "Knative's broker filter answers 502, which is retried"
_INGRESS = "Knative's broker ingress answers 400"
_DISPATCHER = "Knative Eventing, pkg/kncloudevents"

NEIGHBOUR_RULES: Final[Mapping[str, Rule]] = {
    "content_length": Rule(
        "Content-Length is the length of the body",
        f"{_HTTP} 6.3",
        "capture all of the body with nothing added, or correct the header",
    ),
    "chunked_encoding": Rule(
        "chunks are complete",
        f"{_HTTP} 7.1",
        "capture the whole message; cut off like this, nobody takes it",
    ),
    "header_line": Rule(
        "a header is one line `name: value`",
        f"{_HTTP} 5",
        "write name, colon, value; a value is never continued on the next line",
    ),
    "content_encoding": Rule(
        "the body of an event is not compressed",
        f"{_GO} and our sinks do not undo Content-Encoding",
        "send it uncompressed",
    ),
    "method": Rule(
        "events are POSTed",
        "knative/specs, data-plane.md; other methods are answered 405, by EventGate 404",
        "use POST",
    ),
    "go_time": Rule(
        "time is written as Go reads it",
        f"{_GO}: time.RFC3339; {_FILTER}",
        "write upper-case T and Z, at most nine digits of a second: 2026-09-23T10:00:00Z",
    ),
    "go_source": Rule(
        "source is a URI reference",
        f"CloudEvents 1.0.2, spec.md, source; {_GO}: net/url; {_FILTER}",
        "write a path such as /mediawiki/enwiki or a full URI",
    ),
    "go_dataschema": Rule(
        "dataschema is an absolute URI",
        f"CloudEvents 1.0.2, spec.md, dataschema; {_INGRESS}",
        "put the schema registry's base before the $schema",
    ),
    "go_dataschema_uri": Rule(
        "dataschema is a URI",
        f"CloudEvents 1.0.2, spec.md, dataschema; {_GO}: net/url; {_FILTER}",
        "write the schema's absolute address",
    ),
    "go_datacontenttype": Rule(
        "datacontenttype is a media type",
        f"CloudEvents 1.0.2, spec.md, datacontenttype; RFC 2046; {_INGRESS}",
        "write it such as application/json",
    ),
    "go_data": Rule(
        "structured data that is no text is of type application/json or text/json",
        f"{_GO} knows no other JSON types; {_FILTER}",
        "set datacontenttype to application/json, or send binary mode",
    ),
    "go_data_base64": Rule(
        "data_base64 is no null, and no space stands before it, unless datacontenttype comes first",
        f"{_GO}, event_unmarshal.go: it takes the first byte for the opening quote; {_FILTER}",
        "write datacontenttype before data_base64; leave data_base64 out rather than null",
    ),
    "attribute_not_plain": Rule(
        "a value is ASCII without space, quote and %",
        "sdk-go and sdk-java neither encode nor decode values; Kafka's data plane turns non-ASCII"
        " into ? or Latin-1; ours refuse it in replies",
        "put text into the data, and an id or number into the attribute",
        "warning",
    ),
    "knative_attribute": Rule(
        "attributes of Knative's own are not copied into replies",
        "Knative overwrites knativebrokerttl; knativeerror* belong to dead letters",
        "make a reply's attributes anew; leave out all that begin with knative",
        "warning",
    ),
    "header_size": Rule(
        "all headers together have at most 8 KiB",
        "Knative's Kafka data plane (Vert.x); gunicorn takes 100 headers",
        "leave extensions out that nobody filters on",
        "warning",
    ),
    "record_size": Rule(
        "an event has less than 1 MiB",
        "Knative's Kafka broker answers 503 for a larger record, again and again",
        "make the data smaller",
        "warning",
    ),
    "status_interim": Rule(
        "an answer has a final status",
        f"{_DISPATCHER}: below 200 is a failure that is not retried",
        "answer 200 with an event, or 202 without",
    ),
    "redirect": Rule(
        "a sink does not redirect",
        f"{_DISPATCHER} follows 301, 302 and 303 as GET without the event, which is lost; the Kafka"
        " broker takes any 3xx for a failure",
        "answer at the exact address, and write that in subscriber.uri",
    ),
    "status_retried": Rule(
        "404, 408 and 409 are retried",
        f"{_DISPATCHER}, retries.go",
        "for what can never work use 400, 413, 415 or 422; for what may work later 503",
        "warning",
    ),
    "error_too_long": Rule(
        "the body of an error answer has at most 768 bytes",
        f"{_DISPATCHER} crashes on longer ones when a dead-letter sink is set (natss#434)",
        "cut the text off; long explanations belong into the log",
    ),
    "reply_status": Rule(
        "a reply has status 200",
        "knative/specs, data-plane.md; Knative's brokers take other 2xx too, others need not",
        "answer 200 with an event, and 202 without",
        "warning",
    ),
    "hasty": Rule(
        "events are not sent hasty",
        "EventGate answers 202 before it looks; any non-empty value of hasty means yes",
        "drop the parameter and wait for 201",
    ),
    "html_type": Rule(
        "Content-Type is the type of the data",
        "CloudEvents 1.0.2, HTTP protocol binding 3.1.1; Flask adds text/html where none is set",
        "set Content-Type: application/json",
        "warning",
    ),
}
