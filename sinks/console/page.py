"""The HTML of the console. Whatever an event says is text to it: every value is escaped."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sinks.console.line import NOBODY, Line
from sinks.console.selection import Selection
from sinks.console.silence import Silence

# In the order in which they are told; for who does not tell colours apart, each has a sign too.
SIGNS: Final = {"relayed": "✓", "replied": "↩", "ignored": "–", "deferred": "…", "rejected": "✕"}
OUTCOMES: Final = tuple(SIGNS)
# Nothing inline, nothing from elsewhere; and no other page may frame this one.
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HERE: Final = Path(__file__).parent


class Static(NamedTuple):
    """One file beside the page; `tag` changes with its content."""

    body: bytes
    content_type: str
    tag: str


def static_files() -> dict[str, Static]:
    """Return name -> file."""
    found = {}
    for path in (_HERE / "static").iterdir():
        body, kind = path.read_bytes(), _TYPES.get(path.suffix)
        if kind:
            tag = hashlib.sha256(body).hexdigest()[:12]
            found[path.name] = Static(body, f"{kind}; charset=utf-8", tag)
    return found


class Pages:
    """Renders what the page consists of.

    most_lines:  that a page may show. letters: whether there are dead letters to be shown.
    """

    def __init__(self, static: Mapping[str, Static], most_lines: int, letters: bool) -> None:
        made = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        made.globals |= {
            "tags": {name: each.tag for name, each in static.items()},
            "outcomes": OUTCOMES,
            "signs": SIGNS,
            "nobody": NOBODY,
            "most_lines": most_lines,
            "letters_shown": letters,
        }
        made.filters |= {"clock": _clock, "iso": _iso, "title": _title, "counted": _counted}
        self._index = made.get_template("index.html")
        self._line = made.get_template("line.html")
        self._event = made.get_template("event.html")
        self._opened = made.get_template("opened.html")
        self._gone = made.get_template("gone.html")
        self._letters = made.get_template("letters.html")
        self._replayed = made.get_template("replayed.html")

    def index(
        self,
        lines: Sequence[Line],
        selection: Selection,
        choices: tuple[Sequence[str], Sequence[str]],
        position: str,
    ) -> str:
        """Return the page.

        choices: rows and wikis to select by. position: where `/live` goes on.
        """
        return self._index.render(
            lines=lines, selection=selection, rows=choices[0], wikis=choices[1], position=position
        )

    def line(self, line: Line) -> str:
        """Return one line, as it stands in the page."""
        return self._line.render(line=line)

    def opened(self, line: Line, row: str, silences: Sequence[Silence], *, alone: bool) -> str:
        """Return the documents side by side.

        row: whose reply is shown first. silences: of rows without a mark. alone: as a page.
        """
        template = self._event if alone else self._opened
        return template.render(line=line, shown=_first_shown(line, row), silences=silences)

    def gone(self, number: str, *, alone: bool) -> str:
        """Return what is shown instead of a line that has left memory."""
        return self._gone.render(number=number, alone=alone)

    def letters(self, listing: Mapping[str, Any]) -> str:
        """Return a table of dead letters, as deadletter-sink lists them."""
        return self._letters.render(
            letters=listing["letters"], next=listing.get("next"), total=listing.get("total")
        )

    def replayed(self, told: Mapping[str, Any]) -> str:
        """Return what became of one letter."""
        return self._replayed.render(replayed=told["replayed"])


def _first_shown(line: Line, row: str) -> str:
    """The row that somebody has asked for, else the first that failed, else that replied."""
    marks = [mark for mark in line.marks if mark.row == row]
    marks += [mark for mark in line.marks if mark.outcome in ("rejected", "deferred")]
    marks += [mark for mark in line.marks if mark.reply]
    return marks[0].row if marks else ""


def _counted(line: Line) -> str:
    """What became of the change, in words: "13 relayed, 1 ignored"."""
    counts = {name: sum(mark.outcome == name for mark in line.marks) for name in OUTCOMES}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def _title(text: str) -> str:
    """A page title as readers know it: MediaWiki stores spaces as underscores."""
    return text.replace("_", " ")


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%H:%M:%S}"


def _iso(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
