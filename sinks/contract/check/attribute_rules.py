"""Rules of the attributes that events of our own types carry: what `envelope` would have made.

Judged only where the data can be read; foreign types have rules of their own.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Final

from sinks import inputs
from sinks.cloudevent import Event
from sinks.contract.check.data_rules import OUTPUT_TITLES, own_types, readers
from sinks.contract.check.reading import Reading
from sinks.contract.check.rules import found, shown
from sinks.contract.check.streams import KNOWN
from sinks.contract.facts import Facts, facts_of
from sinks.contract.finding import Finding, Severity
from sinks.envelope import event_type, page_change_event, reply_event
from sinks.errors import InvalidEvent, SinkError
from sinks.models import MODELS
from sinks.page_change import Meta, Page, PageChange, Revision
from sinks.timestamp import utc_time

_UNKNOWN: Final = "-"  # stands for what the document does not say
_ANY_ROW: Final = "<row>"


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
    made = title in OUTPUT_TITLES
    try:
        expected = _output(reading, document, right) if made else _input(document)
    except (SinkError, KeyError, TypeError):
        expected = {"type": right}  # the data is wrong, which is a finding of its own
    # What comes in is judged by its data, and the shim makes its attributes anew.
    yield from _compared(reading, expected, "error" if made else "warning")
    if made:
        yield from _output_findings(reading, title, document)


def _input(document: Mapping[str, Any]) -> Mapping[str, str]:
    change = inputs.parse(document, readers())
    return page_change_event(change, document, "", "binary").attributes


def _output(reading: Reading, document: Mapping[str, Any], output_type: str) -> dict[str, str]:
    """The attributes of what a row replies, as far as the document has what they are made from.

    A subject that ends in a slash is the beginning of one: the revision is not known.
    """
    facts = facts_of(document)
    cause = Event({"id": reading.attributes.get("causationid", _UNKNOWN)}, None)
    said = {"dt": "", **document, "meta": {"id": "", "stream": "", **document["meta"]}}
    change, model = _change(facts, document), _model(reading, facts)
    made = dict(reply_event(cause, change, model, output_type, said, "").attributes)
    if facts.rev_id is None:
        made["subject"] = made["subject"].rpartition("/")[0] + "/"
    no_page = None in (facts.wiki, facts.page_id)
    unsaid = {"subject": no_page, "partitionkey": no_page, "wikiid": facts.wiki is None}
    return {
        name: value
        for name, value in made.items()
        if value and isinstance(value, str) and not unsaid.get(name)
    }


def _change(facts: Facts, document: Mapping[str, Any]) -> PageChange:
    """A change that the document may have been made from."""
    return PageChange(
        schema=_UNKNOWN,
        meta=Meta(_UNKNOWN, None, None, None, None),
        dt=_UNKNOWN,
        wiki_id=facts.wiki or _UNKNOWN,
        page_change_kind=None,
        page=Page(facts.page_id or 0, "", None, None),
        revision=Revision(facts.rev_id or 0, _UNKNOWN),
        performer=None,
        document=document,
    )


def _model(reading: Reading, facts: Facts) -> str:
    """Whose event it is: by its document, and by its attributes where that leaves it open."""
    source = reading.attributes.get("source", "").partition("/models/")[2]
    claimed = [name for name in (reading.attributes.get("model"), source) if name]
    fitting = (name for name in claimed if not facts.models or name in facts.models)
    return next(fitting, (*facts.models, _ANY_ROW)[0])


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
    if name == "subject" and right.endswith("/"):
        return f"has to be {shown(right)} and the id of the revision"
    return f"has to be {shown(right)}"


def _same(name: str, have: str, right: str) -> bool:
    if name == "subject" and right.endswith("/"):
        return bool(re.fullmatch(f"{re.escape(right)}[1-9][0-9]*", have))
    if name != "time":
        return have == right
    try:
        return _instant(have) == _instant(right)
    except ValueError:
        return True  # no time at all is a finding of its own


def _instant(text: str) -> str:
    return re.sub(r"\.?0*Z$", "Z", utc_time(text)) if "." in text else utc_time(text)


def _output_findings(
    reading: Reading, title: str, document: Mapping[str, Any]
) -> Iterator[Finding]:
    """What the model, stream and id of an output have to do with each other."""
    row = MODELS.get(_model(reading, facts_of(document)))
    meta = document.get("meta")
    if row is not None and row.output.title != title:
        problem = f"is {shown(row.name)}, whose events are {row.output.schema}"
        yield found("attribute_differs", reading.place("model"), problem)
    elif row is not None and isinstance(meta, dict) and isinstance(meta.get("stream"), str):
        stream = meta["stream"]
        if KNOWN.get(stream) == title and stream not in (row.stream, row.test_stream):
            problem = f"is {shown(stream)}, but {row.name} has {row.stream}"
            yield found("stream_not_allowed", reading.pointer("/meta/stream"), problem)
    try:
        if uuid.UUID(reading.attributes.get("id", "")).version == 4:
            yield found("random_id", reading.place("id"), "is a UUID version 4, a random number")
    except ValueError:
        pass  # any other text may well be made from the cause
