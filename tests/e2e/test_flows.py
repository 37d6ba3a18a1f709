"""Who may talk with whom: the NetworkPolicies of the overlay dev, in force at both ends."""

from __future__ import annotations

import socket

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.counterparts import EVENTGATE, PREDICTOR, Counterparts
from tests.e2e.one_pod import only
from tests.e2e.overlay import Applied
from tests.e2e.running_pod import RunningPod
from tests.image.namespaces import network


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
