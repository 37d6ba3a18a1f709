"""The stand-ins for kube-proxy and the cluster's DNS do what Kubernetes promises of Services."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial

import pytest

from tests.e2e.api import named
from tests.e2e.cluster import Cluster
from tests.e2e.hosts import Host
from tests.e2e.processes import Program
from tests.e2e.waiting import until

NAMESPACE = "network"
PORT = 8080
ADDRESSES = {"network-a": "10.99.9.1", "network-b": "10.99.9.2"}
# Answers with its own name, and with the address that it was called from.
SERVER = """
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{sys.argv[1]} {self.client_address[0]}".encode())
http.server.HTTPServer((sys.argv[2], 8080), Answer).serve_forever()
"""
# Calls a URL many times, each time on a new connection, and tells all different answers.
CLIENT = """
import json, sys, urllib.request
answers = {urllib.request.urlopen(sys.argv[1], timeout=5).read().decode() for _ in range(40)}
print(json.dumps(sorted(answers)))
"""


@pytest.fixture(scope="module")
def hosts(cluster: Cluster) -> Iterator[dict[str, Host]]:
    """Two hosts that answer on port 8080, and the namespace of their Services."""
    cluster.api.apply(named("v1", "Namespace", NAMESPACE))
    made = {name: cluster.hosts.add(name, address) for name, address in ADDRESSES.items()}
    for name, host in made.items():
        command = [sys.executable, "-c", SERVER, name, host.address]
        cluster.processes.start(Program(name, command, host=host))
    for host in made.values():
        until(partial(answers, f"http://{host.address}:{PORT}/"), 20, "a server")
    yield made
    for name in made:
        cluster.processes.kill(name)
        cluster.hosts.remove(name)


def service(cluster: Cluster, name: str, *addresses: str, **spec: object) -> str:
    """Make a Service with these endpoints and return its full name."""
    if spec.get("type") != "ExternalName":
        spec = {"ports": [{"name": "http", "port": 80, "targetPort": PORT}], **spec}
    # First, so that the name comes with them.
    if addresses:
        subset = {
            "addresses": [{"ip": each} for each in addresses],
            "ports": [{"name": "http", "port": PORT}],
        }
        cluster.api.create(named("v1", "Endpoints", name, NAMESPACE, subsets=[subset]))
    cluster.api.create(named("v1", "Service", name, NAMESPACE, spec=spec))
    full = f"{name}.{NAMESPACE}.svc.cluster.local"
    until(lambda: resolved(full), 10, f"the name {full}")
    return full


def resolved(name: str) -> list[str]:
    """Return the addresses of a name. raises: socket.gaierror if it has none."""
    return sorted({str(found[4][0]) for found in socket.getaddrinfo(name, 80, socket.AF_INET)})


def answers(url: str, host: Host | None = None) -> list[str]:
    """Return all different answers from a URL. raises: OSError with what went wrong."""
    command = [sys.executable, "-c", CLIENT, url]
    done = subprocess.run(  # noqa: S603
        host.command(*command) if host else command,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode:
        raise OSError(done.stderr.splitlines()[-1])
    found: list[str] = json.loads(done.stdout)
    return found


def test_service_spreads_over_its_endpoints_and_keeps_the_caller_s_address(
    cluster: Cluster, hosts: dict[str, Host]
) -> None:
    """Each endpoint sees who calls, so that NetworkPolicies mean something; but not itself."""
    name = service(cluster, "both", *ADDRESSES.values())

    from_node = answers(f"http://{name}/")
    from_host = answers(f"http://both.{NAMESPACE}.svc/", hosts["network-b"])

    assert from_node == ["network-a 10.99.0.1", "network-b 10.99.0.1"]
    assert from_host == ["network-a 10.99.9.2", "network-b 10.99.0.1"]


@pytest.mark.parametrize("caller", ["node", "host"])
def test_service_without_endpoints_refuses(
    cluster: Cluster, hosts: dict[str, Host], caller: str
) -> None:
    """Nobody waits for a time-out."""
    name = service(cluster, f"none-for-{caller}")

    with pytest.raises(OSError, match="Connection refused"):
        answers(f"http://{name}/", hosts["network-a"] if caller == "host" else None)


def test_headless_service_is_its_endpoints(cluster: Cluster, hosts: dict[str, Host]) -> None:
    """Without an address of its own a Service has the names of its Pods."""
    name = service(cluster, "headless", *ADDRESSES.values(), clusterIP="None")

    assert resolved(name) == list(ADDRESSES.values())


def test_external_name_leads_outside_of_the_cluster(
    cluster: Cluster, hosts: dict[str, Host]
) -> None:
    """A name of the cluster may be an alias of a server elsewhere."""
    cluster.names["outside.example.org"] = ADDRESSES["network-a"]
    name = service(cluster, "alias", type="ExternalName", externalName="outside.example.org")

    assert answers(f"http://{name}:{PORT}/") == ["network-a 10.99.0.1"]


def test_unknown_name_does_not_exist(cluster: Cluster) -> None:
    """The name server knows of nothing but the cluster and what tests have added."""
    with pytest.raises(socket.gaierror, match="Name or service not known"):
        resolved("absent.example.org")


def test_api_server_is_verified_by_its_name(cluster: Cluster) -> None:
    """Who trusts the cluster's authority finds the issuer of its tokens."""
    answer = cluster.kubectl(
        *("--server", "https://kubernetes.default.svc.cluster.local"),
        *("get", "--raw", "/.well-known/openid-configuration"),
    )

    assert json.loads(answer.stdout)["issuer"] == "https://kubernetes.default.svc.cluster.local"
