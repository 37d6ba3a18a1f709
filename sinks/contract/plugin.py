"""pytest options: `pytest --pyargs sinks.contract --sink-url URL --sink-as ROLE`."""

from __future__ import annotations

from typing import get_args

import pytest

from sinks.contract.rows.row import Role
from sinks.models import MODELS


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("sinks", "contract of an event sink")
    group.addoption("--sink-url", metavar="URL", help="the sink that is put to the test")
    group.addoption("--sink-as", choices=get_args(Role), default="any-processor", help="what it is")
    group.addoption("--sink-row", choices=tuple(MODELS), help="whose prediction has to come back")
    group.addoption("--sink-yes", action="store_true", help="it may be on another machine")
