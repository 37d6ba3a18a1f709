"""`sinks contract probe`: the rows of a role against a running sink."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, get_args

import click

from sinks import cloudevent
from sinks.contract import terminal
from sinks.contract.probe import report
from sinks.contract.probe.run import InvalidSample, Probe, Result, Unreachable
from sinks.contract.probe.run import probe as probe_of
from sinks.contract.probe.target import ANSWER_SECONDS, InvalidTarget, target_of
from sinks.contract.rows.row import Role
from sinks.contract.terminal import Terminal, ended, quiet_ends
from sinks.errors import SinkError
from sinks.models import MODELS

_MAX_EVENT_BYTES = 4 * 2**20


@click.command()
@click.argument("url")
@click.option("--as", "role", type=click.Choice(get_args(Role)), required=True, help="What it is.")
@click.option(
    "--expect-row", type=click.Choice(tuple(MODELS)), help="Whose prediction has to come."
)
@click.option("--event", type=click.File("rb"), help="The good event, as a structured CloudEvent.")
@click.option("--token-file", type=click.File("rb"), help="Holds the bearer token to show.")
@click.option("--ca-file", type=click.Path(path_type=Path), help="Certificate authorities, PEM.")
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 600),
    default=ANSWER_SECONDS,
    show_default=True,
    help="Seconds for an answer.",
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")
@click.option(
    "--junit", type=click.File("wb", lazy=False), help="Write JUnit XML to this file as well."
)
@click.option("--yes", is_flag=True, help="Probe a sink that is not on this machine.")
def probe(
    url: str,
    role: Role,
    expect_row: str | None,
    event: Any,
    token_file: Any,
    ca_file: Path | None,
    timeout: float,
    as_json: bool,
    junit: Any,
    yes: bool,
) -> None:
    """Put the rows of a contract to the sink at URL.

    \b
    sinks contract probe http://127.0.0.1:8081 --as score-sink --expect-row drafttopic
    sinks contract probe http://127.0.0.1:9000/score --as any-processor

    A URL without a path gets the one that the sink has: /models/<row>, /events or /. Events for
    egress-sink and http-shim are canaries, which consumers drop. Exit code: 0 nothing is wrong,
    1 findings, 2 nobody answers or the command is wrong.
    """
    with quiet_ends():
        try:
            headers = _authorization(token_file)
            target = target_of(url, timeout, ca_file, yes)
            made = probe_of(target, role, expect_row, headers, _event(event))
            results = _run(made, url, quiet=as_json)
        except (InvalidSample, InvalidTarget, Unreachable) as error:
            raise ended(str(error)) from None
        if as_json:
            click.echo(report.as_json(url, made, results))
        if junit is not None:
            junit.write(report.as_junit(url, made, results))
    sys.exit(terminal.FINDINGS if any(result.findings for result in results) else terminal.OK)


def _run(probe: Probe, url: str, quiet: bool) -> list[Result]:
    screen = Terminal()
    rows = probe.rows
    probe.greet()
    if not quiet:
        screen.line(f"{url} as {probe.role}: {len(rows)} rows, {probe.requests} requests")
    results: list[Result] = []
    screen.progress(f"1 of {len(rows)}: {rows[0].name}")
    try:
        for result in probe.run_all():
            results.append(result)
            screen.progress("")
            if not quiet:
                report.show(screen, result)
            if len(results) < len(rows):
                screen.progress(f"{len(results) + 1} of {len(rows)}: {rows[len(results)].name}")
    finally:
        screen.progress("")
    if not quiet:
        screen.line(report.summary(probe, results), bold=True)
    return results


def _authorization(file: Any) -> dict[str, str]:
    if file is None:
        return {}
    token = file.read(8192).decode("latin-1").strip()
    if not token.isascii() or not token.isprintable() or not token or " " in token:
        raise ended("--token-file has to hold one token: ASCII without spaces")
    return {"Authorization": f"Bearer {token}"}


def _event(file: Any) -> dict[str, Any] | None:
    """The members of a structured event whose data is an object, so that rows can change it."""
    if file is None:
        return None
    raw = file.read(_MAX_EVENT_BYTES + 1)
    try:
        event = cloudevent.decode({"content-type": cloudevent.STRUCTURED_JSON}, raw)
    except SinkError as error:
        raise ended(f"--event: {error.detail}") from None
    if not isinstance(event.data, dict) or len(raw) > _MAX_EVENT_BYTES:
        raise ended("--event: the data has to be a JSON object of at most 4 MiB")
    return {**event.attributes, "data": event.data}
