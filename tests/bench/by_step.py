"""Where the CPU time of a scored event goes: a table, and the same as a picture."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sinks.local.processes import ROOT, clean_env, listen
from tests.bench import events
from tests.bench.contenders import Name, environment
from tests.bench.figures import NotMeasured, table
from tests.bench.loading import Place, running, urls
from tests.bench.rounds import Bench, Result, alone, faults, rounds, scoring

SERVER: Final = "server"
_SECONDS: Final = 120.0


def stepped(bench: Bench) -> Result:
    """The steps in a process without a server, and what a server under load takes besides."""
    load = scoring(bench)
    what = "steps, the whole under load"
    names: Sequence[Name] = ("bare", "sinks")
    measured = rounds(bench, what, names, lambda name: alone(bench, name, "score", load))
    bare, whole = (min(each.cpu_us for each in measured[name]) for name in names)
    steps = _in_one_process(bench.place)
    steps[SERVER] = max(0.0, whole - sum(steps.values()))
    header = ["step", "CPU us per event", "of all"]
    total = sum(steps.values())
    rows = [[step, f"{us:.1f}", f"{us / total:.0%}"] for step, us in steps.items()]
    rows += [["all", f"{total:.0f}", ""], ["bare, all", f"{bare:.0f}", ""]]
    _draw(bench.place, {"bare": bare, "steps": steps}, bench.picture)
    title = "### Steps of a scored event, each at its smallest"
    return Result(f"{title}\n\n{table(header, rows)}", faults(what, measured))


def _in_one_process(place: Place) -> dict[str, float]:
    template = place.directory / "steps-template"
    template.write_bytes(events.page_changes())
    with listen() as sock, running(place, [], {"predictor": sock}):
        env = environment("score", urls({"predictor": sock})["predictor"])
        arguments = ["tests.bench.steps", str(template)]
        found: dict[str, float] = json.loads(_run(place, arguments, env, place.server_cpu))
    return found


def _draw(place: Place, figures: dict[str, object], picture: Path) -> None:
    data = place.directory / "steps.json"
    data.write_text(json.dumps(figures))
    _run(place, ["tests.bench.picture", str(data), str(picture)], {}, place.load_cpu)


def _run(place: Place, arguments: list[str], env: dict[str, str], cpu: int) -> str:
    """Run a module of ours in the servers' environment; return what it prints."""
    try:
        done = subprocess.run(  # noqa: S603 - our own commands
            [str(place.programs / "python"), "-m", *arguments],
            cwd=ROOT,
            env=clean_env(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),
        )
    except subprocess.SubprocessError as error:
        said = (getattr(error, "stderr", "") or "").strip().splitlines()[-1:]
        raise NotMeasured(f"{arguments[0]}: {' '.join(said) or error}") from error
    return done.stdout
