"""The dashboard, as far as it can be judged without Grafana: whole, and readable from the top."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any, Final

import pytest

from tests.monitored import dashboard, panels

DASHBOARD: Final = dashboard()
# The last one that panels are saved in; Grafana brings an older one up to it each time.
SCHEMA_VERSION: Final = 42
# Units of Grafana, by their ids, that our numbers have.
UNITS: Final = {"eps", "s", "percentunit", "short"}
SHOWN: Final = [pytest.param(each, id=each["title"]) for each in panels()]


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    """True if two places share a cell of the grid."""
    across = one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
    return across and one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]


def variables(value: Any) -> set[str]:
    """The names of all variables of Grafana in a text or document."""
    return set(re.findall(r"\$\{?([a-z_]+)\}?", str(value)))


def test_dashboard_can_be_found_and_read_by_a_current_grafana() -> None:
    """It keeps its address when it changes, and its format is the one that is written now."""
    assert re.fullmatch(r"[a-z0-9-]{1,40}", DASHBOARD["uid"])
    assert DASHBOARD["schemaVersion"] == SCHEMA_VERSION
    assert DASHBOARD["title"] == "Event sinks"


def test_dashboard_asks_for_its_source_and_namespace() -> None:
    """It names no data source of anybody's Grafana, and has no variable that is not set."""
    names = [each["name"] for each in DASHBOARD["templating"]["list"]]

    used = variables(DASHBOARD["panels"]) | variables(DASHBOARD["annotations"])

    assert names == ["datasource", "namespace"]
    assert used - {"__rate_interval"} == {*names}


def test_dashboard_panels_have_a_place_of_their_own() -> None:
    """No two share an id or a cell, none is wider than the grid, no line has a gap."""
    everything = DASHBOARD["panels"]
    places = [each["gridPos"] for each in everything]
    widths: dict[int, int] = {}
    for place in places:
        widths[place["y"]] = widths.get(place["y"], 0) + place["w"]

    assert len({each["id"] for each in everything}) == len(everything)
    assert [pair for pair in combinations(places, 2) if overlap(*pair)] == []
    assert {*widths.values()} == {24}
    assert [place["y"] for place in places] == sorted(place["y"] for place in places)


def test_dashboard_answers_in_the_order_in_which_somebody_asks() -> None:
    """First whether it flows, then what fails, then why."""
    headings = [each["title"] for each in DASHBOARD["panels"] if each["type"] == "row"]

    assert headings[:3] == ["Is it flowing?", "What fails?", "Why?"]
    assert DASHBOARD["panels"][0]["title"] == "Firing"


@pytest.mark.parametrize("panel", SHOWN)
def test_panel_says_what_it_shows(panel: dict[str, Any]) -> None:
    """A title that fits, a sentence about it, a unit, and colours that begin somewhere."""
    defaults = panel["fieldConfig"]["defaults"]
    first, *others = defaults["thresholds"]["steps"]

    assert panel["type"] in ("stat", "timeseries")
    assert len(panel["title"]) <= 9 * panel["gridPos"]["w"]
    assert panel["description"].endswith(".")
    assert defaults["unit"] in UNITS
    assert first["value"] is None
    assert [each["value"] for each in others] == sorted(each["value"] for each in others)
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@pytest.mark.parametrize("panel", SHOWN)
def test_panel_has_queries_whose_lines_can_be_told_apart(panel: dict[str, Any]) -> None:
    """Each is of the chosen namespace, and its legend names every label that it is grouped by."""
    targets = panel["targets"]

    assert len({each["refId"] for each in targets}) == len(targets) > 0
    for target in targets:
        labels = re.findall(r"\bby \(([^)]*)\)", target["expr"])
        told_apart = {name for each in labels for name in each.split(", ")} - {"le"}
        series = re.findall(r"\b(?:sinks_[a-z_]+|up|ALERTS)\{([^}]*)\}", target["expr"])
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) == told_apart
        assert series
        assert all('namespace="$namespace"' in each for each in series)
        assert target["legendFormat"] or panel["type"] == "stat"
        assert ("instant" in target) == (panel["type"] == "stat")
