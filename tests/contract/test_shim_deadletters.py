"""`DEADLETTER_URL`: the caller hears of success only when every rejected event has been kept."""

from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.factories import PAGE_CHANGE_TYPE, SCORE_TYPE, binary, page_change, revision_score
from tests.processes import gunicorn
from tests.upstream import Behave, Received, Reply, Upstream, answer, call

JSON = {"Content-Type": "application/json"}
ERROR = {"reason": "unscorable_revision", "detail": "deleted", "ce_id": None}
REFUSED = answer(422, ERROR)


def hang(_received: Received, _sock: socket.socket) -> bool:
    """Say nothing, until the caller has had enough."""
    time.sleep(4)
    return False


@dataclass
class Shim:
    """A routing shim, its subscribers by path, and its dead-letter sink."""

    port: int
    subscribers: dict[str, Behave]
    letters: Upstream
    keeps: list[Behave]
    url: str

    def post(self, path: str = "/events") -> Reply:
        return call(self.port, path, JSON, json.dumps(page_change()).encode())


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shim]:
    """`one` and `two` take page changes, `egress` what they reply."""
    directory = tmp_path_factory.mktemp("triggers")
    script: dict[str, Behave] = {}
    keeps: list[Behave] = [answer(202)]
    with (
        Upstream(lambda received, sock: script[received.target](received, sock)) as subscribers,
        Upstream(lambda received, sock: keeps[0](received, sock)) as letters,
    ):
        for name, kind in {
            "one": PAGE_CHANGE_TYPE,
            "two": PAGE_CHANGE_TYPE,
            "egress": SCORE_TYPE,
        }.items():
            resource = _trigger(name, f"{subscribers.url}/{name}", kind)
            (directory / f"{name}.yaml").write_text(yaml.safe_dump(resource))
        env = {
            "ALLOW_ANONYMOUS": "true",
            "TRIGGERS_DIR": str(directory),
            "DEADLETTER_URL": f"{letters.url}/",
            "EVENT_DEADLINE_SECONDS": "3",
        }
        with gunicorn("sinks.http_shim:create_app()", env, directory) as shim:
            yield Shim(shim.port, script, letters, keeps, subscribers.url)


@pytest.fixture
def shim(running: Shim) -> Shim:
    """All is well: `one` replies, egress takes it, `two` has nothing to say."""
    headers, body = binary(revision_score(), type=SCORE_TYPE)
    running.subscribers |= {
        "/one": answer(200, body, headers),
        "/two": answer(202),
        "/egress": answer(202),
    }
    running.keeps[0] = answer(202)
    running.letters.received.clear()
    return running


def _trigger(name: str, uri: str, kind: str) -> dict[str, Any]:
    return {
        "apiVersion": "eventing.knative.dev/v1",
        "kind": "Trigger",
        "metadata": {"name": name},
        "spec": {
            "broker": "default",
            "filters": [{"exact": {"type": kind}}],
            "subscriber": {"uri": uri},
        },
    }


def test_rejected_event_is_kept_as_knative_would_send_it_and_acknowledged(shim: Shim) -> None:
    """The event as it was delivered, and where, with which status and error it failed."""
    shim.subscribers["/two"] = REFUSED

    reply = shim.post()

    (letter,) = shim.letters.received
    said = json.loads(base64.b64decode(letter.headers["ce-knativeerrordata"]))
    assert (reply.status, letter.json()) == (200, page_change())
    assert letter.headers["ce-id"] == page_change()["meta"]["id"]
    assert letter.headers["ce-knativeerrordest"] == f"{shim.url}/two"
    assert letter.headers["ce-knativeerrorcode"] == "422"
    assert said == ERROR
    assert {each["trigger"]: each["outcome"] for each in reply.json()["outcomes"]} == {
        "one": "replied",
        "egress": "relayed",
        "two": "rejected",
    }


def test_rejected_reply_is_kept_as_the_event_that_egress_got(shim: Shim) -> None:
    """What failed behind the first Trigger is the reply, so the reply is what can be repeated."""
    shim.subscribers["/egress"] = answer(422, {**ERROR, "reason": "rejected_by_eventgate"})

    reply = shim.post()

    (letter,) = shim.letters.received
    assert (reply.status, letter.json()) == (200, revision_score())
    assert letter.headers["ce-knativeerrordest"] == f"{shim.url}/egress"


def test_invalid_reply_is_kept_with_the_event_that_made_it(shim: Shim) -> None:
    """Whoever mends the subscriber can deliver the event again."""
    headers, body = binary(revision_score(), type=SCORE_TYPE)
    shim.subscribers["/one"] = answer(200, body, {**headers, "ce-id": ""})

    reply = shim.post("/events?trigger=one")

    (letter,) = shim.letters.received
    assert (reply.status, letter.json()) == (200, page_change())
    assert letter.headers["ce-knativeerrordest"] == f"{shim.url}/one"
    assert "ce-knativeerrordata" not in letter.headers


@pytest.mark.parametrize(
    "keeps",
    [answer(503), answer(422), answer(302, headers={"Location": "/x"}), answer(404), hang],
    ids=["deferred", "rejected", "redirect", "wrong_path", "hangs"],
)
def test_letter_not_kept_is_deferred_and_the_caller_repeats(shim: Shim, keeps: Behave) -> None:
    """Nothing is acknowledged that nobody has; the answer names the Trigger to repeat."""
    shim.subscribers["/two"] = REFUSED
    shim.keeps[0] = keeps

    reply = shim.post()

    assert (reply.status, reply.json()["reason"]) == (503, "deliveries_deferred")
    assert "two (deadletter_sink_failed)" in reply.json()["detail"]
    assert "one" not in reply.json()["detail"].partition("deferred:")[2]


def test_deferred_event_is_no_letter(shim: Shim) -> None:
    """What may still succeed is the caller's to repeat."""
    shim.subscribers["/two"] = answer(503, {**ERROR, "reason": "predictor_failed"})

    assert shim.post().status == 503
    assert shim.letters.received == []


def test_rejected_and_deferred_keeps_the_one_and_names_the_other(shim: Shim) -> None:
    """The caller repeats the deferred Trigger alone."""
    shim.subscribers |= {"/one": REFUSED, "/two": answer(503)}

    reply = shim.post()

    assert (reply.status, len(shim.letters.received)) == (503, 1)
    assert "1 of 2 Triggers deferred: two" in reply.json()["detail"]


def test_cloudevent_rejected_and_kept_is_answered_202(shim: Shim) -> None:
    """A sender of CloudEvents takes no other body than an event."""
    shim.subscribers |= {"/one": REFUSED, "/two": REFUSED}
    headers, body = binary(page_change(), type=PAGE_CHANGE_TYPE)

    reply = call(shim.port, "/events", headers, body)

    assert (reply.status, reply.body, reply.headers["Sinks-Outcome"]) == (202, b"", "rejected")
    assert len(shim.letters.received) == 2


def test_bad_input_leaves_no_letter(shim: Shim) -> None:
    """What is no page change is the caller's mistake, and nobody could ever replay it."""
    reply = call(shim.port, "/events", JSON, b'{"no": "page change"}')

    assert reply.status == 422
    assert shim.letters.received == []


def test_letter_of_a_structured_event_is_structured(shim: Shim, tmp_path: Path) -> None:
    """The content mode stays what it was."""
    shim.subscribers["/two"] = REFUSED
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "/x",
        "type": PAGE_CHANGE_TYPE,
        "data": page_change(),
    }
    kind = {"Content-Type": "application/cloudevents+json"}

    reply = call(shim.port, "/events?trigger=two", kind, json.dumps(event).encode())

    (letter,) = shim.letters.received
    assert (reply.status, letter.headers["content-type"]) == (202, "application/cloudevents+json")
    assert letter.json()["knativeerrorcode"] == "422"
