"""The page of all streams: the tables, what they leave open, and what consumers have to know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sinks import page_change, revision_create
from sinks.catalogue import consumers
from sinks.catalogue.line import Deployed, rows_table, wikis_table
from sinks.catalogue.page import Block, Heading, Items, Page, Paragraph, Table
from sinks.catalogue.row_triggers import RowTrigger
from sinks.model_row import ModelRow
from sinks.wikis import Wiki

_ENVIRONMENTS = Table(
    ("environment", "stream names", "EventGate", "Kafka topics"),
    (
        (
            "production",
            "production",
            "production's",
            "`eqiad.` and `codfw.` + stream; consumers read both",
        ),
        (
            "staging, way A",
            "test",
            "production's",
            "`eqiad.` and `codfw.` + test stream",
        ),
        (
            "staging, way B",
            "production",
            "staging's, which is named in `STAGING_EVENTGATE_HOSTS`",
            "`staging.` + stream",
        ),
        ("dev (`make run`)", "production", "a local one", "`dev.` + stream, each a file"),
    ),
)


def streams_page(
    rows: Sequence[ModelRow],
    deployed: Deployed,
    wikis: Mapping[str, Wiki],
    source: str,
    triggers: Mapping[str, RowTrigger],
) -> Page:
    """Return the page.

    source:    where the table of wikis is from.
    triggers:  by row name; other rows have no Trigger.
    """
    return Page(
        "Streams",
        (
            Paragraph(
                "Which changes of pages each row scores, and where its event is published. This"
                " page is generated: `sinks streams` writes it from `sinks/models.py`,"
                " `triggers/`, `sinks/deployed.tsv` and `sinks/wikis.tsv`, and `make streams`"
                " refreshes `docs/streams.md`, `docs/streams.wiki` for the wiki page"
                " LiftWing/Streams, and in `manifests/` the EventTypes, the EventPolicy of"
                " predictions and what egress may publish."
            ),
            *_rows(rows_table(rows, deployed, wikis, triggers)),
            Heading("Wikis"),
            Paragraph(
                f"There are {len(wikis)} open public wikis in `sinks/wikis.tsv`, made from"
                f" {source}; `sinks wikis FILE --write` refreshes it. These rows score fewer than a"
                " whole group of them:"
            ),
            wikis_table(rows, deployed, wikis),
            *_environments(),
            *consumers.blocks(rows),
        ),
    )


def _rows(table: Table) -> tuple[Block, ...]:
    return (
        Heading("From a change to a stream"),
        Paragraph(
            "A row runs where its Trigger is applied: those in `triggers/` are what production"
            " routes, those in `triggers/optional/` are not routed yet. None ever scores a canary,"
            " an event of a private wiki, or a revision whose content is hidden; none that asks a"
            " predictor scores what is older than `MAX_EVENT_AGE_SECONDS`, where that is set."
            " The input is what the row reads and its Trigger delivers, of any minor version. The"
            " conditions are on the change's `page_change_kind`, the page's namespace, whether it"
            " is a redirect, and the wiki, which is told by `wiki_id` and the table of wikis, never"
            " by `meta.domain`; a revision-create has no kind and is always of a wanted one."
        ),
        table,
        Items(
            (
                f"Page changes come from the stream `{page_change.STREAM}`, revision-creates from"
                f" `{revision_create.STREAM}`. Rows that read both take either: feed one of the"
                " two, or each revision is scored twice.",
                "The predictor of `revise-tone-task-generator` can publish by itself: apply that"
                " Trigger only where its own emission has been switched off (its deployment"
                " without `EVENTGATE_URL` and `USE_CACHE`).",
            )
        ),
        Paragraph(
            "Where rows share a stream, the keys of `scores`, the `model_name` of"
            " `predicted_classification` or the prefixes in `weighted_tags` tell whose event it is."
        ),
    )


def _environments() -> tuple[Block, ...]:
    return (
        Heading("Environments"),
        _ENVIRONMENTS,
        Items(
            (
                "`STREAM_NAMES` chooses between the two names that each row has; `ENVIRONMENT`"
                " chooses the InferenceServices of single wikis.",
                "Staging with production's names refuses to start with an EventGate that is not"
                " named as staging's.",
                "Of the test names, `mediawiki.page_weighted_tags_change.rc0` has still to be"
                " declared in MediaWiki's stream configuration.",
            )
        ),
    )
