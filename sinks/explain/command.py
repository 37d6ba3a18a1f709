"""`sinks explain`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any

import click

from sinks import decision, event_samples, jsondata, publishing
from sinks.contract.finding import one_line
from sinks.contract.options import event_bytes
from sinks.contract.terminal import FINDINGS, OK, Terminal, ended, quiet_ends
from sinks.environment import InvalidSettings
from sinks.errors import MalformedEvent
from sinks.explain.brokers import Explained, apart, explained, names_of
from sinks.explain.document import as_document
from sinks.explain.report import lines
from sinks.explain_settings import ExplainSettings
from sinks.explaining.entry import Entry, enter
from sinks.explaining.subscribers import Surroundings
from sinks.models import MODELS
from sinks.trigger_lint.command import is_piped, known
from sinks.trigger_lint.reading import Resources, read

_HELP = f"""Tell why an event goes where it goes, or nowhere.

EVENT is a file, - for standard input, or one of the samples
{", ".join(event_samples.names())}.
It holds a page change, a revision-create or a prediction, as bare JSON or as a structured
CloudEvent. The shim makes a CloudEvent's attributes anew from its data, and so does this, unless it
is one of our own replies.

For each Trigger: whether its filters let the event pass, and which do not; what the row decides and
why, or what its predictor would be asked, though nobody is asked; its reply, which Trigger takes
that, and the stream. Router, filters and rows are those of the sinks. What `sinks triggers lint`
finds is told of the Triggers that matter here. ENVIRONMENT, STREAM_NAMES, EGRESS_STREAMS,
TRIGGERS_DIR and MAX_EVENT_AGE_SECONDS count as they do for the apps.

Exit code: 0 at least one row scores or relays it, and nothing is wrong; 1 else; 2 something cannot
be read.

\b
Examples, of files, and of what a cluster has:
  sinks explain page_change --triggers triggers
  kubectl -n event-sinks get brokers,services,triggers -o yaml |
    sinks explain event.json --cluster-yaml - --environment production
"""


@click.command("explain", help=_HELP)
@click.argument("name", metavar="EVENT")
@click.option(
    "--triggers",
    "directories",
    multiple=True,
    metavar="DIR",
    help="A directory of Trigger files, or one file; can be repeated. Without it TRIGGERS_DIR, or"
    " triggers.",
)
@click.option(
    "--cluster-yaml",
    "cluster",
    metavar="FILE",
    help="What kubectl shows of a cluster, - for standard input; each Broker's Triggers by"
    " themselves.",
)
@click.option("--trigger", "only", metavar="NAME", help="Only this Trigger, with all its filters.")
@click.option("--filters", is_flag=True, help="Show each condition, passed or not.")
@click.option("--as-is", is_flag=True, help="Keep a CloudEvent's attributes: it passed no shim.")
@click.option("--environment", metavar="NAME", help="dev, staging or production.")
@click.option("--stream-names", metavar="SET", help="production or test.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines.")
def explain_command(
    name: str,
    directories: Sequence[str],
    cluster: str | None,
    only: str | None,
    filters: bool,
    as_is: bool,
    environment: str | None,
    stream_names: str | None,
    as_json: bool,
) -> None:
    _check(name, directories, cluster)
    with quiet_ends():
        settings = _settings(environment, stream_names)
        content = event_bytes(name, settings.max_body_bytes)
        places = _places(directories, cluster, settings)
        resources = _resources(places)
        _check_trigger(only, resources, places)
        document = _document(name, content)
        if as_is and "specversion" not in document:
            raise ended(one_line(f"{name}: --as-is, but no CloudEvent: it has no attributes"))
        entry = enter(document, content, settings.schema_base_uri, as_is)
        brokers = _brokers(entry, resources, settings, cluster is not None, only)
        called = "standard input" if name == "-" else one_line(name)
        if as_json:
            Terminal().line(json.dumps(as_document(called, entry, brokers, settings), indent=2))
        else:
            terminal = Terminal()
            where = _where(settings, places)
            for line in lines(called, entry, brokers, where, filters or only is not None):
                terminal.line(line.text, fg=line.colour, bold=line.bold or None)
    fine = any(each.scored for each in brokers) and not any(each.wrong for each in brokers)
    sys.exit(OK if fine else FINDINGS)


def _check(name: str, directories: Sequence[str], cluster: str | None) -> None:
    if directories and cluster is not None:
        raise click.UsageError("--triggers or --cluster-yaml, not both")
    if [name, *directories, cluster].count("-") > 1:
        raise click.UsageError("standard input can be read only once: name - once")
    if name != "-" and not directories and cluster is None and is_piped():
        raise click.UsageError("standard input is not read: --cluster-yaml - for what is piped in")


def _settings(environment: str | None, stream_names: str | None) -> ExplainSettings:
    try:
        return ExplainSettings.from_env({"ENVIRONMENT": environment, "STREAM_NAMES": stream_names})
    except InvalidSettings as error:
        raise ended(str(error)) from None


def _document(name: str, content: bytes) -> Mapping[str, Any]:
    try:
        document = jsondata.loads(content)
    except MalformedEvent as error:
        raise ended(
            one_line(f"{name}: {error.detail.replace('the body is', 'it is', 1)}")
        ) from None
    if not isinstance(document, dict):
        raise ended(one_line(f"{name}: it has to be one JSON object: one event"))
    return document


def _places(
    directories: Sequence[str], cluster: str | None, settings: ExplainSettings
) -> Sequence[str]:
    if cluster is not None:
        return [cluster]
    return directories or [str(path) for path in settings.triggers_dir]


def _resources(places: Sequence[str]) -> Resources:
    resources = read(places)
    if resources.unreadable:
        raise ended("\n".join(resources.unreadable))
    return resources


def _where(settings: ExplainSettings, places: Sequence[str]) -> str:
    names = f"{settings.stream_names} stream names"
    return f"environment {settings.environment}, {names}, Triggers of {', '.join(places)}"


def _check_trigger(only: str | None, resources: Resources, places: Sequence[str]) -> None:
    names = names_of(resources)
    if only is not None and only not in names:
        near = get_close_matches(only, names, 1)
        meant = f"is {near[0]} meant?" if near else f"there are {', '.join(sorted(names)[:20])}"
        where = f"no Trigger in {', '.join(places)} has this name"
        raise ended(one_line(f"--trigger {only}: {where}: {meant}"))


def _brokers(
    entry: Entry, resources: Resources, settings: ExplainSettings, by_broker: bool, only: str | None
) -> list[Explained]:
    """The shim looks at no Broker: all its Triggers get all events."""
    here = Surroundings(
        MODELS,
        decision.load(
            settings.environment,
            settings.stream_names,
            settings.schema_base_uri,
            settings.max_event_age_seconds,
        ),
        publishing.load(settings.egress_streams, settings.stream_names),
        datetime.now(UTC),
    )
    parts = [*apart(resources)] if by_broker else [("", resources)]
    ours = known()
    return [
        explained(broker, part, entry.event, here, ours, only)
        for broker, part in parts
        if only is None or only in names_of(part)
    ]
