"""Pods run as the API server says: nothing of a manifest is left out, and nothing added."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.cluster import Cluster
from tests.e2e.counterparts import EVENTGATE, PREDICTOR, Counterparts
from tests.e2e.kubelet import Kubelet
from tests.e2e.overlay import Applied, rolled_out
from tests.e2e.pod import quantity
from tests.e2e.running_pod import RunningPod
from tests.e2e.waiting import until
from tests.image.build import image_name
from tests.image.namespaces import network

SINKS = ("http-shim", "score-sink", "egress-sink", "deadletter-sink")
NAMESPACE = "kubelet-test"
SECONDS = 60.0


@pytest.fixture(scope="module")
def namespace(cluster: Cluster, kubelet: Kubelet) -> Iterator[str]:
    """A namespace with Pod Security `restricted` whose Deployments are run."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    for kind, extra in (("Namespace", {"labels": labels}), ("ServiceAccount", {})):
        metadata = {"name": NAMESPACE, "namespace": NAMESPACE, **extra}
        cluster.api.apply({"apiVersion": "v1", "kind": kind, "metadata": metadata})
    kubelet.serve(NAMESPACE)
    yield NAMESPACE
    kubelet.stop(NAMESPACE)


def deployment(name: str, container: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """Return a Deployment of one Pod with our image that `restricted` lets in."""
    labels = {"app.kubernetes.io/name": name}
    own = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "serviceAccountName": NAMESPACE,
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "securityContext": {
                        "runAsNonRoot": True,
                        "runAsUser": 10001,
                        "fsGroup": 10001,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "containers": [
                        {"name": "it", "image": image_name(), "securityContext": own, **container}
                    ],
                    **spec,
                },
            },
        },
    }


def sleeper(**container: Any) -> dict[str, Any]:
    """Return a container that does nothing."""
    return {"command": ["python", "-c", "import time; time.sleep(1000)"], **container}


def server(**container: Any) -> dict[str, Any]:
    """Return a container that serves 200 at `/` on its port `http`."""
    command = ["python", "-m", "http.server", "8000"]
    ports = [{"name": "http", "containerPort": 8000}]
    return {"command": command, "workingDir": "/opt", "ports": ports, **container}


def only(kubelet: Kubelet, namespace: str, app: str) -> RunningPod:
    """Return the one Pod of an app, once it runs."""

    def running() -> RunningPod | None:
        pods = kubelet.pods(namespace, app)
        return pods[0] if len(pods) == 1 and pods[0].state.running else None

    found = until(running, SECONDS, f"a Pod of {app} to run")
    assert found
    return found


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


# --- the sinks, as the manifests say ----------------------------------------------------------


@pytest.mark.parametrize("sink", SINKS)
def test_sink_runs_confined_as_its_spec_says(dev: Applied, sink: str) -> None:
    """Its user, no capabilities, no new privileges, seccomp, and nothing to write to but /dev."""
    pod = only(dev.kubelet, dev.namespace, sink)
    assert pod.container

    lines = Path(f"/proc/{pod.pid}/status").read_text().splitlines()
    status = {name: value.split() for name, _, value in (each.partition(":") for each in lines)}
    written = pod.container.exec("touch", "/app/x", "/opt/x", "/etc/x")
    limit = pod.container.inspect("{{.HostConfig.Memory}}")

    assert status["Uid"] == ["10001"] * 4
    assert status["Gid"] == ["10001"] * 4
    assert status["CapEff"] == status["CapBnd"] == ["0000000000000000"]
    assert (status["NoNewPrivs"], status["Seccomp"]) == (["1"], ["2"])
    assert written.stderr.count("Read-only file system") == 3
    assert limit == str(quantity(pod.pod["spec"]["containers"][0]["resources"]["limits"]["memory"]))


@pytest.mark.parametrize("sink", ["http-shim", "deadletter-sink"])
def test_bound_sink_has_k_sink_in_its_environment(dev: Applied, sink: str) -> None:
    """The real SinkBinding changes the template, and the Pod that runs is made of that."""
    pod = only(dev.kubelet, dev.namespace, sink)

    env = Path(f"/proc/{pod.pid}/environ").read_bytes().split(b"\0")

    assert f"K_SINK={dev.broker_url}".encode() in env


def test_dead_letters_are_on_a_volume_that_outlives_the_pod(dev: Applied) -> None:
    """A claim is the user's to write to, and its files are there for the next Pod."""
    before = only(dev.kubelet, dev.namespace, "deadletter-sink")
    assert before.container
    before.container.exec("touch", "/app/var/kept")

    dev.cluster.kubectl("-n", dev.namespace, "delete", "pod", before.name, "--now")
    until(lambda: before.is_gone, SECONDS, "the Pod to go")
    after = only(dev.kubelet, dev.namespace, "deadletter-sink")
    rolled_out(dev)

    assert after.container and after.name != before.name
    assert "kept" in after.container.exec("ls", "/app/var").stdout


def test_rollout_answers_every_request(dev: Applied) -> None:
    """The new Pod is ready before the old one goes, and that serves on until all know it."""
    url, stopped, answers = dev.url("http-shim"), threading.Event(), []
    before = only(dev.kubelet, dev.namespace, "http-shim")

    def ask() -> None:
        while not stopped.is_set():
            try:
                answers.append(str(requests.get(f"{url}/healthz", timeout=5).status_code))
            except requests.RequestException as error:
                answers.append(repr(error))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for step in ("restart", "status"):
            dev.cluster.kubectl("-n", dev.namespace, "rollout", step, "deployment/http-shim")
        until(lambda: before.is_gone, SECONDS, "the old Pod to end")
    finally:
        stopped.set()
        asking.join()

    assert only(dev.kubelet, dev.namespace, "http-shim").name != before.name
    assert "Shutting down" in before.log
    assert len(answers) > 100
    assert set(answers) == {"200"}


# --- who may talk with whom -------------------------------------------------------------------


def reaches(pod: RunningPod | None, cluster: Cluster, address: str, port: int) -> bool:
    """Whether a Pod, or else a stranger, gets a connection."""
    host = pod.host if pod else cluster.hosts.by_name["stranger"]
    with network(host.namespace):
        try:
            socket.create_connection((address, port), timeout=3).close()
        except ConnectionRefusedError:
            return False
    return True


@pytest.mark.parametrize(
    ("source", "service", "allowed"),
    [
        ("http-shim", "score-sink", True),
        ("http-shim", "egress-sink", True),
        ("http-shim", "deadletter-sink", True),
        ("deadletter-sink", "score-sink", True),
        ("score-sink", "egress-sink", False),
        ("egress-sink", "score-sink", False),
        ("score-sink", "http-shim", False),
        ("", "score-sink", False),
        ("", "http-shim", False),
    ],
)
def test_flow_between_sinks_is_let_through_only_if_a_policy_names_it(
    dev: Applied, source: str, service: str, allowed: bool
) -> None:
    """Judged at either end, on the way to a Service's address; `` is nobody's Pod."""
    pod = only(dev.kubelet, dev.namespace, source) if source else None
    if not pod and "stranger" not in dev.cluster.hosts.by_name:
        dev.cluster.hosts.add("stranger", "10.97.0.200")
    address = dev.url(service).removeprefix("http://").partition(":")[0]

    assert reaches(pod, dev.cluster, address, 80) == allowed


@pytest.mark.parametrize(
    ("source", "name", "port", "allowed"),
    [
        ("score-sink", PREDICTOR, 8084, True),
        ("egress-sink", EVENTGATE, 8192, True),
        ("egress-sink", PREDICTOR, 8084, False),
        ("score-sink", EVENTGATE, 8192, False),
        ("http-shim", PREDICTOR, 8084, False),
        ("score-sink", PREDICTOR, 30443, False),
    ],
)
def test_flow_to_the_outside_is_let_through_only_if_a_policy_names_it(
    dev: Applied,
    counterparts: Counterparts,
    source: str,
    name: str,
    port: int,
    allowed: bool,
) -> None:
    """Each sink reaches its own counterpart at the overlay's port, and nothing else."""
    pod = only(dev.kubelet, dev.namespace, source)

    assert reaches(pod, dev.cluster, dev.cluster.names[name], port) == allowed


# --- Pods of a namespace of our own -----------------------------------------------------------


def test_unready_pod_gets_no_requests(cluster: Cluster, kubelet: Kubelet, namespace: str) -> None:
    """A readiness probe that is refused keeps a Pod out of Endpoints until it is mended."""
    probe = {"httpGet": {"path": "/nowhere", "port": "http"}, "periodSeconds": 1}
    wanted = deployment("unready", server(readinessProbe=probe))
    selector = wanted["spec"]["selector"]["matchLabels"]
    spec = {"selector": selector, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}
    metadata = {"name": "unready", "namespace": namespace}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}

    for each in (service, wanted):
        cluster.api.apply(each)
    pod = only(kubelet, namespace, "unready")
    until(lambda: " 404 " in pod.log, SECONDS, "the probe to be refused")
    time.sleep(1)

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
    secret = {"apiVersion": "v1", "kind": "Secret", "stringData": {"key": "old"}}
    secret["metadata"] = {"name": "changing", "namespace": namespace}
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

    (told,) = until(lambda: kubelet.problems(namespace), SECONDS, "a problem")

    assert told.endswith("CreateContainerConfigError: spec.hostAliases: not played here")
    cluster.api.delete("apps/v1", "Deployment", "unknown", namespace)
    until(lambda: not kubelet.problems(namespace), SECONDS, "the Pod to go with its Deployment")
