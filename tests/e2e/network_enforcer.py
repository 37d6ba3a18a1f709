"""NetworkPolicies of the API server in force on this node."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tests.e2e import network_policy
from tests.e2e.api import Api, Object
from tests.e2e.commands import run
from tests.e2e.network_policy import Peer
from tests.e2e.places import NODE
from tests.e2e.probes import named_ports


@dataclass(slots=True)
class Enforcer:
    """Keeps nft's rules as the policies of some namespaces want them."""

    api: Api
    _rules: str = ""

    def enforce(self, namespaces: Collection[str], peers: Sequence[Peer]) -> None:
        """Return once the policies of the namespaces hold for all of these Pods. raises: Failed."""
        policies = [
            each
            for each in self.api.list("networking.k8s.io/v1", "NetworkPolicy")
            if each["metadata"]["namespace"] in namespaces
        ]
        labels = {
            each["metadata"]["name"]: each["metadata"].get("labels", {})
            for each in self.api.list("v1", "Namespace")
        }
        cluster = network_policy.Cluster([*peers, network_policy.dns_server(NODE)], labels)
        rules = network_policy.table(policies, cluster, NODE)
        if rules != self._rules:
            run("nft", "-f", "-", input=rules)
            self._rules = rules


def peer(pod: Object, ip: str) -> Peer:
    """Return a Pod as policies see it."""
    metadata = pod["metadata"]
    ports = named_ports(*pod["spec"]["containers"])
    return Peer(ip, metadata["namespace"], metadata.get("labels", {}), ports)
