"""Pods run as the API server says: nothing of a manifest is left out, and nothing added."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.api import Object, named
from tests.e2e.cluster import Cluster
from tests.e2e.kubelet import Kubelet
from tests.e2e.one_pod import only
from tests.e2e.waiting import until
from tests.image.build import image_name

NAMESPACE = "kubelet-test"
SECONDS = 60.0


@pytest.fixture(scope="module")
def namespace(cluster: Cluster, kubelet: Kubelet) -> Iterator[str]:
    """A namespace with Pod Security `restricted` whose Deployments are run."""
    made = named("v1", "Namespace", NAMESPACE)
    made["metadata"]["labels"] = {"pod-security.kubernetes.io/enforce": "restricted"}
    for each in (made, named("v1", "ServiceAccount", NAMESPACE, NAMESPACE)):
        cluster.api.apply(each)
    kubelet.serve(NAMESPACE)
    yield NAMESPACE
    kubelet.stop(NAMESPACE)


def deployment(name: str, container: dict[str, Any], **spec: Any) -> Object:
    """Return a Deployment of one Pod with our image that `restricted` lets in."""
    labels = {"app.kubernetes.io/name": name}
    own = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    pod = {
        "serviceAccountName": NAMESPACE,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "fsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [{"name": "it", "image": image_name(), "securityContext": own, **container}],
        **spec,
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    whole = {"selector": {"matchLabels": labels}, "template": template}
    return named("apps/v1", "Deployment", name, NAMESPACE, spec=whole)


def sleeper(**container: Any) -> dict[str, Any]:
    """Return a container that does nothing."""
    return {"command": ["python", "-c", "import time; time.sleep(1000)"], **container}


def server(**container: Any) -> dict[str, Any]:
    """Return a container that serves 200 at `/` on its port `http`."""
    command = ["python", "-m", "http.server", "8000"]
    ports = [{"name": "http", "containerPort": 8000}]
    return {"command": command, "workingDir": "/opt", "ports": ports, **container}


def condition(cluster: Cluster, name: str, kind: str) -> dict[str, Any]:
    """Return a condition of a Deployment, once it is True."""

    def met() -> dict[str, Any] | None:
        status = cluster.api.get("apps/v1", "Deployment", name, NAMESPACE).get("status", {})
        found = {each["type"]: each for each in status.get("conditions", ())}.get(kind, {})
        return found if found.get("status") == "True" else None

    return until(met, SECONDS, f"{name} to be {kind}") or {}


def addresses(cluster: Cluster, namespace: str, service: str) -> list[str]:
    """Return whom a Service sends to."""
    subsets = cluster.api.get("v1", "Endpoints", service, namespace).get("subsets", [])
    return [each["ip"] for subset in subsets for each in subset.get("addresses", ())]


def test_unready_pod_gets_no_requests(cluster: Cluster, kubelet: Kubelet, namespace: str) -> None:
    """A readiness probe that is refused keeps a Pod out of Endpoints until it is mended."""
    probe = {"httpGet": {"path": "/nowhere", "port": "http"}, "periodSeconds": 1}
    wanted = deployment("unready", server(readinessProbe=probe))
    selector = wanted["spec"]["selector"]["matchLabels"]
    spec = {"selector": selector, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}
    service = named("v1", "Service", "unready", namespace, spec=spec)

    for each in (service, wanted):
        cluster.api.apply(each)
    pod = only(kubelet, namespace, "unready")
    until(lambda: pod.log.count(" 404 ") > 1, SECONDS, "the probe to be refused again")

    assert not pod.state.ready
    assert addresses(cluster, namespace, "unready") == []

    probe["httpGet"] = {"path": "/", "port": "http"}
    cluster.api.apply(deployment("unready", server(readinessProbe=probe)))
    there = until(lambda: addresses(cluster, namespace, "unready"), SECONDS, "an endpoint")
    assert there == [each.ip for each in kubelet.pods(namespace, "unready")]


def test_killed_container_is_started_again_in_its_pod(
    cluster: Cluster, kubelet: Kubelet, namespace: str
) -> None:
    """The Pod keeps its name and address, and its status says how the container ended."""
    cluster.api.apply(deployment("killed", sleeper()))
    pod = only(kubelet, namespace, "killed")

    pod.kill()
    until(lambda: pod.state.restarts == 1 and pod.state.ready, SECONDS, "the container again")

    def reported() -> dict[str, Any] | None:
        found = cluster.api.get("v1", "Pod", pod.name, namespace)["status"]
        (status,) = found["containerStatuses"]
        assert found["podIP"] == pod.ip
        return dict(status["lastState"]["terminated"]) if status["restartCount"] else None

    assert (until(reported, SECONDS, "the restart to be reported") or {})["exitCode"] == 137


def test_container_that_fails_its_liveness_probe_is_started_again(
    cluster: Cluster, kubelet: Kubelet, namespace: str
) -> None:
    """It is told to end first, as any container that goes."""
    get = {"httpGet": {"path": "/nowhere", "port": "http"}}
    probe = {**get, "periodSeconds": 1, "failureThreshold": 1, "initialDelaySeconds": 1}
    grace = {"terminationGracePeriodSeconds": 1}
    cluster.api.apply(deployment("unhealthy", server(livenessProbe=probe), **grace))

    pod = only(kubelet, namespace, "unhealthy")
    until(lambda: pod.state.restarts, SECONDS, "the container to be started again")

    assert pod.state.ended == "FailedLivenessProbe"


def test_pod_sees_what_its_spec_refers_to(
    cluster: Cluster, kubelet: Kubelet, namespace: str
) -> None:
    """Variables, files that follow their Secret, memory to write to, a token for an audience."""
    env = [
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "GREETING", "value": "I am $(NAME) at $(IP)"},
    ]
    token = {"serviceAccountToken": {"audience": "a-broker", "path": "token"}}
    volumes = [
        {"name": "secret", "secret": {"secretName": "changing", "defaultMode": 0o400}},
        {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        {"name": "oidc", "projected": {"sources": [token]}},
    ]
    mounts = [{"name": each["name"], "mountPath": f"/{each['name']}"} for each in volumes]
    secret = named("v1", "Secret", "changing", namespace, stringData={"key": "old"})
    cluster.api.apply(secret)
    cluster.api.apply(deployment("seeing", sleeper(env=env, volumeMounts=mounts), volumes=volumes))
    pod = only(kubelet, namespace, "seeing")
    assert pod.container

    def read(path: str) -> str:
        assert pod.container
        return pod.container.exec("cat", path).stdout

    greeting = pod.container.exec("printenv", "GREETING").stdout.strip()
    before = read("/secret/key")
    too_much = pod.container.exec("dd", "if=/dev/zero", "of=/memory/x", "bs=1M", "count=2")
    claims = json.loads(base64.urlsafe_b64decode(read("/oidc/token").split(".")[1] + "=="))
    cluster.api.apply({**secret, "stringData": {"key": "new"}})

    assert greeting == f"I am {pod.name} at {pod.ip}"
    assert before == "old"
    assert until(lambda: read("/secret/key") == "new", SECONDS, "the file to change")
    assert "No space left" in too_much.stderr
    assert claims["aud"] == ["a-broker"]
    assert claims["sub"] == f"system:serviceaccount:{namespace}:{namespace}"


def test_pod_that_pod_security_refuses_is_the_deployments_problem(
    cluster: Cluster, kubelet: Kubelet, namespace: str
) -> None:
    """Pods come into being through the API server, which judges them."""
    cluster.api.apply(deployment("privileged", sleeper(securityContext={})))

    told = condition(cluster, "privileged", "ReplicaFailure")

    assert 'violates PodSecurity "restricted' in told["message"]
    assert kubelet.pods(namespace, "privileged") == []
    cluster.api.delete("apps/v1", "Deployment", "privileged", namespace)
    until(lambda: not kubelet.problems(namespace), SECONDS, "nothing to be refused any more")


def test_field_that_is_not_played_keeps_the_pod_from_starting(
    cluster: Cluster, kubelet: Kubelet, namespace: str
) -> None:
    """A manifest cannot contain what these proofs do not run."""
    aliases = [{"ip": "10.0.0.1", "hostnames": ["elsewhere"]}]
    cluster.api.apply(deployment("unknown", sleeper(), hostAliases=aliases))

    def problems() -> list[str]:  # others' Pods may still be going
        return [each for each in kubelet.problems(namespace) if each.startswith("unknown-")]

    (told,) = until(problems, SECONDS, "a problem")

    assert told.endswith("CreateContainerConfigError: spec.hostAliases: not played here")
    cluster.api.delete("apps/v1", "Deployment", "unknown", namespace)
    until(lambda: not problems(), SECONDS, "the Pod to go with its Deployment")
