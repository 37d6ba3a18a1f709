"""The Broker driver's own reading of `triggers/*.yaml`: filters and subscribers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Trigger:
    """service:  name of the subscriber's Service; path: on it."""

    name: str
    filters: tuple[Any, ...]
    service: str
    path: str

    def passes(self, attributes: Mapping[str, str]) -> bool:
        return all(_passes(each, attributes) for each in self.filters)


def load(directory: Path) -> list[Trigger]:
    """Return all Triggers of a directory."""
    documents = (yaml.safe_load(path.read_text()) for path in sorted(directory.glob("*.yaml")))
    return [_trigger(each) for each in documents if each["kind"] == "Trigger"]


def _trigger(document: Any) -> Trigger:
    spec = document["spec"]
    subscriber = spec["subscriber"]
    return Trigger(
        document["metadata"]["name"],
        tuple(spec["filters"]),
        subscriber["ref"]["name"],
        subscriber["uri"],
    )


def _passes(condition: Any, attributes: Mapping[str, str]) -> bool:
    ((dialect, value),) = condition.items()
    if dialect == "all":
        return all(_passes(each, attributes) for each in value)
    if dialect == "any":
        return any(_passes(each, attributes) for each in value)
    if dialect == "not":
        return not _passes(value, attributes)
    tests = {"exact": str.__eq__, "prefix": str.startswith, "suffix": str.endswith}
    return all(
        name in attributes and tests[dialect](attributes[name], wanted)
        for name, wanted in value.items()
    )
