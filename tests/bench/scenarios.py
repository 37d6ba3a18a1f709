"""What is measured against the bare callable and the naive app; a table for each."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sinks.cloudevent import Mode
from tests.bench import events
from tests.bench.contenders import Name, Role
from tests.bench.figures import Rounds, ratio, table
from tests.bench.loading import Load
from tests.bench.rounds import CONNECTIONS, Bench, Result, alone, faults, relaying, rounds, scoring

# Events a second that are due; with more, its threads keep each other from working at all.
_MOST_ON_GRANIAN: Final = 2000


def scored(bench: Bench) -> Result:
    """Scoring by a predictor that answers at once, in both content modes."""
    results = []
    modes: Sequence[Mode] = ("binary", "structured")
    for mode in modes:
        load = replace(scoring(bench), template=events.page_changes(mode))
        what = f"scoring, {mode} mode"
        results.append(_compared(bench, what, "score", load, ["bare", "naive", "sinks"]))
    return joined(results)


def relayed(bench: Bench) -> Result:
    """Relaying to an EventGate that answers at once."""
    return _compared(bench, "egress", "egress", relaying(bench), ["bare", "naive", "sinks"])


def granian(bench: Bench) -> Result:
    """The same scoring app on granian, with a thread for each connection."""
    names: list[Name] = ["bare", "sinks", "granian"]
    return _compared(bench, "scoring on granian", "score", scoring(bench), names)


def waiting(bench: Bench) -> Result:
    """Scoring by a predictor that takes its time."""
    cases = [(0.3, 500), (0.3, 1000), (3.0, 1000)]
    return joined([_waited(bench, latency, connections) for latency, connections in cases])


def joined(results: Sequence[Result]) -> Result:
    """Return the results as one."""
    lines = [line for each in results for line in each.faults]
    return Result("\n\n".join(each.text for each in results), lines)


def _compared(bench: Bench, what: str, role: Role, load: Load, names: Sequence[Name]) -> Result:
    measured = rounds(bench, what, names, lambda name: alone(bench, name, role, load))
    bases = [name for name in ("bare", "naive") if name in measured]
    header = ["contender", "events per CPU second", "min..max", "CPU us per event", "events/s"]
    header += [f"x {name}" for name in bases]
    header += ["p50 ms", "p95", "p99", "peak RSS MiB", "errors/lost/duplicates"]
    rows = [_row(name, measured, bases) for name in measured]
    title = f"### {what[0].upper()}{what[1:]}, {CONNECTIONS} connections"
    return Result(f"{title}\n\n{table(header, rows)}", faults(what, measured))


def _row(name: str, measured: Rounds, bases: Sequence[str]) -> list[str]:
    windows = measured[name]
    rates = per_cpu_second(measured, name)
    rate = statistics.median(rates)
    return [
        name,
        f"{rate:.0f}",
        f"{min(rates):.0f}..{max(rates):.0f}",
        f"{statistics.median(each.cpu_us for each in windows):.0f}",
        f"{statistics.median(each.per_second for each in windows):.0f}",
        *(f"{ratio(rates, per_cpu_second(measured, base)):.2f}" for base in bases),
        *_times(measured, name, "p50_ms", "p95_ms", "p99_ms"),
        f"{max(each.peak_rss_mib for each in windows):.0f}",
        counted(measured, name),
    ]


def _waited(bench: Bench, latency: float, connections: int) -> Result:
    names: list[Name] = ["bare", "naive", "sinks"]
    if connections / latency <= _MOST_ON_GRANIAN:
        names.append("granian")
    load = scoring(bench, connections, latency)
    most = str(2 * connections)  # whoever has an answer may be back before it is written off
    what = f"waiting {latency * 1000:.0f} ms, {connections} connections"
    measured = rounds(
        bench,
        what,
        names,
        lambda name: alone(bench, name, "score", load, MAX_IN_FLIGHT=most),
    )
    ideal = connections / latency
    header = ["contender", "events/s", "of ideal", "in flight at most", "CPU us per event"]
    header += ["p50 ms", "p99", "max", "peak RSS MiB", "errors/lost/duplicates"]
    rows = []
    for name, windows in measured.items():
        rate = statistics.median(each.per_second for each in windows)
        rows.append(
            [
                name,
                f"{rate:.0f}",
                f"{rate / ideal:.0%}",
                f"{max(each.account.in_flight_max for each in windows)}",
                f"{statistics.median(each.cpu_us for each in windows):.0f}",
                *_times(measured, name, "p50_ms", "p99_ms", "max_ms"),
                f"{max(each.peak_rss_mib for each in windows):.0f}",
                counted(measured, name),
            ]
        )
    title = f"### {what[0].upper()}{what[1:]}: ideal is {ideal:.0f} events/s"
    ours = {name: windows for name, windows in measured.items() if name not in ("bare", "naive")}
    return Result(f"{title}\n\n{table(header, rows)}", faults(what, ours))


def per_cpu_second(measured: Rounds, name: str) -> list[float]:
    """Return good answers per CPU second, round by round."""
    return [each.per_cpu_second for each in measured[name]]


def counted(measured: Rounds, name: str) -> str:
    """Return errors, lost and duplicates of all rounds."""
    accounts = [each.account for each in measured[name]]
    return "/".join(
        str(sum(getattr(each, field) for each in accounts))
        for field in ("errors", "lost", "duplicates")
    )


def _times(measured: Rounds, name: str, *fields: str) -> list[str]:
    accounts = [each.account for each in measured[name]]
    return [f"{statistics.median(getattr(a, field) for a in accounts):.1f}" for field in fields]
