"""CloudEvents over HTTP: what is read, what is refused, and what others read of what we write.

The first number in a test's id is the row of the project's table of codec rules; `more` is beyond
it. The `cloudevents` SDK is the second opinion on everything that we write.
"""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import CloudEvent, from_http

from sinks.attributes import MAX_ATTRIBUTE_CHARS
from sinks.cloudevent import (
    NO_DATA,
    STRUCTURED_JSON,
    Event,
    Message,
    Mode,
    NoData,
    decode,
    encode,
    is_event,
)
from sinks.errors import InvalidEvent, MalformedEvent, SinkError
from sinks.sdk import from_sdk, to_sdk

MARKER = "Zq7"  # in every value that is refused: no message may quote it
KNOWN = {"id": "event-1", "source": "/mediawiki/enwiki", "type": "org.example.changed.v1"}
JSON_KNOWN = {**KNOWN, "datacontenttype": "application/json"}
JSON_KINDS: dict[str, Any] = {
    "object": {"a": {"b": [1, None]}},
    "list": [{"a": "b"}, None, True],
    "bool": True,
    "string": "hi",
    "null": None,
    "number": 0.25,
}


class Refusal(NamedTuple):
    """A permanent error: its status, and how its message begins."""

    status: int
    begins: str


class Row(NamedTuple):
    """One input and what has to come of it; `hidden` must not be in the message of a refusal."""

    name: str
    headers: Mapping[str, str]
    body: bytes
    expected: Event | Refusal
    hidden: str = MARKER


def binary_row(
    name: str,
    expected: Event | Refusal,
    over: Mapping[str, str | None] | None = None,
    body: bytes = b'{"a":1}',
    hidden: str = MARKER,
) -> Row:
    """A binary message with headers replaced or (None) removed."""
    headers: dict[str, str | None] = {
        "ce-specversion": "1.0",
        **{f"ce-{attribute}": value for attribute, value in KNOWN.items()},
        "Content-Type": "application/json",
        **(over or {}),
    }
    kept = {header: value for header, value in headers.items() if value is not None}
    return Row(name, kept, body, expected, hidden)


def structured_row(
    name: str,
    expected: Event | Refusal,
    over: Mapping[str, Any] | None = None,
    without: tuple[str, ...] = (),
    headers: Mapping[str, str] | None = None,
    hidden: str = MARKER,
) -> Row:
    """A structured message with members replaced or left out."""
    envelope = {"specversion": "1.0", **KNOWN, "data": {"a": 1}, **(over or {})}
    body = json.dumps({key: value for key, value in envelope.items() if key not in without})
    return Row(name, headers or {"Content-Type": STRUCTURED_JSON}, body.encode(), expected, hidden)


def of_binary(data: Any = None, /, **attributes: str) -> Event:
    """The event of a binary message with JSON data."""
    return Event({**JSON_KNOWN, **attributes}, {"a": 1} if data is None else data, "binary")


def of_structured(data: Any = None, /, **attributes: str) -> Event:
    """The event of a structured message with JSON data."""
    return Event({**JSON_KNOWN, **attributes}, {"a": 1} if data is None else data, "structured")


def body_row(
    name: str, content_type: str, body: bytes, begins: str = "the body is not JSON"
) -> Row:
    """A message whose body cannot be read."""
    if content_type == STRUCTURED_JSON:
        return Row(name, {"Content-Type": content_type}, body, Refusal(400, begins))
    return binary_row(name, Refusal(400, begins), {"Content-Type": content_type}, body)


NOT_JSON = {
    "byte-order-mark": b'\xef\xbb\xbf{"a":"Zq7"}',
    "nan": b'{"Zq7":NaN}',
    "infinity": b'{"Zq7":-Infinity}',
    "infinite-number": b'{"Zq7":1e400}',
    "truncated": b'{"Zq7":',
    "invalid-utf8": b'{"a":"Zq7\xff"}',
    "overlong-utf8": b'{"a":"Zq7\xc0\xa0"}',
    "utf16": '{"a":"Zq7"}'.encode("utf-16"),
    "lone-surrogate": b'{"a":"Zq7\\ud800"}',
    "two-values": b'{"a":"Zq7"}{}',
    "single-quotes": b"{'a':'Zq7'}",
    "deep-nesting": b"[" * 5000 + b"]" * 5000,
}
REQUIRED = ("specversion", "id", "source", "type")
BATCH = "application/cloudevents-batch"
UNREADABLE = "of the structured formats only"
FORBIDDEN_CHARS = {
    "nul": "\0",
    "newline": "\n",
    "carriage-return": "\r",
    "tab": "\t",
    "delete": "\x7f",
    "c1-control": "\x85",
    "last-c1-control": "\x9f",
    "noncharacter-fdd0": "\ufdd0",
    "noncharacter-fdef": "\ufdef",
    "noncharacter-fffe": "\ufffe",
    "noncharacter-1ffff": "\U0001ffff",
    "noncharacter-10ffff": "\U0010ffff",
}


def percent_encoded(text: str) -> str:
    """All bytes of the text as %XX."""
    return "".join(f"%{byte:02X}" for byte in text.encode())


READING = [
    binary_row("row01-four-headers-and-json", of_binary()),
    Row(
        "row02-names-in-any-case",
        {
            "CE-ID": KNOWN["id"],
            "Ce-Source": KNOWN["source"],
            "cE-tYPE": KNOWN["type"],
            "ce-SpecVersion": "1.0",
            "content-TYPE": "application/json",
            "CE-Subject": "s",
        },
        b'{"a":1}',
        of_binary(subject="s"),
    ),
    *(binary_row(f"row03-{n}-absent", Refusal(400, n), {f"ce-{n}": None}) for n in REQUIRED),
    *(binary_row(f"row03-{n}-empty", Refusal(400, n), {f"ce-{n}": ""}) for n in REQUIRED),
    *(
        structured_row(f"row03-structured-{n}-absent", Refusal(400, n), without=(n,))
        for n in REQUIRED
    ),
    *(structured_row(f"row03-structured-{n}-empty", Refusal(400, n), {n: ""}) for n in REQUIRED),
    *(structured_row(f"row03-structured-{n}-null", Refusal(400, n), {n: None}) for n in REQUIRED),
    binary_row("row03-id-empty-quotes", Refusal(400, "id"), {"ce-id": '""'}),
    *(
        binary_row(
            f"row04-specversion-{version}",
            Refusal(400, "specversion"),
            {"ce-specversion": version},
            hidden=version,
        )
        for version in ("0.3", "1.0.2", "1.0,1.0", "2.0")
    ),
    *(
        structured_row(
            f"row04-structured-specversion-{version}",
            Refusal(400, "specversion"),
            {"specversion": version},
            hidden=version,
        )
        for version in ("0.3", "1.0.2")
    ),
    structured_row(
        "row04-structured-specversion-number", Refusal(400, "specversion"), {"specversion": 1.0}
    ),
    *(
        structured_row(f"row05-structured-{name}", of_structured(), headers={"Content-Type": value})
        for name, value in {
            "plain": STRUCTURED_JSON,
            "charset": "application/cloudevents+json; charset=UTF-8",
            "charset-quoted": 'application/cloudevents+json;charset="utf-8"',
            "upper-case": "APPLICATION/CloudEvents+JSON",
            "space-before-semicolon": "application/cloudevents+json ; charset=utf-8",
        }.items()
    ),
    structured_row(
        "row06-structured-with-traceparent-header",
        of_structured(),
        headers={"Content-Type": STRUCTURED_JSON, "ce-traceparent": MARKER},
    ),
    structured_row(
        "row06-structured-with-contradicting-headers",
        of_structured(),
        headers={
            "Content-Type": STRUCTURED_JSON,
            "ce-specversion": "0.3",
            "ce-id": "other",
            "ce-source": "/other",
            "ce-type": "other",
            "ce-datacontenttype": "text/plain",
        },
    ),
    *(
        structured_row(f"row07-{kind}", Refusal(415, UNREADABLE), headers={"Content-Type": kind})
        for kind in (
            f"{BATCH}+json",
            f"{BATCH}+json; charset=utf-8",
            BATCH.upper(),
            "application/cloudevents+avro",
            "application/cloudevents+xml",
            "application/cloudevents",
            "Application/CloudEvents; charset=utf-8",
        )
    ),
    structured_row(
        "row07-structured-in-latin-1",
        Refusal(415, "JSON is UTF-8"),
        headers={"Content-Type": f"{STRUCTURED_JSON}; charset=iso-8859-1"},
    ),
    structured_row(
        "row08-whole-event-as-plain-json",
        Refusal(400, "no CloudEvent: send ce-specversion"),
        headers={"Content-Type": "application/json"},
    ),
    structured_row("row09-null-is-absent", of_structured(), {"time": None, "subject": None}),
    structured_row("row09-null-extension-is-absent", of_structured(), {"xone": None}),
    structured_row("row10-data-and-base64", Refusal(400, "either data"), {"data_base64": "Wnc3"}),
    structured_row(
        "row10-null-data-and-base64",
        Refusal(400, "either data"),
        {"data": None, "data_base64": "Wnc3"},
    ),
    *(
        structured_row(
            f"row10-base64-{name}",
            Refusal(400, "data_base64 is not base64"),
            {"data_base64": value},
            without=("data",),
        )
        for name, value in {
            "alphabet": "%Zq7",
            "padding": "Zq7",
            "too-much-padding": "YQ===",
            "newline": "YQ==\n",
            "non-ascii": "é",
            "url-safe": "-_-_",
            "number": 1,
            "list": ["YQ=="],
        }.items()
    ),
    structured_row(
        "row10-base64-of-json",
        of_structured({"a": 2}),
        {
            "datacontenttype": "application/json",
            "data_base64": base64.b64encode(b'{"a":2}').decode(),
        },
        without=("data",),
    ),
    structured_row(
        "row10-base64-of-no-json",
        Refusal(400, "the body is not JSON"),
        {"datacontenttype": "application/json", "data_base64": "Wnc3"},
        without=("data",),
    ),
    structured_row(
        "row10-base64-without-type-stays-bytes",
        Event(KNOWN, b"{}", "structured"),
        {"data_base64": base64.b64encode(b"{}").decode()},
        without=("data",),
    ),
    structured_row("row11-data-null", Event(JSON_KNOWN, None, "structured"), {"data": None}),
    structured_row("row11-no-data", Event(KNOWN, NO_DATA, "structured"), without=("data",)),
    structured_row(
        "row11-base64-null-is-no-data",
        Event(KNOWN, NO_DATA, "structured"),
        {"data_base64": None},
        without=("data",),
    ),
    binary_row("row11-binary-null", Event(JSON_KNOWN, None, "binary"), body=b"null"),
    binary_row("row11-binary-no-data", Event(JSON_KNOWN, NO_DATA, "binary"), body=b""),
    structured_row("row12-string-stays-string", of_structured('{"a":1}'), {"data": '{"a":1}'}),
    binary_row("row12-binary-string-stays-string", of_binary('{"a":1}'), body=b'"{\\"a\\":1}"'),
    *(
        body_row(f"row13-structured-{name}", STRUCTURED_JSON, body, "a structured CloudEvent is")
        for name, body in {
            "array": b"[]",
            "string": b'"Zq7"',
            "number": b"1",
            "null": b"null",
        }.items()
    ),
    *(body_row(f"row13-structured-{n}", STRUCTURED_JSON, body) for n, body in NOT_JSON.items()),
    body_row("row13-structured-empty", STRUCTURED_JSON, b""),
    *(body_row(f"row13-binary-{n}", "application/json", body) for n, body in NOT_JSON.items()),
    *(
        binary_row(f"row14-{name}", of_binary(subject=text), {"ce-subject": value})
        for name, value, text in (
            ("upper-case-hex", "caf%C3%A9", "café"),
            ("lower-case-hex", "caf%c3%a9", "café"),
            ("quotes", '"a b"', "a b"),
            ("raw-utf8", "café".encode().decode("latin-1"), "café"),
            ("raw-latin1", "caf\xe9", "café"),
            ("raw-space", "a b", "a b"),
            ("needless-escape", "%61b", "ab"),
            ("one-round-only", "%2541", "%41"),
            ("escapes-in-quotes", r'"a \"b\" \\"', r'a "b" \ '.rstrip()),
            ("percent-in-quotes", '"caf%C3%A9"', "café"),
            ("quotes-only-around-the-whole", 'a"b"', 'a"b"'),
            ("plus-is-no-space", "a+b", "a+b"),
            ("beyond-the-bmp", "%F0%9F%98%80", "\U0001f600"),
        )
    ),
    *(
        binary_row(f"row15-{name}", Refusal(400, "ce-subject"), {"ce-subject": f"{MARKER}{value}"})
        for name, value in {
            "overlong-utf8": "%C0%A0",
            "lone-percent": "%",
            "no-hexadecimal": "%zz",
            "one-digit": "%4",
            "one-digit-then-more": "%4g",
            "unicode-digits": "%\u0664\u0661".encode().decode("latin-1"),
            "latin1-byte": "%E9",
            "surrogate": "%ED%A0%80",
            "signed-digits": "%+1",
        }.items()
    ),
    *(
        binary_row(f"row16-{kind}", of_binary(datacontenttype=kind), {"Content-Type": kind})
        for kind in (
            "Application/JSON",
            "application/json ; charset=utf-8",
            "application/json;charset=UTF8",
            'application/json; charset="utf-8"',
            "application/json; charset=us-ascii",
            "application/vnd.x+json",
            "application/vnd.x_y+json; v=1",
            "text/json",
        )
    ),
    *(
        binary_row(f"row16-refused-{kind}", Refusal(415, "JSON is UTF-8"), {"Content-Type": kind})
        for kind in ("application/json; charset=iso-8859-1", "text/x+json;v=1;CHARSET=utf-16")
    ),
    binary_row(
        "row17-no-content-type-keeps-bytes", Event(KNOWN, b'{"a":1}'), {"Content-Type": None}
    ),
    binary_row("row17-empty-content-type", Event(KNOWN, b'{"a":1}'), {"Content-Type": ""}),
    binary_row(
        "row17-text-plain-keeps-bytes",
        Event({**KNOWN, "datacontenttype": "text/plain"}, b"\xff\x00{"),
        {"Content-Type": "text/plain"},
        b"\xff\x00{",
    ),
    binary_row(
        "row17-jsonlines-is-not-json",
        Event({**KNOWN, "datacontenttype": "application/jsonlines"}, b"{}"),
        {"Content-Type": "application/jsonlines"},
        b"{}",
    ),
    structured_row(
        "row17-structured-text",
        Event({**KNOWN, "datacontenttype": "text/plain"}, "é".encode(), "structured"),
        {"datacontenttype": "text/plain", "data": "é"},
    ),
    structured_row(
        "row17-structured-object-as-text",
        Refusal(400, "data of a datacontenttype that is not JSON"),
        {"datacontenttype": "text/plain", "data": {"a": MARKER}},
    ),
    *(
        binary_row(f"row18-{name}", of_binary(time=value), {"ce-time": value})
        for name, value in {
            "nine-digits": "2026-09-23T10:00:00.123456789Z",
            "lower-case": "2026-09-23t10:00:00z",
            "offset": "2026-09-23T12:00:00+02:00",
            "offset-minutes": "2026-09-23T12:00:00-03:30",
        }.items()
    ),
    structured_row(
        "row18-structured-nine-digits",
        of_structured(time="2026-09-23T10:00:00.123456789Z"),
        {"time": "2026-09-23T10:00:00.123456789Z"},
    ),
    *(
        binary_row(f"row18-refused-{name}", Refusal(400, "time"), {"ce-time": value}, hidden=hidden)
        for name, value, hidden in (
            ("word", "Zq7", "Zq7"),
            ("day-only", "2026-09-23", "2026-09-23 "),
            ("no-zone", "2031-09-23T10:00:00", "2031"),
            ("month-13", "2031-13-01T10:00:00Z", "2031"),
            ("day-30-of-february", "2031-02-30T10:00:00Z", "2031"),
            ("year-0", "0000-01-01T00:00:00Z", "0000"),
            ("hour-24", "2031-01-01T24:00:00Z", "2031"),
            ("comma", "2031-01-01T10:00:00,5Z", "2031"),
            ("newline", "2031-01-01T10:00:00Z%0A", "2031"),
            ("unicode-digits", "%D9%A2031-01-01T10:00:00Z", "031"),
            ("seconds-since-1970", "1790157600", "1790157600"),
        )
    ),
    structured_row("row18-structured-number", Refusal(400, "time"), {"time": 1790157600}),
    binary_row("more-subject-empty", Refusal(400, "subject"), {"ce-subject": ""}),
    structured_row("more-structured-subject-empty", Refusal(400, "subject"), {"subject": ""}),
    binary_row("more-dataschema-empty", Refusal(400, "dataschema"), {"ce-dataschema": ""}),
    binary_row("more-time-empty", Refusal(400, "time"), {"ce-time": ""}),
    structured_row(
        "more-structured-type-empty",
        Refusal(400, "datacontenttype"),
        {"datacontenttype": "", "data": "Zq7"},
    ),
    binary_row(
        "more-datacontenttype-header",
        Refusal(400, "ce-datacontenttype"),
        {"ce-datacontenttype": "application/json"},
        hidden="application/json",
    ),
    *(
        binary_row(
            f"more-{name}-in-attribute",
            Refusal(400, "subject"),
            {"ce-subject": MARKER + percent_encoded(char)},
        )
        for name, char in FORBIDDEN_CHARS.items()
    ),
    *(
        structured_row(
            f"more-structured-{name}-in-extension", Refusal(400, "xone"), {"xone": MARKER + char}
        )
        for name, char in FORBIDDEN_CHARS.items()
    ),
    binary_row("more-raw-c1-control", Refusal(400, "subject"), {"ce-subject": f"{MARKER}\x85"}),
    structured_row(
        "more-structured-lone-surrogate",
        Refusal(400, "the body is not JSON"),
        {"subject": f"{MARKER}\ud800"},
    ),
    *(
        binary_row(f"more-name-{name}", Refusal(400, "attribute names"), {f"ce-{name}": MARKER})
        for name in ("", "foo-bar", "foo_bar", "foo.bar", "caf\xe9", "data", "data_base64", "x\n")
    ),
    *(
        structured_row(
            f"more-structured-name-{name}", Refusal(400, "attribute names"), {name: MARKER}
        )
        for name in ("", "Foo", "foo-bar", "foo_bar", "café", "\u0661", "x\n", "x" * 50 + "-")
    ),
    *(
        structured_row(f"more-extension-{text}", of_structured(xone=text), {"xone": value})
        for text, value in (
            ("true", True),
            ("false", False),
            ("42", 42),
            ("0", 0),
            ("2147483647", 2**31 - 1),
            ("-2147483648", -(2**31)),
        )
    ),
    structured_row("more-extension-empty", of_structured(xone=""), {"xone": ""}),
    *(
        structured_row(f"more-extension-{name}", Refusal(400, "xone"), {"xone": value})
        for name, value in {
            "over-32-bit": 2**31,
            "under-32-bit": -(2**31) - 1,
            "fraction": 0.5,
            "object": {"a": MARKER},
            "list": [MARKER],
        }.items()
    ),
    *(
        structured_row(f"more-{name}-number", Refusal(400, name), {name: 42}, hidden="42")
        for name in ("id", "source", "type", "subject", "dataschema", "datacontenttype")
    ),
    structured_row("more-id-bool", Refusal(400, "id"), {"id": True}),
    binary_row(
        "more-over-long-attribute-is-read",
        of_binary(subject="s" * 5000),
        {"ce-subject": "s" * 5000},
    ),
    binary_row(
        "more-unknown-attributes-are-kept",
        of_binary(knativearrivaltime="2026-09-23T10:00:00.123456789Z", x1="y"),
        {"ce-knativearrivaltime": "2026-09-23T10:00:00.123456789Z", "ce-x1": "y", "X-Other": "z"},
    ),
    binary_row("more-duplicate-members-last-wins", of_binary({"a": 2}), body=b'{"a":1,"a":2}'),
    binary_row(
        "more-integers-stay-exact",
        of_binary([2**53 + 1, -(2**63), 2**64 - 1]),
        body=b"[9007199254740993,-9223372036854775808,18446744073709551615]",
    ),
]


def read(row: Row) -> Event | Refusal:
    """What the codec makes of a row, the message of a refusal cut to what is expected."""
    try:
        return decode(row.headers, row.body)
    except SinkError as error:
        begins = row.expected.begins if isinstance(row.expected, Refusal) else error.detail
        return Refusal(error.status, error.detail[: len(begins)])


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in READING])
def test_decode_table_row_gives_expected_event_or_refusal(row: Row) -> None:
    """Each row of the table is one event, or refused for good with a message that names why."""
    seen = read(row)

    assert seen == row.expected


@pytest.mark.parametrize(
    "row",
    [pytest.param(row, id=row.name) for row in READING if isinstance(row.expected, Refusal)],
)
def test_decode_refused_message_never_quotes_values(row: Row) -> None:
    """Messages go into answers and logs, so no part of what was sent stands in them."""
    with pytest.raises(SinkError) as refused:
        decode(row.headers, row.body)

    assert row.hidden not in str(refused.value)
    assert refused.value.outcome == "rejected"
    assert str(refused.value).isprintable()


def test_decode_row_names_unique_in_table() -> None:
    """Each row can be run alone by its id."""
    names = [row.name for row in READING]

    duplicates = {name for name in names if names.count(name) > 1}

    assert duplicates == set()


def test_decode_no_data_told_apart_from_null() -> None:
    """An event without data is not an event with the data `null`."""
    envelope = {"specversion": "1.0", **KNOWN}
    headers = {"Content-Type": STRUCTURED_JSON}

    absent = decode(headers, json.dumps(envelope).encode())
    null = decode(headers, json.dumps({**envelope, "data": None}).encode())

    assert (absent.data, null.data) == (NO_DATA, None)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({"Content-Type": "application/cloudevents+json"}, True, id="structured"),
        pytest.param({"content-type": "Application/CloudEvents+avro"}, True, id="unread-format"),
        pytest.param({"content-type": "application/cloudevents-batch+json"}, True, id="batch"),
        pytest.param({"Ce-Id": "1"}, True, id="one-binary-header"),
        pytest.param({"ce-specversion": "1.0"}, True, id="only-specversion"),
        pytest.param({"ce-traceparent": "x"}, False, id="only-extension"),
        pytest.param({"content-type": "application/json"}, False, id="plain-json"),
        pytest.param({}, False, id="nothing"),
    ],
)
def test_is_event_by_headers_tells_claim(headers: Mapping[str, str], expected: bool) -> None:
    """A request claims to be a CloudEvent by its content type or by any required header."""
    seen = is_event(headers)

    assert seen is expected


MODES = [pytest.param("binary", id="binary"), pytest.param("structured", id="structured")]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("subject", "café", id="row19-non-ascii"),
        pytest.param("subject", "a\nb", id="row19-newline"),
        pytest.param("subject", "a\r\nX-Injected: 1", id="row19-header-injection"),
        pytest.param("subject", "a b", id="row19-space"),
        pytest.param("subject", 'a"b', id="row19-quote"),
        pytest.param("subject", "a%20b", id="row19-percent"),
        pytest.param("subject", "a\x7f", id="row19-delete"),
        pytest.param("subject", "a\ud800", id="row19-lone-surrogate"),
        pytest.param("subject", "a\ufffe", id="row19-noncharacter"),
        pytest.param("subject", "s" * (MAX_ATTRIBUTE_CHARS + 1), id="row19-over-long"),
        pytest.param("datacontenttype", "text/plain\n", id="row19-newline-in-type"),
        pytest.param("datacontenttype", "text/plain; a=é", id="row19-non-ascii-type"),
        pytest.param("Subject", "s", id="row19-upper-case-name"),
        pytest.param("foo-bar", "s", id="row19-dash-in-name"),
        pytest.param("foo\n", "s", id="row19-newline-in-name"),
        pytest.param("café", "s", id="row19-non-ascii-name"),
        pytest.param("", "s", id="row19-empty-name"),
        pytest.param("id", "", id="row19-empty-id"),
        pytest.param("type", "", id="row19-empty-type"),
    ],
)
def test_encode_unsendable_attribute_raises_value_error(mode: Mode, name: str, value: str) -> None:
    """What would have to be encoded, or is too long, is a mistake of ours and never sent."""
    event = Event({**KNOWN, name: value}, NO_DATA)

    with pytest.raises(ValueError, match="attribute|without"):
        encode(event, mode)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["id", "source", "type"])
def test_encode_required_attribute_absent_raises_value_error(mode: Mode, name: str) -> None:
    """An event without id, source or type is not written."""
    event = Event({key: value for key, value in KNOWN.items() if key != name}, NO_DATA)

    with pytest.raises(ValueError, match=name):
        encode(event, mode)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("subject", "", id="empty-subject"),
        pytest.param("dataschema", "", id="empty-dataschema"),
        pytest.param("time", "yesterday", id="time-that-is-none"),
        pytest.param("data", "x", id="attribute-named-data"),
        pytest.param("specversion", "0.3", id="other-specversion"),
    ],
)
def test_encode_what_decode_refuses_raises_value_error(mode: Mode, name: str, value: str) -> None:
    """We never write an event that we would refuse to read."""
    event = Event({**KNOWN, name: value}, NO_DATA)

    with pytest.raises(ValueError):
        encode(event, mode)


@pytest.mark.parametrize("mode", MODES)
def test_encode_longest_attribute_is_written(mode: Mode) -> None:
    """An attribute of exactly the longest length can be written and read."""
    event = Event({**KNOWN, "subject": "s" * MAX_ATTRIBUTE_CHARS}, NO_DATA, mode)

    seen = decode(*encode(event, mode))

    assert seen == event


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "data", [pytest.param(data, id=f"row20-{kind}") for kind, data in JSON_KINDS.items()]
)
def test_encode_json_data_writes_valid_json(mode: Mode, data: Any) -> None:
    """JSON data of every kind is written as JSON, not as Python."""
    event = Event(JSON_KNOWN, data)

    body = json.loads(encode(event, mode).body)

    assert (body["data"] if mode == "structured" else body) == data


@pytest.mark.parametrize("mode", MODES)
def test_encode_data_with_untold_type_refuses_json_value(mode: Mode) -> None:
    """A JSON value without a JSON datacontenttype is a mistake of ours."""
    event = Event(KNOWN, {"a": 1})

    with pytest.raises(ValueError, match="bytes"):
        encode(event, mode)


@pytest.mark.parametrize("mode", MODES)
def test_encode_data_nested_too_deeply_is_invalid_event(mode: Mode) -> None:
    """What can be read but not written is refused for good, not a crash."""
    deep: Any = None
    for _ in range(300):
        deep = [deep]
    event = Event(JSON_KNOWN, deep)

    with pytest.raises(InvalidEvent) as refused:
        encode(event, mode)

    assert (refused.value.status, refused.value.reason) == (422, "invalid_document")


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        pytest.param(JSON_KNOWN, "application/json", id="row22-json"),
        pytest.param(
            {**KNOWN, "datacontenttype": "application/json; charset=utf-8"},
            "application/json; charset=utf-8",
            id="row22-json-with-charset",
        ),
    ],
)
def test_encode_binary_content_type_is_datacontenttype(
    attributes: Mapping[str, str], expected: str
) -> None:
    """In binary mode Content-Type says the type of the data, and no `ce-` header says it again."""
    message = encode(Event(attributes, {"a": 1}), "binary")

    assert message.headers["Content-Type"] == expected
    assert set(message.headers) == {
        "Content-Type",
        "ce-specversion",
        "ce-id",
        "ce-source",
        "ce-type",
    }


def test_encode_binary_without_datacontenttype_has_no_content_type() -> None:
    """A type that nobody stated is not invented (row 22)."""
    message = encode(Event(KNOWN, b"x"), "binary")

    assert "content-type" not in {name.lower() for name in message.headers}
    assert message.body == b"x"


def test_encode_structured_has_only_its_content_type() -> None:
    """In structured mode all attributes stand in the body, `datacontenttype` too (row 22)."""
    message = encode(Event(JSON_KNOWN, {"a": 1}), "structured")

    assert message.headers == {"Content-Type": STRUCTURED_JSON}
    assert json.loads(message.body) == {"specversion": "1.0", **JSON_KNOWN, "data": {"a": 1}}


PLAIN = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
TEXT = string.printable + "éß\u4e2d\u05d0\u200f\U0001f600\ufffe\x00\x85"
NAME = string.ascii_lowercase + string.digits
TIMES = ("2026-09-23T10:00:00Z", "2026-09-23t12:00:00.123456789+02:00")
JSON_TYPES = ("application/json", "application/vnd.x+json", "application/json; charset=utf-8")
OTHER_TYPES = ("text/plain", "application/octet-stream", "text/plain; charset=latin1")


def random_text(chance: random.Random, alphabet: str, least: int, most: int) -> str:
    return "".join(chance.choices(alphabet, k=chance.randint(least, most)))


def random_json(chance: random.Random, depth: int = 0) -> Any:
    """Any JSON value but an empty text at the top, which the SDK takes for no data."""
    kind = chance.randrange(8 if depth < 4 else 6)
    if kind == 0:
        return chance.choice((True, False))
    if kind == 1:
        return None
    if kind == 2:
        return chance.randint(-(2**63), 2**64 - 1)
    if kind == 3:
        return chance.uniform(-1e9, 1e9)
    if kind in (4, 5):
        return random_text(chance, TEXT, 0 if depth else 1, 20)
    if kind == 6:
        return [random_json(chance, depth + 1) for _ in range(chance.randrange(5))]
    return {
        random_text(chance, TEXT, 0, 9): random_json(chance, depth + 1)
        for _ in range(chance.randrange(5))
    }


def random_event(chance: random.Random) -> Event:
    """Any event that may be sent: attributes that need no encoding, data of any kind or none."""
    attributes = {name: random_text(chance, PLAIN, 1, 40) for name in ("id", "source", "type")}
    if chance.random() < 0.5:
        attributes["time"] = chance.choice(TIMES)
    for name in ("subject", "dataschema"):
        if chance.random() < 0.5:
            attributes[name] = random_text(chance, PLAIN, 1, 60)
    for _ in range(chance.randrange(5)):
        attributes["x" + random_text(chance, NAME, 0, 19)] = random_text(chance, PLAIN, 1, 200)
    data: Any = NO_DATA
    which = chance.random()
    if which < 0.7:
        attributes["datacontenttype"] = chance.choice(JSON_TYPES)
        data = random_json(chance) if which < 0.65 else NO_DATA
    elif which < 0.95:
        data = chance.randbytes(chance.randint(1, 40))
        if which < 0.85:
            attributes["datacontenttype"] = chance.choice(OTHER_TYPES)
    return Event(attributes, data)


RANDOM_EVENTS = [random_event(random.Random(seed)) for seed in range(600)]  # noqa: S311
EVENTS = [Event(JSON_KNOWN, data) for data in JSON_KINDS.values()] + RANDOM_EVENTS


def read_by_sdk(message: Message, event: Event) -> tuple[dict[str, Any], Any]:
    """Attributes and data as the SDK reads them; it invents a `time`, which is taken away again."""
    is_bytes = isinstance(event.data, bytes)
    read = from_http(
        message.headers, message.body, data_unmarshaller=(lambda raw: raw) if is_bytes else None
    )
    attributes = dict(read.get_attributes())
    if "time" not in event.attributes:
        del attributes["time"]
    return {name: value for name, value in attributes.items() if value is not None}, read.get_data()


def as_sdk_says(event: Event) -> tuple[dict[str, Any], Any]:
    """Attributes and data in the SDK's terms, where no data and `null` are the same."""
    data = None if isinstance(event.data, NoData) else event.data
    return {"specversion": "1.0", **event.attributes}, data


@pytest.mark.parametrize("mode", MODES)
def test_encode_row21_any_sendable_event_is_read_equal_by_sdk(mode: Mode) -> None:
    """Whatever we write, an independent party reads as the same event."""
    messages = [(encode(event, mode), event) for event in EVENTS]

    seen = [read_by_sdk(message, event) for message, event in messages]

    assert seen == [as_sdk_says(event) for event in EVENTS]


@pytest.mark.parametrize("mode", MODES)
def test_encode_row21_any_sendable_event_is_read_equal_by_decode(mode: Mode) -> None:
    """Whatever we write, we read as the same event, no data and `null` told apart."""
    events = [Event(event.attributes, event.data, mode) for event in EVENTS]

    seen = [decode(*encode(event, mode)) for event in events]

    assert seen == events


@pytest.mark.parametrize("mode", MODES)
def test_decode_row21_any_event_written_by_sdk_is_read_equal(mode: Mode) -> None:
    """Whatever the SDK writes of an event with data and time, we read as the same event."""
    write = to_binary if mode == "binary" else to_structured
    events = [
        Event({**event.attributes, "time": TIMES[0]}, event.data, mode)
        for event in EVENTS
        if event.data is not None and not isinstance(event.data, NoData)
    ]

    seen = [decode(*write(to_sdk(event))) for event in events]

    assert len(events) > 400
    assert seen == events


def test_sdk_roundtrip_any_event_is_equal() -> None:
    """Our events and the SDK's turn into each other; data `null` becomes none, time is needed."""
    events = [
        Event({**event.attributes, "time": TIMES[1]}, NO_DATA if event.data is None else event.data)
        for event in EVENTS
    ]

    seen = [from_sdk(to_sdk(event)) for event in events]

    assert seen == events


@pytest.mark.parametrize(
    ("attributes", "named"),
    [
        pytest.param({"id": ""}, "id", id="empty-id"),
        pytest.param({"type": ""}, "type", id="empty-type"),
        pytest.param({"subject": ""}, "subject", id="empty-subject"),
        pytest.param({"time": "Zq7"}, "time", id="time-that-is-none"),
        pytest.param({"foo-bar": "Zq7"}, "attribute names", id="dash-in-name"),
        pytest.param({"specversion": "0.3"}, "specversion", id="old-specversion"),
        pytest.param({"xone": {"a": "Zq7"}}, "xone", id="object-extension"),
        pytest.param({"xone": "Zq7\n"}, "xone", id="newline"),
        pytest.param({"xone": "Zq7\ud800"}, "xone", id="lone-surrogate"),
        pytest.param({"id": 1}, "id", id="integer-id"),
    ],
)
def test_from_sdk_leniently_made_event_is_malformed(attributes: dict[str, Any], named: str) -> None:
    """What the SDK lets pass and the specification does not is refused, naming the attribute."""
    event = CloudEvent({**KNOWN, **attributes})

    with pytest.raises(MalformedEvent) as refused:
        from_sdk(event)

    assert (refused.value.status, refused.value.detail[: len(named)]) == (400, named)
    assert MARKER not in str(refused.value)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("attributes", "data"),
    [
        pytest.param({}, {"a": 1}, id="object-without-type"),
        pytest.param({}, [1], id="list-without-type"),
        pytest.param({"datacontenttype": "application/json"}, b'{"a":1}', id="serialised-json"),
        pytest.param({"datacontenttype": "text/plain"}, "hi", id="text-as-str"),
    ],
)
def test_from_sdk_ordinary_data_can_be_written(
    attributes: dict[str, str], data: Any, mode: Mode
) -> None:
    """Events as people make them with the SDK can be written once they are ours."""
    event = from_sdk(CloudEvent({**KNOWN, **attributes}, data))

    written = decode(*encode(event, mode))

    assert written.data in ({"a": 1}, [1], b"hi")
