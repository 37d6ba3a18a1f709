"""What the objects of the manifests name: other objects, pods, and paths of Services."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.manifests import Object


def named_by(each: Object) -> Iterator[tuple[str, str]]:
    """Kind and name of all that an object names."""
    if each["kind"] == "Trigger":
        yield "Broker", each["spec"]["broker"]
    for mapping in inner(each.get("spec", {})):
        if {"apiVersion", "kind", "name"} <= mapping.keys():
            yield mapping["kind"], mapping["name"]
        if "serviceAccountName" in mapping:
            yield "ServiceAccount", mapping["serviceAccountName"]
        for key in ("configMapRef", "configMap"):
            if key in mapping:
                yield "ConfigMap", mapping[key]["name"]
        if "secretKeyRef" in mapping:
            yield "Secret", mapping["secretKeyRef"]["name"]
        if "secret" in mapping:
            yield "Secret", mapping["secret"]["secretName"]
        if "persistentVolumeClaim" in mapping:
            yield "PersistentVolumeClaim", mapping["persistentVolumeClaim"]["claimName"]


def destinations_of(each: Object) -> Iterator[tuple[str, str]]:
    """Service and path of all destinations that an object names."""
    for mapping in inner(each.get("spec", {})):
        if "ref" in mapping and mapping["ref"]["kind"] == "Service":
            yield mapping["ref"]["name"], mapping.get("uri", "/")


def selectors_of(each: Object) -> Iterator[Mapping[str, str]]:
    """All selectors of pods in the same namespace."""
    spec = each.get("spec", {})
    if each["kind"] == "Service":
        yield spec["selector"]
    for mapping in inner(spec) if each["kind"] != "Service" else ():
        if "namespaceSelector" in mapping:
            continue
        for key in ("selector", "labelSelector", "podSelector"):
            if "matchLabels" in mapping.get(key, {}):
                yield mapping[key]["matchLabels"]


def inner(value: Any) -> Iterator[Mapping[str, Any]]:
    """All mappings in a value, itself included."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value:
        if isinstance(each, dict | list):
            yield from inner(each)
