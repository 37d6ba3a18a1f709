"""The component `knative-serving`: the same Pods as Knative Services, with Serving's own times."""

from __future__ import annotations

import json
from typing import Final

import pytest

from tests.manifest_components import ALL, extended, flows_elsewhere
from tests.manifests import (
    ENVIRONMENTS,
    SETTINGS,
    Object,
    container_of,
    generated,
    of_kind,
    overlay,
    pod_of,
    seconds,
    seen_by,
)

SERVED: Final = ("http-shim", "score-sink", "egress-sink")
# While its queue-proxy waits for the last request, a Pod that goes is still there.
DRAIN_SECONDS: Final = 30


def selected(policy: Object) -> list[str]:
    """The sinks that a policy is for, by its selector."""
    selector = policy["spec"]["podSelector"]
    named = [each["values"] for each in selector.get("matchExpressions", ())]
    label = selector.get("matchLabels", {}).get("app.kubernetes.io/name")
    return [*(label,) * (label is not None), *(value for values in named for value in values)]


@pytest.mark.parametrize(("environment", "components"), ALL)
def test_knative_services_replace_all_that_serving_does(
    environment: str, components: tuple[str, ...]
) -> None:
    """No Deployment, Service, autoscaler or budget is left of the three; the letters' are."""
    before = {
        (each["apiVersion"], each["kind"], each["metadata"]["name"])
        for each in overlay(environment)
        if each["kind"]
        in ("Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget")
    }
    after = {
        (each["apiVersion"], each["kind"], each["metadata"]["name"])
        for each in extended(environment, *components)
        if (each["kind"] in {kind for _, kind, _ in before})
    }

    assert after == {
        *(("serving.knative.dev/v1", "Service", sink) for sink in SERVED),
        *(each for each in before if each[2] == "deadletter-sink"),
    }


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_knative_service_has_the_pod_of_the_deployment(environment: str) -> None:
    """Image, command, variables, files and resources are written once, for both."""
    deployments = of_kind(overlay(environment), "Deployment")
    services = of_kind(extended(environment, "knative-serving"), "Service")

    for sink in SERVED:
        old, new = container_of(deployments[sink]), container_of(services[sink])
        for field in ("image", "command", "resources", "volumeMounts"):
            assert new.get(field) == old.get(field)
        for field in ("volumes", "serviceAccountName", "enableServiceLinks"):
            assert pod_of(services[sink]).get(field) == pod_of(deployments[sink]).get(field)
        templates = (each[sink]["spec"]["template"] for each in (deployments, services))
        assert len({json.dumps(each["metadata"]["labels"]) for each in templates}) == 1
        user = pod_of(deployments[sink])["securityContext"]
        assert new["securityContext"] == user | old["securityContext"]
        assert [each["configMapRef"]["name"] for each in new["envFrom"]] == [
            generated(extended(environment, "knative-serving"), "ConfigMap", sink)["metadata"][
                "name"
            ]
        ]
        assert "env" not in new


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_knative_service_nests_concurrency_and_times_with_the_settings(environment: str) -> None:
    """No request is let in that the sink would defer; the sink's own answer comes before Serving's,
    Serving's before the Broker or the source gives up, and a Pod that goes ends what it has
    begun."""
    objects = extended(environment, "knative-serving")
    for sink in SERVED:
        service = of_kind(objects, "Service")[sink]
        with seen_by(objects, service) as environ:
            settings = SETTINGS[sink].from_env(environ)
        pod, deadline = pod_of(service), settings.event_deadline_seconds
        patience = [
            seconds(each["spec"]["delivery"]["timeout"])
            for kind, called in (("Trigger", "subscriber"), ("KafkaSource", "sink"))
            for each in of_kind(objects, kind).values()
            if each["spec"][called]["ref"]["name"] == sink
        ]

        assert pod["containerConcurrency"] == settings.max_in_flight
        assert deadline < pod["responseStartTimeoutSeconds"] < min([*patience, 600])
        assert DRAIN_SECONDS + deadline + 10 <= pod["timeoutSeconds"] <= 600


def test_knative_service_scales_to_none_where_the_broker_tries_again() -> None:
    """Somebody who does not try again finds the shim there."""
    services = of_kind(extended("production", "knative-serving"), "Service")
    scales = {
        sink: services[sink]["spec"]["template"]["metadata"]["annotations"] for sink in SERVED
    }

    least = {sink: each["autoscaling.knative.dev/min-scale"] for sink, each in scales.items()}
    assert least == {"http-shim": "1", "score-sink": "0", "egress-sink": "0"}
    for sink, each in scales.items():
        target = int(each["autoscaling.knative.dev/target"])
        assert target < pod_of(services[sink])["containerConcurrency"]


@pytest.mark.parametrize(("environment", "components"), ALL)
def test_knative_service_is_reached_through_the_activator_only(
    environment: str, components: tuple[str, ...]
) -> None:
    """What could be called at its own port is called through Serving now, by its full name."""
    objects = extended(environment, *components)
    found = flows_elsewhere(objects)
    ways = [
        {"from": name, "to": selected(policy)}
        for name, policy in of_kind(objects, "NetworkPolicy").items()
        if "ingress" in policy["spec"] and set(selected(policy)) & set(SERVED)
    ]

    assert ways == [{"from": "from-activator", "to": list(SERVED)}]
    assert found["from-activator"] == [
        ({"app": "activator"}, [8012]),
        ({"app": "autoscaler"}, [9090]),
    ]
    assert found["http-shim"] == found["deadletter-sink"] == [(None, [8081])]


def test_knative_service_of_the_shim_is_bound_to_the_broker() -> None:
    """The SinkBinding follows it; that of the letters stays."""
    bindings = of_kind(extended("staging-a", "knative-serving"), "SinkBinding")

    assert {name: each["spec"]["subject"] for name, each in bindings.items()} == {
        "http-shim": {
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Service",
            "name": "http-shim",
        },
        "deadletter-sink": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": "deadletter-sink",
        },
    }
