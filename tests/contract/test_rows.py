"""Every row of the model table through a real score-sink: one directory of files is one case."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, FormatChecker

from sinks import cloudevent, wikis
from sinks.cloudevent import Mode
from sinks.models import MODELS
from sinks.schema import output_schema
from sinks.wikis import WIKIPEDIA
from tests.cases import DIRECTORIES, EDIT, SCHEMAS, Case, incoming, named, read
from tests.factories import DATA
from tests.processes import gunicorn
from tests.upstream import Received, Reply, Upstream, answer, call

DATES = FormatChecker(("date-time",))  # KeyError if nothing installed judges it
# Rows that name a wiki to their predictor, each in another way.
NAMING = ("article-country", "outlink-topic-model", "revertrisk-language-agnostic")


@dataclass
class Scorer:
    """A score-sink, and the predictor that it asks."""

    port: int
    predictor: Upstream
    answer: Any = None

    def behave(self, received: Received, sock: socket.socket) -> bool | None:
        return answer(200, self.answer)(received, sock)

    def deliver(self, case: Case, mode: Mode) -> Reply:
        """Send the case's event to its row, whose predictor says what the case says."""
        self.answer = case.answer
        message = cloudevent.encode(incoming(case, mode), mode)
        return call(self.port, f"/models/{case.row}", message.headers, message.body, timeout=20)


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


def files_of(row: str) -> tuple[str, ...]:
    """The files that a case of a row has to have; it can have an event.json besides."""
    asks = MODELS[row].question is not None
    return ("predictor.json", "output.json") if asks else ("output.json",)


def exact(value: Any) -> str:
    """JSON text that is the same for the same value; 1, 1.0 and true are different ones."""
    return json.dumps(value, sort_keys=True)


def attributes_of(case: Case, causation: str) -> dict[str, str]:
    """The attributes of the reply, of what the case's files say and nothing that was replied."""
    event, output = case.event, case.output
    wiki = event.get("wiki_id") or event["database"]
    page_id = int(event.get("page", event)["page_id"])
    rev_id = int(event.get("revision", event)["rev_id"])
    return {
        "id": output["meta"]["id"],
        "source": f"/models/{case.row}",
        "type": MODELS[case.row].output_type,
        "time": output["dt"],
        "subject": f"{wiki}/{page_id}/{rev_id}",
        "datacontenttype": "application/json",
        "dataschema": f"{SCHEMAS}{output['$schema']}",
        "partitionkey": f"{wiki}:{page_id}",
        "wikiid": wiki,
        "stream": output["meta"]["stream"],
        "model": case.row,
        "causationid": causation,
    }


@pytest.mark.parametrize("row", sorted(MODELS))
def test_row_without_a_case_is_named(row: str) -> None:
    """Who adds a row adds a case: a directory under tests/data/rows with two files."""
    cases = [directory for directory in DIRECTORIES if directory.parent.name == row]

    assert cases, (
        f"add {' and '.join(files_of(row))} to tests/data/rows/{row}/<case>/, and event.json"
        f" if the change is not that of {EDIT.relative_to(DATA.parents[1])}"
    )


@pytest.mark.parametrize("directory", DIRECTORIES, ids=named)
def test_case_has_exactly_its_files(directory: Path) -> None:
    """A case is complete, and of a row that exists."""
    row, there = directory.parent.name, {path.name for path in directory.iterdir()}

    assert row in MODELS, f"{row} is no row"
    needed = set(files_of(row))
    unread = there - needed - {"event.json"}
    assert not needed - there, f"add {', '.join(sorted(needed - there))} to {directory}"
    assert not unread, f"{', '.join(sorted(unread))} in {directory} is read by nobody"


@pytest.mark.parametrize("mode", ["binary", "structured"])
@pytest.mark.parametrize("directory", DIRECTORIES, ids=named)
def test_case_through_score_sink_asks_and_replies_as_in_its_files(
    scorer: Scorer, directory: Path, mode: Mode
) -> None:
    """The InferenceService is asked exactly the request, and its answer becomes the output."""
    case = read(directory)
    scorer.predictor.received.clear()

    response = scorer.deliver(case, mode)

    outcome = (response.status, response.headers["Sinks-Outcome"])
    assert outcome == (200, "replied"), (
        f"{response.headers['Sinks-Reason'] or response.body!r}: is event.json, or without it the"
        " sample edit on enwiki, a change that this row scores?"
    )
    asked = [(each.target, exact(each.json())) for each in scorer.predictor.received]
    target = f"/v1/models/{case.isvc}:predict"
    assert asked == ([] if case.isvc is None else [(target, exact(case.request))])
    for each in scorer.predictor.received:
        assert not [name for name in each.headers if name.startswith("ce-")]
        # That server wants a fraction part, which other writers of JSON would leave out.
        assert (b'"threshold":0.0' in each.body) == (case.isvc == "outlink-topic-model")
    reply = cloudevent.decode(dict(response.headers), response.body)
    assert reply.mode == mode
    assert reply.data == case.output
    assert exact(reply.data) == exact(case.output)
    assert reply.attributes == attributes_of(case, incoming(case, mode).id)


@pytest.mark.parametrize("mode", ["binary", "structured"])
@pytest.mark.parametrize("directory", DIRECTORIES, ids=named)
def test_case_delivered_twice_makes_the_same_reply(
    scorer: Scorer, directory: Path, mode: Mode
) -> None:
    """A repeated delivery is answered with the same event to the byte, whose data is valid."""
    case, output = read(directory), MODELS[directory.parent.name].output
    schema = output_schema(output.title, output.version)

    first, second = (scorer.deliver(case, mode) for _ in range(2))

    assert (first.status, second.status) == (200, 200)
    assert first.body == second.body
    heads = [
        sorted(field for field in reply.headers.items() if field[0].lower().startswith("ce-"))
        for reply in (first, second)
    ]
    assert heads[0] == heads[1]
    data = cloudevent.decode(dict(second.headers), second.body).data
    schema.validate(data)
    Draft7Validator(schema.definition, format_checker=DATES).validate(data)


@pytest.mark.parametrize(
    "directory",
    [path for path in DIRECTORIES if path.parent.name == "article-country-tags"],
    ids=named,
)
def test_case_of_article_country_tags_is_what_article_country_replies(directory: Path) -> None:
    """The row that asks nobody feeds on nothing that the other row does not make."""
    replied = read(DATA / "rows" / "article-country" / directory.name).output

    assert exact(read(directory).event) == exact(replied)


@pytest.mark.parametrize("row", NAMING)
def test_wiki_of_differing_names_is_in_a_case(row: str) -> None:
    """A Wikipedia whose name, host and language differ is where a name goes wrong."""
    differing = {
        wiki.wiki_id
        for wiki in wikis.load().values()
        if wiki.group == WIKIPEDIA
        and len({wiki.wiki_id.removesuffix("wiki"), wiki.host_label, wiki.language}) > 1
    }
    tried = {read(path).event["wiki_id"] for path in DIRECTORIES if path.parent.name == row}

    assert len(differing) >= 12
    excluded = MODELS[row].wanted.excluded_wikis
    assert differing - tried == excluded, f"each needs a case in tests/data/rows/{row}/"
