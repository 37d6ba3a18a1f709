"""The soak's ledger: what went in, what came out, and what is missing. Pure, no I/O.

An entry is one (change, row). It is settled when its caller has been told so, or has given up.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

Entry = tuple[int, str]  # index of the change, row
_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class Sentence:
    """What the ledger says at the end; `violations` is empty if all is well."""

    counts: dict[str, int]
    duplicates: dict[str, int]
    violations: list[str]


@dataclass(slots=True)
class Ledger:
    """wanted:  index -> the rows that have to publish this change.
    doomed:     index -> whether an upstream never takes it, so that a dead letter is all there is.
    follows:    row -> the row whose event it is made from.
    weak:       causes of duplicates that only count where there is no other.
    """

    wanted: Callable[[int], Collection[str]]
    doomed: Callable[[int], bool]
    follows: dict[str, str]
    weak: Collection[str] = ()
    _ids: dict[Entry, str] = field(default_factory=dict)
    _more_ids: dict[Entry, set[str]] = field(default_factory=lambda: defaultdict(set))
    _copies: Counter[Entry] = field(default_factory=Counter)  # beyond the first
    _settled: dict[Entry, str] = field(default_factory=dict)
    _letters: set[Entry] = field(default_factory=set)
    _unmade: set[Entry] = field(default_factory=set)
    _kept: set[str] = field(default_factory=set)
    _owed: dict[str, str] = field(default_factory=dict)
    _causes: dict[Entry, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    _wrong: list[str] = field(default_factory=list)

    def settled(self, index: int, row: str, state: str) -> None:
        """The caller has been told that the entry is done; `given up`: it has stopped asking.

        Takes less memory once all that has been published is entered.
        """
        if (index, row) not in self._ids:
            self._settled[index, row] = state

    def published(self, index: int, row: str, event_id: str, wrong: str = "") -> None:
        """EventGate has taken an event; `wrong` is what it says that is not true."""
        entry = (index, row)
        first = self._ids.setdefault(entry, "")
        if not first:
            self._ids[entry] = event_id
        else:
            self._copies[entry] += 1
        if first not in ("", event_id):
            self._more_ids[entry] |= {first, event_id}
        if wrong:
            self._wrong.append(f"change {index}, {row}, {event_id}: {wrong}")

    def published_unknown(self, what: str) -> None:
        """EventGate has taken what belongs to no change."""
        self._wrong.append(f"of no change: {what}")

    def broken(self, text: str) -> None:
        """A sink has done what it never may."""
        self._wrong.append(text)

    def again(self, index: int, row: str, cause: str) -> None:
        """Something has happened for which this event may have been published once more."""
        self._causes[index, row][cause] += 1

    def owed(self, key: str, what: str) -> None:
        """The dead-letter sink has acknowledged a letter."""
        self._owed[key] = what

    def kept(self, key: str, index: int, row: str, *, made: bool, refused: bool) -> None:
        """The dead-letter sink has this letter at the end.

        made:     it is of the row's own event, not of the page change.
        refused:  a sink said that it is for good, not: that retries were used up.
        """
        self._kept.add(key)
        if refused and not self.doomed(index):
            self._wrong.append(f"change {index}, {row}: refused, although nothing is wrong with it")
        self._letters.add((index, row))
        if not made:
            self._unmade.add((index, row))

    def sentence(self, indexes: Iterable[int], broker: Callable[[int], bool]) -> Sentence:
        """Return the verdict on these changes.

        broker:  index -> whether its caller never gives up.
        """
        counts: Counter[str] = Counter()
        violations: list[str] = []
        for index in indexes:
            rows = self.wanted(index)
            counts["changes"] += 1
            for row in rows:
                state = self._state(index, row)
                counts[state] += 1
                if state in ("lost", "unaccounted") or (state == "given up" and broker(index)):
                    violations.append(f"{state}: change {index}, {row}")
            counts["ignored"] += 0 if rows else 1
        for key in sorted(self._owed.keys() - self._kept):
            violations.append(f"lost letter: {self._owed[key]}")
        violations += [f"wrong: {text}" for text in self._wrong]
        for index, row in self._ids:
            if row not in self.wanted(index):
                violations.append(f"published although not wanted: change {index}, {row}")
        for (index, row), ids in self._more_ids.items():
            violations.append(f"second id: change {index}, {row}, {', '.join(sorted(ids))}")
        duplicates, unexplained = self._duplicates()
        violations += unexplained
        counts["letters"] = len(self._letters)
        return Sentence(dict(counts), dict(duplicates), violations)

    def _state(self, index: int, row: str) -> str:
        entry = (index, row)
        if entry in self._ids:
            return "published"
        if entry in self._letters:
            return "dead letters, as they must" if self.doomed(index) else "dead letters"
        cause = self.follows.get(row)
        if cause and (index, cause) in self._unmade:
            return "behind a dead letter"
        told = self._settled.get(entry)
        if told is None:
            return "unaccounted"
        return "given up" if told == "given up" else "lost"

    def _duplicates(self) -> tuple[Counter[str], list[str]]:
        """Copies beyond the first by cause, and those without one."""
        found: Counter[str] = Counter()
        unexplained: list[str] = []
        for (index, row), extra in self._copies.items():
            causes = self._causes.get((index, row), Counter())
            for cause, count in sorted(causes.items(), key=lambda each: each[0] in self.weak):
                explained = min(extra, count)
                if explained:
                    found[cause] += explained
                    extra -= explained
            if extra:
                found["unexplained"] += extra
                unexplained.append(f"duplicate without a cause: change {index}, {row}, {extra}")
        return found, unexplained


def shown(violations: list[str]) -> list[str]:
    """Return the first of each sort, and how many more there are."""
    sorts: dict[str, list[str]] = {}
    for text in violations:
        sorts.setdefault(text.partition(":")[0], []).append(text)
    lines = []
    for sort, texts in sorts.items():
        lines += texts[:_SHOWN]
        if len(texts) > _SHOWN:
            lines.append(f"{sort}: {len(texts) - _SHOWN} more")
    return lines
