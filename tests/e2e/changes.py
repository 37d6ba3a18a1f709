"""Changes of pages that one row alone scores, however many Triggers there are, and their events."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Final

from sinks import cloudevent, envelope, inputs
from sinks.cloudevent import Message
from sinks.envelope import made_id
from sinks.models import MODELS
from tests.e2e.counterparts import Counterparts
from tests.factories import page_change

_SCHEMAS: Final = "https://schema.wikimedia.org/repositories/primary/jsonschema"


def item_moved(rev_id: int) -> dict[str, Any]:
    """A move of a Wikidata item, which only the Trigger revertrisk-wikidata takes."""
    return page_change(
        meta={"id": f"item-{rev_id}", "domain": "www.wikidata.org"},
        page_change_kind="move",
        wiki_id="wikidatawiki",
        revision={"rev_id": rev_id},
    )


def talk_page_edited(wiki_id: str, rev_id: int) -> dict[str, Any]:
    """An edit of a talk page, which only revscoring rows take, and of these the wiki's own.

    wiki_id: hywiki has articletopic alone, iswiki reverted alone: sinks/deployed.tsv.
    """
    return page_change(
        meta={
            "id": f"{wiki_id}-{rev_id}",
            "domain": f"{wiki_id.removesuffix('wiki')}.wikipedia.org",
        },
        wiki_id=wiki_id,
        page={"namespace_id": 1},
        revision={"rev_id": rev_id},
    )


def published_id(change: dict[str, Any], row: str) -> str:
    """Return `meta.id` of what a row makes of a change, whenever and however often it does."""
    source = f"/mediawiki/{change['wiki_id']}"
    return made_id(source, change["meta"]["id"], row, MODELS[row].output_type)


def typed(change: dict[str, Any]) -> Message:
    """Return the event that the shim makes of a change, as it is on the wire."""
    parsed = inputs.parse(change, _readers())
    event = envelope.page_change_event(parsed, change, _SCHEMAS, "binary")
    return cloudevent.encode(event, "binary")


def published(counterparts: Counterparts, rev_id: int | None = None) -> list[str]:
    """Return `meta.id` of what has come to EventGate, in order: of all, or about one revision."""
    documents = [json.loads(body) for body in counterparts.posted()]
    return [
        each["meta"]["id"]
        for each in documents
        if rev_id in (None, each.get("rev_id", each.get("revision", {}).get("rev_id")))
    ]


@cache
def _readers() -> inputs.Readers:
    return inputs.load_readers()
