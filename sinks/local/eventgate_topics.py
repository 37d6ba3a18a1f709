"""Topics of the local EventGate: one NDJSON file per topic, written once and followed by readers.

Owns files and offsets; knows neither schemas nor HTTP. Offsets (0 is a file's first event) are
counted in memory, so exactly one process may own a directory.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

TOPIC_PREFIX = "dev."

# What the broker takes per message (`message.max.bytes`); larger events fail one by one.
MAX_MESSAGE_BYTES = 4 * 1024 * 1024


class MessageTooLarge(Exception):
    """An event that is larger than a topic takes."""


@dataclass(frozen=True)
class Message:
    """One event as a reader gets it.

    positions:  topic -> offset last handed out, for all topics of the reader; -1: none yet.
    """

    topic: str
    offset: int
    event: dict[str, Any]
    positions: dict[str, int]


@dataclass
class _Topic:
    """A file and what is known of it: `count` whole events in `size` bytes."""

    name: str
    path: Path
    count: int = 0
    size: int = 0


@dataclass
class _Cursor:
    """Where one reader stands: `offset` is the next event's number, `position` its first byte."""

    topic: _Topic
    wanted: Callable[[int, bytes], bool]
    offset: int = 0
    position: int = 0


class Topics:
    """All topics of one directory; safe for threads and gevent, for one process."""

    def __init__(self, directory: Path, streams: Iterable[str]) -> None:
        """Count what is already in the files, so that offsets go on where they stopped."""
        directory.mkdir(parents=True, exist_ok=True)
        self._changed = threading.Condition()
        self._topics = {stream: _open(directory, TOPIC_PREFIX + stream) for stream in streams}

    def append(self, stream: str, event: Mapping[str, Any]) -> None:
        """Write one event as one line and hand it to the operating system before returning.

        stream:  a stream this object was made with.
        raises:  MessageTooLarge; OSError if the file cannot be written.
        """
        line = orjson.dumps(event) + b"\n"
        if len(line) > MAX_MESSAGE_BYTES:
            sizes = f"{len(line)} bytes, limit {MAX_MESSAGE_BYTES}"
            raise MessageTooLarge(f"Broker: Message size too large ({sizes})")
        topic = self._topics[stream]
        with self._changed:
            topic.path.parent.mkdir(parents=True, exist_ok=True)
            with topic.path.open("ab") as handle:
                if handle.tell() == 0:  # somebody emptied or removed the file meanwhile
                    topic.count = 0
                handle.write(line)
                handle.flush()
                topic.size = handle.tell()
            topic.count += 1
            self._changed.notify_all()

    def follow(
        self,
        streams: Iterable[str],
        *,
        after: Mapping[str, int] | None,
        since: datetime | None,
        idle_seconds: float,
    ) -> Iterator[Message | None]:
        """Return an endless iterator over the events written from the time of this call on.

        after:    topic -> offset already seen; the events behind it come first.
        since:    if there is no `after`: kept events with `meta.dt` at or behind it come first.
        returns:  None whenever nothing was written for `idle_seconds`. Nothing is queued for a
                  reader: it holds one event and its cursors, and closing the iterator frees them.
        """
        with self._changed:
            topics = [self._topics[stream] for stream in dict.fromkeys(streams)]
            cursors = [_cursor(topic, after, since) for topic in topics]
        return self._follow(cursors, idle_seconds)

    def _follow(self, cursors: list[_Cursor], idle_seconds: float) -> Iterator[Message | None]:
        while True:
            for cursor in cursors:
                for line in _read(cursor):
                    positions = {each.topic.name: each.offset - 1 for each in cursors}
                    event = orjson.loads(line)
                    yield Message(cursor.topic.name, cursor.offset - 1, event, positions)
            with self._changed:
                changed = self._changed.wait_for(
                    lambda: any(each.offset != each.topic.count for each in cursors),
                    timeout=idle_seconds,
                )
            if not changed:
                yield None


def _open(directory: Path, name: str) -> _Topic:
    topic = _Topic(name, directory / f"{name}.ndjson")
    if topic.path.exists():
        with topic.path.open("rb+") as handle:
            for line in handle:
                if not line.endswith(b"\n"):  # torn by a crash: it was never acknowledged
                    handle.truncate(topic.size)
                    break
                topic.count += 1
                topic.size += len(line)
    return topic


def _cursor(topic: _Topic, after: Mapping[str, int] | None, since: datetime | None) -> _Cursor:
    end = topic.count
    if after is not None and topic.name in after:
        first = min(after[topic.name] + 1, end)
        return _Cursor(topic, lambda offset, line: offset >= first)
    if after is None and since is not None:
        return _Cursor(topic, lambda offset, line: offset >= end or _received(line) >= since)
    return _Cursor(topic, lambda offset, line: True, topic.count, topic.size)


def _received(line: bytes) -> datetime:
    try:
        moment = datetime.fromisoformat(orjson.loads(line)["meta"]["dt"].upper())
    except (ValueError, KeyError, TypeError, AttributeError):
        return datetime.max.replace(tzinfo=UTC)  # a time nobody can tell is not held back
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _read(cursor: _Cursor) -> Iterator[bytes]:
    topic = cursor.topic
    if cursor.offset > topic.count:  # the file was emptied and has begun again
        cursor.offset = cursor.position = 0
    try:
        with topic.path.open("rb") as handle:
            handle.seek(cursor.position)
            # Up to the counted events only: behind them may stand half an event.
            while cursor.offset < topic.count and (line := handle.readline()):
                wanted = cursor.wanted(cursor.offset, line)
                cursor.offset += 1
                cursor.position += len(line)
                if wanted:
                    yield line
    except FileNotFoundError:
        pass
    # Events that somebody took away are never waited for, else the reader would spin.
    cursor.offset, cursor.position = topic.count, topic.size
