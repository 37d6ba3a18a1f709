"""What a dead letter says, read from whatever came, and the event that it was."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping

import pytest

from sinks import cloudevent
from sinks.cloudevent import NO_DATA, STRUCTURED_JSON, Event, Mode
from sinks.errors import SinkError
from sinks.letter import MAX_ERROR_BYTES, Letter, event_of, letter_of, undeliverable

DESTINATION = "http://score-sink.default.svc/models/drafttopic"
ERROR = b'{"reason":"unscorable_revision","detail":"deleted","ce_id":"1"}'
ATTRIBUTES = {"id": "1", "source": "/s", "type": "t", "wikiid": "enwiki"}
FAILURE = {"knativeerrordest": DESTINATION, "knativeerrorcode": "422"}


def encoded(error: bytes) -> str:
    return base64.b64encode(error).decode()


def binary(**attributes: str) -> dict[str, str]:
    """Headers of an event in binary mode, as WSGI hands them over."""
    return {"ce-specversion": "1.0"} | {f"ce-{name}": text for name, text in attributes.items()}


def structured(**attributes: str) -> bytes:
    return json.dumps({"specversion": "1.0", **attributes}).encode()


def read(mode: Mode, **attributes: str) -> Letter:
    """The letter of an event in either mode."""
    if mode == "binary":
        return letter_of(binary(**attributes), b"")
    return letter_of({"content-type": STRUCTURED_JSON}, structured(**attributes))


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_letter_of_knative_says_what_failed(mode: Mode) -> None:
    """Everything that people select by comes out of the attributes, in both modes."""
    letter = read(mode, **ATTRIBUTES, **FAILURE, knativeerrordata=encoded(ERROR))

    assert (letter.source, letter.ce_id, letter.type) == ("/s", "1", "t")
    assert (letter.destination, letter.status) == (DESTINATION, 422)
    assert (letter.row, letter.wiki_id) == ("drafttopic", "enwiki")
    assert (letter.reason, letter.error) == ("unscorable_revision", ERROR.decode())


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b""),
        ({"content-type": "image/png"}, b"\x89PNG\x00\xff"),
        ({"content-type": "application/json"}, b"[1, 2"),
        ({"content-type": "application/json"}, b'{"id": "x"}'),
        ({"content-type": STRUCTURED_JSON}, b"null"),
        ({"content-type": "application/cloudevents-batch+json"}, b"[]"),
        ({"content-type": "application/json"}, b"[" * 100_000),
    ],
)
def test_letter_of_no_event_is_named_by_its_body(headers: Mapping[str, str], body: bytes) -> None:
    """The same bytes are the same letter, sent again by whomever."""
    letter = letter_of(headers, body)

    assert letter.ce_id == f"sha256:{hashlib.sha256(body).hexdigest()}"
    assert (letter.headers, letter.body, letter.source) == (headers, body, "")


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (binary(id="1", source="/s"), b""),  # no type
        (binary(id="1", source="/s", type="t", BAD_NAME="x"), b""),
        ({**binary(**ATTRIBUTES), "content-type": "application/json"}, b"{broken"),
        ({"content-type": STRUCTURED_JSON}, structured(id="1", source="/s")),
        ({"content-type": "text/plain"}, structured(**ATTRIBUTES)),
    ],
)
def test_letter_of_nearly_an_event_keeps_its_id(headers: Mapping[str, str], body: bytes) -> None:
    """An event that others refused as malformed is still found by what it says it is."""
    letter = letter_of(headers, body)

    assert (letter.source, letter.ce_id) == ("/s", "1")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("headers", {"content-type": "a/b", "ce-x": "caf\xe9 \xff"}),
        ("headers", {"content-type": "a/b", "ce-a.b": "1", "ce-": "2"}),
        ("body", b"\x00\x01\xff" * 1000),
    ],
)
def test_letter_of_any_bytes_keeps_them(name: str, value: object) -> None:
    """What came is kept as it came."""
    given = {"headers": {}, "body": b"", name: value}

    assert getattr(letter_of(**given), name) == value


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ("", ""),
        (encoded(b"plain text"), "plain text"),
        (encoded("é".encode()[:1]), "�"),  # Kafka cuts after 1024 bytes
        ("not base64!", "not base64!"),
        ("YQ", "YQ"),  # no padding
        (encoded(b"\x00"), "\x00"),
        (encoded(b'{"reason": "cut'), '{"reason": "cut'),
    ],
)
def test_letter_of_error_data_decodes_what_can_be(data: str, error: str) -> None:
    """Whoever writes something else than base64 is shown with what they wrote."""
    letter = letter_of({"ce-id": "1", "ce-knativeerrordata": data}, b"")

    assert (letter.error, letter.reason) == (error, "")


@pytest.mark.parametrize(
    ("code", "status"), [("503", 503), ("", None), ("abc", None), ("5033", None), ("٥٠٣", None)]
)
def test_letter_of_error_code_is_three_digits_or_none(code: str, status: int | None) -> None:
    """Kafka's dispatcher gives no code for what did not answer."""
    assert letter_of({"ce-id": "1", "ce-knativeerrorcode": code}, b"").status == status


@pytest.mark.parametrize(
    ("destination", "row"),
    [
        (DESTINATION, "drafttopic"),
        ("http://h/models/revertrisk-language-agnostic", "revertrisk-language-agnostic"),
        ("http://h/", "of-the-event"),
        ("http://[broken/models/x", "of-the-event"),
        ("", "of-the-event"),
    ],
)
def test_letter_of_destination_names_the_row(destination: str, row: str) -> None:
    """A destination that is no row's leaves what the event says of its model."""
    headers = {"ce-id": "1", "ce-model": "of-the-event", "ce-knativeerrordest": destination}

    assert letter_of(headers, b"").row == row


@pytest.mark.parametrize(
    "error", [b'{"reason": 1}', b'["reason"]', b"null", b'{"reason": "' + b"x" * 65 + b'"}']
)
def test_letter_of_foreign_error_has_no_reason(error: bytes) -> None:
    """A reason is a slug of our own sinks."""
    assert letter_of({"ce-id": "1", "ce-knativeerrordata": encoded(error)}, b"").reason == ""


EVENTS = [
    Event({**ATTRIBUTES, "datacontenttype": "application/json"}, {"a": ["é", None]}),
    Event({**ATTRIBUTES, "datacontenttype": "application/json"}, {"a": 1}, "structured"),
    Event({**ATTRIBUTES, "datacontenttype": "text/plain"}, b"\x00\xff"),
    Event({**ATTRIBUTES, "datacontenttype": "text/plain"}, b"\x00\xff", "structured"),
    Event(ATTRIBUTES, NO_DATA),
    Event({**ATTRIBUTES, "subject": "enwiki/1", "time": "2026-01-01T00:00:00Z"}, NO_DATA),
]


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("error", [ERROR, b"", b"x" * 5000])
def test_undeliverable_event_comes_back_as_it_was(event: Event, error: bytes) -> None:
    """What the shim writes, the dead-letter sink reads, and a replay gets the same event."""
    message = cloudevent.encode(undeliverable(event, DESTINATION, 422, error), event.mode)
    headers = {name.lower(): value for name, value in message.headers.items()}

    letter = letter_of(headers, message.body)

    assert event_of(letter) == event
    assert (letter.destination, letter.status) == (DESTINATION, 422)
    assert letter.error == error[:MAX_ERROR_BYTES].decode()


def test_event_of_letter_leaves_out_what_knative_added() -> None:
    """A replayed event must not carry the failure of its last delivery."""
    headers = binary(**ATTRIBUTES, **FAILURE, knativearrivaltime="x", knativebrokerttl="3")

    assert event_of(letter_of(headers, b"")).attributes == ATTRIBUTES


@pytest.mark.parametrize(
    ("headers", "body"), [({}, b"x"), (binary(id="1"), b""), ({"content-type": "a/b"}, b"{}")]
)
def test_event_of_no_event_says_why(headers: Mapping[str, str], body: bytes) -> None:
    """What never was an event cannot be replayed as one."""
    with pytest.raises(SinkError) as raised:
        event_of(letter_of(headers, body))

    assert raised.value.outcome == "rejected"
