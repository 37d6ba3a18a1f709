"""`sinks triggers lint`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Final

import click

from sinks import inputs, wikis
from sinks.contract.terminal import FINDINGS, OK, Terminal, ended, quiet_ends
from sinks.deadletter_settings import DeadletterSettings
from sinks.egress_settings import EgressSettings
from sinks.envelope import event_type
from sinks.models import MODELS
from sinks.score_settings import ScoreSettings
from sinks.shim_settings import ShimSettings
from sinks.trigger_lint.finding import Finding
from sinks.trigger_lint.known import Known, known_of
from sinks.trigger_lint.lint import lint
from sinks.trigger_lint.reading import read

_SHIPPED: Final = ("triggers", "triggers/optional")
_LINT_HELP = """Tell what is wrong with Triggers, although Knative may accept them.

PATH is a file, a directory, or - for standard input; without one, triggers and triggers/optional.
YAML and JSON are read, a List of kubectl too; resources of other kinds are passed over.

It finds a delivery that is missing, incomplete, misread, or given up too early; filters that are
refused, let all types pass, or wait for what no event of ours says; a subscriber that is no row;
one of our sinks in another namespace; and replies that come back to their own Trigger, directly or
through others. Names that are nearly right are warnings: they may be yours. What a Broker is called
and does is known if it is read too.

Exit code: 0 nothing but warnings, 1 findings, 2 something cannot be read, or holds no Trigger.

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
        resources = read(paths or _SHIPPED)
        findings = lint(resources.triggers, known(), resources.brokers)
        if as_json:
            shown = [finding.as_dict() for finding in findings]
            document = {"triggers": len(resources.triggers), "findings": shown}
            Terminal().line(json.dumps(document, indent=2))
        elif resources.triggers:
            _show(Terminal(), len(resources.triggers), findings)
        if resources.unreadable:
            raise ended("\n".join(resources.unreadable))
    sys.exit(FINDINGS if any(each.severity == "error" for each in findings) else OK)


def known() -> Known:
    """Return what this version of the sinks knows of its events, and of itself."""
    input_types = {event_type(*each) for each in inputs.load_readers()}
    return known_of(MODELS, wikis.load(), input_types, _deadlines())


def _deadlines() -> Mapping[str, float]:
    """Return the seconds that each sink may take for an event, where nothing else is set."""
    # Without these no sink starts; they change no deadline.
    callers, somewhere = {"ALLOW_ANONYMOUS": "true"}, "http://localhost/v1/events"
    settings = {
        "http-shim": ShimSettings.from_env(callers),
        "score-sink": ScoreSettings.from_env({"PREDICTOR_URL": somewhere}),
        "egress-sink": EgressSettings.from_env({"EVENTGATE_URLS": somewhere}),
        "deadletter-sink": DeadletterSettings.from_env(callers),
    }
    return {sink: each.event_deadline_seconds for sink, each in settings.items()}


def _show(terminal: Terminal, triggers: int, findings: list[Finding]) -> None:
    for finding in findings:
        warns = finding.severity == "warning"
        where = f"{finding.source}: {finding.trigger}: {finding.place}"
        terminal.line(where, fg="yellow" if warns else "red")
        terminal.line(f"  {'warning: ' if warns else ''}{finding.what}")
        terminal.line(f"  fix: {finding.advice}")
    warnings = sum(finding.severity == "warning" for finding in findings)
    of_them = f", {warnings} of them warnings" if warnings else ""
    counted = _counted(triggers, "Trigger"), _counted(len(findings), "finding")
    terminal.line(f"{', '.join(counted)}{of_them}")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
