"""The pure half of the cluster that `make e2e` starts: endpoints, rules and names of Services."""

from __future__ import annotations

import socket
import struct
from typing import Any

import pytest

from tests.e2e import dns, endpoints, service_proxy

TABLE = {
    "a.example.org": dns.Record(("10.0.0.1", "10.0.0.2")),
    "alias.example.org": dns.Record(alias="a.example.org"),
    "elsewhere.example.org": dns.Record(alias="unknown.example.com"),
    "circle.example.org": dns.Record(alias="circle.example.org"),
}
A, CNAME, AAAA = 1, 5, 28


def service(name: str = "sink", **spec: Any) -> dict[str, Any]:
    port = {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}
    full = {"clusterIP": "10.98.0.7", "ports": [port], "selector": {"app": "sink"}, **spec}
    return {"metadata": {"name": name, "namespace": "sinks"}, "spec": full}


def pod(
    ip: str, *, ready: str = "True", app: str = "sink", port: int = 8080, **metadata: Any
) -> Any:
    labels = {"app": app, "other": "x"}
    ports = [{"name": "http", "containerPort": port}]
    return {
        "metadata": {"name": f"pod-{ip}", "namespace": "sinks", "labels": labels, **metadata},
        "spec": {"containers": [{"ports": ports}]},
        "status": {"podIP": ip, "conditions": [{"type": "Ready", "status": ready}]},
    }


def addresses(subset: dict[str, Any]) -> list[str]:
    return [each["ip"] for each in subset["addresses"]]


def test_endpoints_are_the_ready_pods_that_are_selected() -> None:
    """Others get no requests: not ready, leaving, of another label or of another namespace."""
    pods = [
        pod("10.1.0.2"),
        pod("10.1.0.1"),
        pod("10.1.0.3", ready="False"),
        pod("10.1.0.4", deletionTimestamp="2026-01-01T00:00:00Z"),
        pod("10.1.0.5", app="other"),
        pod("10.1.0.6", namespace="other"),
    ]

    (subset,) = endpoints.subsets(service(), pods)

    assert addresses(subset) == ["10.1.0.1", "10.1.0.2"]
    assert subset["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]


def test_endpoints_of_pods_with_other_ports_are_apart() -> None:
    """While a named port moves, each Pod is called on its own."""
    found = endpoints.subsets(service(), [pod("10.1.0.1"), pod("10.1.0.2", port=9090)])

    ports = {addresses(each)[0]: each["ports"][0]["port"] for each in found}
    assert ports == {"10.1.0.1": 8080, "10.1.0.2": 9090}


def rules(*ips: str, **spec: Any) -> list[str]:
    """Return the rules for one Service with these endpoints."""
    subset = {
        "addresses": [{"ip": each} for each in ips],
        "ports": [{"name": "http", "port": 8080}, {"name": "other", "port": 9}],
    }
    found = {"metadata": {"name": "sink", "namespace": "sinks"}, "subsets": [subset]}
    text = service_proxy.ruleset([service(**spec)], [found])
    return [line.strip() for line in text.splitlines() if "dnat to" in line]


def test_rules_choose_among_all_endpoints() -> None:
    """One endpoint is addressed, of several one by chance."""
    where = "ip daddr 10.98.0.7 tcp dport 80 dnat to"

    assert rules("10.1.0.1") == [f"{where} 10.1.0.1:8080"]
    both = "{ 0 : 10.1.0.1 . 8080, 1 : 10.1.0.2 . 8080 }"
    assert rules("10.1.0.2", "10.1.0.1") == [f"{where} numgen random mod 2 map {both}"]


@pytest.mark.parametrize("ips, spec", [((), {}), (("10.1.0.1",), {"clusterIP": "None"})])
def test_rules_leave_out_what_has_no_address(ips: tuple[str, ...], spec: dict[str, Any]) -> None:
    """Neither a Service without endpoints nor one without an address is rewritten."""
    assert rules(*ips, **spec) == []


def ask(name: str, kind: int = A) -> tuple[int, list[tuple[int, bytes]]]:
    """Return the code and the records that a question is answered with."""
    labels = b"".join(bytes([len(each)]) + each.encode() for each in name.split("."))
    question = labels + b"\0" + struct.pack(">HH", kind, 1)
    answer = dns.reply(struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + question, TABLE)
    number, flags, _, count, _, _ = struct.unpack_from(">HHHHHH", answer)
    assert number == 7
    assert answer[12 : 12 + len(question)] == question
    found, at = [], 12 + len(question)
    for _ in range(count):
        at = answer.index(b"\0", at) + 1
        record, _, _, length = struct.unpack_from(">HHIH", answer, at)
        found.append((record, answer[at + 10 : at + 10 + length]))
        at += 10 + length
    return flags & 0xF, found


BOTH = [(A, socket.inet_aton(each)) for each in ("10.0.0.1", "10.0.0.2")]


@pytest.mark.parametrize(
    "name, kind, expected",
    [
        pytest.param("A.example.org", A, (0, BOTH), id="addresses"),
        pytest.param("a.example.org", AAAA, (0, []), id="no_ipv6"),
        pytest.param("b.example.org", A, (3, []), id="unknown"),
        pytest.param("org", A, (3, []), id="only_a_part"),
    ],
)
def test_name_is_answered(name: str, kind: int, expected: object) -> None:
    """What exists has addresses or none of this kind; all else does not exist."""
    assert ask(name, kind) == expected


@pytest.mark.parametrize(
    "name, records",
    [("alias", [CNAME, A, A]), ("elsewhere", [CNAME]), ("circle", [CNAME] * 8)],
)
def test_alias_is_followed_as_far_as_it_leads(name: str, records: list[int]) -> None:
    """The other name comes first, then its addresses if they are known; a circle ends."""
    code, found = ask(f"{name}.example.org")

    assert (code, [kind for kind, _ in found]) == (0, records)


@pytest.mark.parametrize("question", [b"", b"\0" * 12, b"\0" * 12 + b"\x05ab", b"\xff" * 40])
def test_what_is_no_question_is_an_error(question: bytes) -> None:
    """The server goes on without an answer."""
    with pytest.raises((ValueError, IndexError, struct.error)):
        dns.reply(question, TABLE)


def test_records_are_of_all_kinds_of_services() -> None:
    """An address, the addresses of endpoints, or another name."""
    ready = {"subsets": [{"addresses": [{"ip": "10.1.0.1"}, {"ip": "10.1.0.2"}]}]}
    services = [
        service("own"),
        service("headless", clusterIP="None"),
        service("alias", type="ExternalName", externalName="Other.example.org."),
    ]

    found = dns.records(services, [{**ready, **service("headless")}])

    assert found == {
        "own.sinks.svc.cluster.local": dns.Record(("10.98.0.7",)),
        "headless.sinks.svc.cluster.local": dns.Record(("10.1.0.1", "10.1.0.2")),
        "alias.sinks.svc.cluster.local": dns.Record(alias="other.example.org"),
    }
