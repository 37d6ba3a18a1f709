"""Overlays with components that no environment has yet: rendered, and what their objects say."""

from __future__ import annotations

import json
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.manifests import ENVIRONMENTS, MANIFESTS, Object, Objects, of_kind, rendered

# In the order in which an overlay takes them.
COMPONENTS: Final = (
    "kafka-source",
    "authentication",
    "kafka-broker",
    "knative-serving",
    "monitoring",
)
# Authentication alone has no source to let in.
SOURCE_AND_AUTHENTICATION: Final = COMPONENTS[:2]
ALL: Final = [pytest.param(name, COMPONENTS, id=f"{name}-all") for name in ENVIRONMENTS]
CASES: Final = [
    *(pytest.param("staging-a", (name,), id=f"staging-a-{name}") for name in COMPONENTS),
    *ALL,
]
_KAFKA: Final = "- {op: replace, path: /spec/bootstrapServers, value: ['kafka.example.org:9093']}"


@cache
def extended(environment: str, *components: str) -> tuple[Object, ...]:
    """Return all objects of an overlay with these components, those that it has not got itself,
    and with a Kafka cluster."""
    own = (MANIFESTS / "overlays" / environment / "kustomization.yaml").read_text(encoding="utf-8")
    has = {Path(each).name for each in yaml.safe_load(own)["components"]}
    with tempfile.TemporaryDirectory() as folder:
        here = Path(os.path.relpath(MANIFESTS, Path(folder).resolve()))
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [str(here / "overlays" / environment)],
            "components": [
                str(here / "components" / each) for each in components if each not in has
            ],
            "patches": [{"target": {"kind": "KafkaSource"}, "patch": _KAFKA}],
        }
        Path(folder, "kustomization.yaml").write_text(json.dumps(kustomization), encoding="utf-8")
        return rendered(folder)


def pod_makers(objects: Objects) -> dict[str, Object]:
    """Return, by sink, the Deployment or Knative Service that makes its Pods."""
    services = of_kind(objects, "Service").items()
    served = {name: each for name, each in services if each["apiVersion"] != "v1"}
    return of_kind(objects, "Deployment") | served


def flows_elsewhere(objects: Objects) -> dict[str, list[tuple[Any, list[int]]]]:
    """Return, by policy, its flows with other namespaces: labels of the Pods there, and ports."""
    found: dict[str, list[tuple[Any, list[int]]]] = {}
    for name, policy in of_kind(objects, "NetworkPolicy").items():
        rules = (*policy["spec"].get("ingress", ()), *policy["spec"].get("egress", ()))
        found[name] = [
            (
                peer.get("podSelector", {}).get("matchLabels"),
                [each["port"] for each in rule["ports"]],
            )
            for rule in rules
            for peer in (*rule.get("from", ()), *rule.get("to", ()))
            if "namespaceSelector" in peer
        ]
    return found


def dead_letter_sink(each: Object) -> Any:
    """Return where an object's dead letters go."""
    return each["spec"]["delivery"]["deadLetterSink"]
