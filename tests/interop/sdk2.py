"""The `cloudevents` SDK 2.x (`cloudevents.core`); runs in an environment of its own."""

from __future__ import annotations

import base64
import json
import re
from datetime import datetime
from typing import Any

from cloudevents.core.bindings.http import (
    HTTPMessage,
    from_http_event,
    to_binary_event,
    to_structured_event,
)
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from dateutil.parser import isoparse

from tests.interop.exchange import Line, bytes_data, header_value, is_json, message, parts
from tests.interop.program import main


def read(line: Line) -> Line:
    """Return the event that the SDK makes of a message."""
    event = from_http_event(HTTPMessage(*parts(line)))
    attributes = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in event.get_attributes().items()
        if name != "specversion"
    }
    structured = (header_value(line, "content-type") or "").startswith("application/cloudevents")
    content_type = attributes.get("datacontenttype")
    return {
        "attributes": attributes,
        "data": _read_data(
            event.get_data(), content_type, structured=structured, as_is=line.get("as_is", False)
        ),
    }


def _read_data(
    data: Any, content_type: str | None, *, structured: bool, as_is: bool
) -> Line | None:
    if data is None:
        return None
    if isinstance(data, bytes):
        return bytes_data(data)
    if as_is:
        return {"json": data}
    if isinstance(data, str) and not (structured and content_type is None):
        if not is_json(content_type):
            return bytes_data(data.encode())
        if not structured and not _knows(content_type):
            return {"json": json.loads(data)}  # the SDK has not seen that it is JSON
    return {"json": data}


def _knows(content_type: str | None) -> bool:
    """True if the SDK takes the type for JSON; it takes fewer for it than there are."""
    return re.match(JSONFormat.JSON_CONTENT_TYPE_PATTERN, content_type or "") is not None


def write(line: Line) -> Line:
    """Return the message that the SDK makes of an event."""
    attributes = dict(line["attributes"])
    if "time" in attributes:
        attributes["time"] = isoparse(attributes["time"])  # the SDK wants a datetime
    if not line.get("as_is") and line["mode"] == "binary":
        # The SDK writes Python's `True`.
        attributes = {
            name: str(value).lower() if isinstance(value, bool) else value
            for name, value in attributes.items()
        }
    event = CloudEvent(attributes, _write_data(line))
    sent = to_binary_event(event) if line["mode"] == "binary" else to_structured_event(event)
    return message(sent.headers, sent.body)


def _write_data(line: Line) -> Any:
    data = line["data"]
    if data is None:
        return None
    if "base64" in data:
        return base64.b64decode(data["base64"])
    value, content_type = data["json"], line["attributes"].get("datacontenttype")
    known = content_type is None or _knows(content_type)
    # In binary mode only objects are written as JSON, the rest as Python's repr; in structured mode
    # null is left out, and data of a type that the SDK does not know becomes Python's repr too.
    native = isinstance(value, dict) if line["mode"] == "binary" else value is not None and known
    return value if native or line.get("as_is") else json.dumps(value).encode()


if __name__ == "__main__":
    main(read, write)
