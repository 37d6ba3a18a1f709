"""Every row of a role against the sink at `--sink-url`, one test each."""

from __future__ import annotations

import pytest

from sinks.contract.probe.good_event import model_of
from sinks.contract.probe.run import Probe, Unreachable, probe
from sinks.contract.probe.target import InvalidTarget, target_of
from sinks.contract.rows.row import Row
from sinks.contract.rows.tables import rows_for


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    option = metafunc.config.getoption
    role = option("--sink-as")
    rows = rows_for(role, model_of(role, option("--sink-url") or "", option("--sink-row")))
    metafunc.parametrize("row", rows, ids=[row.name for row in rows])


@pytest.fixture(scope="session")
def sink(pytestconfig: pytest.Config) -> Probe:
    """The sink that the options name."""
    url = pytestconfig.getoption("--sink-url")
    if not url:
        pytest.exit(
            "name the sink: pytest --pyargs sinks.contract --sink-url URL",
            returncode=pytest.ExitCode.USAGE_ERROR,
        )
    try:
        target = target_of(url, elsewhere=pytestconfig.getoption("--sink-yes"))
        made = probe(
            target, pytestconfig.getoption("--sink-as"), pytestconfig.getoption("--sink-row")
        )
        made.greet()
    except (InvalidTarget, Unreachable) as error:
        pytest.exit(str(error), returncode=2)
    return made


def test_row(sink: Probe, row: Row) -> None:
    """The sink answers this row as its contract demands."""
    findings = sink.run(row).findings

    said = [
        f"{f.rule} at {f.place}: {f.problem}\n  clause: {f.clause}\n  fix: {f.fix}"
        for f in findings
    ]
    if said:
        pytest.fail(f"{row.why}\n" + "\n".join(said), pytrace=False)
