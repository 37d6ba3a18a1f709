"""What `make test` has for an API server: a misspelt field is named, and no sound one is."""

from __future__ import annotations

from typing import Any, Final

import pytest

from sinks.local.processes import ROOT
from tests import knative_fields, prometheus_fields
from tests.documented_fields import KUBERNETES, undocumented
from tests.manifest_components import COMPONENTS, extended
from tests.manifests import changed, of_kind

SPEC: Final = "spec.template.spec"
SPOILT: Final = [
    (
        "Broker",
        "default",
        "metadata.annotations",
        {"eventing.knative.dev/broker.klass": "Kafka"},
        "metadata.annotations.eventing.knative.dev/broker.klass: not a documented field",
    ),
    (
        "Broker",
        "default",
        "metadata.annotations",
        {"eventing.knative.dev/broker.class": "kafka"},
        "metadata.annotations.eventing.knative.dev/broker.class: 'kafka' is not a documented value",
    ),
    (
        "Broker",
        "default",
        "spec.config.nameSpace",
        "knative-eventing",
        "spec.config.nameSpace: not a documented field",
    ),
    (
        "Trigger",
        "egress",
        "spec.delivery.retries",
        2,
        "spec.delivery.retries: not a documented field",
    ),
    (
        "Trigger",
        "egress",
        "spec.delivery.timeout",
        "150s",
        "spec.delivery.timeout: '150s' is not a documented value",
    ),
    (
        "Trigger",
        "egress",
        "spec.filters.0.any.0.exactly",
        {"type": "x"},
        "spec.filters[0].any[0].exactly: not a documented field",
    ),
    (
        "EventType",
        "models-drafttopic",
        "spec.broker",
        "default",
        "spec.broker: not a documented field",
    ),
    ("SinkBinding", "http-shim", "spec.sink.ref", "default", "spec.sink.ref: has to be an object"),
    (
        "EventPolicy",
        "page-changes",
        "spec.from.0.subject",
        "x",
        "spec.from[0].subject: not a documented field",
    ),
    ("EventPolicy", "page-changes", "spec.to", {}, "spec.to: has to be a list"),
    (
        "KafkaSource",
        "page-change",
        "spec.bootstrapServer",
        ["x"],
        "spec.bootstrapServer: not a documented field",
    ),
    (
        "KafkaSource",
        "page-change",
        "spec.ordering",
        "none",
        "spec.ordering: 'none' is not a documented value",
    ),
    (
        "KafkaSource",
        "page-change",
        "spec.net",
        {"tls": {"enabled": True}},
        "spec.net.tls.enabled: not a documented field",
    ),
    (
        "KafkaSource",
        "page-change",
        "spec.delivery.retry",
        "30",
        "spec.delivery.retry: '30' is not a documented value",
    ),
    (
        "Service",
        "score-sink",
        f"{SPEC}.terminationGracePeriodSeconds",
        90,
        f"{SPEC}.terminationGracePeriodSeconds: not a documented field",
    ),
    (
        "Service",
        "score-sink",
        f"{SPEC}.securityContext",
        {"runAsUser": 1},
        f"{SPEC}.securityContext: not a documented field",
    ),
    (
        "Service",
        "score-sink",
        f"{SPEC}.containers.0.lifecycle",
        {},
        f"{SPEC}.containers[0].lifecycle: not a documented field",
    ),
    (
        "Service",
        "score-sink",
        f"{SPEC}.containers.0.ports.0.name",
        "http",
        f"{SPEC}.containers[0].ports[0].name: 'http' is not a documented value",
    ),
    (
        "Service",
        "score-sink",
        f"{SPEC}.containers.0.readinessProbe.httpGet.port",
        "http",
        f"{SPEC}.containers[0].readinessProbe.httpGet.port: not a documented field",
    ),
    (
        "Service",
        "score-sink",
        f"{SPEC}.containerConcurrency",
        "1000",
        f"{SPEC}.containerConcurrency: '1000' is not a documented value",
    ),
    ("Service", "score-sink", "spec.replicas", 2, "spec.replicas: not a documented field"),
    (
        "PodMonitor",
        "sinks",
        "spec.podMetricsEndpoints.0.targetport",
        8080,
        "spec.podMetricsEndpoints[0].targetport: not a documented field",
    ),
    (
        "PodMonitor",
        "sinks",
        "spec.podMetricsEndpoints.0.interval",
        "30",
        "spec.podMetricsEndpoints[0].interval: '30' is not a documented value",
    ),
    (
        "PrometheusRule",
        "sinks",
        "spec.groups.0.rules.0.runbook",
        "x",
        "spec.groups[0].rules[0].runbook: not a documented field",
    ),
    (
        "PrometheusRule",
        "sinks",
        "spec.groups.0.rules.0.for",
        60,
        "spec.groups[0].rules[0].for: 60 is not a documented value",
    ),
    (
        "Service",
        "score-sink",
        "spec.template.metadata.annotations",
        {"autoscaling.knative.dev/least": "1"},
        "spec.template.metadata.annotations.autoscaling.knative.dev/least: not a documented field",
    ),
    (
        "Service",
        "score-sink",
        "metadata.labels",
        {"networking.knative.dev/visibilty": "cluster-local"},
        "metadata.labels.networking.knative.dev/visibilty: not a documented field",
    ),
]


@pytest.mark.parametrize(
    ("kind", "name", "path", "value", "told"),
    SPOILT,
    ids=[f"{each[0]}-{each[4]}" for each in SPOILT],
)
def test_field_that_is_not_documented_is_named(
    kind: str, name: str, path: str, value: Any, told: str
) -> None:
    """A misspelt field, or a value of another type, is found at its place, and nothing else is."""
    objects = extended("staging-a", *COMPONENTS)

    spoilt = of_kind(changed(objects, kind, name, path, value), kind)[name]

    assert undocumented(spoilt) == [told]


def test_kind_that_is_not_in_the_table_is_a_problem() -> None:
    """Nobody adds such a kind without saying which fields it has; all that are said occur."""
    used = {f"{each['apiVersion']} {each['kind']}" for each in extended("dev", *COMPONENTS)}

    assert {*knative_fields.DOCUMENTED, *prometheus_fields.DOCUMENTED} <= used
    for version, kind in (
        ("flows.knative.dev/v1", "Sequence"),
        ("monitoring.coreos.com/v1", "ServiceMonitor"),
    ):
        assert undocumented({"apiVersion": version, "kind": kind}) == [
            f"{version} {kind}: not a kind in the table"
        ]


def test_schemas_are_of_the_api_server_that_takes_the_manifests() -> None:
    """`make test` and `make e2e` judge by one version of Kubernetes."""
    modules = (ROOT / "tests" / "e2e" / "go" / "go.mod").read_text(encoding="utf-8")

    assert f"k8s.io/kubernetes v{KUBERNETES}." in modules
