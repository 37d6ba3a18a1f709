"""The implementations and the generated events, made once for all tests of this directory."""

from __future__ import annotations

import pytest

from tests.interop.generated import COUNT, SEED, Generator, Sample
from tests.interop.parties import FOREIGN, Party, install
from tests.tools import Say, teller


@pytest.fixture(scope="session")
def say(request: pytest.FixtureRequest) -> Say:
    """Print a line at once."""
    return teller(request.config)


@pytest.fixture(scope="session", params=FOREIGN)
def party(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, say: Say
) -> Party:
    """One foreign implementation after the other."""
    return install(request.param, tmp_path_factory.mktemp("interop"), say)


@pytest.fixture(scope="session")
def ours(say: Say) -> list[Sample]:
    """What our apps could write."""
    say(f"{COUNT} events each way, generated from seed {SEED}")
    return Generator(SEED, free=False).samples(COUNT)


@pytest.fixture(scope="session")
def theirs() -> list[Sample]:
    """What anybody could write."""
    return Generator(SEED + 1, free=True).samples(COUNT)
