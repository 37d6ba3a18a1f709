"""Rows about the CloudEvents envelope: which messages are events, and what is none.

source: cloudevents/spec v1.0.2: spec.md, bindings/http-protocol-binding.md, formats/json-format.md.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Final

from sinks.contract.rows.row import (
    EVERYBODY,
    GOOD,
    LOST,
    NOT_AN_EVENT,
    OURS,
    PROCESSORS,
    SANE,
    Demand,
    Row,
    malformed,
    rejected,
)
from sinks.contract.rows.sample import after_the_usual, envelope, members, post
from sinks.contract.rows.script import body, header, named

_MODES: Final = "CloudEvents 1.0.2, http-protocol-binding.md 3"
_JSON: Final = "CloudEvents 1.0.2, json-format.md"


def _into_base64(members: dict[str, Any]) -> None:
    raw = json.dumps(members.pop("data")).encode()
    members["data_base64"] = base64.b64encode(raw).decode()


_HEADER_NAMES: Final = Demand(
    EVERYBODY, "RFC 9110, 5.1: header names have no case", LOST, "compare names without case"
).rows(
    {
        "names_upper_case": after_the_usual("binary", named(lambda name: name.upper())),
        "names_mixed_case": after_the_usual("binary", named(lambda name: name.title())),
    },
    GOOD,
    GOOD,
    relation="same_id",
)

_MODE: Final = Demand(
    EVERYBODY,
    f"{_MODES}: the Content-Type decides the mode, and in structured mode the body counts",
    "headers that an intermediary added would make another event of it, or none",
    "decide the mode by Content-Type, and read nothing but the body of a structured event",
).rows(
    {
        "structured_with_trace_header": after_the_usual(
            "structured", header("ce-traceparent", f"00-{'1' * 32}-{'2' * 16}-01")
        ),
        "structured_with_contradicting_headers": after_the_usual(
            "structured",
            header("ce-specversion", "1.0"),
            *(header(f"ce-{name}", "other") for name in ("id", "source", "type")),
        ),
    },
    GOOD,
    GOOD,
    relation="same_id",
)

_MEMBERS: Final = Demand(
    EVERYBODY,
    f"{_JSON} 2 and 3: null is absent, extensions may be booleans and integers, data may be base64",
    LOST,
    "read all forms that the JSON format has",
).rows(
    {
        "structured_null_attributes": after_the_usual(
            "structured", members(subject=None, dataschema=None, time=None)
        ),
        "structured_typed_extensions": after_the_usual(
            "structured", members(sampledrate=42, flag=True, word="x")
        ),
        "structured_data_base64": after_the_usual("structured", envelope(_into_base64)),
    },
    GOOD,
    GOOD,
    relation="same_id",
)

_ENCODED: Final = Demand(
    EVERYBODY,
    "CloudEvents 1.0.2, http-protocol-binding.md 3.1.3; Knative sends raw UTF-8",
    NOT_AN_EVENT,
    "undo quotes and one round of percent-encoding; take what is not UTF-8 for Latin-1",
).rows(
    {
        f"subject_{name}": post("binary", header("ce-subject", value))
        for name, value in {
            "percent_encoded": b"caf%C3%A9",
            "percent_encoded_lower_case": b"caf%c3%a9",
            "quoted": b'"a b"',
            "raw_utf8": "café".encode(),
            "raw_latin1": "café".encode("latin-1"),
        }.items()
    },
    SANE,
)

_BROKEN: Final = {
    "empty": b"",
    "cut_off": b"{",
    "array": b"[]",
    "number": b"1",
    "string": b'"a"',
    "null": b"null",
    "not_utf8": b"\xff",
    "byte_order_mark": b"\xef\xbb\xbf{}",
    "nan": b'{"a": NaN}',
    "deep": b'{"a":' * 10_000,
    "nul": b"\x00",
}
_BODIES: Final = tuple(
    row
    for mode, roles in (("structured", EVERYBODY), ("binary", OURS))
    for row in Demand(
        roles, f"{_JSON}; RFC 8259", NOT_AN_EVENT, "answer 400 to whatever is no JSON object"
    ).rows(
        {f"body_{name}_{mode}": post(mode, body(raw)) for name, raw in _BROKEN.items()},
        rejected(400),
    )
)

_AS_MEMBERS: Final = body(
    lambda raw: json.dumps({**json.loads(raw), "id": "1", "type": "a", "source": "b"}).encode()
)
_NOT_EVENTS: Final = (
    *Demand(
        PROCESSORS,
        f"{_MODES}: the Content-Type and the ce- headers say what is an event",
        "any JSON whose members happen to be called so would be taken for an event",
        "answer 400 unless the headers make it an event",
    ).rows(
        {
            "json_with_members_called_so": post("plain", _AS_MEMBERS),
            "structured_sent_as_json": post(
                "structured", header("content-type", "application/json")
            ),
        },
        malformed(),
    ),
    *Demand(EVERYBODY, f"{_JSON} 4: a batch has its own type", NOT_AN_EVENT, "answer 400").rows(
        {"structured_array": post("structured", body(lambda raw: b"[" + raw + b"]"))}, malformed()
    ),
    *Demand(
        OURS, "MediaWiki event platform: one document an event", NOT_AN_EVENT, "answer a 4xx"
    ).rows({"data_array": post("binary", body(b'[{"a": 1}]'))}, malformed(reason="malformed_data")),
)

ROWS: Final[tuple[Row, ...]] = (
    *_HEADER_NAMES,
    *_MODE,
    *_MEMBERS,
    *_ENCODED,
    *_BODIES,
    *_NOT_EVENTS,
)
