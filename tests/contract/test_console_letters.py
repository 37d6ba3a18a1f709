"""Dead letters on the page: a real deadletter-sink behind it, and the token of whoever looks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from sinks.local.processes import Running
from tests.factories import binary, page_change
from tests.processes import gunicorn
from tests.upstream import Reply, Upstream, answer, call

TOKEN = "a-token-of-the-tests"  # noqa: S105
# What the filters of the shipped Trigger want.
CHANGE = {"pagechangekind": "edit", "stream": "mediawiki.page_change.v1", "namespaceid": "0"}
OWN = {"Sinks-Console": "1", "Authorization": f"Bearer {TOKEN}"}
UNKNOWN = {"Authorization": "Bearer another-token-of-16"}


@dataclass(frozen=True)
class Scene:
    console: Running
    letters: Running
    subscriber: Upstream


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One letter, which its subscriber takes now."""
    directory = tmp_path_factory.mktemp("letters")
    (directory / "tokens").write_text(f"somebody={TOKEN}\n")
    with Upstream(answer(202)) as subscriber:
        env = {
            "TOKENS_FILE": str(directory / "tokens"),
            "DATABASE_URL": f"sqlite:///{directory}/letters.sqlite",
            "SERVICE_URLS": f"*={subscriber.url}",
        }
        with gunicorn("sinks.deadletter_sink:create_app()", env, directory) as letters:
            failed = {
                "knativeerrordest": f"{subscriber.url}/models/drafttopic",
                "knativeerrorcode": "503",
            }
            headers, body = binary(page_change(), wikiid="enwiki", **CHANGE, **failed)
            assert call(letters.port, "/", headers, body).status == 202
            env = {"DEADLETTER_API_URL": letters.url}
            with gunicorn("sinks.console:create_app()", env, directory) as console:
                yield Scene(console, letters, subscriber)


def listed(console: Running, headers: Mapping[str, str], query: str = "") -> Reply:
    return call(console.port, f"/letters{query}", headers, None, method="GET")


def test_letters_are_listed_with_the_token(scene: Scene) -> None:
    """Row and wiki of each, and a button to replay it."""
    shown = listed(scene.console, OWN, "?pending=false")

    assert shown.status == 200
    assert b'data-replay="1"' in shown.body
    assert b"drafttopic" in shown.body
    assert b"enwiki" in shown.body


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ({"Sinks-Console": "1"}, 401, "unauthenticated"),
        ({**OWN, **UNKNOWN}, 401, "unauthenticated"),
        ({"Authorization": f"Bearer {TOKEN}"}, 403, "forbidden"),
        ({**OWN, "Sec-Fetch-Site": "cross-site"}, 403, "forbidden"),
        ({**OWN, "Sec-Fetch-Site": "same-site"}, 403, "forbidden"),
        ({**OWN, "Sec-Fetch-Site": "none"}, 403, "forbidden"),
        ({**OWN, "Authorization": "Basic x"}, 401, "unauthenticated"),
        ({"Sinks-Console": "1", "Host": "rebound.example:8085"}, 403, "forbidden"),
        ({"Sinks-Console": "1", "Host": "[::1"}, 403, "forbidden"),
        ({"Sinks-Console": "1", "Host": "[::1]:8085"}, 401, "unauthenticated"),
        ({"Sinks-Console": "1", "Host": "localhost:8085"}, 401, "unauthenticated"),
        ({**OWN, **UNKNOWN, "Host": "a.example"}, 401, "unauthenticated"),
    ],
    ids=[
        "no token",
        "wrong token",
        "no header",
        "cross-site",
        "same-site",
        "typed",
        "basic",
        "rebound name",
        "no host",
        "address",
        "localhost",
        "name with a token",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_letters_are_for_the_own_page_and_known_clients(
    scene: Scene, method: str, headers: Mapping[str, str], status: int, reason: str
) -> None:
    """No other site can make a browser ask, and without a token there is nothing."""
    path = "/letters" if method == "GET" else "/letters/replay?number=1"

    refused = call(scene.console.port, path, headers, b"", method=method)

    assert (refused.status, json.loads(refused.body)["reason"]) == (status, reason)
    assert scene.subscriber.received == []


@pytest.mark.parametrize(
    "query", ["", "?number=", "?number=x", "?number=1%26all=true", "?number=-1", "?number=²"]
)
def test_replay_wants_one_number(scene: Scene, query: str) -> None:
    """Without a number the API would replay every letter."""
    path = f"/letters/replay{query}".replace("²", "%C2%B2")

    refused = call(scene.console.port, path, OWN)

    assert (refused.status, json.loads(refused.body)["reason"]) == (422, "invalid_query")
    assert scene.subscriber.received == []


def test_letter_is_replayed_and_its_outcome_shown(scene: Scene) -> None:
    """The replay is deadletter-sink's own, with its word for what became of it."""
    shown = call(scene.console.port, "/letters/replay?number=1", OWN)
    again = call(scene.console.port, "/letters/replay?number=1", OWN)
    scene.subscriber.received.clear()

    assert (shown.status, again.status) == (200, 200)
    assert b"relayed" in shown.body
    assert b"Nothing was replayed" in again.body


def test_token_is_in_no_log_line(scene: Scene) -> None:
    """What somebody has typed is passed on and forgotten."""
    listed(scene.console, OWN)

    assert TOKEN not in scene.console.log + scene.letters.log


@pytest.mark.parametrize(
    ("behave", "status", "reason"),
    [
        (answer(200, b"<html>hello"), 502, "upstream_bad_answer"),
        (answer(200, "[1]"), 502, "upstream_bad_answer"),
        (answer(200, {"items": []}), 502, "upstream_bad_answer"),
        (answer(200, {"letters": 5}), 502, "upstream_bad_answer"),
        (answer(200, {"letters": [{"number": 1}]}), 502, "upstream_bad_answer"),
        (answer(302, b"", {"Location": "http://127.0.0.1:9/"}), 502, "upstream_bad_answer"),
        (answer(500, b"x" * 100_000), 503, "upstream_unavailable"),
        (answer(503, {"reason": "overloaded", "detail": "y" * 9000}), 503, "overloaded"),
        (answer(200, b"x" * (5 * 2**20)), 502, "upstream_bad_answer"),
    ],
    ids=[
        "html",
        "list",
        "another api",
        "no list",
        "no letter",
        "redirect",
        "large error",
        "long detail",
        "too large",
    ],
)
def test_wrong_answer_of_the_api_is_a_short_error(
    tmp_path: Path, behave: object, status: int, reason: str
) -> None:
    """Whatever is at DEADLETTER_API_URL, the page gets a bounded error that names it."""
    with Upstream(behave) as api:  # type: ignore[arg-type]
        env = {"DEADLETTER_API_URL": api.url}
        with gunicorn("sinks.console:create_app()", env, tmp_path) as console:
            shown = listed(console, OWN)

    assert (shown.status, json.loads(shown.body)["reason"]) == (status, reason)
    assert len(shown.body) <= 768
