"""Addresses of Services: pure, from Services and Endpoints to rules of nft, as kube-proxy does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from tests.e2e.api import Object, place
from tests.e2e.places import NODE, SERVICES

# Source addresses stay what they are, except where a Pod calls itself through its Service: it would
# get its own packet back. Without endpoints a Service refuses.
_TABLE: Final = """table ip sinks_services
delete table ip sinks_services
table ip sinks_services {{
  set itself {{
    type ipv4_addr . ipv4_addr
    {elements}
  }}
  chain services {{
    {rules}
  }}
  chain prerouting {{
    type nat hook prerouting priority dstnat
    jump services
  }}
  chain output {{
    type nat hook output priority -100
    jump services
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat
    ct status dnat ip saddr . ip daddr @itself snat to {node}
  }}
  chain refuse {{
    ip daddr {services} meta l4proto tcp reject with tcp reset
    ip daddr {services} reject
  }}
  chain forward {{
    type filter hook forward priority filter
    jump refuse
  }}
  chain refuse_node {{
    type filter hook output priority filter
    jump refuse
  }}
}}
"""


def ruleset(services: Iterable[Object], endpoints: Iterable[Object]) -> str:
    """Return the table `sinks_services` for `nft -f`; it takes the place of the one before."""
    by_name = {place(each): each.get("subsets", []) for each in endpoints}
    rules: list[str] = []
    addresses: set[str] = set()
    for service in sorted(services, key=place):
        cluster_ip = service["spec"].get("clusterIP", "None")
        if cluster_ip in ("None", ""):
            continue
        for port in service["spec"].get("ports", []):
            targets = [
                (address["ip"], target["port"])
                for subset in by_name.get(place(service), [])
                for target in subset.get("ports", [])
                if target.get("name", "") == port.get("name", "")
                for address in subset.get("addresses", [])
            ]
            if targets:
                protocol = port.get("protocol", "TCP").lower()
                where = f"ip daddr {cluster_ip} {protocol} dport {port['port']}"
                rules.append(f"{where} {_dnat(sorted(targets))}")
                addresses.update(address for address, _ in targets)
    pairs = ", ".join(f"{each} . {each}" for each in sorted(addresses))
    return _TABLE.format(
        elements=f"elements = {{ {pairs} }}" if pairs else "",
        rules="\n    ".join(rules),
        node=NODE,
        services=SERVICES,
    )


def _dnat(targets: Sequence[tuple[str, int]]) -> str:
    if len(targets) == 1:
        address, port = targets[0]
        return f"dnat to {address}:{port}"
    choice = ", ".join(
        f"{number} : {address} . {port}" for number, (address, port) in enumerate(targets)
    )
    return f"dnat to numgen random mod {len(targets)} map {{ {choice} }}"
