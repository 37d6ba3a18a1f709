"""Contenders in turn, A B C A B C, fresh servers each time: a machine's drift hits all alike."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from tests.bench import contenders, events, figures
from tests.bench.contenders import PATHS, Name, Role
from tests.bench.figures import Rounds, Window
from tests.bench.loading import Load, Place, Upstream, window

N = TypeVar("N", bound=str)
CONNECTIONS: Final = 32


@dataclass(frozen=True, slots=True)
class Bench:
    """How much is measured, and where.

    minutes:  of the memory scenario.
    picture:  where the picture of the steps goes.
    """

    place: Place
    rounds: int
    seconds: float
    minutes: float
    picture: Path


@dataclass(frozen=True, slots=True)
class Result:
    """What a scenario came to: Markdown, and a line for everything that was wrong."""

    text: str
    faults: Sequence[str] = ()


def say(line: str) -> None:
    """Print a line of progress, beside the tables on standard output."""
    print(line, file=sys.stderr, flush=True)


def rounds(bench: Bench, what: str, names: Sequence[N], measure: Callable[[N], Window]) -> Rounds:
    """Return each contender's windows."""
    found: dict[str, list[Window]] = {name: [] for name in names}
    for number in range(bench.rounds):
        for name in names:
            measured = measure(name)
            found[name].append(measured)
            say(
                f"{what}, round {number + 1} of {bench.rounds}: {name:8}"
                f" {measured.per_second:6.0f} events/s, {measured.per_cpu_second:6.0f} per CPU"
                f" second, p99 {measured.account.p99_ms:.0f} ms"
            )
    return found


def faults(what: str, measured: Rounds) -> list[str]:
    """Return a line for each window with an error, a loss or a duplicate."""
    found = (figures.faults(f"{what}, {name}", each) for name, each in measured.items())
    return [line for lines in found for line in lines]


def scoring(bench: Bench, connections: int = CONNECTIONS, latency: float = 0.0) -> Load:
    """Return the load on a score-sink, in binary mode."""
    return Load(
        events.page_changes(),
        PATHS["score"],
        ["predictor"],
        connections,
        max(bench.seconds, 2 * latency),
        replies=True,
        latency=latency,
    )


def relaying(bench: Bench) -> Load:
    """Return the load on an egress-sink."""
    return Load(events.scores(), PATHS["egress"], ["eventgate"], CONNECTIONS, bench.seconds)


def alone(bench: Bench, name: Name, role: Role, load: Load, **env: str) -> Window:
    """Return one window of one contender that is alone before its upstream.

    env: more variables.
    """
    upstream: Upstream = load.upstreams[0]
    place = bench.place
    return window(
        place,
        load,
        lambda url: [
            contenders.server(name, role, place.programs, url[upstream], load.connections, env)
        ],
    )
