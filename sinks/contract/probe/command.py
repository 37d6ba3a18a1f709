"""`sinks contract probe`: the rows of a role against a running sink."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, get_args

import click

from sinks import cloudevent, jsondata
from sinks.contract import terminal
from sinks.contract.options import authorization, read_bytes
from sinks.contract.probe import report
from sinks.contract.probe.run import InvalidSample, Probe, Result, Unreachable
from sinks.contract.probe.run import probe as probe_of
from sinks.contract.probe.target import ANSWER_SECONDS, InvalidTarget, target_of
from sinks.contract.rows.row import Role, Row
from sinks.contract.rows.sample import attributes_of
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
@click.option(
    "--event",
    metavar="FILE",
    help="The good event: a structured CloudEvent, or a bare document.",
)
@click.option("--token-file", metavar="FILE", help="Holds the bearer token to show.")
@click.option("--ca-file", type=click.Path(path_type=Path), help="Certificate authorities, PEM.")
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 600),
    default=ANSWER_SECONDS,
    show_default=True,
    help="Seconds for an answer.",
)
@click.option("--show", metavar="ROW", help="Show what this row sends and expects; send nothing.")
@click.option("--quiet", is_flag=True, help="Leave out the rows that are fine.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")
@click.option(
    "--junit", type=click.Path(path_type=Path, dir_okay=False), help="Write JUnit XML to this file."
)
@click.option("--yes", is_flag=True, help="Probe a sink that is not on this machine.")
def probe(
    url: str,
    role: Role,
    expect_row: str | None,
    event: str | None,
    token_file: str | None,
    ca_file: Path | None,
    timeout: float,
    show: str | None,
    quiet: bool,
    as_json: bool,
    junit: Path | None,
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
            headers = authorization(token_file)
            target = target_of(url, timeout, ca_file, yes)
            if expect_row and role not in ("score-sink", "any-processor"):
                raise ended(f"--expect-row is for sinks that reply, which {role} does not")
            made = probe_of(target, role, expect_row, headers, _event(event, role))
            if show is not None:
                report.sent(Terminal(), made, _row(made, show))
                return
            report_file = None if junit is None else _writable(junit)
            results = _run(made, url, silent=as_json, quiet=quiet)
        except (InvalidSample, InvalidTarget, Unreachable) as error:
            raise ended(str(error)) from None
        if as_json:
            click.echo(report.as_json(url, made, results))
        if report_file is not None:
            report_file.write_bytes(report.as_junit(url, made, results))
    sys.exit(terminal.FINDINGS if any(result.findings for result in results) else terminal.OK)


def _row(probe: Probe, name: str) -> Row:
    for row in probe.rows:
        if row.name == name:
            return row
    raise ended(f"there is no row {name} for {probe.role}: a probe lists their names")


def _writable(path: Path) -> Path:
    """The path, if it can be written to: known before hundreds of requests, and nothing is lost."""
    try:
        with path.open("ab"):
            return path
    except OSError as error:
        raise ended(f"--junit: {path}: {error.strerror}") from None


def _run(probe: Probe, url: str, silent: bool, quiet: bool) -> list[Result]:
    screen = Terminal()
    rows = probe.rows
    probe.greet()
    if not silent:
        screen.line(f"{url} as {probe.role}: {len(rows)} rows, {probe.requests} requests")
    results: list[Result] = []
    screen.progress(f"1 of {len(rows)}: {rows[0].name}")
    try:
        for result in probe.run_all():
            results.append(result)
            screen.progress("")
            if not silent:
                report.show(screen, result, quiet)
            if len(results) < len(rows):
                screen.progress(f"{len(results) + 1} of {len(rows)}: {rows[len(results)].name}")
    finally:
        screen.progress("")
    if not silent:
        screen.line(report.summary(probe, results), bold=True)
    return results


def _event(name: str | None, role: Role) -> dict[str, Any] | None:
    """The members of an event whose data is an object, so that rows can change it.

    A bare document gets the attributes that it would travel with.
    """
    if name is None:
        return None
    raw = read_bytes("--event", name, _MAX_EVENT_BYTES + 1)
    try:
        document = jsondata.loads(raw)
        if isinstance(document, dict) and "$schema" in document and "specversion" not in document:
            return {**attributes_of(document), "data": document}
        event = cloudevent.decode({"content-type": cloudevent.STRUCTURED_JSON}, raw)
    except SinkError as error:
        raise ended(f"--event: {error.detail}") from None
    except (KeyError, TypeError) as error:
        raise ended(
            f"--event: the document lacks {error}, or is not of a kind for {role}"
        ) from None
    if not isinstance(event.data, dict) or len(raw) > _MAX_EVENT_BYTES:
        raise ended("--event: the data has to be a JSON object of at most 4 MiB")
    return {**event.attributes, "data": event.data}
