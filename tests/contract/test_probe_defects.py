"""The probe is proved: it finds every defect that is put into a sink, and nothing in a good one."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from sinks import deployed, models
from sinks.contract.finding import Finding
from sinks.contract.probe.run import Probe, probe
from sinks.contract.probe.target import target_of
from sinks.contract.rows.row import Role
from sinks.contract.rows.tables import ROWS
from sinks.local.predictor import families
from sinks.local.samples import FAMILIES
from sinks.models import MODELS
from tests.defects import DEFECTS, UNDAMAGED, serving
from tests.plain_sink import plain_sink
from tests.processes import Running
from tests.upstream import Received, Upstream, answer

FAMILY_OF = families(models.ROWS, deployed.load("production"))
BY_NAME = {row.name: row for row in ROWS}
ROLES: tuple[Role, ...] = ("score-sink", "any-processor")
# Whatever a sink does, a whole run says it, too; of these only, since one takes half a second.
WHOLE = (
    "text_reply",
    "no_content_with_a_body",
    "id_at_random",
    "no_content_type",
    "unknown_row_is_404",
    "error_of_1_kb",
)


def predict(received: Received, sock: socket.socket) -> bool | None:
    """Behave as the predictor of whichever row and wiki is asked for."""
    isvc = received.target.removeprefix("/v1/models/").removesuffix(":predict")
    return answer(200, FAMILIES[FAMILY_OF[isvc]](isvc, received.json()))(received, sock)


@pytest.fixture(scope="module")
def sinks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Running]]:
    """A score-sink with each defect, and one without."""
    with (
        Upstream(predict) as upstream,
        serving(DEFECTS, upstream.url, tmp_path_factory.mktemp("defects")) as running,
    ):
        yield running


def probe_of(sink: Running, role: Role, model: str = "drafttopic") -> Probe:
    """What a user of this role would be given."""
    if role == "score-sink":
        return probe(target_of(sink.url), role, model)
    return probe(target_of(f"{sink.url}/models/drafttopic"), role)


def findings(made: Probe, names: list[str]) -> dict[str, list[Finding]]:
    """What the probe says of these rows."""
    return {name: list(made.run(BY_NAME[name]).findings) for name in names}


def assert_found(name: str, found: dict[str, list[Finding]]) -> None:
    for row, rule in DEFECTS[name].found.items():
        assert rule in [finding.rule for finding in found[row]], (row, found[row])


@pytest.mark.parametrize(
    ("role", "model"),
    [("any-processor", "drafttopic"), *(("score-sink", model) for model in MODELS)],
)
def test_probe_undamaged_sink_has_no_findings(
    sinks: dict[str, Running], role: Role, model: str
) -> None:
    """A sink that keeps every promise is told so, whichever row is expected of it."""
    made = probe_of(sinks[UNDAMAGED], role, model)

    results = list(made.run_all())

    assert [result.findings for result in results if result.findings] == []
    assert [result.row for result in results] == list(made.rows)


@pytest.mark.parametrize("protocol", ["HTTP/1.0", "HTTP/1.1"])
def test_probe_plain_sink_that_is_not_ours_has_no_findings(protocol: str) -> None:
    """A sink that takes any event, and ends connections as HTTP allows, is not blamed for it."""
    with plain_sink(protocol) as url:
        made = probe(target_of(url), "any-processor")

        results = list(made.run_all())

    assert [result.findings for result in results if result.findings] == []
    assert len(results) > 80


@pytest.mark.parametrize("name", DEFECTS)
def test_probe_defect_is_found(sinks: dict[str, Running], name: str) -> None:
    """Each defect breaks the rule that it should, at the rows where it should."""
    made = probe_of(sinks[name], "score-sink", DEFECTS[name].model)

    assert_found(name, findings(made, list(DEFECTS[name].found)))


@pytest.mark.parametrize("name", [name for name, defect in DEFECTS.items() if defect.everybody])
def test_probe_defect_of_an_unknown_sink_is_found(sinks: dict[str, Running], name: str) -> None:
    """What harms everybody is found without knowing what the sink should do."""
    made = probe_of(sinks[name], "any-processor")

    assert_found(name, findings(made, list(DEFECTS[name].found)))


@pytest.mark.parametrize("name", WHOLE)
def test_probe_whole_run_finds_the_defect(sinks: dict[str, Running], name: str) -> None:
    """One row's finding is not lost when all rows are put to the sink."""
    made = probe_of(sinks[name], "score-sink")

    found = {result.row.name: list(result.findings) for result in made.run_all()}

    assert_found(name, found)


def test_defects_name_rows_of_the_roles_that_have_to_find_them() -> None:
    """A defect that nobody is asked about would be found by nobody."""
    wrong = [
        (name, row)
        for name, defect in DEFECTS.items()
        for row in defect.found
        for role in (ROLES if defect.everybody else ROLES[:1])
        if role not in BY_NAME[row].roles or defect.model not in BY_NAME[row].models
    ]

    assert wrong == []
    assert len(DEFECTS) >= 25


def test_finding_leads_to_the_repair(sinks: dict[str, Running]) -> None:
    """A finding says what came, who demands what, and what to do, each on one line."""
    made = probe_of(sinks["text_reply"], "any-processor")

    (finding,) = findings(made, ["event_binary"])["event_binary"]

    assert finding.place == "body"
    assert "200 with a body that is no event: 'OK'" in finding.problem
    assert "data-plane.md" in finding.clause
    assert "202 without body" in finding.fix
    assert "\n" not in finding.problem + finding.clause + finding.fix
