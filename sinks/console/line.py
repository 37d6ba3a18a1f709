"""One line of the page: a page change, and what each row made of it; values that are folded.

What arrives may arrive in any order and more than once: the same change again is counted, the same
reply changes nothing, and a reply that comes before its page change makes a line that waits for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Final, NamedTuple

from sinks.console.document import Document, bytes_of

# (wiki, id) of an event of ours; (source, id) of any other.
Key = tuple[str, str]
MOST_MARKS: Final = 64
# What stands for a row where no Trigger takes the event.
NOBODY: Final = "no Trigger"
# What a row's deliveries come to: the first of these that one of them has.
_TELLING: Final = ("deferred", "rejected", "relayed", "ignored", "replied")


class Step(NamedTuple):
    """What one delivery came to. trigger: empty where nobody has told, as behind a Broker."""

    trigger: str
    outcome: str
    reason: str = ""
    detail: str = ""
    kept: bool = False


class Mark(NamedTuple):
    """What a row made of the page change, and what became of its reply.

    row:     name of the row; of the Trigger where the subscriber is none of ours.
    stream:  of the reply.
    """

    row: str
    steps: tuple[Step, ...]
    stream: str = ""
    reply: Document | None = None

    @property
    def outcome(self) -> str:
        """The one word for all steps."""
        found = {step.outcome for step in self.steps}
        return next((outcome for outcome in _TELLING if outcome in found), "replied")

    @property
    def last(self) -> Step:
        """The step that made the outcome."""
        return next(step for step in reversed(self.steps) if step.outcome == self.outcome)

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        reply = self.reply.size if self.reply else 0
        told = bytes_of(self.row) + bytes_of(self.stream)
        return reply + told + sum(200 + bytes_of(step.detail) for step in self.steps)


class Head(NamedTuple):
    """What a line says of its page change. document: None until the change itself has come."""

    wiki: str
    kind: str
    title: str
    revision: str
    document: Document | None = None


class Arrival(NamedTuple):
    """What one request tells.

    key:  of the event that its line is about. own: of the replies in it.
    """

    key: Key
    own: tuple[Key, ...]
    head: Head
    marks: tuple[Mark, ...] = ()


class Line(NamedTuple):
    """number:  its name for as long as it is kept. changed: sequence number of its last change.
    received:  Unix time of what came first.
    keys:      of all events in it. replaced: lines that turned out to be about the same change.
    times:     that the change itself has come. last: Unix time of that.
    """

    number: int
    changed: int
    received: float
    keys: frozenset[Key]
    head: Head
    marks: tuple[Mark, ...] = ()
    replaced: tuple[int, ...] = ()
    times: int = 0
    last: float = 0.0

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        document = self.head.document.size if self.head.document else 0
        keys = sum(map(bytes_of, chain.from_iterable(self.keys)))
        return 1000 + document + keys + sum(mark.size for mark in self.marks)

    @property
    def streams(self) -> tuple[str, ...]:
        """Where its replies go, each once."""
        return tuple(dict.fromkeys(mark.stream for mark in self.marks if mark.stream))


def begun(number: int, received: float, arrival: Arrival) -> Line:
    """Return a new line."""
    marks = _by_row(arrival.marks)
    keys = frozenset((arrival.key, *arrival.own))
    times = int(arrival.head.document is not None)
    return Line(number, 0, received, keys, arrival.head, marks, times=times, last=received)


def folded(line: Line, arrival: Arrival, now: float) -> Line:
    """Return the line with what has arrived; an equal one if that is a reply that was known."""
    keys = line.keys | {arrival.key, *arrival.own}
    came = arrival.head.document is not None
    return line._replace(
        head=_better(line.head, arrival.head),
        marks=_by_row((*line.marks, *arrival.marks)),
        keys=keys if len(keys) <= 2 * MOST_MARKS else line.keys,
        times=line.times + came,
        last=now if came else line.last,
    )


def joined(line: Line, other: Line) -> Line:
    """Return one line of two that are about the same change."""
    return line._replace(
        head=_better(line.head, other.head),
        marks=_by_row((*line.marks, *other.marks)),
        keys=line.keys | other.keys,
        replaced=(*line.replaced, other.number)[-MOST_MARKS:],
        times=line.times + other.times,
        last=max(line.last, other.last),
    )


def _better(known: Head, new: Head) -> Head:
    """The change itself tells more than a reply to it; the first of two equals stays."""
    return new if known.document is None and new.document is not None else known


def _by_row(marks: Iterable[Mark]) -> tuple[Mark, ...]:
    """One mark a row, in the order of their names. Later ones win, but for those that tell less:
    behind a Broker nobody says what became of a reply, and `?trigger=` asks one Trigger alone."""
    found: dict[str, Mark] = {}
    for mark in marks:
        known = found.get(mark.row)
        tells_less = known is not None and known.steps[-1].trigger and not mark.steps[-1].trigger
        full = known is None and len(found) >= MOST_MARKS
        if not full and not tells_less:
            found[mark.row] = mark
    if len(found) > 1:
        found.pop(NOBODY, None)
    return tuple(found[row] for row in sorted(found))
