"""What SDKs do wrong when our programs do not help them, one event each.

sdk1.py, sdk2.py and the Go program work around these mistakes, as everybody has to who sends events
with these SDKs. Each row shows that the mistake is still made, so that no workaround outlives its
reason.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass

from tests.interop.deviations import PartyName, Role
from tests.interop.exchange import Line, Mode, bytes_data, header_value


@dataclass(frozen=True)
class Unaided:
    """One mistake.

    line:   the event to write, or the message to read.
    shows:  of the answer (a message, an event or an error), that the mistake is still made.
    """

    party: PartyName
    does: Role
    what: str
    line: Line
    shows: Callable[[Line], bool]


def _event(mode: Mode, data: Line | None = None, **attributes: str | bool | int | None) -> Line:
    known = {"id": "1", "source": "/a", "type": "b", "time": "2026-09-23T10:00:00Z"}
    named = {name: value for name, value in {**known, **attributes}.items() if value is not None}
    return {"mode": mode, "attributes": named, "data": data, "as_is": True}


def _message(body: bytes, **headers: str | None) -> Line:
    known = {"specversion": "1.0", "id": "1", "source": "/a", "type": "b"}
    content_type = headers.pop("content_type", None)
    named = [[f"ce-{name}", value] for name, value in {**known, **headers}.items() if value]
    if content_type:
        named.append(["content-type", content_type])
    return {"headers": named, "body": bytes_data(body)["base64"], "as_is": True}


def _header(name: str, value: object) -> Callable[[Line], bool]:
    return lambda line: header_value(line, f"ce-{name}") == value


def _has_header(name: str) -> Callable[[Line], bool]:
    return lambda line: bool(header_value(line, f"ce-{name}"))


def _body(raw: bytes) -> Callable[[Line], bool]:
    return lambda line: base64.b64decode(line["body"]) == raw


def _member(name: str, value: object) -> Callable[[Line], bool]:
    return lambda line: json.loads(base64.b64decode(line["body"])).get(name, "absent") == value


def _attribute(name: str, value: str) -> Callable[[Line], bool]:
    return lambda line: line["attributes"].get(name) == value


def _data(value: object) -> Callable[[Line], bool]:
    return lambda line: line["data"] == {"json": value}


def _refused(line: Line) -> bool:
    return "error" in line


_JSON = "application/json"
_PYTHON_LIST = [{"a": "b"}, None, True]
UNAIDED = (
    # cloudevents 1.x
    Unaided(
        "sdk1", "writes", "no percent-encoding",
        _event("binary", subject="50% café"), _header("subject", "50% café"),
    ),
    Unaided(
        "sdk1", "writes", "text beyond Latin-1 cannot be sent as it hands it over",
        _event("binary", subject="日本"), _refused,
    ),
    Unaided(
        "sdk1", "writes", "an extension that is no text is no header",
        _event("binary", flag=True), _header("flag", True),
    ),
    Unaided(
        "sdk1", "writes", "JSON null is left out",
        _event("structured", {"json": None}, datacontenttype=_JSON), _member("data", "absent"),
    ),
    Unaided(
        "sdk1", "writes", "text/plain is put into quotes",
        _event("binary", {"json": "hi"}, datacontenttype="text/plain"), _body(b'"hi"'),
    ),
    Unaided(
        "sdk1", "writes", "a time is made up",
        _event("binary", time=None), _has_header("time"),
    ),
    Unaided(
        "sdk1", "reads", "text that looks like JSON is read as JSON",
        _message(b"123", content_type="text/plain"), _data(123),
    ),
    Unaided(
        "sdk1", "reads", "no percent-decoding",
        _message(b"{}", subject="%C3%A9", content_type=_JSON), _attribute("subject", "%C3%A9"),
    ),
    # cloudevents 2.x
    Unaided(
        "sdk2", "writes", "a list becomes Python's repr",
        _event("binary", {"json": _PYTHON_LIST}, datacontenttype=_JSON),
        _body(repr(_PYTHON_LIST).encode()),
    ),
    Unaided(
        "sdk2", "writes", "JSON true becomes Python's",
        _event("binary", {"json": True}, datacontenttype=_JSON), _body(b"True"),
    ),
    Unaided(
        "sdk2", "writes", "a JSON string loses its quotes",
        _event("binary", {"json": "hi"}, datacontenttype=_JSON), _body(b"hi"),
    ),
    Unaided(
        "sdk2", "writes", "JSON null is left out",
        _event("structured", {"json": None}, datacontenttype=_JSON), _member("data", "absent"),
    ),
    Unaided(
        "sdk2", "writes", "a boolean extension becomes Python's",
        _event("binary", flag=True), _header("flag", "True"),
    ),
    Unaided(
        "sdk2", "writes", "data of a JSON type that it does not know becomes Python's repr",
        _event("structured", {"json": _PYTHON_LIST}, datacontenttype="application/a_b+json"),
        _member("data", repr(_PYTHON_LIST)),
    ),
    Unaided(
        "sdk2", "reads", "does not see that a type in capitals is JSON",
        _message(b"[1]", content_type="Application/JSON"), _data("[1]"),
    ),
    Unaided(
        "sdk2", "reads", "makes up a missing id",
        _message(b"{}", id=None, content_type=_JSON), lambda line: bool(line["attributes"]["id"]),
    ),
    # sdk-go
    Unaided(
        "go", "writes", "no percent-encoding",
        _event("binary", subject="50%"), _header("subject", "50%"),
    ),
    Unaided(
        "go", "writes", "structured data of a +json type becomes text that holds JSON",
        _event("structured", {"json": {"a": 1}}, datacontenttype="application/a+json"),
        _member("data", '{"a":1}'),
    ),
    Unaided(
        "go", "reads", "no percent-decoding",
        _message(b"{}", subject="%C3%A9", content_type=_JSON), _attribute("subject", "%C3%A9"),
    ),
    Unaided(
        "go", "reads", "refuses a time in lower case",
        _message(b"{}", time="2026-09-23t10:00:00z", content_type=_JSON), _refused,
    ),
)  # fmt: skip
