"""What NetworkPolicies allow, as nftables rules of the end-to-end tests' node."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.e2e.network_policy import Cluster, Peer, dns_server, matches, table

NODE = "10.99.0.1"
SHIM = Peer("10.99.2.1", "sinks", {"app": "shim"}, {"http": 8080})
SCORE = Peer("10.99.2.2", "sinks", {"app": "score"}, {"http": 8081})
FILTER = Peer("10.99.1.7", "knative", {"role": "filter"}, {})
OTHER = Peer("10.99.2.9", "other", {"app": "score"}, {"http": 8080})
CLUSTER = Cluster(
    (SHIM, SCORE, FILTER, OTHER, dns_server(NODE)),
    {
        "sinks": {"name": "sinks"},
        "knative": {"name": "knative"},
        "other": {"name": "other"},
        "kube-system": {"name": "kube-system"},
    },
)
ALL: dict[str, Any] = {}
REFUSED = ["jump refuse"]


def policy(selector: dict[str, Any], types: list[str], **rules: Any) -> dict[str, Any]:
    """Return a policy of the namespace `sinks`."""
    spec = {"podSelector": selector, "policyTypes": types, **rules}
    return {"metadata": {"name": "any", "namespace": "sinks"}, "spec": spec}


def app(name: str) -> dict[str, Any]:
    """Return a selector."""
    return {"matchLabels": {"app": name}}


def chains(*policies: dict[str, Any]) -> dict[str, list[str]]:
    """Return the rules of each chain."""
    text = table(policies, CLUSTER, NODE)
    found = re.findall(r"chain (\S+) \{\n(.*?)\n  \}", text, re.DOTALL)
    return {name: [line.strip() for line in body.splitlines()] for name, body in found}


def ingress(**rule: Any) -> list[str]:
    """Return what a rule lets in to SCORE."""
    return chains(policy(app("score"), ["Ingress"], ingress=[rule]))["ingress_10_99_2_2"][:-1]


def egress(**rule: Any) -> list[str]:
    """Return what a rule lets out of SHIM."""
    return chains(policy(app("shim"), ["Egress"], egress=[rule]))["egress_10_99_2_1"][:-1]


def test_without_policies_nothing_is_refused() -> None:
    """A Pod that no policy selects is open."""
    assert chains().keys() == {"refuse", "forward", "input"}
    assert not any("jump" in rule for rule in [*chains()["forward"], *chains()["input"]])


def test_default_deny_closes_all_pods_of_its_namespace_in_both_directions() -> None:
    """An empty selector selects all, and no rule allows nothing."""
    made = chains(policy(ALL, ["Ingress", "Egress"]))

    assert made["ingress_10_99_2_1"] == made["egress_10_99_2_2"] == REFUSED
    assert [rule for rule in made["forward"] if "jump" in rule] == [
        "ip saddr 10.99.2.1 jump egress_10_99_2_1",
        "ip daddr 10.99.2.1 jump ingress_10_99_2_1",
        "ip saddr 10.99.2.2 jump egress_10_99_2_2",
        "ip daddr 10.99.2.2 jump ingress_10_99_2_2",
    ]
    assert not any("10_99_2_9" in name for name in made)


def test_policy_of_one_type_leaves_the_other_direction_open() -> None:
    """Isolation is per direction."""
    made = chains(policy(app("score"), ["Ingress"]))

    assert "ingress_10_99_2_2" in made
    assert "egress_10_99_2_2" not in made


def test_connections_that_are_there_stay() -> None:
    """Answers need no rule of their own."""
    assert chains()["forward"][1] == "ct state established,related accept"


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        ({}, ["ip saddr 0.0.0.0/0 return"]),
        ({"from": [{"podSelector": app("shim")}]}, ["ip saddr 10.99.2.1 return"]),
        (
            {"from": [{"namespaceSelector": {"matchLabels": {"name": "knative"}}}]},
            ["ip saddr 10.99.1.7 return"],
        ),
        (
            {"from": [{"namespaceSelector": {}, "podSelector": app("score")}]},
            ["ip saddr 10.99.2.2 return", "ip saddr 10.99.2.9 return"],
        ),
        (
            {
                "from": [
                    {
                        "namespaceSelector": {"matchLabels": {"name": "knative"}},
                        "podSelector": app("score"),
                    }
                ]
            },
            [],
        ),
        (
            {"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.99.0.0/16"]}}]},
            ["ip saddr 10.0.0.0/8 ip saddr != { 10.99.0.0/16 } return"],
        ),
        (
            {"from": [{"podSelector": app("shim")}], "ports": [{"protocol": "TCP", "port": 8080}]},
            ["ip saddr 10.99.2.1 tcp dport 8080 return"],
        ),
        ({"ports": [{"port": "http"}]}, ["ip saddr 0.0.0.0/0 tcp dport 8081 return"]),
        ({"ports": [{"port": "metrics"}]}, []),
        (
            {"ports": [{"protocol": "UDP", "port": 1, "endPort": 9}]},
            ["ip saddr 0.0.0.0/0 udp dport 1-9 return"],
        ),
        ({"ports": [{"protocol": "TCP"}]}, ["ip saddr 0.0.0.0/0 meta l4proto tcp return"]),
    ],
    ids=[
        *("everybody", "pod", "namespace", "pods of all", "pods of one", "addresses"),
        *("port", "named port", "unknown name", "range", "protocol"),
    ],
)
def test_ingress_rule_lets_in_whom_it_names(rule: dict[str, Any], allowed: list[str]) -> None:
    """Peers are alternatives, as ports are; a peer's two selectors have to match both."""
    assert ingress(**rule) == allowed


def test_egress_rule_takes_a_port_by_the_name_that_it_has_at_the_destination() -> None:
    """It may be another number in each Pod."""
    peers = [{"namespaceSelector": {}, "podSelector": app("score")}]

    assert egress(to=peers, ports=[{"port": "http"}]) == [
        "ip daddr 10.99.2.2 tcp dport 8081 return",
        "ip daddr 10.99.2.9 tcp dport 8080 return",
    ]


def test_policies_of_a_pod_add_up() -> None:
    """What any of them allows is allowed."""
    closed = policy(ALL, ["Ingress"])
    opened = policy(app("score"), ["Ingress"], ingress=[{"ports": [{"port": 1}]}])

    assert chains(closed, opened)["ingress_10_99_2_2"] == [
        "ip saddr 0.0.0.0/0 tcp dport 1 return",
        *REFUSED,
    ]


def test_name_server_of_the_node_counts_as_the_clusters_pods() -> None:
    """Who must not ask for names learns that here, although a node is open to its Pods."""
    named = {"namespaceSelector": {"matchLabels": {"name": "kube-system"}}}
    made = chains(policy(app("shim"), ["Egress"], egress=[{"to": [named]}]))

    assert made["egress_10_99_2_1"] == ["ip daddr 10.99.0.1 return", *REFUSED]
    assert made["input"][-1] == (
        "ip daddr 10.99.0.1 meta l4proto { tcp, udp } th dport 53"
        " ip saddr 10.99.2.1 jump egress_10_99_2_1"
    )


@pytest.mark.parametrize(
    ("operator", "values", "found"),
    [
        ("In", ["shim", "score"], True),
        ("In", ["egress"], False),
        ("NotIn", ["shim"], False),
        ("NotIn", ["egress"], True),
        ("Exists", None, True),
        ("DoesNotExist", None, False),
    ],
)
def test_expression_matches_labels(operator: str, values: list[str] | None, found: bool) -> None:
    """All operators of a label selector."""
    expression = {"key": "app", "operator": operator, **({"values": values} if values else {})}

    assert matches({"matchExpressions": [expression]}, {"app": "shim"}) == found


def test_labels_and_expressions_have_to_match_together() -> None:
    """A selector is a conjunction."""
    absent = {"key": "tier", "operator": "DoesNotExist"}
    selector = {"matchLabels": {"app": "shim"}, "matchExpressions": [absent]}

    assert matches(selector, {"app": "shim"})
    assert not matches(selector, {"app": "shim", "tier": "a"})
    assert not matches(selector, {"app": "score"})


def test_unknown_operator_is_an_error() -> None:
    """It must not pass for a match or for none."""
    with pytest.raises(ValueError, match="operator Like"):
        matches({"matchExpressions": [{"key": "a", "operator": "Like"}]}, {})
