"""Which lines a page shows: those of a row, of a wiki, with an outcome; all given have to hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Self
from urllib.parse import urlencode

from sinks.console.line import Line


class Selection(NamedTuple):
    """Empty: any. The outcome is the row's, or without a row that of one of the rows."""

    row: str = ""
    wiki: str = ""
    outcome: str = ""

    @classmethod
    def of(cls, arguments: Iterable[tuple[str, str]]) -> Self:
        """Return what the URL's parameters say; others are not ours."""
        given = {name: value.strip()[:100] for name, value in arguments if name in cls._fields}
        return cls(**given)

    @property
    def query(self) -> str:
        """The same as a URL's parameters."""
        return urlencode({name: value for name, value in self._asdict().items() if value})

    def takes(self, line: Line) -> bool:
        """Return whether the line is shown."""
        if self.wiki and line.head.wiki != self.wiki:
            return False
        if not self.row and not self.outcome:
            return True
        return any(
            (not self.row or mark.row == self.row)
            and (not self.outcome or mark.outcome == self.outcome)
            for mark in line.marks
        )
