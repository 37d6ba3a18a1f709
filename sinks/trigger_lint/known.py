"""What an event of ours can say, to tell which conditions can never hold."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from sinks import prediction_classification
from sinks.cloudevent import Event
from sinks.envelope import page_change_event, reply_event
from sinks.model_row import ModelRow
from sinks.page_change import TITLE, Meta, Page, PageChange, Revision
from sinks.schema import output_schema
from sinks.settings import SCHEMA_BASE_URI
from sinks.wikis import Wiki

_TIME = "2026-01-01T00:00:00Z"
# All events have the first; the others are not of our making, and not in all.
_OF_OTHERS = ("specversion", "knativearrivaltime", "traceparent", "tracestate")


@dataclass(frozen=True, slots=True)
class Known:
    """rows:      the table of models by name.
    wikis:       the table of wikis by wiki_id.
    attributes:  names that an attribute of our events can have.
    values:      for attributes whose values are a list, all of them.
    deadlines:   seconds that each of our sinks may take for an event, by its Service.
    """

    rows: Mapping[str, ModelRow]
    wikis: Mapping[str, Wiki]
    attributes: Collection[str]
    values: Mapping[str, Collection[str]]
    deadlines: Mapping[str, float]


def known_of(
    rows: Mapping[str, ModelRow],
    wikis: Mapping[str, Wiki],
    input_types: Collection[str],
    deadlines: Mapping[str, float],
) -> Known:
    """Return what these tables say.

    input_types: CloudEvents types of what comes in.
    deadlines:   seconds that each of our sinks may take for an event, by its Service.
    """
    some = next(iter(wikis.values()))
    replies = (reply for row in rows.values() for reply in replies_of(row, [some]))
    events = (_change_event(some), *replies)
    values = {
        "type": {*input_types, *(row.output_type for row in rows.values())},
        "model": rows.keys(),
        "wikiid": wikis.keys(),
        "isredirect": ("true", "false"),
        "pagechangekind": _kinds(),
    }
    attributes = {*_OF_OTHERS, *(name for event in events for name in event.attributes)}
    return Known(rows, wikis, attributes, values, deadlines)


def replies_of(row: ModelRow, wikis: Collection[Wiki]) -> Iterator[Event]:
    """Yield what a row replies to changes of these wikis, for either set of stream names."""
    for wiki in wikis:
        for stream in (row.stream, row.test_stream):
            document = {
                "$schema": row.output.schema,
                "meta": {"id": "1", "stream": stream},
                "dt": _TIME,
            }
            cause, change = _change_event(wiki), _change(wiki)
            yield reply_event(cause, change, row.name, row.output_type, document, SCHEMA_BASE_URI)


def _kinds() -> Collection[str]:
    """All kinds of change, as the schema of the one output that repeats them has them."""
    output = prediction_classification.OUTPUT
    members = output_schema(output.title, output.version).definition["properties"]
    return tuple(members["page_change_kind"]["enum"])


def _change_event(wiki: Wiki) -> Event:
    change = _change(wiki)
    return page_change_event(change, {"$schema": change.schema}, SCHEMA_BASE_URI, "binary")


def _change(wiki: Wiki) -> PageChange:
    return PageChange(
        schema=f"/{TITLE}/1.2.0",
        meta=Meta("mediawiki.page_change.v1", "1", wiki.domain, None, None),
        dt=_TIME,
        wiki_id=wiki.wiki_id,
        page_change_kind="edit",
        page=Page(1, "A", 0, False),
        revision=Revision(2, _TIME, 1, True, True),
        performer=None,
        document={},
    )
