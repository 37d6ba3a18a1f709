"""`sinks streams`: what the table of models says, to people, to Knative and to egress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import click

from sinks import deployed, wikis
from sinks.catalogue import egress_streams, event_policy, event_types, markdown, routings, wikitext
from sinks.catalogue.line import Deployed
from sinks.catalogue.page import Page
from sinks.catalogue.streams import streams_page
from sinks.contract.terminal import quiet_ends
from sinks.model_row import ModelRow
from sinks.models import MODELS, ROWS
from sinks.wiki_table import source_of

_HELP = """Print which row scores which changes, and the stream of its events.

It is made from the table of models, the Triggers, the InferenceServices and the table of wikis;
make streams writes all formats where the project keeps them.

\b
Example:
  sinks streams --format wikitext >docs/streams.wiki
"""
_RENDERERS: Final[Mapping[str, Callable[[Path], str]]] = {
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
    type=click.Choice(list(_RENDERERS)),
    default="markdown",
    show_default=True,
    help="A page in Markdown or for a wiki, Knative's EventTypes, its EventPolicy of who may reply,"
    " or EGRESS_STREAMS of the rows that production routes, in either set of names.",
)
@click.option(
    "--triggers",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default="triggers",
    show_default=True,
    help="What production routes; what it does not route yet is in optional/ below it.",
)
def streams(form: str, triggers: Path) -> None:
    with quiet_ends():
        sys.stdout.write(_RENDERERS[form](triggers))


def _page(triggers: Path) -> Page:
    text = wikis.TABLE.read_text(encoding="utf-8")
    return streams_page(
        ROWS,
        Deployed(deployed.load("production"), deployed.load("staging")),
        wikis.parse(text),
        source_of(text) or "an unknown source",
        routings.load(triggers, "triggers/")
        | routings.load(triggers / "optional", "triggers/optional/"),
    )


def _routed(triggers: Path) -> list[ModelRow]:
    return [MODELS[name] for name in routings.load(triggers, "triggers/")]
