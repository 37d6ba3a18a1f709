"""The state file: where each feed goes on, per source and Trigger.

It is written whole, beside the old one, and takes its place only when it is on the disk: whatever
happens in between, one of the two is there.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

_VERSION: Final = 1
_ALL: Final = "*"
_MAX_BYTES: Final = 16 * 2**20
# As the sources keep it: a member or two.
Stored = Mapping[str, Any]


class InvalidState(Exception):
    """The file cannot be used; the text says why and what to do."""


class Positions:
    """What the state file holds; one process at a time has it."""

    def __init__(self, path: Path, kept: Mapping[str, Mapping[str, Stored]]) -> None:
        self._path = path
        self._kept = {source: dict(positions) for source, positions in kept.items()}
        self._written = ""

    def get(self, source: str, trigger: str | None) -> Stored | None:
        """Return where the feed goes on; None: it has never been there."""
        return self._kept.get(source, {}).get(trigger or _ALL)

    def put(self, source: str, trigger: str | None, position: Stored) -> None:
        """Let the feed go on from there."""
        self._kept.setdefault(source, {})[trigger or _ALL] = position

    def save(self) -> None:
        """Write the file if anything has changed. raises: InvalidState."""
        text = json.dumps({"version": _VERSION, "positions": self._kept}, indent=1)
        if text == self._written:
            return
        new = self._path.with_name(f"{self._path.name}.new")
        try:
            with new.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
            _sync(self._path.parent)
        except OSError as error:
            raise InvalidState(f"cannot write {self._path}: {error.strerror}") from error
        self._written = text


def _sync(directory: Path) -> None:
    """A new name, too, has to be on the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def positions_in(path: Path) -> Iterator[Positions]:
    """The positions in a state file, which is made if need be; nobody else gets them meanwhile.

    raises: InvalidState.
    """
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context(path.with_name(f"{path.name}.lock").open("w"))
            _take(lock.fileno(), path)
            positions = Positions(path, _read(path))
        except OSError as error:
            raise InvalidState(f"{error.filename or path}: {error.strerror}") from error
        yield positions


def _take(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InvalidState(
            f"another feed uses {path}: end it, or name another file with --state"
        ) from None


def _read(path: Path) -> Mapping[str, Mapping[str, Stored]]:
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(_MAX_BYTES))
        positions = document["positions"]
        good = document["version"] == _VERSION and all(
            isinstance(position, dict) for each in positions.values() for position in each.values()
        )
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        good = False
    if not good:
        raise InvalidState(
            f"{path} is no state of `sinks feed`: name another file with --state, or remove it"
        )
    kept: Mapping[str, Mapping[str, Stored]] = positions
    return kept
