"""Every row of the model table through a real score-sink: one directory of files is one case."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sinks import cloudevent, inputs
from sinks.cloudevent import Event, Mode
from sinks.envelope import page_change_event
from sinks.models import MODELS
from tests.factories import DATA
from tests.processes import gunicorn
from tests.upstream import Received, Upstream, answer

ROWS = DATA / "rows"
CASES = sorted(path for path in ROWS.glob("*/*") if path.is_dir())
FILES = {"event.json", "request.json", "answer.json", "output.json"}
SCHEMAS = "https://schema.wikimedia.org/repositories/primary/jsonschema"
READERS = inputs.load_readers()


@dataclass
class Scorer:
    """A score-sink, and the predictor that it asks."""

    port: int
    predictor: Upstream
    answer: Any = None

    def behave(self, received: Received, sock: socket.socket) -> bool | None:
        return answer(200, self.answer)(received, sock)


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scorer]:
    """One score-sink for all cases."""
    with Upstream(lambda _received, _sock: False) as predictor:
        env = {"PREDICTOR_URL": predictor.url, "SCHEMA_BASE_URI": SCHEMAS}
        directory = tmp_path_factory.mktemp("rows")
        with gunicorn("sinks.score_sink:create_app()", env, directory) as running:
            made = Scorer(running.port, predictor)
            predictor.behave = made.behave
            yield made


def read(case: Path, what: str) -> Any:
    """Return the value of one file of a case."""
    return json.loads((case / f"{what}.json").read_text(encoding="utf-8"))


def incoming(document: dict[str, Any], mode: Mode) -> Event:
    """The event that the shim makes of a case's document."""
    return page_change_event(inputs.parse(document, READERS), document, SCHEMAS, mode)


def named(case: Path) -> str:
    return f"{case.parent.name}-{case.name}"


@pytest.mark.parametrize("row", sorted(MODELS))
def test_row_without_a_case_is_named(row: str) -> None:
    """Who adds a row adds a case: a directory under tests/data/rows with four files."""
    cases = [case for case in CASES if case.parent.name == row]

    assert cases, f"add tests/data/rows/{row}/<case>/ with {', '.join(sorted(FILES))}"


@pytest.mark.parametrize("case", CASES, ids=named)
def test_case_has_exactly_its_four_files(case: Path) -> None:
    """A case is complete, and of a row that exists."""
    files = {path.name for path in case.iterdir()}

    assert not FILES - files, f"add {', '.join(sorted(FILES - files))} to {case}"
    assert not files - FILES, f"{', '.join(sorted(files - FILES))} in {case} is read by nobody"
    assert case.parent.name in MODELS, f"{case.parent.name} is no row"


@pytest.mark.parametrize("mode", ["binary", "structured"])
@pytest.mark.parametrize("case", CASES, ids=named)
def test_case_through_score_sink_asks_and_replies_as_in_its_files(
    scorer: Scorer, case: Path, mode: Mode
) -> None:
    """The predictor is asked exactly request.json, and its answer.json becomes output.json."""
    row = MODELS[case.parent.name]
    scorer.predictor.received.clear()
    scorer.answer = read(case, "answer")
    sent = incoming(read(case, "event"), mode)
    message = cloudevent.encode(sent, mode)

    connection = http.client.HTTPConnection("127.0.0.1", scorer.port, timeout=20)
    try:
        connection.request("POST", f"/models/{row.name}", message.body, message.headers)
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()

    assert (response.status, response.headers["Sinks-Outcome"]) == (200, "replied")
    assert len(scorer.predictor.received) == 1
    asked = scorer.predictor.received[0]
    assert asked.target == f"/v1/models/{sent.get('wikiid')}-{row.name}:predict"
    assert asked.json() == read(case, "request")
    assert not [name for name in asked.headers if name.startswith("ce-")]
    reply = cloudevent.decode(dict(response.headers), body)
    output = read(case, "output")
    assert reply.mode == mode
    assert reply.data == output
    assert reply.attributes == {
        "id": output["meta"]["id"],
        "source": f"/models/{row.name}",
        "type": row.output_type,
        "time": output["dt"],
        "subject": f"{output['database']}/{output['page_id']}/{output['rev_id']}",
        "datacontenttype": "application/json",
        "dataschema": f"{SCHEMAS}{output['$schema']}",
        "partitionkey": f"{output['database']}:{output['page_id']}",
        "wikiid": output["database"],
        "stream": row.stream,
        "model": row.name,
        "causationid": sent.id,
    }
