"""Why a row has no mark: by the shipped Triggers, and by the rows' own decisions."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from sinks import decision, inputs, triggers
from sinks.cloudevent import NO_DATA, Event
from sinks.console.arrival import arrival_of
from sinks.console.document import MOST_CHARS
from sinks.console.line import Line, begun, folded
from sinks.console.silence import Silence, Silences
from sinks.incoming import receive, typed
from sinks.local.processes import ROOT
from sinks.models import ROWS
from sinks.settings import SCHEMA_BASE_URI
from tests.console_events import attributes, change, reply, report
from tests.factories import page_change

SHIPPED = triggers.load([ROOT / "triggers", ROOT / "triggers" / "optional"], {"*": "http://{name}"})
RECEIVED = datetime(2026, 9, 23, 10, 1, tzinfo=UTC)  # a minute after the factories' documents


DECIDING = decision.load("production", "production", SCHEMA_BASE_URI, 0)


def silences(max_event_age_seconds: float = 0) -> Silences:
    return Silences(SHIPPED, replace(DECIDING, max_event_age_seconds=max_event_age_seconds))


def trigger(name: str, filters: list[Any]) -> dict[str, Any]:
    """A Trigger of drafttopic."""
    ref = {"apiVersion": "v1", "kind": "Service", "name": "score-sink"}
    return {
        "apiVersion": "eventing.knative.dev/v1",
        "kind": "Trigger",
        "metadata": {"name": name},
        "spec": {"filters": filters, "subscriber": {"ref": ref, "uri": "/models/drafttopic"}},
    }


def line_of(*events: Event) -> Line:
    line = begun(1, RECEIVED.timestamp(), arrival_of(events[0]))
    for each in events[1:]:
        line = folded(line, arrival_of(each), RECEIVED.timestamp())
    return line


def arrived(**members: Any) -> Event:
    """A page change as the shim types it."""
    body = json.dumps(page_change(**members)).encode()
    incoming = receive({"content-type": "application/json"}, body)
    return typed(incoming, inputs.load_readers(), SCHEMA_BASE_URI, {})


def told(event: Event, max_event_age_seconds: float = 0) -> dict[str, Silence]:
    found = silences(max_event_age_seconds).of(line_of(event))
    assert len({each.row for each in found}) == len(found)
    return {each.row: each for each in found}


def test_row_that_would_score_the_change_is_missed() -> None:
    """Its reply is to come, or lost; these rows come first."""
    found = silences().of(line_of(arrived()))

    missed = [each.row for each in found if each.wanted]
    assert "drafttopic" in missed
    assert [each.row for each in found][: len(missed)] == missed == sorted(missed)
    assert found[0].why.startswith("should have a mark")


def test_every_row_is_told_of_but_those_that_feed_on_predictions() -> None:
    """Nobody expects these to take a page change."""
    feeding = {row.name for row in ROWS if row.wanted.model_name}

    assert feeding
    assert told(arrived()).keys() == {each.row for each in SHIPPED if each.row} - feeding


def test_row_with_a_mark_is_not_silent() -> None:
    """What it made of the change is told by the mark."""
    event = arrived()
    marked = line_of(event, reply(cause=event.id))

    found = {each.row for each in silences().of(marked)}

    assert found == told(event).keys() - {"drafttopic"}


@pytest.mark.parametrize(
    ("members", "age", "row", "why"),
    [
        pytest.param({"wiki_id": "dewiki"}, 0, "drafttopic", "wikiid is dewiki", id="wiki"),
        pytest.param(
            {"page_change_kind": "delete"}, 0, "drafttopic", "pagechangekind is delete", id="kind"
        ),
        pytest.param({"page": {"namespace_id": 4}}, 0, "article-country", "namespace", id="page"),
        pytest.param({}, 30, "drafttopic", "more than 30 s ago", id="age"),
    ],
)
def test_unwanted_change_is_told_with_the_value_that_it_has(
    members: dict[str, Any], age: float, row: str, why: str
) -> None:
    """By the condition of the Trigger, or by what the row would have answered."""
    silence = told(arrived(**members), age)[row]

    assert (silence.wanted, silence.trigger) == (False, row)
    assert why in silence.why


def test_change_that_no_row_can_read_is_told_as_refused() -> None:
    """A Trigger goes by attributes alone, and the row by the document."""
    event = arrived()
    broken = event._replace(data={**event.data, "page": "none"})

    silence = told(broken)["drafttopic"]

    assert not silence.wanted
    assert silence.why.startswith("refuses it, invalid_document: ")


def test_row_of_several_triggers_is_silent_once() -> None:
    """One that takes the change is enough; where none does, each has its reason."""
    event = arrived()
    made = [
        triggers.parse(trigger(name, filters), {"*": "http://{name}"})
        for name, filters in (
            ("german", [{"exact": {"wikiid": "dewiki"}}]),
            ("english", [{"exact": {"wikiid": "enwiki"}}]),
            ("french", [{"exact": {"wikiid": "frwiki"}}]),
        )
    ]

    taken = Silences(made, DECIDING).of(line_of(event))
    others = Silences([made[0], made[2]], DECIDING).of(line_of(event))

    assert [(each.trigger, each.wanted) for each in taken] == [("english", True)]
    assert [(each.trigger, each.wanted) for each in others] == [
        ("french", False),
        ("german", False),
    ]


def test_row_behind_a_gateway_is_told_of_like_any_other() -> None:
    """Whatever stands before `/models/` in a subscriber's URL."""
    resource = trigger("far", [{"exact": {"wikiid": "enwiki"}}])
    resource["spec"]["subscriber"] = {"uri": "http://gateway/scoring/models/drafttopic"}

    (silence,) = Silences([triggers.parse(resource, {})], DECIDING).of(line_of(arrived()))

    assert (silence.row, silence.trigger, silence.wanted) == ("drafttopic", "far", True)


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(reply(), id="no change"),
        pytest.param(change()._replace(data=NO_DATA), id="no data"),
        pytest.param(change()._replace(data=b"\xff"), id="no JSON"),
        pytest.param(change(title="x" * MOST_CHARS), id="cut document"),
        pytest.param(change(subject="x" * 2000), id="cut attribute"),
        pytest.param(
            Event({**attributes(), **{f"a{n}": "1" for n in range(80)}}, page_change()), id="many"
        ),
        pytest.param(report([], change(time="soon")), id="no time"),
    ],
)
def test_line_that_is_not_known_as_a_whole_says_nothing(event: Event) -> None:
    """Half an event would be decided differently."""
    assert silences().of(line_of(event)) == []


@pytest.mark.parametrize("data", [None, [], "text", 5, {}, {"meta": {"domain": "canary"}}])
def test_any_document_is_told_of_without_an_error(data: Any) -> None:
    """Whatever came, the line opens."""
    assert told(arrived()._replace(data=data)).keys() == told(arrived()).keys()
