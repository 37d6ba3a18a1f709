"""Our router and the filter of Knative 1.20 let the same events through, and where they differ."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml

from sinks.cloudevent import STRUCTURED_JSON, Message
from sinks.local.processes import ROOT
from sinks.triggers import InvalidTrigger
from tests.e2e import generated_filters
from tests.e2e.cluster import Cluster
from tests.e2e.filters_in_force import FiltersInForce, ours
from tests.e2e.places import NODE
from tests.e2e.scripted import ScriptedBroker
from tests.e2e.subscribers import serving
from tests.e2e.waiting import until
from tests.factories import binary

SEED: Final = os.environ.get("SINKS_FILTERS_SEED") or secrets.token_hex(4)
NAMES: Final = tuple(f"filtered-{number}" for number in range(12))
ONE: Final = NAMES[0]
ROUNDS: Final = 9
EVENTS: Final = 30
PASSING: Final = {"exact": {"type": "com.example.one"}}
FAILING: Final = {"exact": {"type": "com.example.two"}}
NOTHING: Final[dict[str, Any]] = {"all": [{}]}
FILTER: Final = "mt-broker-filter"


@pytest.fixture(scope="module")
def filters(cluster: Cluster) -> Iterator[FiltersInForce]:
    """Some Triggers whose filters the tests choose."""
    with serving(NODE) as subscribers:
        broker = ScriptedBroker.made(cluster, "e2e-filters", subscribers)
        broker.route(*NAMES)
        yield FiltersInForce(broker)


def shipped() -> list[dict[str, Any]]:
    """The filters of the project's own Triggers."""
    paths = sorted((ROOT / "triggers").rglob("*.yaml"))
    documents = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in paths]
    return [{"filters": each["spec"]["filters"]} for each in documents if each["kind"] == "Trigger"]


def an_event(**attributes: str) -> Message:
    """An event of the type that PASSING takes, in binary mode."""
    return Message(*binary({}, **{"type": "com.example.one", **attributes}))


def test_generated_filters_let_the_same_events_through(filters: FiltersInForce) -> None:
    """3,000 pairs of a filter and an event and more: not one is judged differently."""
    specs = [*shipped(), *generated_filters.specs(SEED, ROUNDS * len(NAMES))]
    judged = matched = 0
    for begin in range(0, len(specs), len(NAMES)):
        chosen = dict(zip(NAMES, specs[begin:], strict=False))
        events = generated_filters.events(f"{SEED} {begin}", EVENTS)

        filters.use(chosen)
        theirs = filters.knatives(tuple(chosen), events)

        expected = ours(chosen, events)
        differing = [
            f"{json.dumps(chosen[name])}\n  {events[at]}: {who} alone"
            for who, alone in (("Knative", theirs - expected), ("we", expected - theirs))
            for name, at in sorted(alone)
        ]
        shown = "\n".join(differing[:3])
        assert not differing, f"SINKS_FILTERS_SEED={SEED}: {len(differing)} differ, e.g.\n{shown}"
        judged, matched = judged + len(chosen) * len(events), matched + len(theirs)
    assert judged >= 3000
    assert 0.2 < matched / judged < 0.8, f"SINKS_FILTERS_SEED={SEED}: {matched} of {judged}"


@pytest.mark.parametrize(
    ("spec", "delivered"),
    [
        pytest.param({"filters": [{"exact": {"type": ""}}]}, True, id="empty value"),
        pytest.param(
            {"filters": [{"exact": {"type": "", "wikiid": "x"}}]}, True, id="one empty value"
        ),
        pytest.param({"filters": [{"exact": {}}]}, True, id="no pairs"),
        pytest.param({"filters": [{"any": [{}, FAILING]}]}, False, id="nothing first"),
        pytest.param({"filters": [{"any": [NOTHING, FAILING]}]}, False, id="deep nothing first"),
        pytest.param({"filters": [{"any": [FAILING, NOTHING]}]}, True, id="deep nothing last"),
        pytest.param({"filters": [{"cesql": "type LIKE '%.two'"}]}, False, id="cesql"),
    ],
)
def test_filter_that_only_we_refuse_would_not_mean_what_it_says(
    filters: FiltersInForce, spec: dict[str, Any], delivered: bool
) -> None:
    """Knative takes it, and most of these let everything through; CESQL is right, but not ours."""
    filters.use({ONE: spec})

    theirs = filters.knatives([ONE], [an_event()])

    assert theirs == ({(ONE, 0)} if delivered else set())
    with pytest.raises(InvalidTrigger):
        ours({ONE: spec}, [])


@pytest.mark.parametrize(
    ("event", "element", "we_match"),
    [
        pytest.param(
            an_event(subject="caf%C3%A9"),
            {"exact": {"subject": "café"}},
            True,
            id="percent-encoding, which Go leaves",
        ),
        pytest.param(
            an_event(subject="caf%C3%A9"),
            {"exact": {"subject": "caf%C3%A9"}},
            False,
            id="percent-encoding, as sent",
        ),
        pytest.param(
            an_event(note='"a b"'), {"exact": {"note": "a b"}}, True, id="quotes, which Go leaves"
        ),
        pytest.param(
            an_event(source="/a b"),
            {"exact": {"source": "/a b"}},
            True,
            id="source that is no URI, which Go encodes",
        ),
        pytest.param(
            an_event(dataschema="HTTPS://schema.example/1#"),
            {"exact": {"dataschema": "https://schema.example/1"}},
            False,
            id="URI that Go writes otherwise",
        ),
        pytest.param(
            Message(
                {"Content-Type": STRUCTURED_JSON},
                b'{"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": {}}',
            ),
            {"exact": {"datacontenttype": "application/json"}},
            True,
            id="datacontenttype of JSON, which Go does not add",
        ),
        pytest.param(
            an_event(),
            {"prefix": {"knativearrivaltime": "2"}},
            False,
            id="attribute that a Broker adds",
        ),
    ],
)
def test_known_difference_is_still_one(
    filters: FiltersInForce, event: Message, element: dict[str, Any], we_match: bool
) -> None:
    """Where the specification asks for decoding we decode, and nobody adds anything to events.

    None of it can come from the shim or from our sinks, whose attributes need no encoding.
    """
    spec = {ONE: {"filters": [element]}}
    filters.use(spec)

    theirs = filters.knatives([ONE], [event])

    assert ours(spec, [event]) == ({(ONE, 0)} if we_match else set())
    assert theirs == (set() if we_match else {(ONE, 0)})


def test_empty_not_ends_the_filter_of_all_brokers(filters: FiltersInForce) -> None:
    """Knative takes it, and its process ends when a Trigger changes that has such a filter."""
    spec: dict[str, dict[str, Any]] = {ONE: {"filters": [{"not": {}}]}}
    with pytest.raises(InvalidTrigger):
        ours(spec, [])

    filters.change(spec)
    filters.change({ONE: {"filters": [PASSING]}})

    log, reason = filters.broker.cluster.processes.log(FILTER), "(*notFilter).Cleanup"
    until(lambda: reason in log.read_text(encoding="utf-8"), 10, "the filter to end")
    filters.broker.cluster.restart(FILTER)
    filters.use({ONE: {"filters": [PASSING]}})
    assert filters.knatives([ONE], [an_event()]) == {(ONE, 0)}
