"""Memory at load: other pages, wikis, senders and tokens with each event; nothing may grow."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import cycle
from typing import Final

from sinks.local.processes import listen
from tests.bench import events, figures, process_tree
from tests.bench.events import Distinct
from tests.bench.figures import Window, slope, table
from tests.bench.loading import FIRST, Load, Upstream, loaded, started, urls
from tests.bench.rounds import CONNECTIONS, Bench, Result, say
from tests.bench.standalone import all_three, shipped, trigger, write_triggers

_LIMIT_KIB_PER_MINUTE: Final = 100.0
_SAMPLE_SECONDS: Final = 5.0
_SEGMENT_SECONDS: Final = 20.0
_WARM_UP: Final = 0.15  # of the time; by then caches and the allocator's arenas are full
_KINDS: Final[Sequence[Distinct]] = ("pages", "wikis", "addresses", "strangers")
_UPSTREAMS: Final[Sequence[Upstream]] = ("predictor", "eventgate")
# Minutes since the load began, and KiB.
Samples = list[tuple[float, float]]


def flat(bench: Bench) -> Result:
    """Resident memory of shim, score and egress, a process each, for `minutes`."""
    place = bench.place
    routes = [trigger("drafttopic", None), shipped("egress")]
    directory = write_triggers(place.directory / "all-wikis", routes)
    with ExitStack() as stack:
        sockets = {name: stack.enter_context(listen()) for name in _UPSTREAMS}
        # A line for each stranger would fill the disk.
        servers = all_three(place, urls(sockets), directory, LOG_LEVEL="ERROR")
        roots = started(stack, place, servers)
        windows: dict[str, list[Window]] = {kind: [] for kind in _KINDS}
        first = FIRST
        with ExitStack() as sampling:
            samples = {name: sampling.enter_context(_sampled(root)) for name, root in roots.items()}
            end = time.monotonic() + 60 * bench.minutes
            for kind in cycle(_KINDS):
                if time.monotonic() > end:
                    break
                load = _load(kind, first)
                measured = loaded(place, load, servers[0].url, sockets, list(roots.values()))
                first += measured.account.sent
                windows[kind].append(measured)
                said = ", ".join(f"{name} {taken[-1][1]:.0f}" for name, taken in samples.items())
                say(f"memory, {first - FIRST} events, other {kind}: KiB {said}")
    return _judged(samples, windows, first - FIRST)


def _load(kind: Distinct, first: int) -> Load:
    return Load(
        events.plain(kind),
        "/events",
        _UPSTREAMS,
        CONNECTIONS,
        _SEGMENT_SECONDS,
        sources=kind in ("addresses", "strangers"),
        status=401 if kind == "strangers" else 0,
        first=first,
    )


@contextmanager
def _sampled(root: int) -> Iterator[Samples]:
    """Give what grows by one sample of a process's memory every few seconds."""
    samples: Samples = []
    ended = threading.Event()
    begun = time.monotonic()

    def sample() -> None:
        while not ended.wait(_SAMPLE_SECONDS):
            samples.append(((time.monotonic() - begun) / 60, process_tree.rss_kib(root)))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()


def _judged(samples: dict[str, Samples], windows: dict[str, list[Window]], sent: int) -> Result:
    wrong: list[str] = []
    for kind, measured in windows.items():
        # What no row wants is acknowledged and goes no further.
        judged = [
            replace(each, account=replace(each.account, lost=0)) if kind == "wikis" else each
            for each in measured
        ]
        wrong += figures.faults(f"memory, other {kind}", judged)
    header = ["process", "RSS MiB after warm-up", "at the end", "KiB per minute"]
    header += ["KiB per 100,000 events"]
    rows = []
    for name, taken in samples.items():
        warm = taken[int(_WARM_UP * len(taken)) :]
        grown = slope(warm)
        per_minute = sent / taken[-1][0]
        rows.append(
            [
                name,
                f"{warm[0][1] / 1024:.1f}",
                f"{warm[-1][1] / 1024:.1f}",
                f"{grown:.1f}",
                f"{grown / per_minute * 100_000:.1f}",
            ]
        )
        if grown > _LIMIT_KIB_PER_MINUTE:
            wrong.append(
                f"memory, {name}: grows by {grown:.0f} KiB per minute,"
                f" {_LIMIT_KIB_PER_MINUTE:.0f} at most are allowed"
            )
    counts = ", ".join(
        f"{sum(each.account.sent for each in measured)} other {kind}"
        for kind, measured in windows.items()
    )
    minutes = max(taken[-1][0] for taken in samples.values())
    title = f"### Memory in {minutes:.0f} minutes: {counts}"
    return Result(f"{title}\n\n{table(header, rows)}", wrong)
