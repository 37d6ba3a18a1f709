"""Debian's Prometheus, unpacked once for all clones of a user."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools import debian, teller


@pytest.fixture(scope="session")
def programs(request: pytest.FixtureRequest) -> Path:
    """The directory with `prometheus` and `promtool`."""
    return debian("prometheus", teller(request.config)) / "usr" / "bin"
