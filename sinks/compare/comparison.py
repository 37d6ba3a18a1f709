"""Two readings of published events, paired by what each is about, and what differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sinks.compare import expected
from sinks.compare.difference import Difference, differences
from sinks.compare.expected import Alone, Changed
from sinks.compare.published import Key, Published, Reading

# Around the first and the last event, one of two captures may have stopped before the other. In
# files that are shorter than this, nothing would be left to compare.
EDGE: Final = timedelta(seconds=120)
_LONG_ENOUGH: Final = 10 * EDGE
_TAGS, _THEIR_CAUSE = "article-country-tags", "article-country"
_LOST_BY_US: Final = "our sinks have lost it, or ignore what they should not: see their log"
_LOST_TODAY: Final = "today's server may have lost it: it repeats no failure but 502 and 503"
_TWICE: Final = "one change has made two events"

Kind = Literal["different", "only today", "only ours", "twice today", "twice ours"]


@dataclass(frozen=True, slots=True)
class Group:
    """Differences of one kind in one place.

    place:     JSON pointer; empty where a whole event is meant.
    expected:  id of the known defect, or a word; None: a finding.
    """

    kind: Kind
    row: str
    place: str
    expected: str | None
    why: str


@dataclass(slots=True)
class Counted:
    """How many there are of one group, and the first of them; `difference` only of pairs."""

    count: int
    key: Key
    difference: Difference | None = None


@dataclass(slots=True)
class Comparison:
    """What came of it.

    equal:     pairs without any difference. as_expected: with such as are expected. different:
               with at least one that is not.
    window:    first and last time of all events; None without any.
    at_edges:  unexplained events of one side that are so close to either end that a file may have
               been cut there.
    """

    equal: int
    as_expected: int
    different: int
    groups: Mapping[Group, Counted]
    window: tuple[str, str] | None
    at_edges: int

    @property
    def findings(self) -> int:
        """How many differences nobody expects."""
        return sum(each.count for group, each in self.groups.items() if group.expected is None)


def compare(today: Reading, ours: Reading) -> Comparison:
    """Return what differs between what today's servers and what our sinks have published."""
    return _Comparing(today, ours).compared()


class _Comparing:
    def __init__(self, today: Reading, ours: Reading) -> None:
        self._today, self._ours = today.events, ours.events
        self._groups: dict[Group, Counted] = {}
        self._pairs = {"equal": 0, "as_expected": 0, "different": 0}
        self._at_edges = 0
        self._causes_today, self._causes_ours = _causes(self._today), _causes(self._ours)
        times = [each.dt for side in (self._today, self._ours) for each in _all(side)]
        self._window = (min(times, key=_moment), max(times, key=_moment)) if times else None

    def compared(self) -> Comparison:
        for key in {**self._today, **self._ours}:
            today, ours = self._today.get(key, []), self._ours.get(key, [])
            self._repeated(key, today, ours)
            if today and ours:
                self._pair(key, today, ours[0])
            else:
                self._alone(key, today, ours)
        groups = dict(sorted(self._groups.items(), key=lambda item: _order(item[0])))
        return Comparison(
            **self._pairs, groups=groups, window=self._window, at_edges=self._at_edges
        )

    def _pair(self, key: Key, today: Sequence[Published], ours: Published) -> None:
        document = ours.document
        # Of today's repetitions, that one which is most like ours: another may be about another.
        found = min((_judged(each, document) for each in today), key=_unexpected)
        for difference, reason in found:
            self._add("different", key, difference, reason)
        came_to = "different" if _unexpected(found) else "as_expected" if found else "equal"
        self._pairs[came_to] += 1

    def _alone(self, key: Key, today: Sequence[Published], ours: Sequence[Published]) -> None:
        """Tags do not say what their prediction does, so what holds for that holds for them."""
        event = (today or ours)[0]
        why = expected.why_only_today if today else expected.why_only_ours
        reason = why(event)
        if reason is None and key.row == _TAGS:
            cause = (self._causes_today if today else self._causes_ours).get(event.change)
            reason = why(cause) if cause else None
        if reason is None and self._is_at_an_edge(event):
            self._at_edges += 1
            return
        kind: Kind = "only today" if today else "only ours"
        self._add(kind, key, None, reason, _LOST_BY_US if today else _LOST_TODAY)

    def _repeated(self, key: Key, today: Sequence[Published], ours: Sequence[Published]) -> None:
        for again in today[1:]:
            same = not _but_for_id(today[0].document, again.document)
            repeated = expected.REPEATED_TODAY if same else expected.MIXED_UP_TODAY
            self._count(Group("twice today", key.row, "", *repeated), key)
        for again in ours[1:]:
            same = not differences(ours[0].document, again.document)
            name, why = expected.REPEATED_OURS if same else (None, _TWICE)
            self._count(Group("twice ours", key.row, "", name, why), key)

    def _add(
        self,
        kind: Kind,
        key: Key,
        difference: Difference | None,
        reason: Changed | Alone | None,
        otherwise: str = "",
    ) -> None:
        place = difference.place if difference else ""
        name, why = (reason.name, reason.why) if reason else (None, otherwise)
        self._count(Group(kind, key.row, place, name, why), key, difference)

    def _count(self, group: Group, key: Key, difference: Difference | None = None) -> None:
        if group in self._groups:
            self._groups[group].count += 1
        else:
            self._groups[group] = Counted(1, key, difference)

    def _is_at_an_edge(self, event: Published) -> bool:
        if self._window is None:
            return False
        first, last = map(_moment, self._window)
        at = _moment(event.dt)
        return last - first >= _LONG_ENOUGH and min(at - first, last - at) <= EDGE


def _judged(today: Published, ours: dict[str, Any]) -> list[tuple[Difference, Changed | None]]:
    found = differences(today.document, ours)
    return [(difference, expected.why_changed(difference, ours)) for difference in found]


def _unexpected(found: Sequence[tuple[Difference, Changed | None]]) -> int:
    return sum(reason is None for _, reason in found)


def _but_for_id(one: Any, other: Any) -> list[Difference]:
    return [each for each in differences(one, other) if each.pointer != "/meta/id"]


def _all(events: Mapping[Key, list[Published]]) -> Iterator[Published]:
    return (each for several in events.values() for each in several)


def _causes(events: Mapping[Key, list[Published]]) -> Mapping[tuple[str, int, str], Published]:
    """The predictions that tags are made of, by their change."""
    return {each.change: each for each in _all(events) if each.key.row == _THEIR_CAUSE}


def _moment(dt: str) -> datetime:
    return datetime.fromisoformat(dt[:19])


def _order(group: Group) -> tuple[bool, str, str, str]:
    return group.expected is not None, group.kind, group.row, group.place
