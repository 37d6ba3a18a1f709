"""The rows of the contract kit against our own sinks: real processes, sockets and upstreams."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from sinks.contract.probe.run import Probe, probe
from sinks.contract.probe.target import target_of
from sinks.contract.rows.row import Role, Row
from sinks.contract.rows.tables import rows_for
from tests.processes import Running, gunicorn
from tests.upstream import Upstream, answer, predictor

MODEL, TAGS = "drafttopic", "article-country-tags"
# The score-sink as itself, for a model that reads changes and for one that reads predictions, and
# as somebody who knows nothing of it would see it.
SUBJECTS: tuple[tuple[str, Role, str], ...] = (
    ("score-sink", "score-sink", MODEL),
    ("score-sink", "score-sink", TAGS),
    ("egress-sink", "egress-sink", MODEL),
    ("http-shim", "http-shim", MODEL),
    ("deadletter-sink", "deadletter-sink", MODEL),
    ("score-sink", "any-processor", MODEL),
)
CASES = [
    pytest.param(name, role, model, row, id=f"{role if model == MODEL else model}-{row.name}")
    for name, role, model in SUBJECTS
    for row in rows_for(role, model)
]


@dataclass(frozen=True)
class Served:
    """A sink in a process of its own, and those to whom it talks."""

    running: Running
    upstreams: tuple[Upstream, ...]

    def probe(self, role: Role, model: str) -> Probe:
        path = f"/models/{model}" if role == "any-processor" else ""
        row = model if role in ("score-sink", "any-processor") else None
        return probe(target_of(self.running.url + path), role, row)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Served]]:
    """All sinks as in production, the shim in front of the others."""
    logs = tmp_path_factory.mktemp("rows")
    with Upstream(predictor) as scores, Upstream(answer(201)) as eventgate:
        score_env = {"PREDICTOR_URL": scores.url}
        egress_env = {"EVENTGATE_URLS": f"{eventgate.url}/v1/events"}
        letters = tmp_path_factory.mktemp("letters") / "letters.sqlite"
        letters_env = {
            "ALLOW_ANONYMOUS": "true",
            "DATABASE_URL": f"sqlite:///{letters}",
            "SERVICE_URLS": "*=http://127.0.0.1:9",
        }
        with (
            gunicorn("sinks.score_sink:create_app()", score_env, logs) as score,
            gunicorn("sinks.egress_sink:create_app()", egress_env, logs) as egress,
            gunicorn("sinks.deadletter_sink:create_app()", letters_env, logs) as deadletters,
        ):
            urls = f"score-sink={score.url},egress-sink={egress.url}"
            shim_env = {"ALLOW_ANONYMOUS": "true", "SERVICE_URLS": urls}
            with gunicorn("sinks.http_shim:create_app()", shim_env, logs) as shim:
                yield {
                    "score-sink": Served(score, (scores,)),
                    "egress-sink": Served(egress, (eventgate,)),
                    "http-shim": Served(shim, (scores, eventgate)),
                    "deadletter-sink": Served(deadletters, ()),
                }


@pytest.mark.parametrize(("name", "role", "model", "row"), CASES)
def test_row_is_satisfied_and_leaves_no_trace_where_it_is_refused(
    served: dict[str, Served], name: str, role: Role, model: str, row: Row
) -> None:
    """The sink answers as the row demands, logs no bug, and passes on nothing that it refused."""
    sink = served[name]
    for upstream in sink.upstreams:
        upstream.received.clear()
    mark = len(sink.running.log)

    findings = sink.probe(role, model).run(row).findings

    assert findings == ()
    assert '"traceback"' not in sink.running.log[mark:]
    if row.leaves_no_trace:
        assert [upstream.received for upstream in sink.upstreams if upstream.received] == []
