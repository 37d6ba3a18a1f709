"""What differs between two JSON documents, by JSON pointer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sinks import jsondata

# Two servers that score the same revision may round in another way, no more.
TOLERANCE: Final = 1e-9
# What EventGate, Kafka and EventStreams add to a document on its way.
ADDED_ON_THE_WAY: Final = frozenset(
    f"/meta/{name}" for name in ("dt", "topic", "partition", "offset", "key")
)
_NUMBERS: Final = [(one, other) for one in (int, float) for other in (int, float)]
_INDEX = re.compile(r"/[0-9]+(?=/|\Z)")
_LABEL = re.compile(r"(/probabilit(?:y|ies))/.*")


class Absent:
    """The value of a member that is not there, which null is not."""

    def __repr__(self) -> str:
        return "absent"


ABSENT: Final = Absent()


@dataclass(frozen=True, slots=True)
class Difference:
    """pointer:  RFC 6901. today, ours: the values there, or ABSENT."""

    pointer: str
    today: Any
    ours: Any

    @property
    def place(self) -> str:
        """The pointer without numbers and labels, under which differences of one kind are one."""
        return _INDEX.sub("/*", _LABEL.sub(r"\1/*", self.pointer))


def differences(today: Any, ours: Any) -> list[Difference]:
    """Return all differences of two documents; a member or list that only one has is one."""
    return [each for each in _found(today, ours, "") if each.pointer not in ADDED_ON_THE_WAY]


def _found(today: Any, ours: Any, pointer: str) -> Iterator[Difference]:
    if isinstance(today, dict) and isinstance(ours, dict):
        for name in today | ours:
            one, other = today.get(name, ABSENT), ours.get(name, ABSENT)
            if not _same(one, other):
                escaped = name.replace("~", "~0").replace("/", "~1")
                yield from _found(one, other, f"{pointer}/{escaped}")
    elif isinstance(today, list) and isinstance(ours, list) and len(today) == len(ours):
        for index, (one, other) in enumerate(zip(today, ours, strict=True)):
            yield from _found(one, other, f"{pointer}/{index}")
    elif not _same(today, ours):
        yield Difference(pointer, today, ours)


def _same(today: Any, ours: Any) -> bool:
    """Whether there is nothing to look for in the two; of objects and lists it is quicker to look
    once more than to know."""
    kind = type(today)
    if kind is type(ours):
        if kind is dict or kind is list:
            return jsondata.dumps(today) == jsondata.dumps(ours)
        if today == ours:
            return True
    both = (kind, type(ours))
    return both in _NUMBERS and bool(abs(today - ours) <= TOLERANCE)


def shown(value: Any) -> str:
    """Return a value as short text; ABSENT as `absent`."""
    text = "absent" if value is ABSENT else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
