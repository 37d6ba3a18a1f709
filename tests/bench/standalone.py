"""The standalone deployment: one event through shim, score and egress, a process each."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sinks.local.processes import ROOT
from tests.bench import contenders, events
from tests.bench.contenders import PATHS, Role
from tests.bench.figures import Window, table
from tests.bench.loading import Load, Place, Upstream, window
from tests.bench.rounds import CONNECTIONS, Bench, Result, alone, faults, rounds, scoring
from tests.bench.scenarios import counted
from tests.bench.servers import Server, free_port


def through_all(bench: Bench) -> Result:
    """CPU of all three for one event of changeprop's, with what production routes today."""
    load = Load(
        events.calls(),
        PATHS["shim"],
        ["predictor", "eventgate"],
        CONNECTIONS,
        bench.seconds,
    )

    def measure(name: str) -> Window:
        if name == "bare":
            return alone(bench, "bare", "score", scoring(bench))
        return window(bench.place, load, lambda url: all_three(bench.place, url, ROOT / "triggers"))

    what = "standalone"
    measured = rounds(bench, what, ["bare", "shim, score and egress"], measure)
    bare, ours = measured.values()
    ratios = [three.cpu_us / (3 * one.cpu_us) for three, one in zip(ours, bare, strict=True)]
    header = ["contender", "CPU us per event", "min..max", "of 3 x bare", "min..max"]
    header += ["p99 ms", "peak RSS MiB", "errors/lost/duplicates"]
    rows = []
    for name, windows in measured.items():
        costs = [each.cpu_us for each in windows]
        rows.append(
            [
                name,
                f"{statistics.median(costs):.0f}",
                f"{min(costs):.0f}..{max(costs):.0f}",
                f"{statistics.median(ratios):.2f}" if windows is ours else "",
                f"{min(ratios):.2f}..{max(ratios):.2f}" if windows is ours else "",
                f"{statistics.median(each.account.p99_ms for each in windows):.1f}",
                f"{max(each.peak_rss_mib for each in windows):.0f}",
                counted(measured, name),
            ]
        )
    title = f"### Standalone: one event through three processes, {CONNECTIONS} connections"
    return Result(f"{title}\n\n{table(header, rows)}", faults(what, measured))


def all_three(
    place: Place, url: Mapping[Upstream, str], triggers: Path, **env: str
) -> Sequence[Server]:
    """Return shim, score and egress, in the order in which an event meets them.

    url:  base URLs of predictor and EventGate.
    env:  more variables of all of them.
    """

    def before(role: Role, base: str) -> Server:
        own = {**contenders.environment(role, base), **env}
        return contenders.sink(role, place.programs, free_port(), own)

    score, egress = before("score", url["predictor"]), before("egress", url["eventgate"])
    services = f"score-sink={score.url},egress-sink={egress.url}"
    return [shim(place, triggers, services, **env), score, egress]


def shim(place: Place, triggers: Path, service_urls: str, **env: str) -> Server:
    """Return a shim that routes by the Trigger files of a directory."""
    own = {"ALLOW_ANONYMOUS": "true", "TRIGGERS_DIR": str(triggers), "SERVICE_URLS": service_urls}
    return contenders.sink("shim", place.programs, free_port(), {**own, **env})


def trigger(name: str, wiki_id: str | None) -> dict[str, Any]:
    """Return the Trigger of drafttopic under another name, for another wiki or for all of them."""
    made: dict[str, Any] = copy.deepcopy(shipped("drafttopic"))
    made["metadata"]["name"] = name
    exact = made["spec"]["filters"][0]["exact"]
    exact.pop("wikiid")
    if wiki_id is not None:
        exact["wikiid"] = wiki_id
    return made


def write_triggers(directory: Path, triggers: Sequence[dict[str, Any]]) -> Path:
    """Write Trigger files; return the directory."""
    directory.mkdir()
    for each in triggers:
        (directory / f"{each['metadata']['name']}.yaml").write_text(yaml.safe_dump(each))
    return directory


def shipped(name: str) -> dict[str, Any]:
    """Return a Trigger that production routes by."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "triggers" / f"{name}.yaml").read_text())
    return found
