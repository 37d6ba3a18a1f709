"""What a Deployment asks for: which Pods to make and to end, and what its status says.

Plays the controllers of Deployments, ReplicaSets and HorizontalPodAutoscalers (only their least
number of replicas), without ReplicaSets: a Pod belongs to its Deployment itself.
Pure: plain objects in, plain objects out.
Source: Kubernetes documentation, Deployments; API reference, apps/v1 and core/v1.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.e2e.api import Object
from tests.e2e.endpoints import is_ready
from tests.e2e.understood import deployment_problems

_HASH: Final = "pod-template-hash"


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next: Pods to create, and names of Pods to delete."""

    create: Sequence[Object] = ()
    delete: Sequence[str] = ()


def owned(deployment: Mapping[str, Any], pods: Sequence[Object]) -> list[Object]:
    """Return the Pods that were made for a Deployment."""
    uid = deployment["metadata"]["uid"]
    return [pod for pod in pods if owner(pod) == uid]


def owner(pod: Mapping[str, Any]) -> str | None:
    """Return the uid of what a Pod was made for."""
    references = pod["metadata"].get("ownerReferences")
    return str(references[0]["uid"]) if references else None


def is_ending(pod: Mapping[str, Any]) -> bool:
    """True if a Pod has been deleted and is still there."""
    return "deletionTimestamp" in pod["metadata"]


def replicas(deployment: Mapping[str, Any], autoscalers: Sequence[Object]) -> int:
    """Return how many Pods a Deployment is to have: at least what its autoscaler says."""
    asked = int(deployment["spec"].get("replicas", 1))
    for each in autoscalers:
        target = each["spec"]["scaleTargetRef"]
        if (target["kind"], target["name"]) == ("Deployment", deployment["metadata"]["name"]):
            return max(asked, int(each["spec"].get("minReplicas", 1)))
    return asked


def next_step(
    deployment: Mapping[str, Any], pods: Sequence[Object], wanted: int, node: str
) -> Step:
    """Return what brings a Deployment nearer to its template.

    pods: its own, those that are ending included. wanted: how many there are to be.
    """
    if deployment_problems(deployment["spec"]):
        return Step()
    there = [pod for pod in pods if not is_ending(pod)]
    new = [pod for pod in there if _hash_of(pod) == template_hash(deployment)]
    old = [pod for pod in there if pod not in new]
    strategy = deployment["spec"]["strategy"]
    if strategy["type"] == "Recreate":
        gone = not old and all(_hash_of(pod) == template_hash(deployment) for pod in pods)
        missing = wanted - len(new) if gone else 0
        going = [*old, *new[wanted:]]
    else:
        rolling = strategy.get("rollingUpdate") or {}
        surge = _share(rolling.get("maxSurge", "25%"), wanted, math.ceil)
        unavailable = _share(rolling.get("maxUnavailable", "25%"), wanted, math.floor)
        missing = min(wanted - len(new), wanted + surge - len(there))
        spare = sum(map(is_ready, there)) - (wanted - unavailable)
        ready = [pod for pod in old if is_ready(pod)]
        going = [pod for pod in old if pod not in ready] + ready[: max(spare, 0)] + new[wanted:]
    created = [_pod(deployment, node) for _ in range(missing)]
    return Step(created, [pod["metadata"]["name"] for pod in going])


def template_hash(deployment: Mapping[str, Any]) -> str:
    """Return what tells Pods of one template from those of another."""
    template = json.dumps(deployment["spec"]["template"], sort_keys=True)
    return hashlib.sha256(template.encode()).hexdigest()[:10]


def deployment_status(
    deployment: Mapping[str, Any], pods: Sequence[Object], wanted: int, refused: str
) -> Object:
    """Return the status that `kubectl rollout status` and `kubectl wait` read.

    pods:     its own. refused: why the API server took none of its Pods; empty: it did.
    """
    there = [pod for pod in pods if not is_ending(pod)]
    updated = sum(_hash_of(pod) == template_hash(deployment) for pod in there)
    ready = sum(map(is_ready, there))
    problems = "; ".join(deployment_problems(deployment["spec"])) or refused
    complete = updated == len(there) == ready == wanted
    conditions = [
        _condition("Available", ready >= wanted, "MinimumReplicasAvailable", f"{ready} are ready"),
        _condition("Progressing", not problems, "NewReplicaSetAvailable", f"complete: {complete}"),
    ]
    if problems:
        conditions.append(_condition("ReplicaFailure", True, "FailedCreate", problems))
    return {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": len(there),
        "updatedReplicas": updated,
        "readyReplicas": ready,
        "availableReplicas": ready,
        "unavailableReplicas": max(wanted - ready, 0),
        "conditions": conditions,
    }


def _pod(deployment: Mapping[str, Any], node: str) -> Object:
    name, namespace = (deployment["metadata"][key] for key in ("name", "namespace"))
    template, made_of = deployment["spec"]["template"], template_hash(deployment)
    given = template["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{name}-{made_of}-",
            "namespace": namespace,
            "labels": {**(given.get("labels") or {}), _HASH: made_of},
            "annotations": given.get("annotations") or {},
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "Deployment",
                    "name": name,
                    "uid": deployment["metadata"]["uid"],
                    "controller": True,
                }
            ],
        },
        "spec": {**template["spec"], "nodeName": node},
    }


def _hash_of(pod: Mapping[str, Any]) -> str:
    return str(pod["metadata"]["labels"].get(_HASH))


def _share(value: int | str, of: int, rounded: Callable[[float], int]) -> int:
    """Return a number of Pods that may be given as a percentage."""
    return rounded(of * int(value[:-1]) / 100) if isinstance(value, str) else value


def _condition(kind: str, status: bool, reason: str, message: str) -> Object:
    return {"type": kind, "status": str(status), "reason": reason, "message": message}
