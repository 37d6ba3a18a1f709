"""The correct foreign sink is correct: else nothing follows from the probe's finding nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.factories import PAGE_CHANGE_TYPE, binary, page_change, structured
from tests.foreign.servers import FOREIGN, serving
from tests.processes import Running
from tests.tools import teller
from tests.upstream import Reply, call

REPLY_TYPE = "com.example.members.counted"
STRUCTURED = "application/cloudevents+json"
MAKE = {"binary": binary, "structured": structured}


@pytest.fixture(scope="module")
def sink(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """The Go program, on a port of its own."""
    foreign = FOREIGN["go"](teller(request.config))
    with serving("go", foreign, tmp_path_factory.mktemp("go-sink")) as running:
        yield running


def attributes(reply: Reply) -> dict[str, Any]:
    """Return the attributes of a reply in either mode."""
    if reply.headers["content-type"] == STRUCTURED:
        return {name: value for name, value in reply.json().items() if name != "data"}
    headers = {name.lower(): value for name, value in reply.headers.items()}
    return {name[3:]: value for name, value in headers.items() if name.startswith("ce-")}


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_page_change_is_answered_in_its_own_mode_and_alike_each_time(
    sink: Running, mode: str
) -> None:
    """One event comes back, the same for a redelivery in whatever mode."""
    headers, body = MAKE[mode](page_change(), time="2026-09-23T10:00:00.123456789Z")

    first = call(sink.port, "/", headers, body)
    again = call(sink.port, "/", headers, body)
    other = call(
        sink.port, "/", *MAKE["structured" if mode == "binary" else "binary"](page_change())
    )

    assert (first.status, again.status, other.status) == (200, 200, 200)
    expected = STRUCTURED if mode == "structured" else "application/json"
    assert first.headers["content-type"] == expected
    found = attributes(first)
    assert found["type"] == REPLY_TYPE
    assert found["time"] == "2026-09-23T10:00:00.123456789Z"
    assert found == attributes(again)
    assert found["id"] == attributes(other)["id"]
    data = first.json()["data"] if mode == "structured" else first.json()
    assert data == {"members": len(page_change())}


def test_its_own_reply_is_done_with(sink: Running) -> None:
    """What the sink says itself does not go round in circles."""
    reply = call(sink.port, "/", *binary({"members": 1}, type=REPLY_TYPE))

    assert (reply.status, reply.body) == (202, b"")
    assert reply.headers["content-type"] is None


def raw(body: bytes, content_type: str = STRUCTURED) -> tuple[dict[str, str], bytes]:
    """A request with this body only."""
    return {"Content-Type": content_type}, body


ENVELOPE = f'"specversion": "1.0", "id": "1", "source": "/a", "type": "{PAGE_CHANGE_TYPE}"'
JSON = "application/json"
WRONG: dict[str, tuple[int, tuple[dict[str, str], bytes]]] = {
    "version_0_3": (400, binary({}, specversion="0.3")),
    "missing_id": (400, structured({}, id=None)),
    "empty_subject": (400, binary({}, subject="")),
    "name_with_dash": (400, binary({}, **{"a-b": "x"})),
    "name_data": (400, ({**binary({})[0], "ce-data": "x"}, b"{}")),
    "name_upper_case": (400, structured({}, myName="x")),
    "datacontenttype_header": (400, binary({}, datacontenttype=JSON)),
    "extension_float": (400, structured({}, share=0.5)),
    "extension_too_large": (400, structured({}, count=2**31)),
    "control_character": (400, structured({}, subject="a\nb")),
    "half_a_character": (400, raw(b'{%s, "subject": "\\ud800", "data": {}}' % ENVELOPE.encode())),
    "time": (400, binary({}, time="yesterday")),
    "data_twice": (400, structured({}, data_base64="e30=")),
    "not_base64": (400, raw(b'{%s, "data_base64": "%%"}' % ENVELOPE.encode())),
    "byte_order_mark": (400, raw(b"\xef\xbb\xbf{%s}" % ENVELOPE.encode())),
    "array": (400, raw(b"[{%s}]" % ENVELOPE.encode())),
    "not_utf8": (400, (binary({})[0], b'{"a": "\xff"}')),
    "nan": (400, (binary({})[0], b'{"a": NaN}')),
    "data_array": (422, binary([])),
    "data_null": (422, structured(None)),
    "batch": (415, raw(b"[]", "application/cloudevents-batch+json")),
    "format_not_stated": (415, raw(b"{}", "application/cloudevents")),
    "other_charset": (415, raw(b"{}", f"{STRUCTURED}; charset=utf-16")),
    "text": (415, ({**binary({})[0], "Content-Type": "text/plain"}, b"{}")),
    "too_large": (413, (binary({})[0], b" " * (5 * 2**20))),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_event_is_refused_in_one_short_line(sink: Running, name: str) -> None:
    """Whatever is wrong is a permanent failure, with an error that no dispatcher stumbles over."""
    status, request = WRONG[name]

    reply = call(sink.port, "/", *request)

    assert reply.status == status
    assert reply.headers["content-type"] == JSON
    assert len(reply.body) <= 768
    assert b"\n" not in reply.body
    assert set(reply.json()) == {"error"}


ODD: dict[str, tuple[dict[str, Any], bytes]] = {
    "lower_case_time": binary({}, time="2026-09-23t10:00:00z"),
    "json_suffix": ({**binary({})[0], "Content-Type": "application/vnd.x_y+json"}, b"{}"),
    "structured_json_suffix": structured({}, datacontenttype="application/vnd.x_y+json"),
    "null_attributes": structured({}, subject=None, time=None, dataschema=None),
    "native_extensions": structured({}, sampledrate=42, flag=True),
    "percent": binary({}, subject="50%"),
    "raw_latin1": ({**binary({})[0], "ce-subject": b"caf\xe9"}, b"{}"),
    "raw_utf8": ({**binary({})[0], "ce-subject": "café".encode()}, b"{}"),
    "relative_dataschema": binary({}, dataschema="/a/1.0.0"),
    "base64": raw(
        b'{%s, "datacontenttype": "application/json", "data_base64": "e30="}' % ENVELOPE.encode()
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_but_legal_event_is_answered(sink: Running, name: str) -> None:
    """What the Go SDK alone would refuse is taken, or what others write wrong without harm."""
    assert call(sink.port, "/", *ODD[name]).status == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_method_is_refused(sink: Running, method: str) -> None:
    """Events are POSTed."""
    reply = call(sink.port, "/", method=method)

    assert (reply.status, reply.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", ["/x", "//", "/a/../", "/%2F"])
def test_other_path_is_unknown_and_never_a_redirect(sink: Running, path: str) -> None:
    """A redirected event is lost."""
    reply = call(sink.port, path, *binary(page_change()))

    assert reply.status == 404
    assert len(json.dumps(reply.json())) <= 768
