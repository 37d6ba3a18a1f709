"""The cluster, started once for all tests of this directory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.cluster import Cluster, running
from tests.e2e.fixtures_failures import hopeless, pytest_collection_modifyitems
from tests.e2e.fixtures_sinks import applied, counterparts, dev, engine, kubelet, token
from tests.e2e.node import is_inside
from tests.tools import teller

__all__ = [
    "applied",
    "counterparts",
    "dev",
    "engine",
    "hopeless",
    "kubelet",
    "pytest_collection_modifyitems",
    "token",
]


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Knative Eventing on a real API server; the tests are on its node."""
    if not is_inside():
        pytest.fail("these tests need namespaces of their own: python -m tests.e2e PYTEST_ARGS")
    with running(teller(request.config)) as made:
        yield made
