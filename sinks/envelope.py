"""The CloudEvents envelope around event-platform documents: types, ids, and which attributes.

Every attribute value is ASCII that needs no encoding: ids and wikis have been checked in `parse`,
all else is numbers, dates and constants. Page titles stay in the data.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from sinks import jsondata
from sinks.attributes import is_sendable
from sinks.cloudevent import Event, Mode
from sinks.errors import safe_id
from sinks.inputs import schema_of
from sinks.page_change import PageChange

# All ids that we make come from this one namespace, so a redelivery makes the same id again.
ID_NAMESPACE: Final = uuid.UUID("e8b7d6a4-0c0f-5d0e-9a52-6b1f6a3c9d11")
# Of what the shim tells a console about an event that it has routed.
ROUTED_TYPE: Final = "org.wikimedia.sinks.routed.v1"
_NAMED: Final = hashlib.sha1(ID_NAMESPACE.bytes, usedforsecurity=False)
_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_TRACEPARENT = re.compile(
    "(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
_TRACE_MEMBER = "[a-z0-9][a-z0-9_*/@-]{0,255}=[^,=]{1,256}"
_TRACESTATE = re.compile(f"{_TRACE_MEMBER}(?:,{_TRACE_MEMBER})*")

# `traceparent` and `tracestate`, well-formed, or nothing.
Trace = Mapping[str, str]


@cache
def event_type(title: str, major: int) -> str:
    """Return the CloudEvents type of a schema, e.g. org.wikimedia.mediawiki.page.change.v1."""
    return f"org.wikimedia.{title.replace('/', '.')}.v{major}"


def made_id(*parts: str | int | None) -> str:
    """Return the UUIDv5 of the JSON array of the parts."""
    # As uuid.uuid5 does it, at a sixth of its time: this is done for every event.
    named = _NAMED.copy()
    named.update(jsondata.dumps(parts))
    digits = named.hexdigest()
    variant = "89ab"[int(digits[16], 16) % 4]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


def page_change_event(
    change: PageChange, document: Mapping[str, Any], schema_base_uri: str, mode: Mode
) -> Event:
    """Return the typed event of an input document, with what Triggers filter on as extensions.

    document:  what `change` was parsed from; becomes the data, unchanged.
    """
    title, major = schema_of(document)
    meta, page, revision = change.meta, change.page, change.revision
    made = made_id(meta.stream, change.wiki_id, revision.rev_id, change.dt, change.page_change_kind)
    attributes = {
        "id": meta.id or made,
        "source": f"/mediawiki/{change.wiki_id}",
        "type": event_type(title, major),
        **_common(change, schema_base_uri + change.schema, change.dt),
        "stream": meta.stream,
    }
    if meta.domain is not None and is_domain(meta.domain):
        attributes["wikidomain"] = meta.domain
    if change.page_change_kind is not None and is_sendable("x", change.page_change_kind):
        attributes["pagechangekind"] = change.page_change_kind
    if page.namespace_id is not None:
        attributes["namespaceid"] = str(page.namespace_id)
    if page.is_redirect is not None:
        attributes["isredirect"] = "true" if page.is_redirect else "false"
    return Event(attributes, document, mode)


def reply_event(
    cause: Event,
    change: PageChange,
    model: str,
    output_type: str,
    document: Mapping[str, Any],
    schema_base_uri: str,
) -> Event:
    """Return the event that answers `cause`, in the same content mode.

    document:  an output document; `meta.id` and `meta.stream` become `id` and `stream`.
    """
    meta = document["meta"]
    attributes = {
        "id": meta["id"],
        "source": f"/models/{model}",
        "type": output_type,
        **_common(change, schema_base_uri + document["$schema"], document["dt"]),
        "stream": meta["stream"],
        "model": model,
    }
    if safe_id(cause.id):
        attributes["causationid"] = cause.id
    return Event(attributes | trace_of(cause.attributes), document, cause.mode)


def is_domain(text: str) -> bool:
    """True for a DNS name in lower case."""
    return _DOMAIN.fullmatch(text) is not None


def _common(change: PageChange, dataschema: str, time: str) -> dict[str, str]:
    page_id = change.page.page_id
    return {
        "time": time,
        "subject": f"{change.wiki_id}/{page_id}/{change.revision.rev_id}",
        "datacontenttype": "application/json",
        "dataschema": dataschema,
        "partitionkey": f"{change.wiki_id}:{page_id}",
        "wikiid": change.wiki_id,
    }


def trace_of(headers: Mapping[str, str]) -> dict[str, str]:
    """Return `traceparent` and `tracestate` if well-formed (W3C Trace Context), else nothing."""
    parent = headers.get("traceparent")
    if not parent or not _TRACEPARENT.fullmatch(parent):
        return {}
    state = headers.get("tracestate", "")
    if len(state) <= 512 and _TRACESTATE.fullmatch(state) and is_sendable("tracestate", state):
        return {"traceparent": parent, "tracestate": state}
    return {"traceparent": parent}


def trace_id_of(trace: Trace) -> str:
    """Return the id of the trace, for people to look for; empty without one."""
    return trace.get("traceparent", "")[3:35]


def with_trace(event: Event, headers: Mapping[str, str]) -> Event:
    """Return the event with the trace of its HTTP hop, unless it has one of its own."""
    trace = {} if "traceparent" in event.attributes else trace_of(headers)
    if not trace:
        return event
    own = {name: value for name, value in event.attributes.items() if name != "tracestate"}
    return Event(own | trace, event.data, event.mode)
