"""`python -m sinks.local run`: samples through the whole pipeline. `up`: leave it running."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Final

import click

from sinks.local.parts import (
    PIPELINE,
    TRIGGERS_DIR,
    PortTaken,
    free_sockets,
    names,
    other_predictor,
    pinned_sockets,
    servers,
    services,
)
from sinks.local.processes import ROOT, DidNotStart, all_serving
from sinks.local.runner import Account, Topics
from sinks.local.runner import run as run_samples

_SAMPLES: Final = ROOT / "tests" / "data" / "events"


@click.group()
def main() -> None:
    """The pipeline on this machine, with a real KServe server and an EventGate that validates."""


@main.command()
@click.option("--samples", type=click.Path(path_type=Path, exists=True), default=_SAMPLES)
@click.option("--events", type=click.Path(path_type=Path), default=Path("var/eventgate"))
def run(samples: Path, events: Path) -> None:
    """Send the sample page changes, show what becomes of each; EVENTS gets what is published."""
    try:
        sockets = pinned_sockets(PIPELINE)
    except PortTaken as taken:
        sockets = free_sockets(PIPELINE)
        # Whoever has the ports may have the files too, and offsets are counted in one process.
        events = events.with_name(f"{events.name}-{sockets['eventgate'].getsockname()[1]}")
        click.echo(f"{taken}, so all parts take free ports")
    parts = servers(sockets, events)
    click.echo(f"starting {', '.join(part.name for part in parts)}")
    click.echo("scores are samples, made by hashing; a published event is in the line that is told")
    click.echo(f"of the stream's file, {events}/dev.<stream>.ndjson")
    try:
        with all_serving(parts, sockets, Path("var/log")) as running:
            complete = False
            for line in run_samples(
                sorted(samples.glob("*.json")), running["http-shim"].url, Topics(events)
            ):
                click.echo(str(line))
                complete = isinstance(line, Account) and line.complete
    except DidNotStart as error:
        sys.exit(str(error))
    sys.exit(0 if complete else 1)


@main.command()
@click.option("--free-ports", is_flag=True, help="Take any free ports instead of the known ones.")
@click.option("--events", type=click.Path(path_type=Path), default=Path("var/eventgate"))
def up(free_ports: bool, events: Path) -> None:
    """Start everything and leave it running until Ctrl-C; EVENTS is where EventGate writes.

    With PREDICTOR_URL (and PREDICTOR_HOST, CA_FILE) in the environment score-sink asks the
    predictors there, and there is no local one.
    """
    predictor = other_predictor(os.environ)
    try:
        sockets = (free_sockets if free_ports else pinned_sockets)(names(predictor))
    except PortTaken as taken:
        sys.exit(
            f"{taken}: end it, or take others: .venv/bin/python -m sinks.local up --free-ports"
        )
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    parts = servers(sockets, events, predictor)
    click.echo(f"starting {', '.join(part.name for part in parts)}")
    if predictor:
        click.echo(f"predictions are of {predictor['PREDICTOR_URL']}")
    try:
        with all_serving(parts, sockets, Path("var/log")) as running:
            for name, server in running.items():
                click.echo(f"  {name:12} {server.url}  log: {server.log_path}")
            urls = services({name: server.url for name, server in running.items()})
            click.echo("so that `sinks deadletters replay` finds them:")
            click.echo(f"  export TRIGGERS_DIR={TRIGGERS_DIR} SERVICE_URLS={urls}")
            click.echo(f"watch it on {running['console'].url}/")
            click.echo("ready; Ctrl-C ends it")
            while not stopped.wait(1):
                for name, server in running.items():
                    if server.process.poll() is not None:
                        sys.exit(f"{name} has ended; see {server.log_path}")
    except DidNotStart as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
