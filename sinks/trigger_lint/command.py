"""`sinks triggers lint`."""

from __future__ import annotations

import json
import sys
from typing import Final

import click

from sinks import inputs, wikis
from sinks.contract.terminal import FINDINGS, OK, Terminal, ended, quiet_ends
from sinks.envelope import event_type
from sinks.models import MODELS
from sinks.trigger_lint.finding import Finding
from sinks.trigger_lint.known import known_of
from sinks.trigger_lint.lint import lint
from sinks.trigger_lint.reading import Unreadable, read

_SHIPPED: Final = ("triggers", "triggers/optional")
_LINT_HELP = """Tell what is wrong with Triggers, although Knative may accept them.

PATH is a file, a directory, or - for standard input; without one, triggers and triggers/optional.
YAML and JSON are read, a List of kubectl too; resources of other kinds are passed over.

It finds a delivery that is missing, incomplete or misread; filters that are refused, let all types
pass, or wait for what no event of ours says; a subscriber that is no row; and replies that come
back to their own Trigger, directly or through others.

Exit code: 0 nothing is wrong, 1 findings, 2 something cannot be read, or holds no Trigger.

\b
Example, what a cluster holds:
  kubectl -n event-sinks get triggers -o yaml | sinks triggers lint -
"""


@click.group()
def triggers() -> None:
    """Look at Triggers before a cluster, or the shim, goes by them."""


@triggers.command("lint", help=_LINT_HELP)
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines.")
def lint_command(paths: tuple[str, ...], as_json: bool) -> None:
    if paths.count("-") > 1:
        raise click.UsageError("standard input can be read only once: name - once")
    with quiet_ends():
        try:
            resources = read(paths or _SHIPPED)
        except Unreadable as error:
            raise ended(str(error)) from None
        input_types = {event_type(*each) for each in inputs.load_readers()}
        findings = lint(resources, known_of(MODELS, wikis.load(), input_types))
        if as_json:
            shown = [finding.as_dict() for finding in findings]
            document = {"triggers": len(resources), "findings": shown}
            Terminal().line(json.dumps(document, indent=2))
        else:
            _show(Terminal(), len(resources), findings)
    sys.exit(FINDINGS if findings else OK)


def _show(terminal: Terminal, triggers: int, findings: list[Finding]) -> None:
    for finding in findings:
        where = f"{finding.source}: {finding.trigger}: {finding.place}"
        terminal.line(where, fg="red")
        terminal.line(f"  {finding.what}")
        terminal.line(f"  fix: {finding.advice}")
    terminal.line(f"{_counted(triggers, 'Trigger')}, {_counted(len(findings), 'finding')}")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
