"""How the cost of an event grows: with its size, with what is in flight, with Triggers."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

from tests.bench import events
from tests.bench.figures import Rounds, Window, table
from tests.bench.loading import Load, window
from tests.bench.rounds import CONNECTIONS, Bench, Result, alone, faults, relaying, rounds, scoring
from tests.bench.scenarios import counted, joined
from tests.bench.standalone import shim, trigger, write_triggers

_SIZES: Final[Mapping[str, int]] = {
    "2 kB": 0,  # as it comes
    "16 kB": 16_000,
    "128 kB": 128_000,
    "1 MB": 1_000_000,
    "4 MB": 4_000_000,
}
# So few that the largest ones together stay below what a sink admits at a time.
_LARGE_CONNECTIONS: Final = 4
_IN_FLIGHT: Final = (1, 10, 100, 500, 1000, 2000)
_LATENCY_SECONDS: Final = 0.3
_TRIGGERS: Final = (1, 16, 50, 200)


def payload(bench: Bench) -> Result:
    """CPU per event by the size of its document."""
    few = _LARGE_CONNECTIONS

    def scored(name: str) -> Window:
        load = replace(scoring(bench, few), template=events.page_changes(size=_SIZES[name]))
        return alone(bench, "sinks", "score", load)

    def relayed(name: str) -> Window:
        load = replace(relaying(bench), template=events.scores(_SIZES[name]), connections=few)
        return alone(bench, "sinks", "egress", load)

    return joined(
        [
            _grown(bench, f"payload, {role}", "document", list(_SIZES), measure)
            for role, measure in (("score", scored), ("egress", relayed))
        ]
    )


def in_flight(bench: Bench) -> Result:
    """CPU per event by the number of events that wait for a predictor."""
    most = str(2 * max(_IN_FLIGHT))

    def measure(name: str) -> Window:
        load = scoring(bench, int(name), _LATENCY_SECONDS)
        return alone(bench, "sinks", "score", load, MAX_IN_FLIGHT=most)

    what = f"in flight, {_LATENCY_SECONDS * 1000:.0f} ms"
    return _grown(bench, what, "connections", [str(each) for each in _IN_FLIGHT], measure)


def triggers(bench: Bench) -> Result:
    """CPU of the shim per event by the number of Triggers, of which one matches."""
    load = Load(events.plain(), "/events", ["eventgate"], CONNECTIONS, bench.seconds)

    @cache
    def directory(count: int) -> Path:
        others = [trigger(f"other-{index}", f"w{index}wiki") for index in range(1, count)]
        made = [trigger("drafttopic", "enwiki"), *others]
        return write_triggers(bench.place.directory / f"triggers-{count}", made)

    def measure(name: str) -> Window:
        return window(
            bench.place,
            load,
            lambda url: [shim(bench.place, directory(int(name)), f"*={url['eventgate']}")],
        )

    names = [str(each) for each in _TRIGGERS]
    return _grown(bench, "triggers, shim", "Triggers", names, measure)


def _grown(
    bench: Bench,
    what: str,
    grows: str,
    names: Sequence[str],
    measure: Callable[[str], Window],
) -> Result:
    measured = rounds(bench, what, names, measure)
    header = [grows, "CPU us per event", "min..max", "events/s", "p99 ms", "in flight at most"]
    header += ["peak RSS MiB", "errors/lost/duplicates"]
    rows = [_row(name, measured) for name in names]
    title = f"### {what[0].upper()}{what[1:]}"
    return Result(f"{title}\n\n{table(header, rows)}", faults(what, measured))


def _row(name: str, measured: Rounds) -> list[str]:
    windows = measured[name]
    costs = [each.cpu_us for each in windows]
    return [
        name,
        f"{statistics.median(costs):.0f}",
        f"{min(costs):.0f}..{max(costs):.0f}",
        f"{statistics.median(each.per_second for each in windows):.0f}",
        f"{statistics.median(each.account.p99_ms for each in windows):.1f}",
        f"{max(each.account.in_flight_max for each in windows)}",
        f"{max(each.peak_rss_mib for each in windows):.0f}",
        counted(measured, name),
    ]
