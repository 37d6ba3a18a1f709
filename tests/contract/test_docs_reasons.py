"""`docs/operations.md` against the code: each reason under its outcome, and who repeats when.

Which outcome a reason has, mypy proves: the classes of errors take only their own group.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, get_args

import pytest
import yaml

from sinks.local.processes import ROOT
from sinks.reasons import (
    DeferredReason,
    IgnoredReason,
    Outcome,
    Reason,
    RejectedReason,
    RelayedReason,
)

PAGE: Final = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
GROUPS: Final[dict[str, Any]] = {
    "rejected": RejectedReason,
    "deferred": DeferredReason,
    "relayed": RelayedReason,
    "ignored": IgnoredReason,
}
TRIGGERS: Final = [
    path for path in sorted(ROOT.glob("triggers/**/*.yaml")) if path.stem != "kustomization"
]


def section(title: str) -> str:
    """The text below the heading that begins with this."""
    return re.split(rf"^## {title}.*$", PAGE, flags=re.MULTILINE)[1].partition("\n## ")[0]


def trigger(path: Path) -> dict[str, Any]:
    """The `spec` of a Trigger, or of a source."""
    spec: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]
    return spec


def waits(path: Path) -> list[float]:
    """The seconds before each repetition that a manifest's `delivery` makes Knative wait."""
    delivery = trigger(path)["delivery"]
    first = float(re.fullmatch(r"PT(\d+)S", delivery["backoffDelay"])[1])  # type: ignore[index]
    times = range(delivery["retry"])
    exponential = delivery["backoffPolicy"] == "exponential"
    return [first * 2**n if exponential else first * (n + 1) for n in times]


@pytest.mark.parametrize("outcome", GROUPS)
def test_operations_lists_the_reasons_of_the_outcome_once(outcome: str) -> None:
    """Who looks below an outcome finds exactly what the code can say with it, in order."""
    listed = re.findall(r"^\| `([a-z_]+)` \|", section(outcome), re.MULTILINE)

    assert listed == sorted(get_args(GROUPS[outcome]))


def test_operations_has_a_section_for_each_outcome_with_reasons() -> None:
    """*replied* explains itself; all else has a reason, and each reason an outcome."""
    grouped = {reason for group in GROUPS.values() for reason in get_args(group)}

    assert {*GROUPS, "replied"} == set(get_args(Outcome))
    assert grouped == set(get_args(Reason))


@pytest.mark.parametrize("reason", get_args(Reason))
def test_reason_is_given_somewhere(reason: str) -> None:
    """A reason that nothing gives is one that people would look for in vain."""
    texts = (
        path.read_text(encoding="utf-8")
        for path in (ROOT / "sinks").glob("*.py")
        if path.stem != "reasons"
    )

    assert any(f'"{reason}"' in text for text in texts)


@pytest.mark.parametrize("path", TRIGGERS, ids=lambda path: path.stem)
def test_operations_tells_how_long_the_broker_waits(path: Path) -> None:
    """Who waits for the next attempt reads how long: as each Trigger has it."""
    sink = trigger(path)["subscriber"]["ref"]["name"]
    (row,) = re.findall(
        rf"^\| Knative's Broker \| {sink} \|.*", section("Who repeats"), re.MULTILINE
    )

    *most, last = (f"{seconds:g}" for seconds in waits(path))

    assert f"after {', '.join(most)} and {last} s" in row


def test_operations_tells_how_long_kafka_source_repeats() -> None:
    """How long an outage of the shim may last, before changes become letters."""
    (row,) = re.findall(r"^\| KafkaSource \|.*", section("Who repeats"), re.MULTILINE)
    each = waits(ROOT / "manifests" / "components" / "kafka-source" / "page-change.yaml")

    assert f"{len(each)} times in {int(sum(each)) // 60} minutes" in row
