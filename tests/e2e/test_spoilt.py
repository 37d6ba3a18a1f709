"""The overlay dev with one thing wrong: what refuses it, what never becomes Ready, and why."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.api import ApiError, Object, named
from tests.e2e.cluster import Cluster, conditions
from tests.e2e.eventing import EVENTING
from tests.e2e.kubelet import Kubelet
from tests.e2e.running_pod import RunningPod
from tests.e2e.spoilt_objects import NAMESPACE, Spoilt, sound, spoilt
from tests.e2e.waiting import until

SECONDS = 30.0


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> str:
    """What the spoilt objects refer to, all of it sound."""
    for each in sound("Namespace", "ServiceAccount", "Broker", "Service", "Deployment"):
        cluster.api.apply(each)
    cluster.ready(EVENTING, "Broker", "default", NAMESPACE)
    return NAMESPACE


def a_trigger(name: str) -> Object:
    """A sound Trigger under another name."""
    return Spoilt("Trigger", "egress", "metadata.labels", {}).made(name)


def refusal(cluster: Cluster, obj: Object) -> ApiError:
    """Return why the API server does not create an object."""
    with pytest.raises(ApiError) as refused:
        cluster.api.create(obj)
    return refused.value


def told(cluster: Cluster, obj: Object) -> Any:
    """Return the condition Ready of an object once it is not True, as reason and message."""
    metadata = obj["metadata"]
    found = cluster.api.get(obj["apiVersion"], obj["kind"], metadata["name"], NAMESPACE)
    for each in found.get("status", {}).get("conditions", ()):
        if each["type"] == "Ready" and each["status"] == "False":
            return f"{each['reason']}: {each['message']}"
    return None


@pytest.mark.parametrize("wrong", spoilt("refused"), ids=str)
def test_spoilt_object_is_refused_in_so_many_words(
    cluster: Cluster, namespace: str, wrong: Spoilt
) -> None:
    """By the API server itself, which validates strictly, or by Knative's webhooks."""
    refused = refusal(cluster, wrong.made("" if wrong.kind == "Namespace" else "spoilt"))

    assert refused.status in (400, 422)
    assert wrong.words in refused.message


@pytest.mark.parametrize("wrong", spoilt("insecure"), ids=str)
def test_insecure_pod_is_refused_and_its_deployment_is_warned_of(
    cluster: Cluster, namespace: str, wrong: Spoilt
) -> None:
    """Pod Security `restricted`, by the labels of our own namespace."""
    deployment = wrong.made("spoilt")
    template = deployment["spec"]["template"]
    pod = named("v1", "Pod", "spoilt", namespace, spec=template["spec"])

    (warning,) = cluster.api.create(deployment).warnings
    cluster.api.delete("apps/v1", "Deployment", "spoilt", namespace)
    refused = refusal(cluster, pod)

    assert warning.startswith('would violate PodSecurity "restricted:latest": ')
    assert refused.status == 403
    assert 'violates PodSecurity "restricted:latest": ' in refused.message
    assert wrong.words in warning
    assert wrong.words in refused.message


def test_spoilt_object_never_becomes_ready_and_says_why(cluster: Cluster, namespace: str) -> None:
    """Each is taken, and its condition Ready is False; those of which Knative knows nothing have
    none, even after one that was made later and is sound has become Ready."""
    listed = [*spoilt("never_ready"), *spoilt("unknown")]
    named = {f"spoilt-{number}": each for number, each in enumerate(listed)}
    made = {name: cluster.api.create(each.made(name)) for name, each in named.items()}
    cluster.api.create(a_trigger("sound"))
    seen: dict[str, Any] = {}

    def all_told() -> bool:
        seen.update({name: told(cluster, made[name]) for name in named if not seen.get(name)})
        return all(seen[name] for name, each in named.items() if each.words)

    until(all_told, SECONDS, "all that is never Ready to say why")
    cluster.ready(EVENTING, "Trigger", "sound", namespace)

    for name, each in named.items():
        assert each.words in (seen[name] or ""), str(each)
        if not each.words:
            found = cluster.api.get(made[name]["apiVersion"], each.kind, name, namespace)
            assert conditions(found) == {}, str(each)


def test_trigger_that_is_taken_and_wrong_all_the_same_is_found_by_the_lint(
    cluster: Cluster, namespace: str
) -> None:
    """Neither a warning nor a condition tells of these; `sinks triggers lint` does, of what the
    cluster holds."""
    named = {f"taken-{number}": each for number, each in enumerate(spoilt("taken"))}
    warnings = [cluster.api.create(each.made(name)).warnings for name, each in named.items()]
    for name in named:
        cluster.ready(EVENTING, "Trigger", name, namespace)

    held = cluster.kubectl("-n", namespace, "get", "-o", "yaml", "trigger", *named).stdout
    linted = subprocess.run(
        [sys.executable, "-m", "sinks", "triggers", "lint", "--json", "-"],
        input=held,
        capture_output=True,
        text=True,
        check=False,
    )

    findings = json.loads(linted.stdout)["findings"]
    tells = {name: [each["what"] for each in findings if each["trigger"] == name] for name in named}
    assert linted.returncode == 1
    assert not any(warnings)
    for name, each in named.items():
        assert any(each.words in what for what in tells[name]), (str(each), tells[name])


@pytest.mark.parametrize(
    ("kind", "name", "change", "words"),
    [
        pytest.param(
            "Trigger",
            "changing",
            {"spec": {"broker": "another"}},
            "Immutable fields changed (-old +new): broker, spec",
            id="Trigger's Broker",
        ),
        pytest.param(
            "Broker",
            "default",
            {"metadata": {"annotations": {"eventing.knative.dev/broker.class": "Kafka"}}},
            "Immutable annotations changed (-old +new): annotations",
            id="Broker's class",
        ),
    ],
)
def test_change_of_what_cannot_change_is_refused(
    cluster: Cluster, namespace: str, kind: str, name: str, change: Object, words: str
) -> None:
    """Such an object has to be deleted and made anew."""
    if kind == "Trigger":
        cluster.api.apply(a_trigger(name))

    with pytest.raises(ApiError) as refused:
        cluster.api.patch(named(EVENTING, kind, name, namespace), change)

    assert refused.value.status == 400
    assert words in refused.value.message


@pytest.fixture(scope="module")
def pods(cluster: Cluster, namespace: str, kubelet: Kubelet) -> Iterator[Kubelet]:
    """Runs the Deployments, of which each has one thing wrong."""
    for each in sound("ConfigMap", "PersistentVolumeClaim"):
        cluster.api.apply(each)
    for wrong in spoilt("never_running"):
        cluster.api.apply(wrong.made())
    kubelet.serve(namespace)
    yield kubelet
    kubelet.stop(namespace)


@pytest.mark.parametrize("wrong", spoilt("never_running"), ids=str)
def test_pod_that_lacks_something_never_becomes_ready_and_says_what(
    pods: Kubelet, namespace: str, wrong: Spoilt
) -> None:
    """In its status, which `kubectl get pods` shows, or in what the sink has written."""

    def broken() -> RunningPod | None:
        found = pods.pods(namespace, wrong.name)
        return next((pod for pod in found if pod.state.problem), None)

    pod = until(broken, SECONDS, f"a Pod of {wrong.name} that does not run")
    assert pod

    assert wrong.words in f"{pod.state.problem}\n{pod.log}"
    assert not pod.state.ready
