"""What a reply to a good event has to be: an event of its own, and the prediction of its row.

Pure. source: the schemas of what the rows publish; the table of models.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sinks.cloudevent import Event
from sinks.contract.facts import PLACES, facts_of
from sinks.contract.finding import Finding
from sinks.contract.rows.row import Expected, Row
from sinks.contract.rows.sample import Sample
from sinks.model_row import ModelRow
from sinks.models import MODELS
from sinks.schema import InvalidDocument, output_schema

_CLAUSE: Final = "the schema and the stream of the row: what EventGate and egress take"
_FIX: Final = "reply the prediction of the row that the URL and --expect-row name"

# Where a fact stands, whether it is right, and what would be.
_Fact = tuple[str, bool, str]


def good_reply(row: Row, expected: Expected, sample: Sample, reply: Event) -> list[Finding]:
    """Return what is wrong with the reply to a good event, which is no answer of another kind."""
    if reply.type == sample.attributes["type"]:
        problem = (
            f"the reply has the input's own type, {reply.type}: its Trigger would feed it back"
        )
        return [row.broken("reply_feeds_itself", "ce-type", problem)]
    if (reply.source, reply.id) == (sample.attributes["source"], sample.attributes["id"]):
        problem = f"the reply has the input's own source and id, {reply.id}: it is another event"
        return [row.broken("reply_has_the_inputs_id", "ce-id", problem)]
    if expected.never and expected.never in f"{reply.attributes} {reply.data}":
        problem = f"the reply tells {expected.never}, which the event says is hidden"
        return [row.broken("hidden_text_published", "data", problem)]
    model = MODELS.get(sample.row or "")
    return [] if model is None else _prediction(model, sample, reply)


def _prediction(model: ModelRow, sample: Sample, reply: Event) -> list[Finding]:
    """What holds for a prediction of this model: all that its way through egress depends on."""

    def wrong(rule: str, place: str, problem: str) -> Finding:
        return Finding(rule, place, problem, _CLAUSE, f"{_FIX}, here {model.name}")

    if reply.type != model.output_type:
        problem = f"{reply.type}, but row {model.name} replies {model.output_type}"
        return [wrong("not_this_rows_prediction", "ce-type", problem)]
    data = reply.data if isinstance(reply.data, dict) else {}
    if data.get("$schema") != model.output.schema:
        problem = f"$schema has to be {model.output.schema}"
        return [wrong("prediction_invalid", "data", problem)]
    try:
        output_schema(model.output.title, model.output.version).validate(data)
    except InvalidDocument as error:
        return [wrong("prediction_invalid", "data", error.detail)]
    checks = (*_addressed(model, reply, data["meta"]), *_about(model, sample, data))
    return [
        wrong("prediction_invalid", place, problem) for place, right, problem in checks if not right
    ]


def _addressed(model: ModelRow, reply: Event, meta: Mapping[str, Any]) -> Iterator[_Fact]:
    """Where it is to be published, as which event, and by whom."""
    stream, streams = meta["stream"], (model.stream, model.test_stream)
    yield "/meta/stream", stream in streams, f"has to be one of {', '.join(streams)}"
    yield "ce-stream", reply.get("stream") in (None, stream), "contradicts /meta/stream"
    yield "ce-model", reply.get("model") in (None, model.name), f"has to be {model.name}"
    yield "/meta/id", meta.get("id") == reply.id, "has to be ce-id: EventGate gets nothing else"


def _about(model: ModelRow, sample: Sample, data: Mapping[str, Any]) -> Iterator[_Fact]:
    """Whose prediction it is, and of what, as far as its schema has places for that."""
    places, asked, said = PLACES[model.output.title], facts_of(sample.data), facts_of(data)
    if places.models is not None:
        yield places.models, said.models == (model.name,), f"has to be {model.name}'s alone"
    facts: tuple[tuple[str | None, object, object], ...] = (
        (places.wiki, asked.wiki, said.wiki),
        (places.page_id, asked.page_id, said.page_id),
        (places.rev_id, asked.rev_id, said.rev_id),
    )
    for pointer, about, of in facts:
        if pointer is not None:
            yield pointer, about in (None, of), f"the event is about {about}"
