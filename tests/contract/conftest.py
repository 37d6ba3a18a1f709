"""The databases of dead letters: started when a test first wants them, and once only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sinks.letters import Letters
from tests.letters import opened
from tests.postgresql import PostgreSQL, postgresql
from tests.replays import Wired, wired_to


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgreSQL]:
    """One server for all tests; each makes a database of its own."""
    with postgresql() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/made/letters.sqlite"
    server: PostgreSQL = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def letters(database_url: str) -> Iterator[Letters]:
    with opened(database_url) as made:
        yield made


@pytest.fixture
def wired(letters: Letters) -> Iterator[Wired]:
    """Subscribers that the letters can be replayed to."""
    with wired_to(letters) as made:
        yield made
