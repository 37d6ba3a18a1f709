"""How the end-to-end tests' Deployments roll out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.deployments import (
    deployment_status,
    next_step,
    owned,
    replicas,
    template_hash,
)

OLD, NEW = "old", ""


def deployment(kind: str = "RollingUpdate", **spec: Any) -> dict[str, Any]:
    """Return a Deployment as the API server returns it."""
    template = {"metadata": {"labels": {"app": "sink"}}, "spec": {"containers": []}}
    return {
        "metadata": {"name": "sink", "namespace": "sinks", "uid": "1", "generation": 3},
        "spec": {"strategy": {"type": kind}, "template": template, **spec},
    }


def pod(name: str, made_of: str = NEW, ready: bool = True, ending: bool = False) -> dict[str, Any]:
    """Return a Pod of the Deployment; `made_of` another template unless that is NEW."""
    labels = {"app": "sink", "pod-template-hash": made_of or template_hash(deployment())}
    condition = {"type": "Ready", "status": str(ready)}
    metadata: dict[str, Any] = {"name": name, "labels": labels, "ownerReferences": [{"uid": "1"}]}
    if ending:
        metadata["deletionTimestamp"] = "2025-01-01T00:00:00Z"
    return {"metadata": metadata, "status": {"conditions": [condition], "podIP": "10.99.2.1"}}


def step(made: dict[str, Any], pods: list[dict[str, Any]], wanted: int) -> tuple[int, list[str]]:
    """Return how many Pods come, and which go."""
    found = next_step(made, pods, wanted, "node")
    return len(found.create), list(found.delete)


@pytest.mark.parametrize(
    ("pods", "wanted", "expected"),
    [
        ([], 2, (2, [])),
        ([pod("a")], 1, (0, [])),
        ([pod("a", OLD)], 1, (1, [])),
        ([pod("a", OLD), pod("b", ready=False)], 1, (0, [])),
        ([pod("a", OLD), pod("b")], 1, (0, ["a"])),
        ([pod("a", OLD), pod("b", OLD)], 2, (1, [])),
        ([pod("a", OLD), pod("b", OLD), pod("c")], 2, (0, ["a"])),
        ([pod("a", OLD, ready=False)], 1, (1, ["a"])),
        ([pod("a"), pod("b", ending=True)], 1, (0, [])),
        ([pod("a", ending=True)], 1, (1, [])),
        ([pod("a"), pod("b")], 1, (0, ["b"])),
        ([pod("a"), pod("b", OLD)], 0, (0, ["b", "a"])),
    ],
    ids=[
        *("first", "done", "surge", "not ready", "ready", "two", "one of two"),
        *("broken", "ending", "replaced", "fewer", "none"),
    ],
)
def test_rolling_update_never_has_fewer_ready_than_wanted(
    pods: list[dict[str, Any]], wanted: int, expected: tuple[int, list[str]]
) -> None:
    """One comes beside those that there are; an old one goes when the new one is ready."""
    assert step(deployment(), pods, wanted) == expected


def test_rolling_update_follows_its_own_numbers() -> None:
    """Half of them may be missing, and none may be too many."""
    rolling = {"maxSurge": 0, "maxUnavailable": "50%"}
    made = deployment(strategy={"type": "RollingUpdate", "rollingUpdate": rolling})

    assert step(made, [pod("a", OLD), pod("b", OLD)], 2) == (0, ["a"])
    assert step(made, [pod("b", OLD)], 2) == (1, [])


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ([pod("a", OLD)], (0, ["a"])),
        ([pod("a", OLD, ending=True)], (0, [])),
        ([], (1, [])),
        ([pod("a")], (0, [])),
    ],
    ids=["goes", "is going", "gone", "done"],
)
def test_recreate_waits_until_the_old_one_is_gone(
    pods: list[dict[str, Any]], expected: tuple[int, list[str]]
) -> None:
    """Two of them must never have the volume."""
    assert step(deployment("Recreate"), pods, 1) == expected


def test_pod_is_made_of_the_template_on_this_node() -> None:
    """It belongs to its Deployment, and says of which template it is."""
    (made,) = next_step(deployment(), [], 1, "node").create

    assert made["metadata"]["labels"] == {
        "app": "sink",
        "pod-template-hash": template_hash(deployment()),
    }
    assert made["spec"] == {"containers": [], "nodeName": "node"}
    assert owned(deployment(), [made]) == [made]


def test_deployment_that_is_not_understood_does_nothing() -> None:
    """Its status says which field it is."""
    made = deployment(paused=True)

    assert step(made, [], 1) == (0, [])
    assert deployment_status(made, [], 1, "")["conditions"][-1] == {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": "spec.paused: not played here",
    }


def test_autoscaler_sets_the_number_where_it_is_the_deployments_owner() -> None:
    """Its least number counts, as nobody measures load here."""
    target = {"kind": "Deployment", "name": "sink"}
    scaler = {"spec": {"scaleTargetRef": target, "minReplicas": 2}}

    assert replicas(deployment(replicas=1), [scaler]) == 2
    assert replicas(deployment(replicas=1), []) == 1


def test_status_counts_what_kubectl_waits_for() -> None:
    """A rollout is complete when all are of the template, ready, and no other is there."""
    status = deployment_status(
        deployment(), [pod("a"), pod("b", OLD), pod("c", ending=True)], 2, ""
    )

    assert status["observedGeneration"] == 3
    assert (status["replicas"], status["updatedReplicas"], status["readyReplicas"]) == (2, 1, 2)
    assert status["conditions"][0]["status"] == "True"


def test_status_of_a_refused_pod_says_why() -> None:
    """Whoever asks `kubectl describe` finds the API server's words."""
    status = deployment_status(deployment(), [], 1, "violates PodSecurity")

    assert status["conditions"][-1]["message"] == "violates PodSecurity"
    assert status["conditions"][0]["status"] == "False"
