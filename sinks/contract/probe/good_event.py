"""The good event of a probe, where its user brings none: what a sink of this kind has to take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sinks import deployed, page_change, wikis
from sinks.contract.rows.row import Role
from sinks.contract.rows.sample import DEFAULT_MODEL, attributes_of, canary
from sinks.event_samples import document
from sinks.model_row import Conditions, ModelRow, unwanted_wiki
from sinks.models import MODELS

_OF_A_MODEL: Final = re.compile(r"(?:https?://[^/?#]*)?/models/([a-z-]+)(?:[?#].*)?")


def model_of(role: Role, url: str, row: str | None) -> str:
    """Return the model whose rows are put to a sink.

    url:  of the sink, or its path, which names the model of a score-sink.
    row:  whose prediction has to come back, if anybody's.
    """
    named = _OF_A_MODEL.fullmatch(url)
    if row is None and role == "score-sink" and named is not None and named[1] in MODELS:
        return named[1]
    return row or DEFAULT_MODEL


def good_event(role: Role, model: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Return attributes and data of an event that comes with the kit."""
    if role == "egress-sink":
        data: Mapping[str, Any] = canary(document("revision_score"))
    elif role in ("http-shim", "deadletter-sink"):
        data = canary(document("page_change"))
    elif page_change.TITLE in MODELS[model].wanted.titles:
        data = _on_a_wiki_of(MODELS[model], document("page_change"))
    else:
        data = _on_a_wiki_of(MODELS[model], document("prediction_classification"))
    return attributes_of(data), dict(data)


def _on_a_wiki_of(row: ModelRow, data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same change, on a wiki that the row scores: English Wikipedia if it can be."""
    known = wikis.load()
    conditions = Conditions(deployed.load("production"), known, 0, datetime.now(UTC))
    names = (data["wiki_id"], *sorted(known))
    wiki = known[next(name for name in names if unwanted_wiki(row, name, conditions) is None)]
    uri = f"https://{wiki.domain}/wiki/{data['page']['page_title']}"
    meta = {**data["meta"], "domain": wiki.domain, "uri": uri}
    return {**data, "wiki_id": wiki.wiki_id, "meta": meta}
