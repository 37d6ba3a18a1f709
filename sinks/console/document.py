"""A CloudEvent as people read it: its attributes, and its data as indented text of bounded length.

What is kept is kept for reading only, so a large document loses its end and says so.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, Final, NamedTuple

import orjson

from sinks.cloudevent import NoData

MOST_CHARS: Final = 128 * 1024
_MOST_ATTRIBUTES: Final = 60
_MOST_VALUE: Final = 1024


class Document(NamedTuple):
    """attributes:  name and value, in the order in which they came.
    text:  the data, indented; cut at `MOST_CHARS`.
    note:  why the text is not all of the data; empty if it is.
    is_whole:  whether the event can be made of it again.
    """

    attributes: tuple[tuple[str, str], ...]
    text: str
    note: str = ""
    is_whole: bool = False

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return sum(map(bytes_of, (self.text, *chain.from_iterable(self.attributes))))


def document_of(attributes: Mapping[str, str], data: Any) -> Document:
    """Return what is shown of an event. data: a JSON value, bytes, or NO_DATA."""
    text, note = _text(data)
    if len(text) > MOST_CHARS:
        note = f"Only the first {MOST_CHARS // 1024} Ki characters of {len(text)} are kept."
        text = text[:MOST_CHARS]
    told = tuple(_cut(attributes.items()))
    return Document(told, text, note, not note and told == tuple(attributes.items()))


def bytes_of(text: str) -> int:
    """Return how many bytes the text takes in memory: one emoji makes each character take four."""
    return sys.getsizeof(text)


def short(value: object, most: int = 300) -> str:
    """Return text for the page, cut: of no other type than text and whole numbers."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        return ""
    return value if len(value) <= most else value[: most - 1] + "…"


def _cut(attributes: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    for number, (name, value) in enumerate(attributes):
        if number == _MOST_ATTRIBUTES:
            yield "…", "more attributes than are kept"
            return
        yield short(name, 64), short(value, _MOST_VALUE)


def _text(data: Any) -> tuple[str, str]:
    if isinstance(data, NoData):
        return "", "The event has no data."
    if isinstance(data, bytes):
        # One byte more than is kept, so that the cut is told; all of 64 MiB need not be decoded.
        return data[: 4 * MOST_CHARS].decode("utf-8", "replace"), "The data is not JSON."
    try:
        return orjson.dumps(data, option=orjson.OPT_INDENT_2).decode(), ""
    except orjson.JSONEncodeError:
        return "", "The data is nested too deeply to be shown."
