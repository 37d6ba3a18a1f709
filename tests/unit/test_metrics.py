"""docs/metrics.md against the metrics that there are."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from sinks.local.processes import ROOT
from sinks.reasons import Stage
from tests.telemetry_samples import all_that_can_happen, families

PAGE = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.split("|")[1:-1]]
    for line in PAGE.splitlines()
    if line.startswith("| `sinks_")
]


def test_metrics_of_the_page_are_those_that_there_are() -> None:
    """A metric that is not listed, or listed and not there, or with other labels, fails."""
    exposed = {}
    for family in families():
        if family.name.startswith("sinks_"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            exposed[name] = (family.type, labels)

    listed = {
        name.strip("`"): (kind, set(re.findall("`(.*?)`", labels)))
        for name, kind, labels, *_ in ROWS
    }

    assert len(listed) == len(ROWS)
    assert listed == exposed


def test_stages_of_the_page_are_those_that_there_are() -> None:
    """What `stage` and `upstream` can be is told in one sentence."""
    (sentence,) = re.findall(r"`upstream` and `stage` are (.*?)\.", PAGE, re.DOTALL)

    told = set(re.findall("`([a-z-]+)`", sentence)) - {"stage"}
    assert told == set(get_args(Stage))


@pytest.mark.parametrize("stream", [None, 1, ["a"], {}, "unknown", ""])
def test_canary_of_an_unexpected_stream_is_one_of_the_others(stream: object) -> None:
    """No sender can make a label."""
    made = all_that_can_happen()

    made.canary(stream)

    text = made.render().decode()
    assert 'sinks_canaries_total{sink="http-shim",stream="(others)"} 1.0' in text
    assert text.count("sinks_canaries_total{") == 2
