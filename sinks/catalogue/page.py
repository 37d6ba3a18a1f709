"""A page as plain values, for whichever markup it is written in.

Text is prose in which only `code` between backticks is marked; a renderer escapes all else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Heading:
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list without numbers."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Each row has as many cells as the head; no cell is empty."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = Heading | Paragraph | Items | Table


@dataclass(frozen=True, slots=True)
class Page:
    """title:  where the page itself has to say what it is; a wiki does that."""

    title: str
    blocks: tuple[Block, ...]


def parts(text: str) -> Iterator[tuple[bool, str]]:
    """Yield the parts of a text that are not empty: whether it is code, and what it says."""
    for number, part in enumerate(text.split("`")):
        if part:
            yield number % 2 == 1, part
