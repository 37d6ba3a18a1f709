"""`sinks contract check`: files in, lines for people or one JSON document out."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from sinks.contract.check.broker_view import Role
from sinks.contract.check.payload import Unreadable, read_limited
from sinks.contract.check.reading import Reading
from sinks.contract.check.rules import RULES, shown
from sinks.contract.check.run import Checked
from sinks.contract.check.run import check as checked_of
from sinks.contract.finding import one_line
from sinks.contract.terminal import FINDINGS, OK, USAGE, Terminal, ended, opened, quiet_ends

_NAMED = ("id", "type", "source")
_HELP = """Check payloads: FILE... or - for standard input.

\b
A payload is one CloudEvent as structured JSON, one event-platform document as bare JSON,
or one HTTP message as captured by curl -si or curl -sv: a request to a sink or its answer.

Each line of a verdict says what a neighbour will do with it. Exit code: 0 nothing is wrong,
or only warnings; 1 there are errors; 2 a file cannot be read or is no payload.

\b
Example, what a sink answers:
  curl -si -H 'Content-Type: application/cloudevents+json' \\
    --data-binary @event.json http://127.0.0.1:8081/models/drafttopic | sinks contract check -
"""


@click.command(help=_HELP)
@click.argument("files", nargs=-1, metavar="FILE...")
@click.option(
    "--as",
    "role",
    type=click.Choice(["reply", "request"]),
    default="reply",
    show_default=True,
    help="What structured JSON is meant as: an answer of a sink, or posted to a Broker. A capture"
    " says it itself.",
)
@click.option(
    "--stream",
    "streams",
    multiple=True,
    metavar="NAME",
    help="A stream that is allowed besides those that are known; can be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines.")
@click.option("--rules", is_flag=True, help="List all rules and check nothing.")
def check(
    files: Sequence[str], role: Role, streams: Sequence[str], as_json: bool, rules: bool
) -> None:
    if not files and not rules:
        raise click.UsageError("name a FILE, or - for standard input")
    if files.count("-") > 1:
        raise ended("standard input can be read only once: name - once")
    with quiet_ends():
        terminal = Terminal()
        if rules:
            _list_rules(terminal)
            code = OK
        else:
            seen = [_one(terminal, name, role, streams, as_json) for name in files]
            code = _end(terminal, seen, as_json)
    sys.exit(code)


def _one(
    terminal: Terminal, name: str, role: Role, streams: Sequence[str], as_json: bool
) -> dict[str, Any]:
    """Check one file, and return its part of the JSON document."""
    called = "standard input" if name == "-" else one_line(name)
    try:
        if name == "-" and sys.stdin is not None and sys.stdin.isatty():
            terminal.progress("reading from the terminal until Ctrl-D")
        with opened(name) as source:
            content = read_limited(source)
        terminal.progress("")
        checked = checked_of(content, role, streams)
    except (OSError, Unreadable) as error:
        problem = (error.strerror or "cannot be read") if isinstance(error, OSError) else str(error)
        sys.stdout.flush()
        click.echo(f"Error: {called}: {one_line(problem)}", err=True)
        return {"file": called, "problem": problem}
    if not as_json:
        _show(terminal, called, checked)
    return _as_members(called, checked)


def _show(terminal: Terminal, called: str, checked: Checked) -> None:
    terminal.line(f"{called}: {_headline(checked)}", bold=True)
    for verdict in checked.verdicts:
        terminal.line(f"  {verdict.neighbour}: {one_line(verdict.text)}")
    for finding in checked.findings:
        terminal.finding(finding)


def _headline(checked: Checked) -> str:
    reading = checked.reading
    status = f" {reading.payload.status}" if reading.payload.status else ""
    mode = f", {reading.mode} mode" if reading.mode in ("binary", "structured") else ""
    told = "".join(f", {name} {shown(value)[1:-1]}" for name, value in _names(reading).items())
    return f"{reading.payload.kind}{status}{mode}{told}"


def _names(reading: Reading) -> dict[str, str]:
    """What tells one event, or document, from another."""
    named: Mapping[str, Any] = reading.attributes
    if reading.is_document() and isinstance(reading.data, dict):
        meta = reading.data.get("meta")
        named = {**(meta if isinstance(meta, dict) else {}), **reading.data}
    names = ("$schema", *_NAMED, "stream")
    return {name: str(named[name]) for name in names if named.get(name)}


def _as_members(called: str, checked: Checked) -> dict[str, Any]:
    reading = checked.reading
    return {
        "file": called,
        "kind": reading.payload.kind,
        "mode": reading.mode,
        "status": reading.payload.status,
        **{name: reading.attributes.get(name) for name in _NAMED},
        "verdicts": [verdict._asdict() for verdict in checked.verdicts],
        "findings": [finding.as_dict() for finding in checked.findings],
    }


def _end(terminal: Terminal, seen: Sequence[dict[str, Any]], as_json: bool) -> int:
    findings = [finding for each in seen for finding in each.get("findings", ())]
    errors = sum(finding["severity"] == "error" for finding in findings)
    unread = sum("problem" in each for each in seen)
    if as_json:
        document = {"payloads": seen, "errors": errors, "warnings": len(findings) - errors}
        terminal.line(json.dumps(document, indent=2))
    else:
        warnings = f", {len(findings) - errors} of them warnings" if errors < len(findings) else ""
        failed = f", {unread} unreadable" if unread else ""
        payloads = _counted(len(seen) - unread, "payload")
        terminal.line(f"{payloads}, {_counted(len(findings), 'finding')}{warnings}{failed}")
    return USAGE if unread else FINDINGS if errors else OK


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _list_rules(terminal: Terminal) -> None:
    for slug, rule in RULES.items():
        terminal.line(f"{slug} ({rule.severity})", bold=True)
        terminal.line(f"  {rule.meaning}")
        terminal.line(f"  clause: {rule.clause}")
        terminal.line(f"  fix: {rule.fix}")
