"""changeprop's call at shims with other Triggers or with a Broker, and what the kit says of it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from sinks.contract.probe.run import probe
from sinks.contract.probe.target import target_of
from sinks.contract.rows import calls
from sinks.contract.rows.row import Row
from tests.changeprop import PRODUCTION, STAGING, event, wrapped
from tests.factories import drafttopic_answer
from tests.processes import Running, gunicorn
from tests.standalone import Standalone, predicting, standalone
from tests.upstream import Reply, Upstream, answer, call

DRAFTTOPIC: Final = PRODUCTION["drafttopic"]
PATH: Final = "/v1/models/enwiki-drafttopic:predict"
TOKEN: Final = "0123456789abcdef"  # noqa: S105


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    """Shim, score- and egress-sink, of which other shims use the latter two."""
    with standalone(tmp_path_factory.mktemp("sinks")) as running:
        yield running


@pytest.fixture
def sinks(whole: Standalone) -> Standalone:
    """The same, whose predictor answers and whose counterparts have got nothing yet."""
    whole.script(predicting({"enwiki-drafttopic": drafttopic_answer()}))
    return whole


@contextmanager
def shim(directory: Path, **env: str) -> Iterator[Running]:
    """A shim of its own."""
    defaults = {"ALLOW_ANONYMOUS": "true"}
    with gunicorn("sinks.http_shim:create_app()", defaults | env, directory) as running:
        yield running


def services(sinks: Standalone) -> str:
    return f"score-sink={sinks.score.url},egress-sink={sinks.egress.url}"


def test_call_of_a_row_without_trigger_is_503(sinks: Standalone, tmp_path: Path) -> None:
    """Which Triggers exist decides which models run; one that is forgotten loses nothing."""
    with shim(tmp_path, TRIGGERS_DIR="triggers", SERVICE_URLS=services(sinks)) as running:
        called = STAGING["goodfaith"].send(running.port, event())

    assert (called.status, called.json()["reason"]) == (503, "unknown_trigger")
    assert sinks.asked == []


@pytest.fixture(scope="module")
def with_broker(
    whole: Standalone, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Running, Upstream]]:
    """A shim with a Broker that knows the sinks too, and wants tokens."""
    directory = tmp_path_factory.mktemp("broker")
    tokens = directory / "tokens"
    tokens.write_text(f"changeprop={TOKEN}\n", encoding="utf-8")
    with Upstream(answer(202)) as broker:
        env = {"K_SINK": broker.url, "SERVICE_URLS": services(whole), "TOKENS_FILE": str(tokens)}
        with shim(directory, **env, ALLOW_ANONYMOUS="false") as running:
            yield running, broker


def send(running: Running, path: str, body: bytes, token: str = TOKEN) -> Reply:
    headers = {**DRAFTTOPIC.headers(event()), "Authorization": f"Bearer {token}"}
    return call(running.port, path, headers, body, timeout=20)


def test_call_with_a_broker_is_routed_here(
    sinks: Standalone, with_broker: tuple[Running, Upstream]
) -> None:
    """The Broker would deliver it to all rows, once for each rule."""
    running, broker = with_broker

    assert send(running, PATH, wrapped(event())).status == 200
    assert len(sinks.published) == 1
    assert broker.received == []


def test_event_with_a_broker_goes_to_it_and_to_no_trigger_by_name(
    sinks: Standalone, with_broker: tuple[Running, Upstream]
) -> None:
    """That the shim knows Triggers for calls does not make ?trigger= true for events."""
    running, broker = with_broker
    body = json.dumps(event()).encode()

    refused = send(running, "/events?trigger=drafttopic", body)
    assert (refused.status, refused.json()["reason"]) == (422, "unknown_trigger")
    assert broker.received == []

    assert send(running, "/events", body).status == 200
    assert len(broker.received) == 1
    assert sinks.asked == []
    broker.received.clear()


def test_call_without_a_known_token_stays_401(
    sinks: Standalone, with_broker: tuple[Running, Upstream]
) -> None:
    """Who may call is told as everywhere."""
    running, _ = with_broker

    reply = send(running, PATH, wrapped(event()), token="x" * 16)

    assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert sinks.asked == []


def test_call_with_a_broker_alone_is_503(tmp_path: Path) -> None:
    """Without addresses of Services there is nobody to deliver to."""
    with Upstream(answer(202)) as broker, shim(tmp_path, K_SINK=broker.url) as running:
        reply = DRAFTTOPIC.send(running.port, event())

        assert (reply.status, reply.json()["reason"]) == (503, "unknown_trigger")
        assert broker.received == []


# The contract kit.


@pytest.mark.parametrize("row", calls.ROWS, ids=lambda row: row.name)
def test_row_of_the_kit_about_calls_is_satisfied(sinks: Standalone, row: Row) -> None:
    """What the kit says of changeprop's call holds, and leaves no trace."""
    result = probe(target_of(sinks.shim.url), "http-shim").run(row)

    assert result.findings == ()
    assert (sinks.asked, sinks.published) == ([], [])


def test_request_of_the_kit_is_that_of_the_rule(sinks: Standalone) -> None:
    """The kit makes the same request as these tests: same headers, same body."""
    with Upstream(answer(200, {"outcomes": []})) as heard:
        (row,) = (row for row in calls.ROWS if row.name == "changeprop")
        probe(target_of(heard.url), "http-shim").run(row)

        (received,) = heard.received
    rule, document = PRODUCTION["outlink-topic-model"], received.json()["event"]
    assert received.target == rule.path(document)
    assert received.json().keys() == {"event"}
    assert uuid.UUID(document["meta"]["request_id"])
    expected = {name.lower(): value for name, value in rule.headers(document).items()}
    assert {name: received.headers[name] for name in expected} == expected
