"""How long a start takes, from exec to the first 2xx on a real event, and what it takes idle."""

from __future__ import annotations

import http.client
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sinks.local.processes import listen
from tests.bench import contenders, events, process_tree
from tests.bench.contenders import PATHS, Name
from tests.bench.figures import ratio, table
from tests.bench.loading import Place, running, urls
from tests.bench.rounds import CONNECTIONS, Bench, Result, say
from tests.bench.servers import Server, did_not_start, launched

_SECONDS: Final = 60.0
_IDLE_SECONDS: Final = 0.5
_PAUSE_SECONDS: Final = 0.005


@dataclass(frozen=True, slots=True)
class Start:
    """One start: until the first answer, and memory a moment later."""

    seconds: float
    cpu_seconds: float
    idle_pss_mib: float


def started(bench: Bench) -> Result:
    """Starts of each contender, in turn; the page cache is warm and bytecode is there."""
    names: Sequence[Name] = ("bare", "naive", "sinks", "granian")
    found: dict[str, list[Start]] = {name: [] for name in names}
    for name in names:
        _start(bench.place, name)  # so that everybody's files are in memory
    for number in range(bench.rounds):
        for name in names:
            found[name].append(_start(bench.place, name))
            say(
                f"start, round {number + 1} of {bench.rounds}: {name:8}"
                f" {found[name][-1].seconds:.2f} s"
            )
    seconds = {name: [each.seconds for each in starts] for name, starts in found.items()}
    header = ["contender", "first answer after s", "min..max", "x naive", "CPU s", "idle PSS MiB"]
    rows = [
        [
            name,
            f"{statistics.median(seconds[name]):.2f}",
            f"{min(seconds[name]):.2f}..{max(seconds[name]):.2f}",
            f"{ratio(seconds[name], seconds['naive']):.2f}",
            f"{statistics.median(each.cpu_seconds for each in starts):.2f}",
            f"{statistics.median(each.idle_pss_mib for each in starts):.0f}",
        ]
        for name, starts in found.items()
    ]
    return Result(f"### Start, to the first scored event\n\n{table(header, rows)}")


def _start(place: Place, name: Name) -> Start:
    headers, body = events.sample(events.page_changes(), 1)
    with listen() as sock, running(place, [], {"predictor": sock}):
        upstream = urls({"predictor": sock})["predictor"]
        server = contenders.server(name, "score", place.programs, upstream, CONNECTIONS)
        begun = time.monotonic()
        with launched(server, {place.server_cpu}, place.directory) as process:
            while not _answers(server, headers, body):
                if process.poll() is not None or time.monotonic() > begun + _SECONDS:
                    raise did_not_start(server, place.directory)
                time.sleep(_PAUSE_SECONDS)
            seconds = time.monotonic() - begun
            cpu_seconds = process_tree.cpu_seconds(process.pid)
            time.sleep(_IDLE_SECONDS)
            return Start(seconds, cpu_seconds, process_tree.pss_mib(process.pid))


def _answers(server: Server, headers: dict[str, str], body: bytes) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request("POST", PATHS["score"], body, headers)
        return 200 <= connection.getresponse().status < 300
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
