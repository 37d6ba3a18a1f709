"""Our events as values of the `cloudevents` SDK (1.x), for users and for proof; not on the event
path: importing the SDK costs more than decoding a thousand events."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import CloudEvent

from sinks import jsondata
from sinks.attributes import canonical, check, is_json
from sinks.cloudevent import NO_DATA, Event, NoData

# What needs no percent-encoding in a header: printable ASCII without space, `"` and `%`.
_PLAIN: Final = "".join(c for c in map(chr, range(0x21, 0x7F)) if c not in '"%')


def to_sdk(event: Event) -> CloudEvent:
    """Return the event as the SDK's own value; the SDK invents a `time` if there is none."""
    data = None if isinstance(event.data, NoData) else event.data
    return CloudEvent({"specversion": "1.0", **event.attributes}, data)


def from_sdk(event: CloudEvent) -> Event:
    """Return an SDK event as ours.

    raises: MalformedEvent where the SDK is more lenient than the specification.
    """
    attributes = {
        name: canonical(name, value)
        for name, value in event.get_attributes().items()
        if value is not None
    }
    data = event.get_data()
    if data is not None and not isinstance(data, bytes):
        attributes.setdefault("datacontenttype", "application/json")
    check(attributes)
    del attributes["specversion"]
    json = is_json(attributes.get("datacontenttype", ""))
    if json and isinstance(data, bytes):
        data = jsondata.loads(data)
    elif not json and isinstance(data, str):
        data = data.encode()
    return Event(attributes, NO_DATA if data is None else data)


def written(event: Event, structured: bool) -> tuple[dict[str, str], bytes]:
    """Return headers and body as the SDK writes them, unlike our own encoder whatever the values.

    The SDK leaves percent-encoding, binding 3.1.3.2, to its users.
    """
    made = to_sdk(event)
    if "time" not in event.attributes:
        del made["time"]  # which the SDK has invented, another at each call
    headers, body = to_structured(made) if structured else to_binary(made)
    return {name: _field(name, str(value)) for name, value in headers.items()}, bytes(body or b"")


def _field(name: str, value: str) -> str:
    return quote(value, safe=_PLAIN) if name.lower().startswith("ce-") else value
