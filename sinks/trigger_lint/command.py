"""`sinks triggers lint`."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import click

from sinks import inputs, wikis
from sinks.console_settings import ConsoleSettings
from sinks.contract.finding import one_line
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
through others. Names that are nearly right are warnings: they may be yours. Where Brokers or
Services are read too, a name that none of them has is an error, and a reply of which its Broker has
no Trigger is a warning.

Exit code: 0 nothing but warnings, 1 findings, 2 something cannot be read, or holds no Trigger.
With --strict, warnings are findings.

\b
Examples, what a cluster holds, and what an overlay makes:
  kubectl -n event-sinks get triggers -o yaml | sinks triggers lint -
  kubectl -n event-sinks get brokers,services,triggers -o yaml | sinks triggers lint -
  kubectl kustomize manifests/overlays/dev | sinks triggers lint --strict -
"""


@click.group()
def triggers() -> None:
    """Look at Triggers before a cluster, or the shim, goes by them."""


@triggers.command("lint", help=_LINT_HELP)
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines.")
@click.option("--strict", is_flag=True, help="Exit with 1 on warnings too.")
def lint_command(paths: tuple[str, ...], as_json: bool, strict: bool) -> None:
    if paths.count("-") > 1:
        raise click.UsageError("standard input can be read only once: name - once")
    with quiet_ends():
        linted = paths or _shipped()
        resources = read(linted)
        findings = lint(resources.triggers, known(), resources.brokers, resources.services)
        if as_json:
            shown = [finding.as_dict() for finding in findings]
            document = {
                "triggers": len(resources.triggers),
                "findings": shown,
                "unreadable": [*resources.unreadable],
            }
            Terminal().line(json.dumps(document, indent=2))
        elif resources.triggers:
            counted = f"{_counted(len(resources.triggers), 'Trigger')} of {_named(linted)}"
            _show(Terminal(), counted, findings)
        if resources.unreadable:
            raise ended("\n".join(resources.unreadable))
    sys.exit(FINDINGS if any(strict or each.severity == "error" for each in findings) else OK)


def _shipped() -> Sequence[str]:
    """Return the directories that are linted where none is named; raises click.UsageError."""
    if is_piped():
        shipped = " ".join(_SHIPPED)
        problem = f"standard input is not read without -: name - for it, or name {shipped}"
        raise click.UsageError(problem)
    if not Path(_SHIPPED[0]).is_dir():
        problem = f"there is no directory {_SHIPPED[0]} here: name a file, a directory or -"
        raise click.UsageError(problem)
    return _SHIPPED


def is_piped() -> bool:
    """Whether somebody hands something in; a terminal and /dev/null hold nothing."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (AttributeError, OSError):  # closed, or none of the system's
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)


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
        "console": ConsoleSettings.from_env({}),
    }
    return {sink: each.event_deadline_seconds for sink, each in settings.items()}


def _show(terminal: Terminal, counted: str, findings: list[Finding]) -> None:
    for finding in findings:
        warns = finding.severity == "warning"
        where = f"{finding.source}: {finding.trigger}: {finding.place}"
        terminal.line(where, fg="yellow" if warns else "red")
        terminal.line(f"  {'warning: ' if warns else ''}{finding.what}")
        terminal.line(f"  fix: {finding.advice}")
    warnings = sum(finding.severity == "warning" for finding in findings)
    of_them = f", {warnings} of them warnings" if warnings else ""
    terminal.line(f"{counted}, {_counted(len(findings), 'finding')}{of_them}")


def _named(paths: Sequence[str]) -> str:
    return one_line(", ".join("standard input" if each == "-" else each for each in paths))


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
