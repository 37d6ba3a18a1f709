"""Page changes from a file or a pipe: one JSON document a line."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Final

from sinks.contract.terminal import opened
from sinks.feed.item import Item, Unreadable, change_in
from sinks.feed.position import Stored

MAX_LINE_BYTES: Final = 4 * 2**20
_PART_BYTES: Final = 65536
# What is kept of the file, to know it again: a hash of so much in front of the position.
_KNOWN_BYTES: Final = 4096
UNFINISHED: Final = "it has no end, and is no JSON: it is left for the next run"


class FileSource:
    """A file, from a position on; a pipe has none.

    key:    its name in the state; None: nothing is kept.
    raises: OSError if it cannot be opened.
    """

    def __init__(self, name: str) -> None:
        with opened(name) as file:
            # Not the interpreter's own object: a thread may still wait for it at the end.
            self._file: BufferedReader = open(os.dup(file.fileno()), "rb")  # noqa: SIM115
        regular = stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)
        self.key = str(Path(name).resolve()) if regular and name != "-" else None

    @property
    def is_indented(self) -> bool:
        """Whether it begins as one document, or a list of them, over several lines."""
        begin = os.pread(self._file.fileno(), _PART_BYTES, 0) if self.key is not None else b""
        first, newline, _ = begin.partition(b"\n")
        return bool(newline) and first.strip() in (b"{", b"[")

    def start(self, stored: Stored | None, tell: Callable[[str], None]) -> int:
        """Return the offset to go on at: the beginning, if the file is another one by now."""
        offset = (stored or {}).get("offset", 0)
        if offset == 0 or self.key is None:
            return 0
        size = os.fstat(self._file.fileno()).st_size
        if isinstance(offset, int) and 0 < offset <= size and self.stored(offset) == stored:
            if offset == size:
                tell(f"{self.key} was fed to its end before: --reset feeds it once more")
            return offset
        tell(f"{self.key} is not what it was, so it is read from its beginning")
        return 0

    def stored(self, position: int) -> Stored:
        """Return what is kept of a position."""
        begin = max(0, position - _KNOWN_BYTES)
        known = os.pread(self._file.fileno(), position - begin, begin)
        return {"offset": position, "sha256": hashlib.sha256(known).hexdigest()}

    def read(self, position: int) -> Iterator[Item]:
        """Yield the lines behind a position; at most one of them is in memory. raises: OSError."""
        if self.key is not None:
            self._file.seek(position)
        while line := self._file.readline(MAX_LINE_BYTES + 1):
            begin, position = position, position + len(line)
            where = f"the line at byte {begin}"
            if len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
                position += self._pass_over()
                yield Item(position, b"", f"it has more than {MAX_LINE_BYTES} bytes", where)
            elif not line.endswith(b"\n") and not _is_json(line):
                yield Item(begin, b"", UNFINISHED, where)
            else:
                yield Item(position, line.strip(), where=where)

    def _pass_over(self) -> int:
        size = 0
        while part := self._file.readline(_PART_BYTES):
            size += len(part)
            if part.endswith(b"\n"):
                break
        return size


def _is_json(line: bytes) -> bool:
    try:
        change_in(line)
    except Unreadable:
        return False
    return True
