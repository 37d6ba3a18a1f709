"""Who we are towards K_SINK: the token that a SinkBinding mounts, and nobody else gets to see."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sinks import cloudevent
from sinks.broker import TOKEN_FILE, Broker
from sinks.deadline import Deadline
from sinks.errors import Unavailable
from sinks.http_client import HttpClient
from sinks.http_transport import Transport
from tests.factories import PAGE_CHANGE_TYPE, binary, page_change
from tests.upstream import Behave, Upstream, answer

OWN_TOKEN = "own-token.of-the.shim"  # noqa: S105


def handed_on(behave: Behave, token_file: Path, times: int = 1) -> list[Mapping[str, str]]:
    """Post an event to a Broker and return the headers that it got."""
    headers, body = binary(page_change(), type=PAGE_CHANGE_TYPE)
    event = cloudevent.decode({name.lower(): value for name, value in headers.items()}, body)
    transport = Transport(2, 10_000)
    with Upstream(behave) as upstream:
        broker = Broker(HttpClient("broker", transport), upstream.url, {}, token_file)
        try:
            for _ in range(times):
                broker.post(event, Deadline.after(5), {})
        finally:
            transport.close()
    return [each.headers for each in upstream.received]


def test_broker_gets_the_token_that_a_sink_binding_mounts(tmp_path: Path) -> None:
    """As it stands in the file, without the line break."""
    (tmp_path / "token").write_text(f"{OWN_TOKEN}\n")
    got = handed_on(answer(202), tmp_path / "token")

    assert [each["authorization"] for each in got] == [f"Bearer {OWN_TOKEN}"]
    assert str(TOKEN_FILE) == "/oidc/token"


def test_broker_gets_no_token_where_none_is_mounted(tmp_path: Path) -> None:
    """Without OIDC nothing changes."""
    assert "authorization" not in handed_on(answer(202), tmp_path / "token")[0]


def test_broker_gets_the_token_that_was_renewed(tmp_path: Path) -> None:
    """Kubernetes writes another one every hour, and the shim goes on running."""
    file = tmp_path / "token"
    file.write_text("first")

    def renew(received: Any, sock: Any) -> bool | None:
        file.write_text("second")
        return answer(202)(received, sock)

    got = handed_on(renew, file, times=2)

    assert [each["authorization"] for each in got] == ["Bearer first", "Bearer second"]


def test_broker_that_refuses_our_token_is_deferred_and_the_log_has_no_token(
    tmp_path: Path,
) -> None:
    """A token that is not accepted yet, or no longer, is not the event's fault."""
    (tmp_path / "token").write_text(OWN_TOKEN)
    with pytest.raises(Unavailable) as raised:
        handed_on(answer(401, f"no such token: {OWN_TOKEN}, sorry"), tmp_path / "token")

    assert raised.value.reason == "broker_failed"
    assert raised.value.upstream_text == "no such token: ***, sorry"
    assert OWN_TOKEN not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"own-token\nX: y", b"own-token\xff"])
def test_broker_token_that_cannot_be_shown_is_deferred(tmp_path: Path, content: bytes) -> None:
    """An event is not handed on under no name because a file is being written."""
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(Unavailable, match="check the SinkBinding") as raised:
        handed_on(answer(202), tmp_path / "token")

    assert (raised.value.reason, raised.value.stage) == ("broker_failed", "broker")
    assert "own-token" not in str(raised.value)
