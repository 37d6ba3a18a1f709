"""What a reply to a good event has to be: an event of its own, and the prediction of its row.

Pure. source: mediawiki/revision/score; the table of models.
"""

from __future__ import annotations

from typing import Final

from sinks.cloudevent import Event
from sinks.contract.finding import Finding
from sinks.contract.rows.row import Row
from sinks.contract.rows.sample import Sample
from sinks.models import MODELS, ModelRow
from sinks.schema import InvalidDocument, output_schema

_CLAUSE: Final = "mediawiki/revision/score; the row's stream: what EventGate and egress take"
_FIX: Final = "reply the prediction of the row that the URL and --expect-row name"


def good_reply(row: Row, sample: Sample, reply: Event) -> list[Finding]:
    """Return what is wrong with the reply to a good event, which is no answer of another kind."""
    if reply.type == sample.attributes["type"]:
        problem = (
            f"the reply has the input's own type, {reply.type}: its Trigger would feed it back"
        )
        return [row.broken("reply_feeds_itself", "ce-type", problem)]
    if (reply.source, reply.id) == (sample.attributes["source"], sample.attributes["id"]):
        problem = f"the reply has the input's own source and id, {reply.id}: it is another event"
        return [row.broken("reply_has_the_inputs_id", "ce-id", problem)]
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
    title, _, version = str(data.get("$schema")).lstrip("/").rpartition("/")
    try:
        output_schema(title, version).validate(data)
    except (LookupError, InvalidDocument) as error:
        return [wrong("prediction_invalid", "data", str(error))]
    meta, streams = data["meta"], (model.stream, model.test_stream)
    about = {**sample.data, **sample.data.get("revision", {})}.get("rev_id")
    checks = (
        ("/meta/stream", meta["stream"] in streams, f"has to be one of {', '.join(streams)}"),
        ("ce-stream", reply.get("stream") in (None, meta["stream"]), "contradicts /meta/stream"),
        ("/meta/id", meta.get("id") == reply.id, "has to be ce-id: EventGate gets nothing else"),
        ("/scores", set(data.get("scores", ())) == {model.name}, f"has to be {model.name}'s alone"),
        ("/rev_id", about in (None, data.get("rev_id")), f"the event is about revision {about}"),
    )
    return [
        wrong("prediction_invalid", place, problem) for place, right, problem in checks if not right
    ]
