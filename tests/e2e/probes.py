"""A kubelet's probes: one HTTP question to a Pod, and what a row of answers means.

Source: Kubernetes documentation, Configure Liveness, Readiness and Startup Probes.
"""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_HEADERS: Final = {"User-Agent": "kube-probe/1.33", "Accept": "*/*", "Connection": "close"}


@dataclass(slots=True)
class Probe:
    """A probe of one container and what its answers have come to; times are time.monotonic().

    spec:     as the API server returns it, with all defaults.
    begun:    when its container began.
    verdict:  None until the answers have reached one of the two thresholds.
    """

    spec: Mapping[str, Any]
    begun: float
    verdict: bool | None = None
    _row: tuple[bool, int] = (True, 0)
    _next: float = field(init=False)

    def __post_init__(self) -> None:
        self._next = self.begun + self.spec.get("initialDelaySeconds", 0)

    def is_due(self, now: float) -> bool:
        """Whether it is time to ask."""
        return now >= self._next

    def take(self, good: bool, now: float) -> None:
        """Count an answer that came now."""
        count = self._row[1] + 1 if self._row[0] == good else 1
        self._row = good, count
        threshold = self.spec["successThreshold" if good else "failureThreshold"]
        if count >= threshold:
            self.verdict = good
        self._next = now + self.spec["periodSeconds"]


def is_good(spec: Mapping[str, Any], ip: str, ports: Mapping[str, int]) -> bool:
    """Ask once. Good is any status from 200 to 399 in time.

    ports: container ports that have a name.
    """
    get = spec["httpGet"]
    port = ports[get["port"]] if isinstance(get["port"], str) else get["port"]
    seconds = spec["timeoutSeconds"]
    connection = http.client.HTTPConnection(ip, port, timeout=seconds)
    if get.get("scheme") == "HTTPS":
        # Nobody verifies the certificates of a probe.
        context = ssl._create_unverified_context()  # noqa: S323
        connection = http.client.HTTPSConnection(ip, port, timeout=seconds, context=context)
    further = {each["name"]: each["value"] for each in get.get("httpHeaders", ())}
    try:
        connection.request("GET", get.get("path", "/"), headers={**_HEADERS, **further})
        return 200 <= connection.getresponse().status < 400
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def named_ports(*containers: Mapping[str, Any]) -> dict[str, int]:
    """Return the ports of containers that have a name."""
    ports = [port for container in containers for port in container.get("ports", ())]
    return {each["name"]: each["containerPort"] for each in ports if "name" in each}


@dataclass(slots=True)
class Probes:
    """The three probes of one container. Until the startup probe is good the others do not ask."""

    ip: str
    ports: Mapping[str, int]
    startup: Probe | None
    readiness: Probe | None
    liveness: Probe | None

    @classmethod
    def of(cls, container: Mapping[str, Any], ip: str, begun: float) -> Probes:
        """Return the probes of a container's spec, none of which has asked yet."""
        ports = named_ports(container)
        names = ("startupProbe", "readinessProbe", "livenessProbe")
        each = (Probe(container[name], begun) if name in container else None for name in names)
        return cls(ip, ports, *each)

    @property
    def started(self) -> bool:
        return self.startup is None or self.startup.verdict is True

    @property
    def ready(self) -> bool:
        return self.started and (self.readiness is None or self.readiness.verdict is True)

    @property
    def failed(self) -> str:
        """Return which probe wants the container to be started again; empty: none."""
        for name, probe in (("Startup", self.startup), ("Liveness", self.liveness)):
            if probe and probe.verdict is False:
                return name
        return ""

    def ask(self) -> None:
        """Ask whatever is due."""
        for probe in (self.readiness, self.liveness) if self.started else (self.startup,):
            if probe and probe.is_due(time.monotonic()):
                good = is_good(probe.spec, self.ip, self.ports)
                probe.take(good, time.monotonic())
