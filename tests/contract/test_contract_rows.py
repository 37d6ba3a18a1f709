"""The rows of the contract kit against our own sinks: real processes, sockets and upstreams."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sinks.contract.rows.row import Row
from tests.processes import gunicorn
from tests.served import CASES, Served, Subject, findings_of, served


@pytest.fixture(scope="module")
def sinks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Served]]:
    """All sinks as in production."""
    with served(gunicorn, tmp_path_factory.mktemp("rows")) as running:
        yield running


@pytest.mark.parametrize(("subject", "row"), CASES)
def test_row_is_satisfied_and_leaves_no_trace_where_it_is_refused(
    sinks: dict[str, Served], subject: Subject, row: Row
) -> None:
    """The sink answers as the row demands, logs no bug, and passes on nothing that it refused."""
    assert findings_of(sinks[subject.sink], subject, row) == []
