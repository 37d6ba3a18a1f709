"""The `cloudevents` SDK 1.x (`cloudevents.http`), as users speak to us with it beside kserve."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import CloudEvent, from_http

from tests.interop.exchange import Line, bytes_data, is_json, message, parts
from tests.interop.program import main

_SAFE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')


def read(line: Line) -> Line:
    """Return the event that the SDK makes of a message."""
    headers, body = parts(line)
    if line.get("as_is"):
        event = from_http(headers, body)
        data = event.get_data()
        return _event(event, bytes_data(data) if isinstance(data, bytes) else {"json": data})
    # By default the SDK reads whatever can be read as JSON as JSON, whatever its type.
    event = from_http(headers, body, data_unmarshaller=lambda raw: raw)
    data = event.get_data()
    if data is None:
        return _event(event, None)
    if isinstance(data, bytes):
        return _event(event, bytes_data(data))
    value = json.loads(data)  # structured `data`, which the SDK has made text again
    content_type = event.get_attributes().get("datacontenttype")
    text = content_type is not None and not is_json(content_type)
    return _event(event, bytes_data(value.encode()) if text else {"json": value})


def _event(event: CloudEvent, data: Line | None) -> Line:
    attributes = dict(event.get_attributes())
    del attributes["specversion"]
    return {"attributes": attributes, "data": data}


def write(line: Line) -> Line:
    """Return the message that the SDK makes of an event."""
    binary = line["mode"] == "binary"
    attributes = line["attributes"] if line.get("as_is") else _attributes(line)
    event = CloudEvent({"specversion": "1.0", **attributes}, _data(line))
    if "time" not in attributes and not line.get("as_is"):
        del event["time"]  # the SDK makes one up
    headers, body = to_binary(event) if binary else to_structured(event)
    for value in headers.values():
        if isinstance(value, str):
            value.encode("latin-1")  # as Python's HTTP clients do with it
    return message(headers, body or b"")


def _attributes(line: Line) -> dict[str, Any]:
    if line["mode"] == "structured":
        return dict(line["attributes"])
    # In binary mode the SDK hands values over as they are: no percent-encoding, no text.
    return {
        name: value if name == "datacontenttype" else quote(_text(value), safe=_SAFE)
        for name, value in line["attributes"].items()
    }


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _data(line: Line) -> Any:
    data = line["data"]
    if data is None:
        return None
    if "base64" in data:
        return base64.b64decode(data["base64"])
    # None is no data to the SDK, so JSON null has to be given as bytes.
    return b"null" if data["json"] is None and not line.get("as_is") else data["json"]


if __name__ == "__main__":
    main(read, write)
