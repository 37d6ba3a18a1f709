"""Hosts of the run's network: each a network namespace with one address, routed by the node."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.commands import run
from tests.e2e.places import GATEWAY, NODE
from tests.machine import Failed


@dataclass(frozen=True, slots=True)
class Host:
    """A network namespace; `link` is the node's end of its only link."""

    name: str
    address: str
    link: str

    @property
    def namespace(self) -> Path:
        return Path("/run/netns") / self.name

    def command(self, *command: str) -> list[str]:
        """Return the command that runs the command there."""
        return ["nsenter", f"--net={self.namespace}", *command]


@dataclass(slots=True)
class Hosts:
    """The hosts that there are, by name."""

    by_name: dict[str, Host] = field(default_factory=dict)
    _links: int = 0
    # The kubelet's thread makes and removes hosts too.
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str, address: str) -> Host:
        """Make a host. raises: Failed, also if there is one of that name or address."""
        with self._lock:
            if any(each.name == name or each.address == address for each in self.by_name.values()):
                raise Failed(f"there is a host {name} or one with {address} already")
            self._links += 1
            link = f"veth{self._links}"
            host = self.by_name[name] = Host(name, address, link)
        _ip(f"netns add {name}")
        # The node is every host's gateway, on an address that each link has again.
        _ip(
            f"link add {link} type veth peer name eth0 netns {name}",
            f"addr add {GATEWAY}/32 dev {link}",
            f"link set {link} up",
            f"route add {address}/32 dev {link} src {NODE}",
        )
        _ip(
            "link set lo up",
            f"addr add {address}/32 dev eth0",
            "link set eth0 up",
            f"route add {GATEWAY} dev eth0 scope link",
            f"route add default via {GATEWAY}",
            namespace=name,
        )
        return host

    def remove(self, name: str) -> None:
        """Take a host away; processes that are still there have no network from now on.

        raises: Failed; KeyError if there is none.
        """
        with self._lock:
            host = self.by_name.pop(name)
        _ip(f"link del {host.link}", f"netns del {name}")


def _ip(*commands: str, namespace: str | None = None) -> None:
    options = ["-netns", namespace] if namespace else []
    run("ip", *options, "-batch", "-", input="\n".join(commands) + "\n")
