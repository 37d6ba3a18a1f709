"""Who may open a connection to whom: the NetworkPolicies of every overlay, as one list of flows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from sinks.settings import SinkSettings
from tests.manifests import OVERLAYS, SETTINGS, Objects, changed, of_kind, overlay, settings_of

# Source, destination, port.
Flow = tuple[str, str, str]

EVERY_POD: Final = "every pod"
ANY: Final = "any address"
SINK: Final = "8080/TCP"
FILTER: Final = "knative-eventing: filter"
CHANNEL: Final = "knative-eventing: in-memory-channel dispatcher"
INGRESS: Final = "knative-eventing: ingress"
KAFKA: Final = "knative-eventing: kafka-broker-dispatcher"
KAFKA_INGRESS: Final = "knative-eventing: kafka-broker-receiver"
KAFKA_SOURCE: Final = "knative-eventing: kafka-source-dispatcher"
STANDALONE: Final[set[Flow]] = {
    (EVERY_POD, "kube-system", "53/TCP"),
    (EVERY_POD, "kube-system", "53/UDP"),
    ("istio-system", "http-shim", SINK),
    ("http-shim", "score-sink", SINK),
    ("http-shim", "egress-sink", SINK),
    ("http-shim", "deadletter-sink", SINK),
    ("deadletter-sink", "score-sink", SINK),
    ("deadletter-sink", "egress-sink", SINK),
}
IN_MEMORY: Final[set[Flow]] = {
    (FILTER, "score-sink", SINK),
    (FILTER, "egress-sink", SINK),
    (CHANNEL, "deadletter-sink", SINK),
    ("http-shim", INGRESS, SINK),
    ("deadletter-sink", INGRESS, SINK),
}
IN_KAFKA: Final[set[Flow]] = {
    (KAFKA, "score-sink", SINK),
    (KAFKA, "egress-sink", SINK),
    (KAFKA, "deadletter-sink", SINK),
    ("http-shim", KAFKA_INGRESS, SINK),
    ("deadletter-sink", KAFKA_INGRESS, SINK),
    (KAFKA_SOURCE, "http-shim", SINK),
    (KAFKA_SOURCE, "deadletter-sink", SINK),
}
# Of the API server, whose keys tell which tokens count.
ISSUER: Final[set[Flow]] = {
    (EVERY_POD, ANY, "443/TCP"),
    (EVERY_POD, ANY, "6443/TCP"),
}
POSTGRESQL: Final[set[Flow]] = {("deadletter-sink", ANY, "5432/TCP")}
# Ports of predictors and of EventGate, and what there is besides.
EXPECTED: Final[Mapping[str, tuple[int, int, set[Flow]]]] = {
    "dev": (8084, 8192, IN_MEMORY),
    "dev/standalone": (8084, 8192, set()),
    "staging-a": (30443, 4492, IN_MEMORY),
    "staging-a/standalone": (30443, 4492, set()),
    "staging-b": (30443, 34192, IN_MEMORY),
    "staging-b/standalone": (30443, 34192, set()),
    "production": (30443, 4492, IN_KAFKA | ISSUER | POSTGRESQL),
    "production/standalone": (30443, 4492, POSTGRESQL),
}


def pods(selector: Mapping[str, Any]) -> str:
    """The pods of this namespace that a selector finds."""
    labels = selector.get("matchLabels", {})
    assert selector.keys() <= {"matchLabels"}
    if labels in ({}, {"app.kubernetes.io/part-of": "event-sinks"}):
        return EVERY_POD
    ((key, value),) = labels.items()
    assert key == "app.kubernetes.io/name"
    return str(value)


def peer_of(peer: Mapping[str, Any]) -> str:
    """One end of a flow, in this namespace or in another."""
    assert peer.keys() <= {"namespaceSelector", "podSelector"}
    if "namespaceSelector" not in peer:
        return pods(peer["podSelector"])
    ((key, namespace),) = peer["namespaceSelector"]["matchLabels"].items()
    assert key == "kubernetes.io/metadata.name"
    labels = peer.get("podSelector", {}).get("matchLabels", {})
    return f"{namespace}: {' '.join(labels.values())}" if labels else namespace


def ends(policy: Mapping[str, Any], direction: str, side: str) -> Iterator[tuple[str, str, str]]:
    """The pods of a policy, the other end, and the port, of each flow in a direction."""
    for rule in policy["spec"].get(direction, []):
        for port in rule.get("ports") or [{"port": "all", "protocol": "all"}]:
            for peer in rule.get(side) or [None]:
                yield (
                    pods(policy["spec"]["podSelector"]),
                    ANY if peer is None else peer_of(peer),
                    f"{port['port']}/{port['protocol']}",
                )


def flows(objects: Objects) -> set[Flow]:
    """All flows that are open: between two of our pods both ends have to let it pass."""
    policies = list(of_kind(objects, "NetworkPolicy").values())
    come = {
        (peer, own, port) for each in policies for own, peer, port in ends(each, "ingress", "from")
    }
    go = {(own, peer, port) for each in policies for own, peer, port in ends(each, "egress", "to")}
    ours = {*SETTINGS, EVERY_POD}
    half = {flow for flow in come ^ go if {*flow[:2]} <= ours}
    assert not half, f"open at one end only: {half}"
    return come | go


@pytest.mark.parametrize("name", OVERLAYS)
def test_flows_are_exactly_those_of_the_list(name: str) -> None:
    """Nothing is open that is not written down here, and nothing written down is closed."""
    predictor, eventgate, more = EXPECTED[name]
    upstreams = {
        ("score-sink", ANY, f"{predictor}/TCP"),
        ("egress-sink", ANY, f"{eventgate}/TCP"),
    }

    assert flows(overlay(name)) == STANDALONE | upstreams | more


@pytest.mark.parametrize("name", OVERLAYS)
def test_whatever_no_policy_opens_is_closed(name: str) -> None:
    """A pod that no other policy selects would otherwise be open to all."""
    spec = of_kind(overlay(name), "NetworkPolicy")["default-deny"]["spec"]

    assert spec == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize("name", OVERLAYS)
def test_policy_types_are_those_of_the_rules(name: str) -> None:
    """A direction that is not named there does not count, or counts without being meant."""
    policies = of_kind(overlay(name), "NetworkPolicy")
    del policies["default-deny"]

    for policy in policies.values():
        directions = {each for each in ("ingress", "egress") if each in policy["spec"]}
        assert {each.lower() for each in policy["spec"]["policyTypes"]} == directions


@pytest.mark.parametrize("name", OVERLAYS)
def test_ports_of_upstreams_are_those_of_their_urls(name: str) -> None:
    """Who changes an address changes the flow too."""
    predictor, eventgate, _ = EXPECTED[name]
    score: SinkSettings = settings_of(overlay(name), "score-sink")
    egress: SinkSettings = settings_of(overlay(name), "egress-sink")

    assert {urlsplit(score.predictor_url).port} == {predictor}
    assert {urlsplit(each).port for each in egress.eventgate_urls} == {eventgate}


@pytest.mark.parametrize(
    ("policy", "path", "value"),
    [
        pytest.param("score-sink-to-predictor", "spec.egress.0.ports", None, id="any port"),
        pytest.param("score-sink-from-broker", "spec.ingress.0.from", None, id="anybody"),
        pytest.param("score-sink-from-broker", "spec.ingress.0.from", [], id="anybody, as a list"),
        pytest.param("score-sink-from-broker", "spec.ingress.0.from.0.podSelector", None, id="all"),
        pytest.param("score-sink-from-broker", "spec.ingress.0.ports.0.port", 80, id="port"),
        pytest.param("dns", "spec.egress.0.to", None, id="any resolver"),
        pytest.param("dns", "spec.egress", [], id="no resolver"),
    ],
)
def test_spoilt_policy_opens_or_closes_a_flow(policy: str, path: str, value: Any) -> None:
    """The list of flows tells a rule that is too wide, too narrow, or away."""
    spoilt = changed(overlay("dev"), "NetworkPolicy", policy, path, value)

    assert flows(spoilt) != flows(overlay("dev"))
