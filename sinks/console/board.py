"""The lines that are in memory: bounded by number and by bytes, the oldest leave first.

Who watches keeps only the number of the last change that it has seen and asks for what has changed
since: a line that changed ten times meanwhile is sent once, and nothing is buffered for anybody.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from sinks.console.line import Arrival, Key, Line, begun, folded, joined
from sinks.console.selection import Selection

MOST_BYTES: Final = 64 * 2**20


class Board:
    """most_lines, most_bytes: together they bound the memory."""

    def __init__(self, most_lines: int, most_bytes: int = MOST_BYTES) -> None:
        self._most_lines = most_lines
        self._most_bytes = most_bytes
        self._lines: OrderedDict[int, Line] = OrderedDict()
        self._by_change: OrderedDict[int, int] = OrderedDict()  # sequence number -> line
        self._numbers: dict[Key, int] = {}
        self._bytes = 0
        self._last_number = 0
        self._sequence = 0
        self._changed = threading.Condition()

    def take(self, arrival: Arrival, now: float) -> None:
        """Put what has arrived into its line, or into a new one."""
        with self._changed:
            found = {self._numbers.get(key) for key in (arrival.key, *arrival.own)} - {None}
            lines = [self._lines[number] for number in sorted(filter(None, found))]
            if lines:
                line = lines[0]
                for other in lines[1:]:
                    line = joined(line, other)
                line = folded(line, arrival, now)
                if line == lines[0]:
                    return
            else:
                self._last_number += 1
                line = begun(self._last_number, now, arrival)
            for each in lines:
                self._unindex(each)
                if each.number != line.number:
                    del self._lines[each.number]
            self._sequence += 1
            self._keep(line._replace(changed=self._sequence))
            while len(self._lines) > self._most_lines or self._bytes > self._most_bytes:
                self._forget(next(iter(self._lines.values())))
            self._changed.notify_all()

    @property
    def sequence(self) -> int:
        """Number of the last change."""
        return self._sequence

    def find(self, number: int) -> Line | None:
        """Return the line, None if it is not in memory (any more)."""
        return self._lines.get(number)

    def selected(self, selection: Selection) -> tuple[list[Line], int]:
        """Return the lines that are shown, newest first, and the sequence number of that moment."""
        with self._changed:
            lines = [line for line in reversed(self._lines.values()) if selection.takes(line)]
            return lines, self._sequence

    def rows_and_wikis(self) -> tuple[list[str], list[str]]:
        """Return what there is to choose from."""
        with self._changed:
            rows = {mark.row for line in self._lines.values() for mark in line.marks}
            wikis = {line.head.wiki for line in self._lines.values()} - {""}
        return sorted(rows), sorted(wikis)

    def changed_after(self, sequence: int, seconds: float) -> tuple[list[Line], int]:
        """Return the lines that have changed since, oldest change first, and the number to ask
        with next; waits so many seconds for one."""
        with self._changed:
            if self._sequence <= sequence:
                self._changed.wait(seconds)
            lines = []
            for changed in reversed(self._by_change):
                if changed <= sequence:
                    break
                lines.append(self._lines[self._by_change[changed]])
            return lines[::-1], self._sequence

    def _keep(self, line: Line) -> None:
        self._lines[line.number] = line  # a line that is known keeps its place
        self._by_change[line.changed] = line.number
        self._numbers.update(dict.fromkeys(line.keys, line.number))
        self._bytes += line.size

    def _forget(self, line: Line) -> None:
        del self._lines[line.number]
        self._unindex(line)

    def _unindex(self, line: Line) -> None:
        del self._by_change[line.changed]
        for key in line.keys:
            if self._numbers.get(key) == line.number:
                del self._numbers[key]
        self._bytes -= line.size
