"""Rules of the attributes that events of our own types carry: what `envelope` would have made.

Judged only where the data can be read; foreign types have rules of their own.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Final

from sinks import inputs, revision_score
from sinks.cloudevent import Event
from sinks.contract.check.data_rules import own_types, readers
from sinks.contract.check.reading import Reading
from sinks.contract.check.rules import found, shown
from sinks.contract.finding import Finding, Severity
from sinks.envelope import event_type, page_change_event, reply_event
from sinks.errors import InvalidEvent, SinkError
from sinks.models import MODELS
from sinks.page_change import Meta, Page, PageChange, Revision
from sinks.timestamp import utc_time

_UNKNOWN: Final = "-"  # stands for what the document does not say


def attribute_findings(reading: Reading) -> Iterator[Finding]:
    """Yield where the attributes of an event of ours differ from what its data gives."""
    document = reading.data
    if reading.mode not in ("binary", "structured") or not isinstance(document, dict):
        return
    try:
        title, major = inputs.schema_of(document)
    except InvalidEvent:
        return  # a finding of the data
    right = event_type(title, major)
    have = reading.attributes.get("type")
    if right not in own_types() or have is None or reading.faulty("type"):
        return
    if have not in own_types():
        problem = f"is {shown(have)}, and the data is {document['$schema']}"
        yield found("event_untyped", reading.place("type"), problem)
        return
    score = title == revision_score.TITLE
    try:
        expected = _score(reading, document, right) if score else _input(document)
    except (SinkError, KeyError, TypeError):
        expected = {"type": right}  # the data is wrong, which is a finding of its own
    # What comes in is judged by its data, and the shim makes its attributes anew.
    yield from _compared(reading, expected, "error" if score else "warning")
    if score:
        yield from _score_findings(reading, document)


def _input(document: Mapping[str, Any]) -> Mapping[str, str]:
    change = inputs.parse(document, readers())
    return page_change_event(change, document, "", "binary").attributes


def _score(reading: Reading, document: Mapping[str, Any], output_type: str) -> dict[str, str]:
    """The attributes of a prediction, as far as its document has them."""
    meta = document["meta"]
    wiki, page_id, rev_id = (document.get(name) for name in ("database", "page_id", "rev_id"))
    change = PageChange(
        schema=document["$schema"],
        meta=Meta(_UNKNOWN, None, None, None, None),
        dt=_UNKNOWN,
        wiki_id=wiki or _UNKNOWN,
        page_change_kind=None,
        page=Page(page_id or 0, "", None, None),
        revision=Revision(rev_id or 0, _UNKNOWN, None, None),
        performer=None,
    )
    cause = Event({"id": reading.attributes.get("causationid", _UNKNOWN)}, None)
    model = reading.attributes.get("model") or _only(document.get("scores"))
    said = {"$schema": "", "dt": "", **document, "meta": {"id": "", "stream": "", **meta}}
    made = reply_event(cause, change, model, output_type, said, "").attributes
    unsaid = {
        "subject": None in (wiki, page_id, rev_id),
        "partitionkey": None in (wiki, page_id),
        "wikiid": wiki is None,
    }
    return {
        name: value
        for name, value in made.items()
        if value and isinstance(value, str) and not unsaid.get(name)
    }


def _only(scores: object) -> str:
    names = list(scores) if isinstance(scores, dict) else []
    return names[0] if len(names) == 1 else _UNKNOWN


def _compared(
    reading: Reading, expected: Mapping[str, str], severity: Severity
) -> Iterator[Finding]:
    for name, right in expected.items():
        have = reading.attributes.get(name)
        if name == "datacontenttype" or reading.faulty(name):
            continue
        if have is None:
            if name in reading.wire:
                continue
            problem = f"is missing, {_wanted(name, right)}"
            grave: Severity = "warning" if name == "causationid" else severity
            yield found("attribute_missing", reading.place(name), problem, grave)
        elif name != "dataschema" and not _same(name, have, right):
            problem = f"is {shown(have)}, {_wanted(name, right)}"
            yield found("attribute_differs", reading.place(name), problem, severity)


def _wanted(name: str, right: str) -> str:
    if name == "dataschema":
        return f"has to be an absolute URI that ends in {right}"
    if name == "causationid":
        return "should be the id of the event that caused this one"
    return f"has to be {shown(right)}"


def _same(name: str, have: str, right: str) -> bool:
    if name != "time":
        return have == right
    try:
        return _instant(have) == _instant(right)
    except ValueError:
        return True  # no time at all is a finding of its own


def _instant(text: str) -> str:
    return re.sub(r"\.?0*Z$", "Z", utc_time(text)) if "." in text else utc_time(text)


def _score_findings(reading: Reading, document: Mapping[str, Any]) -> Iterator[Finding]:
    """What a prediction's model, stream and id have to do with each other."""
    model, scores = reading.attributes.get("model"), document.get("scores")
    meta = document.get("meta")
    row = MODELS.get(model or "")
    if model is not None and isinstance(scores, dict) and model not in scores:
        problem = f"is {shown(model)}, but the scores are of {shown(', '.join(scores))}"
        yield found("attribute_differs", reading.place("model"), problem)
    elif row is not None and isinstance(meta, dict) and isinstance(meta.get("stream"), str):
        if meta["stream"] not in (row.stream, row.test_stream):
            problem = f"is {shown(meta['stream'])}, but {row.name} has {row.stream}"
            yield found("stream_not_allowed", reading.pointer("/meta/stream"), problem)
    try:
        if uuid.UUID(reading.attributes.get("id", "")).version == 4:
            yield found("random_id", reading.place("id"), "is a UUID version 4, a random number")
    except ValueError:
        pass  # any other text may well be made from the cause
