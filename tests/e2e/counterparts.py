"""What the sinks call outside the cluster: a real KServe server and the local EventGate.

Each is on a host of its own, behind the addresses that the overlays name. The servers themselves
listen on loopback there.
"""

from __future__ import annotations

import ssl
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sinks import deployed
from sinks.local.processes import Server, gunicorn, listen, serving
from sinks.models import ROWS
from tests.certificates import Authority
from tests.e2e.cluster import Cluster
from tests.e2e.commands import run
from tests.e2e.hosts import Host
from tests.e2e.recorder import Asked, Door, Record, opened
from tests.image.namespaces import network

# Names that the developer's Services stand for, and those of the overlays' values.
PREDICTOR: Final = "predictor.outside.test"
EVENTGATE: Final = "eventgate.outside.test"
_STAGING_PREDICTOR: Final = "inference-staging.svc.codfw.wmnet"
_MAIN_EVENTGATE: Final = "eventgate-main.discovery.wmnet"
_STAGING_EVENTGATE: Final = "staging.svc.codfw.wmnet"
_LOST_EVENTGATE: Final = "staging.svc.eqiad.wmnet"  # its data centre does not answer

_PREDICTOR_ADDRESS: Final = "10.97.0.1"
_EVENTGATE_ADDRESS: Final = "10.97.0.2"
_LOST_ADDRESS: Final = "10.97.0.3"


@dataclass(slots=True)
class Counterpart:
    """A server behind its doors, on a host of its own."""

    host: Host
    server: Server
    doors: Sequence[Door]
    logs: Path
    record: Record = field(default_factory=Record)
    _stack: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        """Start it, or start it again. raises: DidNotStart."""
        self.stop()
        with network(self.host.namespace):
            running = self._stack.enter_context(serving(self.server, listen(), self.logs))
            for door in self.doors:
                self._stack.enter_context(
                    opened(door, self.host.address, running.port, self.record)
                )

    def stop(self) -> None:
        """End it; its connections end, and new ones are refused."""
        self._stack.close()


@dataclass(frozen=True, slots=True)
class Counterparts:
    """Both of them; `ca` is the certificate that vouches for their TLS names."""

    predictor: Counterpart
    eventgate: Counterpart
    ca: Path

    def posted(self) -> list[bytes]:
        """Return the bodies that came to EventGate's /v1/events, in order."""
        asked = list(self.eventgate.record.asked)
        return [each.body for each in asked if each.path.partition("?")[0] == "/v1/events"]

    def asked(self) -> list[Asked]:
        """Return what the predictor was asked, in order."""
        return list(self.predictor.record.asked)


@contextmanager
def running(cluster: Cluster, directory: Path) -> Iterator[Counterparts]:
    """Run both until the block ends, under all their names. raises: DidNotStart."""
    authority = Authority.made(directory / "platform-ca.crt")
    names = (_STAGING_PREDICTOR, _MAIN_EVENTGATE)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority.issue(directory / "outside.pem", *names))
    eventgate_app = f"sinks.local.eventgate:create_app({str(directory / 'eventgate')!r})"
    predictor = Counterpart(
        cluster.hosts.add("predictor", _PREDICTOR_ADDRESS),
        Server(
            "predictor",
            [sys.executable, "-m", "sinks.local.predictor", "--fd", "{fd}"],
            {},
            "/v1/models/enwiki-drafttopic",
        ),
        [Door(8084), Door(30443, tls, _knows(_namespaces()))],
        cluster.logs,
    )
    eventgate = Counterpart(
        cluster.hosts.add("eventgate", _EVENTGATE_ADDRESS),
        Server("eventgate", gunicorn(eventgate_app, "--keep-alive", "5"), {}, "/_info"),
        [Door(8192), Door(4492, tls), Door(34192)],
        cluster.logs,
    )
    cluster.names.update(
        dict.fromkeys((PREDICTOR, _STAGING_PREDICTOR), _PREDICTOR_ADDRESS)
        | dict.fromkeys((EVENTGATE, _MAIN_EVENTGATE, _STAGING_EVENTGATE), _EVENTGATE_ADDRESS)
        | {_LOST_EVENTGATE: _LOST_ADDRESS}
    )
    # Packets are dropped and nobody is told, as with a data centre that is cut off.
    run("ip", "route", "replace", "blackhole", _LOST_ADDRESS)
    try:
        predictor.start()
        eventgate.start()
        yield Counterparts(predictor, eventgate, authority.ca)
    finally:
        predictor.stop()
        eventgate.stop()


def _namespaces() -> Mapping[str, str]:
    """Return InferenceService -> namespace of all that are deployed anywhere."""
    environments = [deployed.load(each) for each in ("staging", "production")]
    services = [each for found in environments for each in found.values()]
    services += [row.question.service for row in ROWS if row.question and row.question.service]
    return {each.name: each.namespace for each in services}


def _knows(namespaces: Mapping[str, str]) -> Callable[[str, str], bool]:
    """Return how the platform's gateway finds an InferenceService: by Host alone."""
    hosts = {f"{isvc}.{namespace}.wikimedia.org": isvc for isvc, namespace in namespaces.items()}

    def knows(host: str, path: str) -> bool:
        # A server of one InferenceService has no other model, so the path has to agree.
        return host in hosts and f"/{hosts[host]}:" in path

    return knows
