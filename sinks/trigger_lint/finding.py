"""One thing that is wrong with a Trigger, and what to do about it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from difflib import get_close_matches

from sinks.contract.finding import Severity, one_line


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at one place.

    place:   as `spec.filters[0].any[1]`.
    what:    one line: what is there, and what comes of it.
    advice:  one line: what to do.
    severity:  `warning` for what may be meant.
    """

    place: str
    what: str
    advice: str
    severity: Severity = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem of one Trigger; each text is one line of printable characters.

    source:   the file that it was read from.
    trigger:  its name.
    """

    source: str
    trigger: str
    place: str
    what: str
    advice: str
    severity: Severity

    def __post_init__(self) -> None:
        for name in self.__slots__:
            object.__setattr__(self, name, one_line(getattr(self, name)))

    def as_dict(self) -> dict[str, str]:
        """Return the finding as JSON members."""
        return asdict(self)


def nearest(word: str, words: Collection[str]) -> str:
    """Return the advice for a word that is none of these."""
    near = get_close_matches(word, words, 1)
    return f"is {near[0]} meant?" if near else f"one of {', '.join(sorted(words)[:20])}"
