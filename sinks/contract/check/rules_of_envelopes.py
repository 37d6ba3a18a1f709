"""Rules of CloudEvents 1.0 over HTTP: those that `cloudevent.decode` enforces, and advice.

Source: cloudevents/spec v1.0.2, spec.md, bindings/http-protocol-binding.md, formats/json-format.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sinks.contract.check.rule import Rule

_SPEC = "CloudEvents 1.0.2, spec.md"
_HTTP = "CloudEvents 1.0.2, HTTP protocol binding"
_JSON = "CloudEvents 1.0.2, JSON event format"
_RFC8259 = "RFC 8259"

ENVELOPE_RULES: Final[Mapping[str, Rule]] = {
    "not_an_event": Rule(
        "a message is a CloudEvent by its ce- headers or by application/cloudevents+json",
        f"{_HTTP} 3; Knative: the body of a 2xx answer is one CloudEvent, or empty",
        "send ce-specversion, ce-id, ce-source and ce-type, or the whole event as"
        " application/cloudevents+json; nothing to say is 202 and an empty body",
    ),
    "unreadable_format": Rule(
        "of the structured formats JSON is the one that everybody reads",
        f"{_HTTP} 3.2; ours and Knative's sinks read application/cloudevents+json only",
        "send it as application/cloudevents+json, or in binary mode",
    ),
    "batch": Rule(
        "one message is one event",
        f"{_HTTP} 3.3: only to who asked for batches; Knative refuses them everywhere",
        "send each event by itself",
    ),
    "envelope_json": Rule(
        "a structured event is JSON",
        f"{_JSON} 3; {_RFC8259}",
        "write it with a strict JSON library, as UTF-8 without byte order mark",
    ),
    "envelope_object": Rule(
        "a structured event is one JSON object",
        f"{_JSON} 3",
        "send one object with specversion, id, source, type and data",
    ),
    "data_json": Rule(
        "data of a JSON type is JSON",
        f"{_HTTP} 3.1.1; {_RFC8259}",
        "write the data with a strict JSON library, or name its true type in Content-Type",
    ),
    "json_charset": Rule(
        "JSON is UTF-8",
        f"{_RFC8259} 8.1; ours answer 415",
        "encode as UTF-8 and leave the charset out",
    ),
    "duplicate_member": Rule(
        "a name stands once in a JSON object",
        f"{_RFC8259} 4: names should be unique; Python and Go keep the last, Go refuses two"
        " specversion or datacontenttype",
        "write the member once",
        "warning",
    ),
    "specversion": Rule(
        "specversion is 1.0",
        f"{_SPEC}, specversion",
        "write exactly 1.0, whatever the patch version of the specification",
    ),
    "required_attribute": Rule(
        "id, source and type are there, and not empty",
        f"{_SPEC}, REQUIRED attributes",
        "set it where the event is made; nobody may invent it later",
    ),
    "attribute_name": Rule(
        "a name is lower-case letters and digits, and not `data`",
        f"{_SPEC}, attribute naming convention",
        "rename it: letters a to z and digits, without - and _",
    ),
    "attribute_name_style": Rule(
        "a name begins with a letter and has at most 20 characters",
        f"{_SPEC}, attribute naming convention (should)",
        "shorten it",
        "warning",
    ),
    "attribute_encoding": Rule(
        "in a header, %XX is UTF-8 and quotes match",
        f"{_HTTP} 3.1.3.2",
        "percent-encode the UTF-8 bytes of space, quote, % and all non-ASCII; better, use none",
    ),
    "attribute_type": Rule(
        "an attribute is a string; an extension may be a boolean or a 32-bit integer too",
        f"{_SPEC}, type system; {_JSON} 2.2; Go refuses the event",
        "write it as a string",
    ),
    "attribute_fraction": Rule(
        "CloudEvents has no fractions",
        f"{_SPEC}, type system; Go cuts the fraction off and says nothing: 0.97 is read as 0",
        "write it as a string, or put it into the data",
    ),
    "attribute_characters": Rule(
        "a value has no control characters and no noncharacters",
        f"{_SPEC}, type system: String",
        "leave them out; text for people belongs into the data",
    ),
    "empty_attribute": Rule(
        "an optional attribute is left out rather than empty",
        f"{_SPEC}, OPTIONAL attributes",
        "leave it out",
    ),
    "time": Rule(
        "time is RFC 3339 with a zone",
        f"{_SPEC}, time; RFC 3339",
        "write it such as 2026-09-23T10:00:00Z",
    ),
    "data_twice": Rule(
        "data and data_base64 exclude each other",
        f"{_JSON} 3.1.1; Go takes data_base64, older SDKs too, others refuse",
        "keep the one that holds the data",
    ),
    "data_base64": Rule(
        "data_base64 is base64 text",
        f"{_JSON} 3.1.1; RFC 4648",
        "encode with the standard alphabet and padding, without line breaks",
    ),
    "data_text": Rule(
        "data of a type that is not JSON is a JSON string",
        f"{_JSON} 3.1",
        "set datacontenttype to application/json, or write the data as text or data_base64",
    ),
    "datacontenttype_header": Rule(
        "in binary mode Content-Type says the type of the data, and no ce- header does",
        f"{_HTTP} 3.1.1; Knative's filter answers 502",
        "drop ce-datacontenttype and set Content-Type",
    ),
    "contradicting_header": Rule(
        "ce- headers beside a structured event say the same as its body",
        f"{_HTTP} 3.2.3: the body counts; version 2 of the Python SDK believes the headers",
        "drop the ce- headers",
        "warning",
    ),
    "repeated_header": Rule(
        "a header stands once",
        f"{_HTTP} 3.1.3; gunicorn joins repeated ones with a comma, Go takes the first",
        "send it once",
    ),
    "kafka_header": Rule(
        "over HTTP the prefix is ce-",
        f"{_HTTP} 3.1.3.1; ce_ is the Kafka binding's, and servers drop headers with _",
        "write ce- instead of ce_",
        "warning",
    ),
    "attribute_length": Rule(
        "an attribute stays short",
        "gunicorn answers 431 over 8190 bytes a header, for good; Knative's Kafka data plane takes"
        " 8 KiB for all headers together",
        "put long values into the data",
        "warning",
    ),
    "event_size": Rule(
        "an event has at most 64 KiB on the wire",
        f"{_SPEC}, size limits: nobody has to forward more",
        "make the data smaller, or put a reference into it, unless all receivers agreed to more",
        "warning",
    ),
}
