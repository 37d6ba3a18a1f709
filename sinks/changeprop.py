"""changeprop's own call, as the model servers get it: `POST /v1/models/<isvc>:predict`.

Source: wikimedia/operations-deployment-charts, charts/changeprop, templates/_config.yaml.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from flask import Response, request

from sinks import jsondata
from sinks.attributes import is_json
from sinks.errors import InvalidEvent, MalformedEvent, NoSuchPath, UnsupportedMediaType
from sinks.incoming import Incoming, received
from sinks.model_row import ModelRow

PATHS: Final = "/v1/models"
_SUFFIX: Final = ":predict"
# It repeats 502 and 503 alone, and is silent about 404; what is not final has to be one of these.
_FINAL: Final = (400, 401, 403, 413, 422)


@dataclass(frozen=True, slots=True)
class Called:
    """What the name of an InferenceService stands for.

    wiki_id:  the only wiki of this InferenceService; None: it answers for many.
    """

    row: str
    wiki_id: str | None


def callable_names(rows: Iterable[ModelRow], deployed: Iterable[str]) -> Mapping[str, Called]:
    """Return what changeprop can call, by name.

    deployed:  names of InferenceServices of single wikis.
    """
    names: dict[str, Called] = {}
    for row in rows:
        if row.wanted.where_deployed:
            for isvc in deployed:
                wiki_id, _, model = isvc.partition("-")
                if model == row.name:
                    names[isvc] = Called(row.name, wiki_id)
        elif row.question is not None and row.question.service is not None:
            names[row.question.service.name] = Called(row.name, None)
    return names


def called(segment: str, names: Mapping[str, Called]) -> Called:
    """Return what the last segment of the path, `<isvc>:predict`, stands for.

    raises: NoSuchPath for another verb; InvalidEvent(unknown_isvc).
    """
    name, verb = segment.removesuffix(_SUFFIX), segment.endswith(_SUFFIX)
    if not verb:
        raise NoSuchPath("no_such_path", "POST to /v1/models/<isvc>:predict")
    if name not in names:
        raise InvalidEvent(
            "unknown_isvc",
            "no row has this InferenceService in this ENVIRONMENT: see docs/streams.md",
        )
    return names[name]


def receive_event(headers: Mapping[str, str], body: bytes) -> Incoming:
    """Return the event of the body `{"event": <page change>}`.

    It is a call and never a CloudEvent, whatever `ce-` headers or CloudEvents type it carries.
    raises: MalformedEvent, UnsupportedMediaType, InvalidEvent(no_event).
    """
    if not is_json(headers.get("content-type", "")):
        raise UnsupportedMediaType("unsupported_media_type", "send application/json")
    whole = jsondata.loads(body)
    if not isinstance(whole, dict):
        raise MalformedEvent("malformed_data", 'the body has to be an object: {"event": ...}')
    if "event" not in whole:
        raise InvalidEvent("no_event", "the body has no member event: call the predictor itself")
    return received(whole["event"], headers)


def check_wiki(call: Called, wiki_id: str) -> None:
    """raises: InvalidEvent(wiki_mismatch) if the InferenceService is another wiki's."""
    if call.wiki_id not in (None, wiki_id):
        raise InvalidEvent("wiki_mismatch", f"this is {call.wiki_id}'s, the event is {wiki_id}'s")


def status_for(status: int) -> int:
    """Return the status that changeprop takes as this one is meant."""
    if status in (405, 415):
        return 422
    return 503 if status >= 400 and status not in _FINAL else status


def answer_elsewhere(response: Response) -> Response:
    """Return the same of what Flask has answered, for other paths and methods below `PATHS`."""
    below = request.path == PATHS or request.path.startswith(f"{PATHS}/")
    if below:
        response.status_code = status_for(response.status_code)
    return response
