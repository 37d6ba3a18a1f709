"""The cases of the rows: one directory of files is one change, and all that has to come of it.

tests/data/rows/<row>/<case>/
    event.json      the document that comes in; without it, EDIT is.
    predictor.json  {"isvc", "request", "answer"}: who is asked what, and says what; not there for a
                    row that asks nobody.
    output.json     the document that is replied.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sinks import inputs
from sinks.cloudevent import Event, Mode
from sinks.envelope import page_change_event
from sinks.models import MODELS
from sinks.page_change import PageChange
from tests.factories import DATA, PREDICTION_TYPE

DIRECTORIES = sorted(path for path in (DATA / "rows").glob("*/*") if path.is_dir())
EDIT = DATA / "events" / "page_change_edit.json"
SCHEMAS = "https://schema.wikimedia.org/repositories/primary/jsonschema"


@dataclass(frozen=True, slots=True)
class Case:
    """One change through one row. `isvc`, `request`, `answer`: None where nobody is asked."""

    row: str
    name: str
    event: dict[str, Any]
    isvc: str | None
    request: dict[str, Any] | None
    answer: dict[str, Any] | None
    output: dict[str, Any]


def read(directory: Path) -> Case:
    """Return the case in a directory."""
    event, predictor = directory / "event.json", directory / "predictor.json"
    asked = _load(predictor) if predictor.exists() else {}
    return Case(
        row=directory.parent.name,
        name=directory.name,
        event=_load(event if event.exists() else EDIT),
        isvc=asked.get("isvc"),
        request=asked.get("request"),
        answer=asked.get("answer"),
        output=_load(directory / "output.json"),
    )


def named(directory: Path) -> str:
    """The id of a test of one case."""
    return f"{directory.parent.name}-{directory.name}"


def change_of(case: Case) -> PageChange:
    """The case's document as its row reads it."""
    return inputs.parse(case.event, inputs.load_readers(MODELS[case.row].wanted.titles))


def incoming(case: Case, mode: Mode) -> Event:
    """The event in which the case's document comes: from http-shim, or from another row."""
    if "predicted_classification" not in case.event:
        return page_change_event(change_of(case), case.event, SCHEMAS, mode)
    attributes = {
        "id": case.event["meta"]["id"],
        "source": f"/models/{case.event['predicted_classification']['model_name']}",
        "type": PREDICTION_TYPE,
        "datacontenttype": "application/json",
    }
    return Event(attributes, case.event, mode)


def _load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
