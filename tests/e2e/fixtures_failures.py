"""What takes long begins early; what leaves the cluster worse than it was comes last."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pytest
import requests

from tests.e2e.changes import talk_page_edited, typed
from tests.e2e.overlay import Applied
from tests.e2e.sender import Sent, send

# The sample predictor is not ready for it.
_NOT_READY: Final = 11001
# In this order: each needs what the next one ends.
_LAST: Final = (
    "test_shipped_delivery",
    "test_dispatcher_limits",
    "test_failures",
    "test_loss",
    "test_authentication",
)


@dataclass(frozen=True, slots=True)
class Hopeless:
    """A change that cannot be scored, on its way through a Trigger as it is shipped."""

    change: dict[str, Any]
    sending: Future[Sent]


@pytest.fixture(scope="session")
def hopeless(dev: Applied) -> Iterator[Hopeless]:
    """Sent to the Broker when this is first asked for; given up more than a minute later."""
    change = talk_page_edited("hywiki", _NOT_READY)
    event, url = typed(change), dev.broker_url
    post = partial(requests.post, url, event.body, headers=event.headers, timeout=150)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send, post)
        yield Hopeless(change, sending)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files, and have the first test in the cluster begin what takes a minute."""

    def place(item: pytest.Item) -> int:
        return _LAST.index(item.path.stem) + 1 if item.path.stem in _LAST else 0

    items.sort(key=place)
    tests = [item for item in items if isinstance(item, pytest.Function)]
    if any("hopeless" in test.fixturenames for test in tests):
        next(test for test in tests if "dev" in test.fixturenames).fixturenames.append("hopeless")
