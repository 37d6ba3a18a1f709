"""NetworkPolicies of the API server in force on this node."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.e2e import network_policy
from tests.e2e.api import Api, Object
from tests.e2e.network_policy import Peer
from tests.e2e.places import NODE


@dataclass(slots=True)
class Enforcer:
    """Keeps nft's rules as the policies of some namespaces want them."""

    api: Api
    _rules: str = ""

    def enforce(self, namespaces: Collection[str], peers: Sequence[Peer]) -> None:
        """Return once the policies of the namespaces hold for all of these Pods."""
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
            subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)  # noqa: S607
            self._rules = rules


def peer(pod: Object, ip: str) -> Peer:
    """Return a Pod as policies see it."""
    metadata: Mapping[str, Any] = pod["metadata"]
    ports = {
        port["name"]: port["containerPort"]
        for container in pod["spec"]["containers"]
        for port in container.get("ports", ())
        if "name" in port
    }
    return Peer(ip, metadata["namespace"], metadata.get("labels", {}), ports)
