"""What NetworkPolicies allow, as one nftables table. Pure.

A packet passes when the policies of its source let it out and those of its destination let it in;
whatever is refused gets a reset, so that nobody waits for it. Judged after a Service's address has
become a Pod's. The node may talk with every Pod, except that its DNS server counts as the Pods of
the cluster's DNS, which is what policies name.
Source: Kubernetes API reference, networking.k8s.io/v1 NetworkPolicy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.e2e.endpoints import selects

_TABLE: Final = "network_policy"
_DNS_PORT: Final = 53
_ANYWHERE: Final = "0.0.0.0/0"
_HOOK: Final = "type filter hook {} priority 0; policy accept;"
_ESTABLISHED: Final = "ct state established,related accept"


@dataclass(frozen=True, slots=True)
class Peer:
    """A Pod, or what stands for one.

    ports: container ports that have a name -> their number.
    """

    ip: str
    namespace: str
    labels: Mapping[str, str]
    ports: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Whom policies can name.

    peers:       the DNS server among them, under the node's address.
    namespaces:  name -> labels.
    """

    peers: Sequence[Peer]
    namespaces: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class _Flow:
    """Who is at the other end; no peer: whoever has such an address, in the cluster or outside."""

    cidr: str
    excepted: Sequence[str] = ()
    peer: Peer | None = None


def dns_server(node: str) -> Peer:
    """Return the node's DNS server as the Pod that it is elsewhere."""
    return Peer(node, "kube-system", {"k8s-app": "kube-dns"}, {"dns": _DNS_PORT})


def table(policies: Sequence[Mapping[str, Any]], cluster: Cluster, node: str) -> str:
    """Return the input of `nft -f -` that replaces the whole table at once.

    policies: as the API server returns them, with all that it fills in.
    """
    chains: list[str] = []
    jumps: list[str] = []
    for peer in cluster.peers:
        selecting = [each for each in policies if _selects(each, peer)]
        for direction, side in (("Egress", "saddr"), ("Ingress", "daddr")):
            isolating = [p for p in selecting if direction in p["spec"]["policyTypes"]]
            if isolating:
                name = f"{direction.lower()}_{peer.ip.replace('.', '_')}"
                allowed = sorted(set(_allowed(isolating, direction, peer, cluster)))
                chains.append(_chain(name, [*allowed, "jump refuse"]))
                jumps.append(f"ip {side} {peer.ip} jump {name}")
    dns = f"ip daddr {node} meta l4proto {{ tcp, udp }} th dport {_DNS_PORT}"
    asking = [f"{dns} {jump}" for jump in jumps if " saddr " in jump]
    return "\n".join(
        [
            f"table ip {_TABLE}",
            f"delete table ip {_TABLE}",
            f"table ip {_TABLE} {{",
            _chain("refuse", ["meta l4proto tcp counter reject with tcp reset", "counter reject"]),
            *chains,
            _chain("forward", [_HOOK.format("forward"), _ESTABLISHED, *jumps]),
            _chain("input", [_HOOK.format("input"), _ESTABLISHED, *asking]),
            "}",
            "",
        ]
    )


def _chain(name: str, lines: Sequence[str]) -> str:
    return "\n".join([f"  chain {name} {{", *(f"    {line}" for line in lines), "  }"])


def _selects(policy: Mapping[str, Any], peer: Peer) -> bool:
    return policy["metadata"]["namespace"] == peer.namespace and matches(
        policy["spec"].get("podSelector") or {}, peer.labels
    )


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches; an empty one matches everything."""
    return selects(selector.get("matchLabels") or {}, labels) and all(
        _meets(each, labels) for each in selector.get("matchExpressions") or ()
    )


def _meets(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    raise ValueError(f"operator {expression['operator']} of a label selector is not known")


def _allowed(
    policies: Sequence[Mapping[str, Any]], direction: str, subject: Peer, cluster: Cluster
) -> Iterator[str]:
    """Yield a rule for each flow; `subject` is at its other end."""
    inward = direction == "Ingress"
    for policy in policies:
        namespace = policy["metadata"]["namespace"]
        for rule in policy["spec"].get(direction.lower()) or ():
            named = rule.get("from" if inward else "to")
            flows = _flows(named, namespace, cluster) if named else [_Flow(_ANYWHERE)]
            for flow in flows:
                destination = subject if inward else flow.peer
                for ports in _ports(rule.get("ports"), destination):
                    yield _rule("saddr" if inward else "daddr", flow, ports)


def _flows(named: Sequence[Mapping[str, Any]], namespace: str, cluster: Cluster) -> Iterator[_Flow]:
    for each in named:
        if block := each.get("ipBlock"):
            yield _Flow(block["cidr"], block.get("except") or ())
            continue
        for peer in cluster.peers:
            if "namespaceSelector" in each:
                labels = cluster.namespaces.get(peer.namespace, {})
                there = matches(each["namespaceSelector"], labels)
            else:
                there = peer.namespace == namespace
            if there and matches(each.get("podSelector") or {}, peer.labels):
                yield _Flow(peer.ip, peer=peer)


def _ports(ports: Sequence[Mapping[str, Any]] | None, destination: Peer | None) -> Iterator[str]:
    """Yield the conditions on the destination's port; a named one is whatever it is there."""
    if not ports:
        yield ""
    for each in ports or ():
        protocol, port = each.get("protocol", "TCP").lower(), each.get("port")
        if port is None:
            yield f"meta l4proto {protocol}"
        elif isinstance(port, str):
            if destination and port in destination.ports:
                yield f"{protocol} dport {destination.ports[port]}"
        else:
            yield f"{protocol} dport {port}" + (f"-{each['endPort']}" if "endPort" in each else "")


def _rule(side: str, flow: _Flow, ports: str) -> str:
    but = f"ip {side} != {{ {', '.join(flow.excepted)} }}" if flow.excepted else ""
    return " ".join(filter(None, [f"ip {side} {flow.cidr}", but, ports, "return"]))
