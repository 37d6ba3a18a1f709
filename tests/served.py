"""All sinks on one WSGI server, before real upstreams, and the contract's rows put to them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sinks.contract.finding import Finding
from sinks.contract.probe.run import Probe, probe
from sinks.contract.probe.target import target_of
from sinks.contract.rows.row import Role, Row
from sinks.contract.rows.tables import rows_for
from tests.processes import Running, Serve
from tests.upstream import Behave, Upstream, answer, predictor

MODEL, TAGS = "drafttopic", "article-country-tags"
TAKEN = answer(201)


@dataclass(frozen=True)
class Subject:
    """A sink by its name, and as what the rows see it."""

    sink: str
    role: Role
    model: str = MODEL

    def __str__(self) -> str:
        return self.role if self.model == MODEL else self.model


# The score-sink as itself, for a model that reads changes and for one that reads predictions, and
# as somebody who knows nothing of it would see it.
SUBJECTS: tuple[Subject, ...] = (
    Subject("score-sink", "score-sink"),
    Subject("score-sink", "score-sink", TAGS),
    Subject("egress-sink", "egress-sink"),
    Subject("http-shim", "http-shim"),
    Subject("deadletter-sink", "deadletter-sink"),
    Subject("score-sink", "any-processor"),
)
CASES = [
    pytest.param(subject, row, id=f"{subject}-{row.name}")
    for subject in SUBJECTS
    for row in rows_for(subject.role, subject.model)
]


@dataclass(frozen=True)
class Served:
    """A sink in a process of its own, and those to whom it talks."""

    running: Running
    upstreams: tuple[Upstream, ...]

    def probe(self, subject: Subject) -> Probe:
        anybody = subject.role == "any-processor"
        path = f"/models/{subject.model}" if anybody else ""
        row = subject.model if anybody or subject.role == "score-sink" else None
        return probe(target_of(self.running.url + path), subject.role, row)


@contextmanager
def served(
    serve: Serve, directory: Path, scoring: Behave = predictor, taking: Behave = TAKEN
) -> Iterator[dict[str, Served]]:
    """Run all sinks by their names, the shim in front of the others, until the block ends.

    scoring: the predictor. taking: the EventGate.
    """
    with Upstream(scoring) as scores, Upstream(taking) as eventgate:
        score_env = {"PREDICTOR_URL": scores.url}
        egress_env = {"EVENTGATE_URLS": f"{eventgate.url}/v1/events"}
        letters_env = {
            "ALLOW_ANONYMOUS": "true",
            "DATABASE_URL": f"sqlite:///{directory}/letters.sqlite",
            "SERVICE_URLS": "*=http://127.0.0.1:9",
        }
        with (
            serve("sinks.score_sink:create_app()", score_env, directory) as score,
            serve("sinks.egress_sink:create_app()", egress_env, directory) as egress,
            serve("sinks.deadletter_sink:create_app()", letters_env, directory) as deadletters,
        ):
            urls = f"score-sink={score.url},egress-sink={egress.url}"
            shim_env = {"ALLOW_ANONYMOUS": "true", "SERVICE_URLS": urls}
            with serve("sinks.http_shim:create_app()", shim_env, directory) as shim:
                yield {
                    "score-sink": Served(score, (scores,)),
                    "egress-sink": Served(egress, (eventgate,)),
                    "http-shim": Served(shim, (scores, eventgate)),
                    "deadletter-sink": Served(deadletters, ()),
                }


def findings_of(sink: Served, subject: Subject, row: Row) -> list[Finding]:
    """Put the row to the sink and return what it breaks.

    A bug in its log is a finding too, and so is what it passes on of a row that is all refused.
    """
    for upstream in sink.upstreams:
        upstream.received.clear()
    mark = len(sink.running.log)
    findings = list(sink.probe(subject).run(row).findings)
    if '"traceback"' in sink.running.log[mark:]:
        findings.append(row.broken("bug", "log", sink.running.log[mark:]))
    passed_on = [each for upstream in sink.upstreams for each in upstream.received]
    if row.leaves_no_trace and passed_on:
        findings.append(row.broken("trace_left", "upstream", str(passed_on)))
    return findings
