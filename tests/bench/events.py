"""The requests that the load program sends, as templates: `@N@` is what differs between two events.

They are what the shim, a Broker and changeprop send, made by the code that sends them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Literal

from sinks import cloudevent, inputs
from sinks.cloudevent import Event, Mode
from sinks.envelope import page_change_event, reply_event
from sinks.settings import SCHEMA_BASE_URI
from tests.factories import DATA, SCORE_TYPE, merged

Distinct = Literal["", "pages", "wikis", "addresses", "strangers"]

PLACEHOLDER: Final = "@N@"
# Stands for the placeholder while the documents are made, where a number has to be one.
_NUMBER: Final = 1999999999
_TRACEPARENT: Final = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
_ROW: Final = "drafttopic"


def page_changes(mode: Mode = "binary", size: int = 0) -> bytes:
    """Return the request that delivers a page change to a score-sink.

    size: bytes of the document, padded in its comment; 0: as it is, some 2 kB.
    """
    return _request(_page_change_event(mode, size))


def scores(size: int = 0) -> bytes:
    """Return the request that delivers a score to an egress-sink; padding is an error's message."""
    document = _row_case("output.json")
    document["meta"]["id"] = f"score-{_NUMBER}"
    document["rev_id"] = _NUMBER
    if size:
        document["errors"] = {
            "padding": {"model_name": _ROW, "model_version": "1", "type": "none", "message": ""}
        }
        document["errors"]["padding"]["message"] = _padding(document, size)
    cause = _page_change_event("binary")
    change = inputs.parse(cause.data, inputs.load_readers())
    return _request(reply_event(cause, change, _ROW, SCORE_TYPE, document, SCHEMA_BASE_URI))


def calls() -> bytes:
    """Return changeprop's call of the shim."""
    body = json.dumps({"event": _page_change()})
    return _text({"Content-Type": "application/json"}, body.encode())


def plain(distinct: Distinct = "") -> bytes:
    """Return a page change as plain JSON, as a producer without CloudEvents posts it.

    distinct: what differs from event to event, besides its id and its revision.
    """
    stranger = {"Authorization": f"Bearer client-{_NUMBER}"} if distinct == "strangers" else {}
    body = json.dumps(_page_change(distinct)).encode()
    return _text({"Content-Type": "application/json", **stranger}, body)


def predictor_answer() -> bytes:
    """Return what the drafttopic predictor answers about the revision `@N@`."""
    case = _row_case("predictor.json")
    revision = str(case["request"]["rev_id"])
    return json.dumps(case["answer"]).replace(f'"{revision}"', f'"{PLACEHOLDER}"').encode()


def sample(template: bytes, number: int) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of one request of a template."""
    head, _, body = template.replace(PLACEHOLDER.encode(), str(number).encode()).partition(b"\n\n")
    return dict(line.split(": ", 1) for line in head.decode().splitlines()), body


def _page_change_event(mode: Mode, size: int = 0) -> Event:
    document = _page_change()
    if size:
        document["revision"]["comment"] = _padding(document, size)
    change = inputs.parse(document, inputs.load_readers())
    return page_change_event(change, document, SCHEMA_BASE_URI, mode)


def _page_change(distinct: Distinct = "") -> dict[str, Any]:
    document = json.loads((DATA / "events" / "page_change_edit.json").read_text(encoding="utf-8"))
    own = {"meta": {"id": f"change-{_NUMBER}"}, "revision": {"rev_id": _NUMBER}}
    return merged(merged(document, own), _DISTINCT[distinct])


_DISTINCT: Final[Mapping[Distinct, dict[str, Any]]] = {
    "": {},
    "pages": {"page": {"page_id": _NUMBER, "page_title": f"Page_{_NUMBER}"}},
    "wikis": {"wiki_id": f"w{_NUMBER}wiki", "meta": {"domain": f"w{_NUMBER}.wikipedia.org"}},
    "addresses": {},  # of the senders, which are not in the request
    "strangers": {},
}


def _row_case(name: str) -> Any:
    return json.loads((DATA / "rows" / _ROW / "edit" / name).read_text(encoding="utf-8"))


def _padding(document: Mapping[str, Any], size: int) -> str:
    return "x" * max(0, size - len(json.dumps(document)))


def _request(event: Event) -> bytes:
    message = cloudevent.encode(event, event.mode)
    return _text({**message.headers, "traceparent": _TRACEPARENT}, message.body)


def _text(headers: Mapping[str, str], body: bytes) -> bytes:
    head = "".join(f"{name}: {value}\n" for name, value in headers.items())
    whole = head.encode() + b"\n" + body
    return whole.replace(str(_NUMBER).encode(), PLACEHOLDER.encode())
