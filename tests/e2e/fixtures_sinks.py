"""The sinks in the cluster, from the manifests and the image, and their counterparts outside."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from tests.e2e import counterparts as outside
from tests.e2e import overlay
from tests.e2e.api import named
from tests.e2e.cluster import Cluster
from tests.e2e.counterparts import Counterparts
from tests.e2e.kubelet import Kubelet
from tests.e2e.overlay import Applied, Overlay
from tests.e2e.places import STATE
from tests.image.build import image_name
from tests.image.engine import Engine, opened

Apply = Callable[[str], AbstractContextManager[Applied]]


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """podman, with the image that `python -m tests.image.build` has made of this clone."""
    with opened() as ready:
        found = ready.podman("image", "exists", image_name(), check=False)
        assert found.returncode == 0, "there is no image: python -m tests.image.build makes it"
        yield ready


@pytest.fixture(scope="session")
def kubelet(cluster: Cluster, engine: Engine) -> Iterator[Kubelet]:
    """Runs the Pods of the namespaces that it is told to serve."""
    made = Kubelet(cluster.api.another(), cluster.hosts, engine, STATE / "kubelet", cluster.logs)
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="session")
def counterparts(cluster: Cluster) -> Iterator[Counterparts]:
    """A KServe server and an EventGate outside the cluster."""
    with outside.running(cluster, STATE) as made:
        yield made


@pytest.fixture(scope="session")
def token() -> str:
    """What the client `operator` of the staging overlays shows."""
    return secrets.token_hex(32)


@pytest.fixture(scope="session")
def applied(cluster: Cluster, kubelet: Kubelet, counterparts: Counterparts, token: str) -> Apply:
    """Returns how to run an overlay, by name, for the time of a `with` block."""
    services = {"predictor": outside.PREDICTOR, "eventgate": outside.EVENTGATE}
    authority = counterparts.ca.read_text()
    platform = [
        named("v1", "ConfigMap", "platform-ca", data={"ca.crt": authority}),
        named("v1", "Secret", "client-tokens", stringData={"tokens": f"operator={token}\n"}),
    ]

    def run(name: str) -> AbstractContextManager[Applied]:
        dev = name.partition("/")[0] == "dev"
        wanted = Overlay(name, services if dev else {}, () if dev else platform)
        return overlay.applied(cluster, kubelet, wanted, image_name())

    return run


@pytest.fixture(scope="session")
def dev(applied: Apply) -> Iterator[Applied]:
    """The overlay dev, with events on their way."""
    with applied("dev") as running:
        yield running
