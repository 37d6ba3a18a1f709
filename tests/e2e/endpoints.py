"""Which addresses a Service has: pure, as Kubernetes' endpoints controller decides it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tests.e2e.api import Object
from tests.e2e.probes import named_ports


def is_ready(pod: Object) -> bool:
    """True if a Pod is to get requests."""
    status = pod.get("status", {})
    conditions = {each["type"]: each["status"] for each in status.get("conditions", [])}
    leaving = "deletionTimestamp" in pod["metadata"]
    return bool(conditions.get("Ready") == "True" and status.get("podIP")) and not leaving


def selects(selector: Mapping[str, str], labels: Mapping[str, str] | None) -> bool:
    """True if the labels have all that the selector wants."""
    return all((labels or {}).get(name) == value for name, value in selector.items())


def subsets(service: Object, pods: Iterable[Object]) -> list[dict[str, Any]]:
    """Return `subsets` of a Service's Endpoints: its ready Pods and their ports."""
    selector, namespace = service["spec"]["selector"], service["metadata"]["namespace"]
    found: dict[tuple[tuple[str, int, str], ...], list[Object]] = {}
    for pod in pods:
        metadata = pod["metadata"]
        if metadata["namespace"] != namespace or not selects(selector, metadata.get("labels")):
            continue
        if is_ready(pod):
            ports = tuple(_ports(service, pod))
            found.setdefault(ports, []).append(pod)
    return [
        {
            "addresses": sorted((_address(pod) for pod in pods), key=lambda each: each["ip"]),
            "ports": [_port(*port) for port in ports],
        }
        for ports, pods in found.items()
    ]


def _ports(service: Object, pod: Object) -> Iterable[tuple[str, int, str]]:
    """Yield name, number and protocol; a port that the Pod does not name is left out."""
    named = named_ports(*pod["spec"]["containers"])
    for port in service["spec"].get("ports", []):
        target = port.get("targetPort", port["port"])
        number = named.get(target) if isinstance(target, str) else target
        if number:
            yield port.get("name", ""), number, port.get("protocol", "TCP")


def _port(name: str, number: int, protocol: str) -> dict[str, Any]:
    return {**({"name": name} if name else {}), "port": number, "protocol": protocol}


def _address(pod: Object) -> dict[str, Any]:
    metadata = pod["metadata"]
    target = {"kind": "Pod", "name": metadata["name"], "namespace": metadata["namespace"]}
    return {"ip": pod["status"]["podIP"], "targetRef": target}
