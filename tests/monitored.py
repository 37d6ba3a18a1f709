"""What `manifests/components/monitoring` says: rules, a dashboard, and the metrics they read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from tests.manifest_components import extended
from tests.manifests import Objects, of_kind
from tests.telemetry_samples import families

Rule = Mapping[str, Any]
Panel = Mapping[str, Any]

NAMESPACE: Final = "event-sinks"
# What Prometheus adds to every series of ours, by the PodMonitor.
TARGET_LABELS: Final = frozenset(("namespace", "job", "pod"))
# Of Prometheus itself, with what its own documentation says of their labels.
PROMETHEUS: Final[Mapping[str, frozenset[str]]] = {
    "up": TARGET_LABELS,
    "ALERTS": TARGET_LABELS | {"alertname", "alertstate", "severity", "sink", "stream"},
}
_SUFFIXES: Final = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
}


class Selector(NamedTuple):
    """One series selector of an expression; matchers are (label, operator, value)."""

    metric: str
    matchers: tuple[tuple[str, str, str], ...]


def monitored(overlay: str = "production") -> Objects:
    """Return all objects of an overlay with the component."""
    return extended(overlay, "monitoring")


def rules(objects: Objects | None = None) -> list[Rule]:
    """Return all rules, of production if nothing else is said."""
    (each,) = of_kind(objects or monitored(), "PrometheusRule").values()
    return [rule for group in each["spec"]["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana gets it."""
    data = of_kind(monitored(), "ConfigMap")["event-sinks-dashboard"]["data"]
    found: dict[str, Any] = json.loads(data["event-sinks.json"])
    return found


def panels() -> list[Panel]:
    """Return all panels that show something: no headings."""
    return [each for each in dashboard()["panels"] if each["type"] != "row"]


def expressions() -> list[str]:
    """Return every expression of rules, panels and annotations."""
    found = [rule["expr"] for rule in rules()]
    found += [target["expr"] for panel in panels() for target in panel["targets"]]
    return found + [each["expr"] for each in dashboard()["annotations"]["list"]]


def selectors(expression: str) -> Iterator[Selector]:
    """Yield all series that an expression selects."""
    metric = r"\b(sinks_[a-z_]+|up|ALERTS)\b(?:\{([^}]*)\})?"
    for name, matchers in re.findall(metric, expression):
        found = re.findall(r"""(\w+)\s*(=~|!~|!=|=)\s*["']([^"']*)["']""", matchers)
        yield Selector(name, tuple(found))


def grouped(expression: str) -> set[str]:
    """Return the labels by which an expression groups, joins, or is made a legend."""
    lists = re.findall(r"\b(?:by|on|without|ignoring) \(([^)]*)\)", expression)
    return {name.strip() for each in lists for name in each.split(",")}


def declared() -> dict[str, frozenset[str]]:
    """Return metric -> labels, as Prometheus sees them, of all that our code declares."""
    found: dict[str, frozenset[str]] = {}
    for family in families():
        for suffix in _SUFFIXES.get(family.type, ()):
            name = family.name + suffix
            labels = frozenset[str]().union(
                *(each.labels for each in family.samples if each.name == name)
            )
            found[name] = labels | TARGET_LABELS
    return found
