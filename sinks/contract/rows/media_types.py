"""Rows about Content-Type: all spellings of those that are read, and a clear no to the others.

source: cloudevents/spec v1.0.2, http-protocol-binding.md 3; RFC 9110, 8.3.1; RFC 8259, 8.1.
"""

from __future__ import annotations

from typing import Final

from sinks.contract.rows.row import (
    EVERYBODY,
    GOOD,
    LOST,
    NOT_AN_EVENT,
    OURS,
    SINKS,
    Demand,
    Row,
    rejected,
)
from sinks.contract.rows.sample import after_the_usual, post
from sinks.contract.rows.script import header

_MODES: Final = "CloudEvents 1.0.2, http-protocol-binding.md 3"
_STRUCTURED: Final = "application/cloudevents+json"

_MEDIA_TYPES: Final = Demand(
    EVERYBODY,
    f"{_MODES}; RFC 9110, 8.3.1: media types have no case, and may have parameters",
    LOST,
    "compare media types in lower case and without parameters",
).rows(
    {
        "binary_json_with_charset": after_the_usual(
            "binary", header("content-type", "application/json; charset=utf-8")
        ),
        "binary_json_upper_case": after_the_usual(
            "binary", header("content-type", "Application/JSON")
        ),
        "structured_with_charset": after_the_usual(
            "structured", header("content-type", f"{_STRUCTURED}; charset=UTF-8")
        ),
        "structured_upper_case": after_the_usual(
            "structured", header("content-type", "Application/CloudEvents+JSON")
        ),
    },
    GOOD,
    GOOD,
    relation="same_id",
)

_JSON_SUFFIX: Final = Demand(
    SINKS,
    "CloudEvents 1.0.2, spec.md 3.1: +json is JSON",
    LOST,
    "read every +json subtype as JSON",
).rows(
    {"binary_json_suffix": post("binary", header("content-type", "application/vnd.x_y+json"))}, GOOD
)

_FORMATS: Final = {
    "batch": "application/cloudevents-batch+json",
    "batch_upper_case": "Application/CloudEvents-Batch+JSON; charset=utf-8",
    "avro": "application/cloudevents+avro",
    "xml": "application/cloudevents+xml",
}
_NOT_UTF8: Final = {
    "no_format": ("structured", "application/cloudevents"),
    "structured_utf16": ("structured", f"{_STRUCTURED}; charset=utf-16"),
    "json_latin1": ("binary", "application/json; charset=iso-8859-1"),
}
_NOT_JSON: Final = ("text/plain", "application/octet-stream", "text/html", None)
_UNSUPPORTED: Final = rejected(415, "unsupported_media_type")

_TYPES_NOT_READ: Final = (
    *Demand(EVERYBODY, f"{_MODES}: batches and other formats", NOT_AN_EVENT, "answer 415").rows(
        {
            f"content_type_{name}": post("structured", header("content-type", value))
            for name, value in _FORMATS.items()
        },
        _UNSUPPORTED,
    ),
    *Demand(OURS, "RFC 8259, 8.1: JSON is UTF-8", NOT_AN_EVENT, "answer 415").rows(
        {
            f"content_type_{name}": post(mode, header("content-type", value))
            for name, (mode, value) in _NOT_UTF8.items()
        },
        _UNSUPPORTED,
    ),
    *Demand(SINKS, "sinks: the data is JSON", NOT_AN_EVENT, "answer 415").rows(
        {
            f"content_type_{str(value).replace('/', '_').lower()}": post(
                "binary", header("content-type", value)
            )
            for value in _NOT_JSON
        },
        _UNSUPPORTED,
    ),
)

ROWS: Final[tuple[Row, ...]] = (*_MEDIA_TYPES, *_JSON_SUFFIX, *_TYPES_NOT_READ)
