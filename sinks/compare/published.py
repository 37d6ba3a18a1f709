"""Published events in files: one JSON document a line, and what each of them is about.

Read as kafkacat and EventStreams write them: lines of the latter begin with `data:`, and its
`event:`, `id:` and comment lines say nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, Final

from sinks import inputs, jsondata, prediction_classification, revision_score, weighted_tags
from sinks.errors import SinkError
from sinks.models import ROWS
from sinks.timestamp import utc_time

_SAYS_NOTHING: Final = (b":", b"event:", b"id:", b"retry:")
_DATA: Final = b"data:"


class Unreadable(ValueError):
    """A file holds something that is no JSON document; the text has the number of its line."""


@dataclass(frozen=True, slots=True)
class Key:
    """What one event is about; no two of one server should be about the same.

    about:  the revision's id; of tags, which have none, the time of the change.
    """

    row: str
    wiki_id: str
    page_id: int
    about: int | str


@dataclass(frozen=True, slots=True)
class Published:
    """One event; `dt` as UTC text. Its JSON is kept as text, which takes a tenth of the memory."""

    key: Key
    dt: str
    raw: bytes = field(repr=False)

    @property
    def document(self) -> dict[str, Any]:
        loaded: dict[str, Any] = jsondata.loads(self.raw)
        return loaded

    @property
    def change(self) -> tuple[str, int, str]:
        """Which change of which page: the same for all events that one change has led to."""
        return self.key.wiki_id, self.key.page_id, self.dt


@dataclass(slots=True)
class Reading:
    """What is in one file.

    canaries:  documents that nobody made of a change.
    others:    documents of other streams, or of rows that were not asked for.
    cut:       whether the last line ends in the middle, as where a capture was stopped.
    """

    events: dict[Key, list[Published]] = field(default_factory=dict)
    canaries: int = 0
    others: int = 0
    cut: bool = False

    def __len__(self) -> int:
        return sum(map(len, self.events.values()))

    @property
    def times(self) -> tuple[str, str] | None:
        """The first and the last time of an event; None without any."""
        found = [each.dt for several in self.events.values() for each in several]
        return (min(found), max(found)) if found else None


def read(lines: Iterable[bytes], rows: Collection[str] = ()) -> Reading:
    """Return the events of these lines.

    rows:    only of these; empty: of all.
    raises:  Unreadable.
    """
    reading = Reading()
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith(_SAYS_NOTHING):
            continue
        try:
            document = jsondata.loads(text.removeprefix(_DATA))
        except SinkError as error:
            if not line.endswith(b"\n") and number > 1:
                reading.cut = True
                break
            raise Unreadable(f"line {number} is no JSON document: {error.detail}") from None
        if not isinstance(document, dict):
            raise Unreadable(f"line {number} is JSON, but no document: it has to be an object")
        _sort_in(reading, document, text.removeprefix(_DATA), rows)
    return reading


def _sort_in(
    reading: Reading, document: Mapping[str, Any], raw: bytes, rows: Collection[str]
) -> None:
    meta = document.get("meta")
    if isinstance(meta, dict) and meta.get("domain") == "canary":
        reading.canaries += 1
        return
    published = published_of(document, raw)
    if published is None or (rows and published.key.row not in rows):
        reading.others += 1
    else:
        reading.events.setdefault(published.key, []).append(published)


def published_of(document: Mapping[str, Any], raw: bytes) -> Published | None:
    """Return the document as an event of one of our rows, or None if it is nothing like that."""
    try:
        title, _ = inputs.schema_of(document)
        row = row_of(title, document)
        if row is None:
            return None
        dt = utc_time(document["dt"])
        if title == revision_score.OUTPUT.title:
            key = Key(row, document["database"], document["page_id"], document["rev_id"])
        elif title == weighted_tags.OUTPUT.title:
            key = Key(row, document["wiki_id"], document["page"]["page_id"], dt)
        else:
            rev_id = document["revision"]["rev_id"]
            key = Key(row, document["wiki_id"], document["page"]["page_id"], rev_id)
    except (SinkError, KeyError, TypeError, ValueError, AttributeError):
        return None
    return Published(key, dt, raw)


def row_of(title: str, document: Mapping[str, Any]) -> str | None:
    """Return the name of the row whose output this is; raises KeyError, TypeError."""
    if title == revision_score.OUTPUT.title:
        names = list(document["scores"])
    elif title == prediction_classification.OUTPUT.title:
        names = [document["predicted_classification"]["model_name"]]
    elif title == weighted_tags.OUTPUT.title:
        tags = document["weighted_tags"]
        names = [
            _prefixes().get(prefix) for prefix in (*tags.get("set", ()), *tags.get("clear", ()))
        ]
    else:
        return None
    known = [row.name for row in ROWS if row.name in names and row.output.title == title]
    return known[0] if len(known) == len(names) == 1 else None


@cache
def _prefixes() -> Mapping[str, str]:
    """Prefix of tags -> row."""
    return {
        row.from_prediction.keywords["prefix"]: row.name
        for row in ROWS
        if row.output is weighted_tags.OUTPUT and isinstance(row.from_prediction, partial)
    }
