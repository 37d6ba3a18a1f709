"""The objects of every overlay against their owners' schemas, and against each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from werkzeug.exceptions import HTTPException

from sinks.models import MODELS
from tests.documented_fields import undocumented
from tests.manifest_references import destinations_of, named_by, selectors_of
from tests.manifests import (
    OVERLAYS,
    PLATFORM,
    PREREQUISITES,
    SETTINGS,
    Object,
    Objects,
    app_of,
    changed,
    container_of,
    of_kind,
    overlay,
    pod_of,
)

OURS: Final = {"app.kubernetes.io/part-of": "event-sinks"}


def schemas(objects: Objects) -> list[str]:
    """Objects are what Kubernetes' schemas and Knative's documents say, and have no member more."""
    return [f"{label(each)}: {problem}" for each in objects for problem in undocumented(each)]


def references(objects: Objects) -> list[str]:
    """Whatever is named exists, here or among the prerequisites, and no ConfigMap is for nobody."""
    there = {(each["kind"], each["metadata"]["name"]) for each in objects}
    there |= PREREQUISITES.keys() | PLATFORM.keys()
    named = [(each, reference) for each in objects for reference in named_by(each)]
    problems = [f"{label(by)}: there is no {' '.join(to)}" for by, to in named if to not in there]
    used = {reference for _, reference in named}
    unused = {("ConfigMap", name) for name in of_kind(objects, "ConfigMap")} - used
    return problems + [f"nobody uses {name}" for _, name in sorted(unused)]


def selectors(objects: Objects) -> list[str]:
    """Each selector finds the pods of one sink, and each sink is selected by its own objects."""
    labels = {
        name: each["spec"]["template"]["metadata"]["labels"]
        for name, each in of_kind(objects, "Deployment").items()
    }
    problems = []
    for each in objects:
        for selector in selectors_of(each):
            found = [name for name, has in labels.items() if selector.items() <= has.items()]
            flows = each["kind"] == "NetworkPolicy" and len(found) in (1, len(labels))
            if not flows and found != [each["metadata"]["name"]]:
                problems.append(f"{label(each)}: {selector} selects {found}")
    return problems


def destinations(objects: Objects) -> list[str]:
    """Events go only to paths that the sink behind the Service takes, and to rows that exist."""
    problems = []
    for each in objects:
        for service, path in destinations_of(each):
            try:
                app_of(service).url_map.bind("sink").match(path, method="POST")
            except HTTPException as error:
                problems.append(f"{label(each)}: {service} answers {error.code} to {path}")
            if service == "score-sink" and path.removeprefix("/models/") not in MODELS:
                problems.append(f"{label(each)}: there is no row for {path}")
    return problems


def services(objects: Objects) -> list[str]:
    """Each sink has a Service, whose port 80 leads to the port that the container names."""
    found = of_kind(objects, "Service")
    problems = [f"Service {name}: is not there" for name in SETTINGS.keys() - found.keys()]
    for name, service in found.items():
        (port,) = service["spec"]["ports"]
        has = [each["name"] for each in container_of(of_kind(objects, "Deployment")[name])["ports"]]
        if port["port"] != 80 or port["name"] != "http" or port["targetPort"] not in has:
            problems.append(f"{label(service)}: {port} leads to none of {has}")
    return problems


def replicas(objects: Objects) -> list[str]:
    """Either an autoscaler owns the replicas or the Deployment says them; where there may be two,
    one at a time is taken away; where there may not, the old one goes before the new one comes."""
    problems = []
    for name, deployment in of_kind(objects, "Deployment").items():
        spec = deployment["spec"]
        scaler = of_kind(objects, "HorizontalPodAutoscaler").get(name)
        budget = of_kind(objects, "PodDisruptionBudget").get(name)
        several = bool(scaler) or spec["replicas"] > 1
        volumes = pod_of(deployment).get("volumes", [])
        one_writer = any("persistentVolumeClaim" in each for each in volumes)
        recreated = spec.get("strategy", {}).get("type") == "Recreate"
        requests = container_of(deployment)["resources"]["requests"]
        if bool(scaler) == ("replicas" in spec) or (scaler and "cpu" not in requests):
            problems.append(f"Deployment {name}: its replicas have two owners, or none")
        if several == one_writer or one_writer != recreated or bool(budget) != several:
            problems.append(f"Deployment {name}: replicas, volume, strategy and budget disagree")
    return problems


def labels(objects: Objects) -> list[str]:
    """Each object can be found by its labels, and what a step brings can be applied by itself."""
    problems = []
    for each in objects:
        has = each["metadata"]["labels"]
        component = has.get("app.kubernetes.io/component")
        if not OURS.items() <= has.items() or component != step_of(each):
            problems.append(f"{label(each)}: {has}")
    return problems


def step_of(each: Object) -> str | None:
    """Which step brings an object; None: that of the sinks."""
    kind, name = each["kind"], each["metadata"]["name"]
    if kind in ("Broker", "Trigger", "EventType", "EventPolicy") or name.endswith("-broker"):
        return "routing"
    if kind == "KafkaSource" or name.endswith("-from-kafka-source"):
        return "source"
    return "binding" if kind == "SinkBinding" else None


def label(each: Object) -> str:
    return f"{each['kind']} {each['metadata']['name']}"


CHECKS: Final = (schemas, references, selectors, destinations, services, replicas, labels)
SPOILT: Final = [
    (schemas, ("Deployment", "score-sink", "spec.template.spec.enableServiceLink", False)),
    (schemas, ("Deployment", "score-sink", "spec.replicas", "2")),
    (schemas, ("HorizontalPodAutoscaler", "score-sink", "spec.maxReplicas", None)),
    (schemas, ("NetworkPolicy", "score-sink", "spec.ingress.0.from.0.podselector", {})),
    (schemas, ("Broker", "default", "kind", "Brocker")),
    (schemas, ("Trigger", "egress", "spec.delivery.retries", 2)),
    (references, ("Deployment", "score-sink", "spec.template.spec.serviceAccountName", "score")),
    (references, ("HorizontalPodAutoscaler", "score-sink", "spec.scaleTargetRef.name", "score")),
    (references, ("Trigger", "drafttopic", "spec.broker", "main")),
    (references, ("Trigger", "egress", "spec.delivery.deadLetterSink.ref.name", "letters")),
    (references, ("SinkBinding", "http-shim", "spec.subject.name", "shim")),
    (references, ("PersistentVolumeClaim", "deadletters", "metadata.name", "letters")),
    (selectors, ("Service", "score-sink", "spec.selector", {"app": "score-sink"})),
    (selectors, ("Service", "score-sink", "spec.selector", dict(OURS))),
    (selectors, ("PodDisruptionBudget", "score-sink", "metadata.name", "egress-sink")),
    (selectors, ("NetworkPolicy", "score-sink", "spec.podSelector.matchLabels", {"app": "score"})),
    (destinations, ("Trigger", "drafttopic", "spec.subscriber.uri", "/models/drafttopics")),
    (destinations, ("Trigger", "drafttopic", "spec.subscriber.uri", "/model/drafttopic")),
    (destinations, ("Trigger", "egress", "spec.subscriber.uri", "/events")),
    (destinations, ("Broker", "default", "spec.delivery.deadLetterSink.uri", "/letter")),
    (services, ("Service", "score-sink", "spec.ports.0.targetPort", "web")),
    (services, ("Service", "score-sink", "spec.ports.0.port", 8080)),
    (replicas, ("Deployment", "score-sink", "spec.replicas", 2)),
    (replicas, ("Deployment", "deadletter-sink", "spec.replicas", 2)),
    (replicas, ("Deployment", "deadletter-sink", "spec.strategy.type", "RollingUpdate")),
    (replicas, ("PodDisruptionBudget", "score-sink", "metadata.name", "score")),
    (labels, ("Trigger", "egress", "metadata.labels", dict(OURS))),
    (labels, ("NetworkPolicy", "http-shim-to-broker", "metadata.labels", dict(OURS))),
]


@pytest.mark.parametrize("name", OVERLAYS)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_objects_of_overlay_fit_together(check: Callable[[Objects], list[str]], name: str) -> None:
    """Each check's docstring is what holds."""
    assert check(overlay(name)) == []


@pytest.mark.parametrize(
    ("check", "change"),
    SPOILT,
    ids=[f"{check.__name__}-{kind}-{way}" for check, (kind, _, way, _) in SPOILT],
)
def test_spoilt_object_is_found(
    check: Callable[[Objects], list[str]], change: tuple[str, str, str, Any]
) -> None:
    """Each check sees what it is for; the same check finds nothing in the unspoilt overlay."""
    assert check(changed(overlay("dev"), *change))
