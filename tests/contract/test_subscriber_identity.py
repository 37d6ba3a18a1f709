"""SUBSCRIBER_TOKEN_FILE: who the shim is towards those it calls without a Broker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.factories import PAGE_CHANGE_TYPE, page_change
from tests.processes import gunicorn
from tests.upstream import Reply, Upstream, answer, call

TOKEN = "token.of-the.shim"  # noqa: S105


@dataclass(frozen=True)
class Shim:
    """A shim whose one subscriber rejects everything, and its dead-letter sink."""

    port: int
    subscriber: Upstream
    letters: Upstream
    token: Path

    def post(self) -> Reply:
        headers = {"Content-Type": "application/json"}
        return call(self.port, "/events", headers, json.dumps(page_change()).encode())


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shim]:
    """The shim with a token that can be renewed."""
    directory = tmp_path_factory.mktemp("shim")
    token = directory / "token"
    token.write_text(TOKEN)
    (directory / "triggers").mkdir()
    with Upstream(answer(422)) as subscriber, Upstream(answer(202)) as letters:
        trigger = {
            "apiVersion": "eventing.knative.dev/v1",
            "kind": "Trigger",
            "metadata": {"name": "one"},
            "spec": {
                "broker": "default",
                "filters": [{"exact": {"type": PAGE_CHANGE_TYPE}}],
                "subscriber": {"uri": f"{subscriber.url}/one"},
            },
        }
        (directory / "triggers" / "one.yaml").write_text(yaml.safe_dump(trigger))
        env = {
            "ALLOW_ANONYMOUS": "true",
            "TRIGGERS_DIR": str(directory / "triggers"),
            "DEADLETTER_URL": f"{letters.url}/",
            "SUBSCRIBER_TOKEN_FILE": str(token),
        }
        with gunicorn("sinks.http_shim:create_app()", env, directory) as shim:
            yield Shim(shim.port, subscriber, letters, token)


@pytest.fixture
def shim(running: Shim) -> Shim:
    """Nothing has been asked yet."""
    running.token.write_text(TOKEN)
    running.subscriber.received.clear()
    running.letters.received.clear()
    return running


def test_subscriber_and_dead_letter_sink_get_the_token_as_it_is_now(shim: Shim) -> None:
    """Kubernetes writes another one every hour, and the shim goes on running."""
    statuses = [shim.post().status]
    shim.token.write_text("another")
    statuses += [shim.post().status]

    shown = [
        [each.headers["authorization"] for each in upstream.received]
        for upstream in (shim.subscriber, shim.letters)
    ]
    assert statuses == [200, 200]
    assert shown == [[f"Bearer {TOKEN}", "Bearer another"]] * 2


@pytest.mark.parametrize("content", ["two words", None], ids=["unreadable", "gone"])
def test_subscriber_is_not_called_under_no_name(shim: Shim, content: str | None) -> None:
    """With a token that cannot be shown the caller repeats: the event is not at fault."""
    if content is None:
        shim.token.unlink()
    else:
        shim.token.write_text(content)

    reply = shim.post()

    assert (reply.status, reply.json()["reason"]) == (503, "deliveries_deferred")
    assert "upstream_unavailable" in reply.json()["detail"]
    assert not shim.subscriber.received and not shim.letters.received
