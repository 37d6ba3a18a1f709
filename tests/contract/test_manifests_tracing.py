"""The component `tracing`: every sink knows the collector, and may reach it."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from tests.documented_fields import undocumented
from tests.manifest_components import COMPONENTS, extended, flows_elsewhere, pod_makers
from tests.manifests import ENVIRONMENTS, SETTINGS, made_app, of_kind

ENDPOINT = "http://otel-collector.observability.svc.cluster.local:4318"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("others", [(), COMPONENTS], ids=["alone", "all"])
def test_tracing_gives_every_sink_the_collector(environment: str, others: tuple[str, ...]) -> None:
    """The apps start with it, each by its own name."""
    objects = [*extended(environment, *others, "tracing")]
    objects += [{**each, "kind": "Deployment"} for each in pod_makers(objects).values()]

    for sink in SETTINGS:
        app = made_app(objects, sink)
        assert app.test_client().get("/readyz").status_code == 200
    configured = [
        each["data"]["OTEL_EXPORTER_OTLP_ENDPOINT"]
        for each in of_kind(objects, "ConfigMap").values()
        if "OTEL_EXPORTER_OTLP_ENDPOINT" in each.get("data", {})
    ]
    assert configured == [ENDPOINT] * len(SETTINGS)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_tracing_opens_the_way_to_the_collector_and_nothing_else(environment: str) -> None:
    """Its namespace and port are those of the endpoint; all other objects are as without it."""
    objects = extended(environment, "tracing")
    policies = of_kind(objects, "NetworkPolicy")
    (namespace,) = of_kind(objects, "Namespace")

    added = policies["sinks-to-collector"]
    (rule,) = added["spec"]["egress"]
    where = rule["to"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
    host = urlsplit(ENDPOINT)
    assert (where, rule["ports"][0]["port"]) == (str(host.hostname).split(".")[1], host.port)
    assert added["metadata"]["namespace"] == namespace
    assert added["metadata"]["labels"]["app.kubernetes.io/part-of"] == "event-sinks"
    assert undocumented(added) == []
    before = flows_elsewhere(extended(environment))
    assert {name for name in flows_elsewhere(objects) if name not in before} == {
        "sinks-to-collector"
    }
