"""What is sent so that there is something to be seen: sample page changes, and made ones."""

from __future__ import annotations

import itertools
import json
from typing import Any

from sinks.local.processes import ROOT, Running
from tests.factories import SCORE_TYPE, binary, page_change, revision_score
from tests.lone_sink import Client
from tests.upstream import call

EVENTS = ROOT / "tests" / "data" / "events"
JSON = {"Content-Type": "application/json"}
_IDS = itertools.count(1)


def sample(name: str) -> dict[str, Any]:
    """One of the sample page changes."""
    document: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    return document


def edit(title: str) -> dict[str, Any]:
    """The sample edit, of a page with this title."""
    document = sample("page_change_edit")
    document["page"]["page_title"] = title
    return document


def send(shim: Running, document: dict[str, Any], trigger: str = "") -> None:
    """Give the shim a page change under an id of its own."""
    document["meta"]["id"] = f"browser-{next(_IDS)}"
    _post(shim, document, trigger)


def _post(shim: Running, document: dict[str, Any], trigger: str = "") -> None:
    query = f"?trigger={trigger}" if trigger else ""
    answer = call(shim.port, f"/events{query}", JSON, json.dumps(document).encode(), timeout=60)
    assert answer.status == 200, answer.body


def send_rejected(shim: Running) -> None:
    """A page change that the local predictor refuses for good: a dead letter."""
    document = edit("Cannot_be_scored")
    document["revision"]["rev_id"] = 7000
    send(shim, document, "drafttopic")


def send_samples(shim: Running) -> None:
    """Every sample page change as it is, in the order of their names."""
    for path in sorted(EVENTS.glob("*.json")):
        _post(shim, sample(path.stem))


def deliver(console: Running, *titles: str) -> list[str]:
    """Page changes of these titles, as a Broker delivers them to the console itself; their ids."""
    ids = [f"browser-{next(_IDS)}" for _ in titles]
    with Client(console.port) as client:
        for event_id, title in zip(ids, titles, strict=True):
            document = page_change(page={"page_title": title})
            made = binary(document, id=event_id, wikiid="enwiki")
            assert client.send("/", *made).status == 202
    return ids


def deliver_reply(console: Running, cause: str, model: str = "drafttopic") -> None:
    """A row's reply to the page change with this id."""
    named = {"id": f"browser-{next(_IDS)}", "model": model, "causationid": cause}
    made = binary(revision_score(), **named, type=SCORE_TYPE, wikiid="enwiki")
    assert call(console.port, "/", *made).status == 202
