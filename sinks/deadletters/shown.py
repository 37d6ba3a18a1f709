"""Dead letters as text for a terminal: whatever is in them, it is printable, and bounded."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from sinks import jsondata
from sinks.contract.finding import one_line
from sinks.errors import SinkError
from sinks.letter_document import rfc3339
from sinks.letter_selection import KeptLetter

# Heading and most characters of each column; the last ones are the sender's text.
_COLUMNS: Final = (
    ("number", 12),
    ("last arrival", 20),
    ("times", 7),
    ("status", 6),
    ("replay", 8),
    ("reason", 24),
    ("row", 28),
    ("wiki", 20),
)
_MOST_CHARS: Final = 2000
_MOST_LINES: Final = 400
_MOST_BYTES: Final = 1024


def table(letters: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a heading and a line for each letter of a listing, each column as wide as it needs."""
    headings = tuple(heading for heading, _ in _COLUMNS)
    rows = [headings, *map(_row, letters)]
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        )
        yield "  ".join(cells).rstrip()


def _row(letter: Mapping[str, Any]) -> tuple[str, ...]:
    values = (
        str(letter["number"]),
        f"{letter['last_arrived'][:19]}Z",
        str(letter["count"]),
        str(letter["status"] or "-"),
        letter["replay"]["outcome"] if letter["replay"] else "-",
        letter["reason"] or "-",
        letter["row"] or "-",
        letter["wiki"] or "-",
    )
    return tuple(
        one_line(value, most - 3) if len(value) > most else one_line(value, 2 * most)
        for value, (_, most) in zip(values, _COLUMNS, strict=True)
    )


def _width(text: str) -> int:
    """Columns of a terminal."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))


def details(kept: KeptLetter) -> Iterator[str]:
    """Yield all of one letter as lines."""
    letter = kept.letter
    times = (
        "once" if kept.count == 1 else f"{kept.count} times, first {rfc3339(kept.first_arrived)}"
    )
    for name, value in (
        ("number", str(kept.number)),
        ("arrived", f"{rfc3339(kept.last_arrived)}, {times}"),
        ("source", letter.source),
        ("id", letter.ce_id),
        ("type", letter.type),
        ("destination", letter.destination),
        ("status", "" if letter.status is None else str(letter.status)),
        ("reason", letter.reason),
        ("row", letter.row),
        ("wiki", letter.wiki_id),
        ("error", letter.error),
        ("replay", _replay(kept)),
    ):
        yield f"{name:<12} {one_line(value, _MOST_CHARS) or '-'}"
    yield "headers"
    for name, value in sorted(letter.headers.items()):
        if name != "ce-knativeerrordata":  # it is the error
            yield f"  {one_line(f'{name}: {_text(value)}', _MOST_CHARS)}"
    yield f"body, {len(letter.body)} bytes"
    lines = body_lines(letter.body)
    yield from (f"  {one_line(line, _MOST_CHARS)}" for line in lines[:_MOST_LINES])
    if len(lines) > _MOST_LINES:
        yield f"  and {len(lines) - _MOST_LINES} lines more: --body writes all of it"


def body_lines(body: bytes) -> list[str]:
    """Return a body as lines: JSON with indentation, text as it is, anything else as a dump."""
    try:
        value = jsondata.loads(body)
        return json.dumps(value, ensure_ascii=False, indent=2).split("\n")
    except (SinkError, RecursionError):
        pass
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return _dump(body)
    return text.split("\n") if text else []


def _dump(body: bytes) -> list[str]:
    lines = []
    for start in range(0, min(len(body), _MOST_BYTES), 16):
        part = body[start : start + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"{start:08x}  {part.hex(' '):<47}  {text}")
    if len(body) > _MOST_BYTES:
        lines.append(f"and {len(body) - _MOST_BYTES} bytes more: --body writes all of it")
    return lines


def _replay(kept: KeptLetter) -> str:
    if kept.outcome is None or kept.replayed is None:
        return "none since it arrived"
    reason = f" ({kept.outcome_reason})" if kept.outcome_reason else ""
    detail = f": {kept.outcome_detail}" if kept.outcome_detail else ""
    return f"{kept.outcome}{reason} {rfc3339(kept.replayed)}{detail}"


def _text(header: str) -> str:
    """A header's UTF-8, which WSGI hands over as Latin-1."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header
