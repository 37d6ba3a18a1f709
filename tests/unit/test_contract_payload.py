"""What a file is taken for before it is checked: JSON, HTTP as captured, or nothing to check."""

from __future__ import annotations

import io
import json
import os
import threading
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from sinks.contract.check.capture import payload_of
from sinks.contract.check.payload import MAX_PAYLOAD_BYTES, Payload, Unreadable, read_limited
from tests.factories import DATA, page_change

EVENT = b'{"specversion":"1.0","id":"1","source":"/x","type":"x","data":{"a":1}}'
DOCUMENT = json.dumps(page_change()).encode()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nce-id: 1\r\n"


def rules(payload: Payload) -> list[str]:
    """The slugs of what is wrong with a capture as a capture."""
    return [finding.rule for finding in payload.findings]


# JSON.


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        pytest.param(EVENT, "structured JSON", id="specversion"),
        pytest.param(b"\n \t" + EVENT + b"\n", "structured JSON", id="white-space-around"),
        pytest.param(b'{"specversion":null,"$schema":"/x"}', "structured JSON", id="both"),
        pytest.param(b'{"id":"1","source":"/x","data":1}', "structured JSON", id="no-specversion"),
        pytest.param(b"\xef\xbb\xbf" + EVENT, "structured JSON", id="byte-order-mark"),
        pytest.param(EVENT.replace(b"1}", b"NaN}"), "structured JSON", id="nan"),
        pytest.param(EVENT.replace(b'"x"', b'"\xff"'), "structured JSON", id="invalid-utf-8"),
        pytest.param(b"[" + EVENT + b"]", "structured JSON", id="array-of-events"),
        pytest.param(DOCUMENT, "event-platform document", id="document"),
        pytest.param(b'{"meta":{}}', "event-platform document", id="meta-alone"),
        pytest.param(b'{"$schema":"/x/1.0.0"}', "event-platform document", id="schema-alone"),
        pytest.param(b"[" + DOCUMENT + b"]", "event-platform document", id="array-of-documents"),
    ],
)
def test_json_by_its_members_is_event_or_document(content: bytes, kind: str) -> None:
    """`specversion` makes an event, `$schema` or `meta` a document; faults inside do not matter."""
    payload = payload_of(content)

    assert (payload.kind, payload.body, payload.findings) == (kind, content, ())


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b" \r\n\t\n", "is empty", id="white-space"),
        pytest.param(b"\x7fELF\x02\x01\x01\0\0\0", "neither JSON nor an HTTP capture", id="binary"),
        pytest.param(bytes(range(256)), "neither JSON nor an HTTP capture", id="all-bytes"),
        pytest.param(b"\x1f\x8b\x08\0", "neither JSON nor an HTTP capture", id="gzip"),
        pytest.param(b"curl: (7) Failed to connect", "neither JSON nor", id="curl-error"),
        pytest.param(b"ce-id: 1\r\n\r\n{}", "neither JSON nor", id="headers-without-first-line"),
        pytest.param(EVENT.decode().encode("utf-16"), "is UTF-16", id="utf-16"),
        pytest.param(b'{"specversion": "1.0",', "is not JSON", id="cut-off"),
        pytest.param(b'{"specversion": "1.0"\n "id": "1"}', "line 2 column 2", id="place"),
        pytest.param(b"{'specversion': '1.0'}", "is not JSON", id="single-quotes"),
        pytest.param(b"[" * 5000, "is not JSON", id="deep"),
        pytest.param(EVENT + b"\n" + EVENT + b"\n", "several JSON documents", id="ndjson"),
        pytest.param(DOCUMENT + b" " + DOCUMENT, "several JSON documents", id="two-documents"),
        pytest.param(b"{}", "neither a CloudEvent", id="empty-object"),
        pytest.param(b'{"reason":"bug","id":"1"}', "neither a CloudEvent", id="other-object"),
        pytest.param(b"[]", "neither a CloudEvent", id="empty-array"),
        pytest.param(b"[1]", "neither a CloudEvent", id="array-of-numbers"),
        pytest.param(
            json.dumps({"specversion": "1.0"} | {f"x{n}": 1 for n in range(1000)}).encode(),
            "has 1001 members",
            id="too-many-members",
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\n" + b"a: 1\r\n" * 2000 + b"\r\n", "over 1000 lines", id="headers"
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\na: " + b"1" * 300_000 + b"\r\n\r\n", "256 KiB", id="long-header"
        ),
    ],
)
def test_file_that_is_no_payload_is_unreadable_in_one_line(content: bytes, problem: str) -> None:
    """Whoever names the wrong file is told what it is instead."""
    with pytest.raises(Unreadable) as refused:
        payload_of(content)

    assert problem in str(refused.value)
    assert str(refused.value).isprintable()


# HTTP.


@pytest.mark.parametrize(
    ("first", "kind", "status", "method", "target"),
    [
        pytest.param("HTTP/1.1 200 OK", "HTTP response", 200, "", "", id="response"),
        pytest.param("HTTP/1.1 404", "HTTP response", 404, "", "", id="no-phrase"),
        pytest.param("HTTP/2 202 ", "HTTP response", 202, "", "", id="http-2-of-curl"),
        pytest.param("HTTP/1.0 503 X Y", "HTTP response", 503, "", "", id="http-1.0"),
        pytest.param("POST /x?y=z HTTP/1.1", "HTTP request", None, "POST", "/x?y=z", id="request"),
        pytest.param(
            "GET http://h/x HTTP/1.1", "HTTP request", None, "GET", "http://h/x", id="absolute"
        ),
    ],
)
@pytest.mark.parametrize("line_end", ["\r\n", "\n"], ids=["crlf", "lf"])
def test_capture_by_its_first_line_is_request_or_response(
    first: str, kind: str, status: int | None, method: str, target: str, line_end: str
) -> None:
    """Both line ends are read; header values are one Latin-1 character a byte."""
    lines = [first, "Host: a", "ce-subject:  caf\xc3\xa9 ", "ce-empty:", "", "body\r\n\r\n"]
    payload = payload_of(line_end.join(lines).encode("latin-1"))

    assert (payload.kind, payload.status) == (kind, status)
    assert (payload.method, payload.target) == (method, target)
    assert payload.headers == (("Host", "a"), ("ce-subject", "caf\xc3\xa9"), ("ce-empty", ""))
    assert payload.body == b"body\r\n\r\n"
    assert payload.findings == ()


def test_capture_with_repeated_headers_keeps_them() -> None:
    """What gunicorn joins with a comma is two headers on the wire."""
    payload = payload_of(HEAD + b"CE-Id: 2\r\n\r\n{}")

    assert payload.headers[1:] == (("ce-id", "1"), ("CE-Id", "2"))
    assert payload.joined()["ce-id"] == "1,2"


def test_capture_of_a_head_alone_has_no_body() -> None:
    """`curl -I` prints no body, and not always an empty line."""
    payload = payload_of(b"HTTP/1.1 202 ACCEPTED\r\nServer: x\r\n")

    assert (payload.status, payload.headers, payload.body) == (202, (("Server", "x"),), b"")


def test_capture_after_interim_answers_is_the_final_one() -> None:
    """100 Continue and 103 Early Hints come before the answer, and are none."""
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    payload = payload_of(interim + HEAD + b"\r\n{}")

    assert (payload.status, payload.body) == (200, b"{}")


@pytest.mark.parametrize(
    ("length", "sent", "seen", "found"),
    [
        pytest.param("2", b"{}", b"{}", [], id="equal"),
        pytest.param("2", b"{}\n", b"{}", [], id="line-break-of-an-editor"),
        pytest.param("5", b"{}", b"{}", ["content_length"], id="cut-off"),
        pytest.param("2", b"{}xyz", b"{}", ["content_length"], id="too-much"),
        pytest.param("x", b"{}", b"{}", ["content_length"], id="no-number"),
        pytest.param("-1", b"{}", b"{}", ["content_length"], id="negative"),
        pytest.param("2\r\nContent-Length: 2", b"{}", b"{}", [], id="twice-the-same"),
        pytest.param("2\r\nContent-Length: 3", b"{}", b"{}", ["content_length"], id="two"),
        pytest.param("1" * 40, b"{}", b"{}", ["content_length"], id="forty-digits"),
    ],
)
def test_content_length_that_differs_from_the_body_is_found(
    length: str, sent: bytes, seen: bytes, found: list[str]
) -> None:
    """A receiver would wait for missing bytes, and never see those that are too many."""
    payload = payload_of(HEAD + f"Content-Length: {length}\r\n\r\n".encode() + sent)

    assert (payload.body, rules(payload)) == (seen, found)


@pytest.mark.parametrize(
    ("sent", "seen", "found"),
    [
        pytest.param(b"2\r\n{}\r\n0\r\n\r\n", b"{}", [], id="one-chunk"),
        pytest.param(b"1;a=b\r\n{\r\nA\n}123456789\n0\n\n", b"{}123456789", [], id="extension-lf"),
        pytest.param(b"0\r\n\r\n", b"", [], id="empty"),
        pytest.param(b"2\r\n{}\r\n0\r\nX-Trailer: 1\r\n\r\n", b"{}", [], id="trailer"),
        pytest.param(b'{"a":1}', b'{"a":1}', [], id="undone-by-curl"),
        pytest.param(b"", b"", [], id="no-body"),
        pytest.param(b"5\r\n{}", b"{}", ["chunked_encoding"], id="cut-off-in-a-chunk"),
        pytest.param(b"2\r\n{}\r\n", b"{}", ["chunked_encoding"], id="without-the-last"),
        pytest.param(b"2\r\n{}\r\nzz\r\n", b"{}", ["chunked_encoding"], id="bad-size"),
        pytest.param(b"FFFFFFFF\r\n{}", b"{}", ["chunked_encoding"], id="huge-size"),
    ],
)
def test_chunked_body_is_joined(sent: bytes, seen: bytes, found: list[str]) -> None:
    """Sniffers show chunks, curl does not; both are read."""
    payload = payload_of(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + sent)

    assert (payload.body, rules(payload)) == (seen, found)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"no colon", id="no-colon"),
        pytest.param(b"ce-x : 1", id="space-before-colon"),
        pytest.param(b" folded", id="folded"),
        pytest.param(b": 1", id="no-name"),
        pytest.param("ce-é: 1".encode(), id="non-ascii-name"),
    ],
)
def test_header_line_that_is_none_is_found_with_its_number(line: bytes) -> None:
    """The other headers are still read."""
    payload = payload_of(HEAD + line + b"\r\nce-last: 1\r\n\r\n{}")

    assert rules(payload) == ["header_line"]
    assert payload.findings[0].place == "line 4"
    assert [name for name, _ in payload.headers] == ["Content-Type", "ce-id", "ce-last"]


VERBOSE = (
    b"* Connected to 127.0.0.1\n> POST /x HTTP/1.1\r\n> Host: a\r\n> \r\n} [2 bytes data]\n"
    b"< HTTP/1.1 100 Continue\r\n< \r\n< HTTP/1.1 200 OK\r\n< ce-id: 1\r\n< \r\n{ [7 bytes data]\n"
)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(VERBOSE + b'{"a":1}', id="body-last"),
        pytest.param(
            VERBOSE + b"* Connection #0 to host 127.0.0.1 left intact\n" + b'{"a":1}', id="piped"
        ),
        pytest.param(
            VERBOSE + b'{"a":1}' + b"* Connection #0 to host 127.0.0.1 left intact\n",
            id="on-a-terminal",
        ),
    ],
)
def test_curl_verbose_output_is_its_response(content: bytes) -> None:
    """The lines that curl marks are the two heads, the unmarked ones the body of the answer."""
    payload = payload_of(content)

    assert (payload.kind, payload.status) == ("HTTP response", 200)
    assert (payload.headers, payload.body) == ((("ce-id", "1"),), b'{"a":1}')


def test_curl_verbose_output_without_an_answer_is_its_request() -> None:
    """Where nobody answered, there is still what was asked."""
    payload = payload_of(b"* Trying\n> POST /x HTTP/1.1\r\n> ce-id: 1\r\n> \r\n* Empty reply\n")

    assert (payload.kind, payload.target) == ("HTTP request", "/x")
    assert payload.headers == (("ce-id", "1"),)


def test_curl_verbose_html_body_is_no_head() -> None:
    """`<html>` begins like a mark of curl's, but for the space."""
    payload = payload_of(b"< HTTP/1.1 200 OK\r\n< \r\n<html>\n</html>\n")

    assert payload.body == b"<html>\n</html>\n"


@pytest.mark.parametrize("path", sorted((DATA / "payloads").iterdir()), ids=lambda path: path.name)
def test_stored_payload_is_read_without_fault(path: Path) -> None:
    """The captures that are kept are captures as tools write them."""
    payload = payload_of(path.read_bytes())

    assert payload.findings == ()
    assert payload.body


# Reading.


class Endless:
    """A source without an end, such as /dev/zero; counts what is taken from it."""

    taken = 0

    def read(self, size: int) -> bytes:
        self.taken += size
        return b"\0" * size


def test_read_of_an_endless_source_takes_one_byte_more_than_the_limit() -> None:
    """Memory is bounded whatever the source."""
    source: Any = Endless()

    with pytest.raises(Unreadable, match="larger than 16 MiB"):
        read_limited(cast(BinaryIO, source))

    assert source.taken == MAX_PAYLOAD_BYTES + 1


def test_read_of_exactly_the_limit_is_whole() -> None:
    """The limit itself is allowed."""
    content = b"x" * MAX_PAYLOAD_BYTES

    assert read_limited(io.BytesIO(content)) == content


def test_read_of_a_fifo_waits_for_all_of_it(tmp_path: Path) -> None:
    """A pipe hands out what there is; a payload is all that will come."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    def write() -> None:
        with open(fifo, "wb", buffering=0) as pipe:
            for part in (b'{"specversion":', b'"1.0"}'):
                pipe.write(part)
                threading.Event().wait(0.05)

    writer = threading.Thread(target=write)
    writer.start()
    with open(fifo, "rb") as source:
        content = read_limited(source)
    writer.join()

    assert content == b'{"specversion":"1.0"}'
