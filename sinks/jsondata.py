"""JSON as RFC 8259 says: UTF-8, no byte order mark, no NaN; one place for its two errors."""

from __future__ import annotations

from typing import Any

import orjson

from sinks.errors import InvalidEvent, MalformedEvent


def loads(text: bytes) -> Any:
    """Return the JSON value of `text`.

    raises: MalformedEvent(malformed_data), naming the place but not the content.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise MalformedEvent(
            "malformed_data", f"the body is not JSON (RFC 8259, UTF-8): {error.msg} at {where}"
        ) from None


def dumps(value: Any) -> bytes:
    """Return `value` as JSON.

    raises: InvalidEvent(invalid_document) for nesting of more than 254 levels, which can be read
            but not written.
    """
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        if "Recursion" not in str(error):
            raise  # not from the network: what was read as JSON can be written but for its depth
        raise InvalidEvent(
            "invalid_document", "the data cannot be written as JSON: nested over 254 levels"
        ) from error
