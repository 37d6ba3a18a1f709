"""`sinks streams`: what the table of models says, to people, to Knative and to egress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import click

from sinks import deployed, wikis
from sinks.catalogue import (
    egress_streams,
    event_policy,
    event_types,
    markdown,
    row_triggers,
    wikitext,
)
from sinks.catalogue.line import Deployed
from sinks.catalogue.page import Page
from sinks.catalogue.row_triggers import ROUTED, RowTrigger
from sinks.catalogue.streams import streams_page
from sinks.contract.terminal import ended, quiet_ends
from sinks.model_row import ModelRow
from sinks.models import MODELS, ROWS
from sinks.wiki_table import source_of

_HELP = """Print which row scores which changes, and the stream of its events.

It is made from the table of models, the Triggers, the InferenceServices and the table of wikis.

\b
Examples:
  sinks streams --format wikitext
  sinks streams --write
"""
# Where the project keeps each format.
FILES: Final = {
    "markdown": "docs/streams.md",
    "wikitext": "docs/streams.wiki",
    "event-types": "manifests/components/eventing/event-types.yaml",
    "event-policy": "manifests/components/authentication/predictions.yaml",
    "egress-streams": "manifests/components/production-streams/egress-streams.txt",
    "egress-test-streams": "manifests/overlays/staging-a/values/egress-streams.txt",
}
Triggers = Mapping[str, RowTrigger]
_RENDERERS: Final[Mapping[str, Callable[[Triggers], str]]] = {
    "markdown": lambda triggers: markdown.render(_page(triggers)),
    "wikitext": lambda triggers: wikitext.render(_page(triggers)),
    "event-types": lambda _triggers: event_types.render(ROWS),
    "event-policy": lambda _triggers: event_policy.render(ROWS),
    "egress-streams": lambda triggers: egress_streams.render(
        row.stream for row in _routed(triggers)
    ),
    "egress-test-streams": lambda triggers: egress_streams.render(
        row.test_stream for row in _routed(triggers)
    ),
}


@click.command(help=_HELP)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FILES)),
    help="A page in Markdown (the default) or for a wiki, Knative's EventTypes, its EventPolicy of"
    " who may reply, or EGRESS_STREAMS of the rows that production routes, in either set of names.",
)
@click.option(
    "--triggers",
    type=click.Path(path_type=Path),
    default="triggers",
    show_default=True,
    help="What production routes; what it does not route yet is in optional/ below it.",
)
@click.option(
    "--write",
    is_flag=True,
    help="Write all formats into the project's files instead, from its top.",
)
def streams(form: str | None, triggers: Path, write: bool) -> None:
    if write and form:
        raise click.UsageError("--write writes all formats: leave out --format")
    if not triggers.is_dir():
        raise ended(f"no directory {triggers}: be at the project's top, or name it with --triggers")
    with quiet_ends():
        found = row_triggers.load(triggers)
        if not found:
            raise ended(f"no Trigger of a row in {triggers}")
        _say_what_no_trigger_delivers(found, triggers)
        if not write:
            sys.stdout.write(_RENDERERS[form or "markdown"](found))
            return
        made = {Path(FILES[each]): render(found) for each, render in _RENDERERS.items()}
    for path, text in made.items():
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ended(f"cannot write {path}: {error.strerror}") from error


def _page(triggers: Triggers) -> Page:
    text = wikis.TABLE.read_text(encoding="utf-8")
    return streams_page(
        ROWS,
        Deployed(deployed.load("production"), deployed.load("staging")),
        wikis.parse(text),
        source_of(text) or "an unknown source",
        triggers,
    )


def _say_what_no_trigger_delivers(triggers: Triggers, directory: Path) -> None:
    """A row without a Trigger is allowed, and is most often one forgotten."""
    for row in ROWS:
        if row.name not in triggers:
            click.echo(
                f"warning: {row.name} gets no event: add {directory}/{row.name}.yaml,"
                f" or {directory}/optional/{row.name}.yaml",
                err=True,
            )


def _routed(triggers: Triggers) -> list[ModelRow]:
    """The rows that production routes; there are some, or nothing could be published."""
    routed = [MODELS[name] for name, each in triggers.items() if each.directory == ROUTED]
    if not routed:
        raise ended("no Trigger of a row beside optional/, so production would route nothing")
    return routed
