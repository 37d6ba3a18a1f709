"""What never leaves, whatever the settings say: a hasty request, or a test in production's streams.

The whole app in this process, before a real upstream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from sinks.egress_settings import EgressSettings
from sinks.egress_sink import create_app
from sinks.environment import InvalidSettings
from sinks.models import ROWS
from tests.factories import SCORE_TYPE, binary, revision_score
from tests.upstream import Upstream, answer

PRODUCTION = sorted({row.stream for row in ROWS})
TEST = sorted({row.test_stream for row in ROWS})
EVERYTHING = frozenset(PRODUCTION) | frozenset(TEST)
CLOSE = {"Connection": "close"}  # the app's own client would keep connections
TAKEN = answer(201, b"", CLOSE)


def status_of(settings: EgressSettings, document: dict[str, Any]) -> tuple[int, str]:
    """Return status and body of what the app answers to this document."""
    headers, body = binary(document, type=SCORE_TYPE)
    answered = create_app(settings).test_client().post("/", headers=headers, data=body)
    return answered.status_code, answered.text


def settings_of(upstream: Upstream, environ: Mapping[str, str]) -> EgressSettings:
    return EgressSettings.from_env({"EVENTGATE_URLS": f"{upstream.url}/v1/events", **environ})


# --- hasty -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "suffix",
    [
        "?hasty=true",
        "?hasty",
        "?",
        "#?hasty=true",
        "%3Fhasty=true",
        "%3fhasty=true",
        "%253Fhasty=true",
        "%00?hasty=true",
        "%0d%0aX: ?hasty=true",
        ";hasty=true",
        "&hasty=true",
        "/hasty=true",
        "/../events?hasty=true",
        "\\?hasty=true",
        "\uff1fhasty=true",
        "\t?hasty=true",
        " HTTP/1.1\r\nX: ?hasty=true",
        "\r\n?hasty=true",
        "@127.0.0.1/v1/events?hasty=true",
        ",?hasty=true",
    ],
    ids=repr,
)
def test_hasty_no_setting_of_the_urls_reaches_it(suffix: str) -> None:
    """EventGate reads `hasty` from the query only: such a URL is refused, or sent without one."""
    with Upstream(TAKEN) as upstream:
        url = f"{upstream.url}/v1/events{suffix}"
        try:
            settings = EgressSettings.from_env({"EVENTGATE_URLS": url})
        except InvalidSettings:
            return
        status_of(settings, revision_score())

    assert len(upstream.received) == 1
    assert "?" not in upstream.received[0].target


@pytest.mark.parametrize(
    "attributes",
    [
        {"hasty": "true"},
        {"stream": "mediawiki.revision_score_drafttopic?hasty=true"},
        {"traceparent": "?hasty=true"},
        {"id": "?hasty=true"},
    ],
    ids=str,
)
def test_hasty_no_event_reaches_it(attributes: dict[str, str]) -> None:
    """Nothing of an event goes into the URL."""
    with Upstream(TAKEN) as upstream:
        document = revision_score(hasty=True, meta={"id": "?hasty=true"})
        headers, body = binary(document, type=SCORE_TYPE, **attributes)
        app = create_app(settings_of(upstream, {}))
        app.test_client().post("/?hasty=true", headers={**headers, "hasty": "true"}, data=body)

    assert {received.target for received in upstream.received} <= {"/v1/events"}


def test_hasty_no_redirect_reaches_it() -> None:
    """Nobody goes where EventGate, or what stands in front of it, points to."""
    with Upstream(answer(307, b"", CLOSE | {"Location": "/v1/events?hasty=true"})) as upstream:
        status, _ = status_of(settings_of(upstream, {}), revision_score())

    assert status == 502
    assert [received.target for received in upstream.received] == ["/v1/events"]


# --- test names --------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", PRODUCTION)
def test_names_of_tests_no_event_for_production_leaves(stream: str) -> None:
    """Even an allow-list that names every stream lets none of production's through."""
    with Upstream(TAKEN) as upstream:
        settings = settings_of(upstream, {"STREAM_NAMES": "test"})
        wrong = replace(settings, egress_streams=EVERYTHING)

        status, body = status_of(wrong, revision_score(meta={"stream": stream}))

    assert status == 422
    assert "stream_not_allowed" in body
    assert upstream.received == []


@pytest.mark.parametrize("stream", TEST)
def test_names_of_tests_events_for_test_streams_leave(stream: str) -> None:
    """The test streams are what these names are for."""
    with Upstream(TAKEN) as upstream:
        settings = settings_of(upstream, {"STREAM_NAMES": "test"})

        status, _ = status_of(settings, revision_score(meta={"stream": stream}))

    assert status == 202
    assert len(upstream.received) == 1


def test_names_of_tests_and_of_production_have_nothing_in_common() -> None:
    """Else the guard would stop tests, or let them into production."""
    assert not set(PRODUCTION) & set(TEST)
