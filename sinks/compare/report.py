"""What came of a comparison, as lines for people and as one JSON document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sinks.compare.comparison import EDGE, Comparison, Counted, Group, Kind
from sinks.compare.difference import Difference, shown
from sinks.compare.published import Key, Reading
from sinks.contract.finding import one_line

_SAID: Final[dict[Kind, str]] = {
    "different": "differs",
    "only today": "only today",
    "only ours": "only ours",
    "twice today": "twice today",
    "twice ours": "twice ours",
}


def lines(comparison: Comparison, today: Reading, ours: Reading) -> Iterator[tuple[str, bool]]:
    """Yield each line, and whether it is about a finding."""
    for name, reading in (("today", today), ("ours", ours)):
        yield f"{name}: {_counts(reading)}", False
    if comparison.window is not None:
        first, last = comparison.window
        yield f"time: {first} to {last}, which both files have to cover", False
    if comparison.at_edges:
        near = f"{comparison.at_edges} only in one file, within {EDGE.seconds} s of either end"
        yield f"note: {near}: not judged, the files may be cut there", False
    for group, counted in comparison.groups.items():
        yield _line(group, counted), group.expected is None
        if counted.difference is not None and group.expected is None:
            difference = counted.difference
            values = f"today {shown(difference.today)}, ours {shown(difference.ours)}"
            yield f"  {_about(counted.key)} {difference.pointer}: {one_line(values)}", True
        elif group.expected is None:
            yield f"  {_about(counted.key)}: {group.why}", True
    yield _summary(comparison), bool(comparison.findings)


def as_document(comparison: Comparison, today: Reading, ours: Reading) -> dict[str, Any]:
    """Return the same as one JSON document."""
    first, last = comparison.window or (None, None)
    return {
        "today": _members(today),
        "ours": _members(ours),
        "first": first,
        "last": last,
        "left_out_at_edges": comparison.at_edges,
        "pairs": {
            "equal": comparison.equal,
            "as_expected": comparison.as_expected,
            "different": comparison.different,
        },
        "groups": [_group(group, counted) for group, counted in comparison.groups.items()],
        "findings": comparison.findings,
    }


def _counts(reading: Reading) -> str:
    cut = ", the last line is cut off" if reading.cut else ""
    times = reading.times
    covered = f" from {times[0]} to {times[1]}" if times else ""
    others = f"{reading.canaries} canaries, {reading.others} others"
    return f"{len(reading)} events{covered}, {others}{cut}"


def _members(reading: Reading) -> dict[str, Any]:
    return {
        "events": len(reading),
        "times": list(reading.times or ()),
        "canaries": reading.canaries,
        "others": reading.others,
        "cut": reading.cut,
    }


def _line(group: Group, counted: Counted) -> str:
    place = f" {group.place}" if group.place else ""
    said = f"{_SAID[group.kind]}: {counted.count} {group.row}{one_line(place)}"
    if group.expected is None:
        return f"finding: {said}"
    return f"expected: {said}: {group.expected}, {group.why}"


def _about(key: Key) -> str:
    about = "revision" if isinstance(key.about, int) else "at"
    return f"{key.wiki_id} page {key.page_id}, {about} {key.about}"


def _summary(comparison: Comparison) -> str:
    pairs = comparison.equal + comparison.as_expected + comparison.different
    alone = {
        kind: sum(each.count for group, each in comparison.groups.items() if group.kind == kind)
        for kind in _SAID
    }
    findings = f"{comparison.findings} findings" if comparison.findings else "no findings"
    return (
        f"{pairs} pairs: {comparison.equal} equal, {comparison.as_expected} as expected,"
        f" {comparison.different} different; {alone['only today']} only today,"
        f" {alone['only ours']} only ours; {findings}"
    )


def _group(group: Group, counted: Counted) -> dict[str, Any]:
    difference = counted.difference
    return {
        "kind": group.kind,
        "row": group.row,
        "place": group.place,
        "expected": group.expected,
        "why": group.why,
        "count": counted.count,
        "first": {
            "wiki_id": counted.key.wiki_id,
            "page_id": counted.key.page_id,
            "rev_id" if isinstance(counted.key.about, int) else "dt": counted.key.about,
            **(_values(difference) if difference else {}),
        },
    }


def _values(difference: Difference) -> dict[str, str]:
    return {
        "pointer": difference.pointer,
        "today": shown(difference.today),
        "ours": shown(difference.ours),
    }
