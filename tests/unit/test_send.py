"""What `sinks send` writes, and what it makes of an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sinks import cloudevent, event_samples, inputs
from sinks.contract.probe.heard import HttpAnswer
from sinks.envelope import page_change_event
from sinks.errors import SinkError
from sinks.send.meaning import meaning
from sinks.send.outgoing import Mode, outgoing
from sinks.settings import SCHEMA_BASE_URI

EDIT = event_samples.document("page_change")
EVENT = {
    "specversion": "1.0",
    "id": "ü 1",
    "source": "/s",
    "type": "t",
    "datacontenttype": "application/json",
    "data": {"a": [1]},
}
JSON = (("content-type", "application/json"),)


def sent(document: Any, mode: Mode | None = None, **changes: str) -> cloudevent.Event:
    """What a strict receiver reads of the message."""
    message = outgoing(json.dumps(document).encode(), mode, changes)
    return cloudevent.decode(message.headers, message.body)


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_outgoing_page_change_gets_the_attributes_that_the_shim_makes(mode: Mode) -> None:
    """Triggers filter on these: an event without them would match nothing."""
    change = inputs.parse(EDIT, inputs.load_readers())

    event = sent(EDIT, mode)

    assert event == page_change_event(change, EDIT, SCHEMA_BASE_URI, mode)


def test_outgoing_output_document_is_the_event_of_its_row() -> None:
    """What egress takes can be sent to it without a score-sink."""
    event = sent(event_samples.document("revision_score"))

    assert event.source.startswith("/models/")
    assert event.get("stream") == event_samples.document("revision_score")["meta"]["stream"]
    assert event.get("time") == event_samples.document("revision_score")["dt"]


@pytest.mark.parametrize("mode", ["binary", None], ids=["binary", "as_it_is"])
def test_outgoing_structured_event_keeps_its_attributes_and_data(mode: Mode | None) -> None:
    """Nothing is added, and nothing lost, in either mode."""
    event = sent(EVENT, mode)

    assert {**event.attributes, "specversion": "1.0", "data": event.data} == EVENT
    assert event.mode == (mode or "structured")


def test_outgoing_plain_document_is_sent_byte_for_byte() -> None:
    """What is sent as plain JSON is what the file holds, spaces included."""
    message = outgoing(b' {"a" : 1}\n', "plain", {})

    assert message[1:] == ({}, {"Content-Type": "application/json"}, b' {"a" : 1}\n')


def test_outgoing_plain_event_is_its_data() -> None:
    """The shim's `/events` gets the document alone."""
    assert json.loads(outgoing(json.dumps(EVENT).encode(), "plain", {}).body) == EVENT["data"]


def test_outgoing_attributes_can_be_set_and_removed() -> None:
    """`--set wikiid=dewiki` tries another Trigger, `--set time=` an event without a time."""
    event = sent(EDIT, "binary", wikiid="dewiki", time="", mine="x y")

    assert event.get("time") is None
    assert (event.get("wikiid"), event.get("mine")) == ("dewiki", "x y")


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        pytest.param(b"\x00\xff", None, id="rubbish"),
        pytest.param(b"[]", None, id="array"),
        pytest.param(b"{}", None, id="no_schema"),
        pytest.param(b'{"$schema": "/mediawiki/page/change/1.0.0"}', None, id="not_as_its_schema"),
        pytest.param(b'{"$schema": "/mediawiki/revision/score/3.0.0"}', None, id="no_attributes"),
        pytest.param(b'{"specversion": "1.0", "id": "1"}', None, id="half_an_event"),
        pytest.param(
            b'{"$schema": "/mediawiki/revision/score/3.0.0", "meta": 1}', None, id="odd_members"
        ),
        pytest.param(
            b'{"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": %b}'
            % (b"[" * 1000 + b"]" * 1000),
            None,
            id="nested_deeply",
        ),
        pytest.param(
            b'{"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data_base64": "AA=="}',
            "plain",
            id="no_document_in_it",
        ),
    ],
)
def test_outgoing_text_that_is_no_event_says_why(text: bytes, mode: Mode | None) -> None:
    """There is one line to show, and nothing is sent."""
    with pytest.raises(SinkError) as raised:
        outgoing(text, mode, {})

    assert len(raised.value.detail) > 10


def test_outgoing_required_attribute_cannot_be_removed() -> None:
    """The SDK would invent an id: what is sent would not be what was asked for."""
    with pytest.raises(SinkError, match="no event without id, source"):
        outgoing(json.dumps(EVENT).encode(), "binary", {"id": "", "source": ""})


def answer(status: int, body: Any = b"", headers: tuple[tuple[str, str], ...] = ()) -> HttpAnswer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpAnswer(status, headers, raw)


CE = tuple((f"ce-{name}", EVENT[name]) for name in ("specversion", "source", "type"))
OUTCOMES = {"outcomes": [{"outcome": "relayed"}, {"outcome": "ignored"}]}
MIXED = {"outcomes": [{"outcome": "relayed"}, {"outcome": "rejected"}]}


@pytest.mark.parametrize(
    ("heard", "plain", "fate", "good"),
    [
        pytest.param(
            answer(200, {}, (*CE, ("ce-id", "1"), *JSON)), False, "reply", True, id="reply"
        ),
        pytest.param(answer(202), False, "empty", True, id="empty"),
        pytest.param(answer(200, b"OK"), False, "retried", False, id="text"),
        pytest.param(answer(200, {}, (*CE, *JSON)), False, "dead-lettered", False, id="no_id"),
        pytest.param(answer(200, OUTCOMES, JSON), True, "outcomes", True, id="outcomes"),
        pytest.param(answer(200, MIXED, JSON), True, "outcomes", False, id="rejected"),
        pytest.param(answer(200, {"x": 1}, JSON), True, "outcomes", False, id="other_json"),
        pytest.param(answer(200, OUTCOMES, JSON), False, "retried", False, id="json_for_an_event"),
        pytest.param(answer(302), False, "dead-lettered", False, id="redirect"),
        pytest.param(answer(404), False, "retried", False, id="retried_4xx"),
        pytest.param(answer(422), False, "dead-lettered", False, id="permanent"),
        pytest.param(answer(503), False, "retried", False, id="temporary"),
        pytest.param(answer(500, b"x" * 800), False, "retried", False, id="error_too_long"),
    ],
)
def test_meaning_of_an_answer(heard: HttpAnswer, plain: bool, fate: str, good: bool) -> None:
    """Each kind of answer, by what Knative does about it."""
    meant = meaning(heard, plain)

    assert (meant.fate, meant.good) == (fate, good)
    assert (meant.reply is not None) == (fate == "reply")


@pytest.mark.parametrize("outcome", ["\x1b[2J", "x" * 100_000], ids=["control_code", "long"])
def test_meaning_of_hostile_outcomes_is_one_short_line(outcome: str) -> None:
    """What a server says in place of the shim neither paints a terminal nor ends in a traceback."""
    outcomes = [{"outcome": None}, {"outcome": outcome}]

    told = meaning(answer(200, {"outcomes": outcomes}, JSON), True).told

    assert told.isprintable()
    assert len(told) < 600
