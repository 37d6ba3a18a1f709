"""Knative's authentication on, its issuer the cluster's own: every hop with a token, or none."""

from __future__ import annotations

from typing import Final

import pytest
import requests

from tests.e2e.authentication import Authenticated, authenticated
from tests.e2e.changes import published, published_id, talk_page_edited
from tests.e2e.counterparts import Counterparts
from tests.e2e.letters import Letters
from tests.e2e.overlay import Applied
from tests.e2e.sender import send
from tests.e2e.waiting import until
from tests.factories import binary

ROW: Final = "articletopic"
WIKI: Final = "hywiki"
# The sample predictor refuses it for good.
UNSCORABLE: Final = 7001
# Whom the component lets call the shim: what Knative makes for its KafkaSource.
SOURCE: Final = "page-change-oidc-sources.knative.dev-kafkasource"
# Whom it lets call the others, among them the service accounts of the Triggers.
WITHIN: Final = "articletopic-oidc-eventing.knative.dev-trigger"
SINKS: Final = ("http-shim", "score-sink", "egress-sink", "deadletter-sink")
PATHS: Final = {"http-shim": "/events", "score-sink": f"/models/{ROW}"}


@pytest.fixture(scope="module")
def secured(
    dev: Applied, counterparts: Counterparts, tmp_path_factory: pytest.TempPathFactory
) -> Authenticated:
    """The overlay dev with authentication, and events on their way."""
    made = authenticated(dev, tmp_path_factory.mktemp("authenticated"))
    first = talk_page_edited(WIKI, 2000003)

    def comes_through() -> bool:
        to_shim(made, first)
        return published_id(first, ROW) in published(counterparts)

    until(comes_through, 60, "the first change to be published")
    return made


def welcome(name: str) -> str:
    """The service account that may call a sink."""
    return SOURCE if name == "http-shim" else WITHIN


def call(secured: Authenticated, name: str, token: str | None) -> int:
    """The status of a sink for something that is no event, with a token."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers |= {"Authorization": f"Bearer {token}"}
    url = secured.overlay.url(name) + PATHS.get(name, "/")
    return requests.post(url, b"[]", headers=headers, timeout=30).status_code


@pytest.mark.parametrize("name", SINKS)
def test_sink_without_a_token_refuses(secured: Authenticated, name: str) -> None:
    """Nobody is anonymous."""
    assert call(secured, name, None) == 401


@pytest.mark.parametrize("name", SINKS)
def test_sink_with_a_token_for_somebody_else_refuses(secured: Authenticated, name: str) -> None:
    """The right caller with a token that it was given for the Broker."""
    audience = f"eventing.knative.dev/broker/{secured.overlay.namespace}/default"

    assert call(secured, name, secured.token(welcome(name), audience)) == 401


@pytest.mark.parametrize("name", SINKS)
def test_sink_with_a_token_of_somebody_else_refuses(secured: Authenticated, name: str) -> None:
    """A token for this sink, of a service account that has no business here."""
    audience = secured.settings(name)["OIDC_AUDIENCE"]

    assert call(secured, name, secured.token("stranger", audience, "default")) == 403


@pytest.mark.parametrize("name", SINKS)
def test_sink_with_the_right_token_looks_at_the_event(secured: Authenticated, name: str) -> None:
    """What is sent is no event, which only the dead-letter sink keeps."""
    audience = secured.settings(name)["OIDC_AUDIENCE"]

    status = call(secured, name, secured.token(welcome(name), audience))

    assert status == (202 if name == "deadletter-sink" else 400)


@pytest.mark.parametrize(
    ("account", "audience", "status"),
    [
        pytest.param("", "", 401, id="no-token"),
        pytest.param(WITHIN, "event-sinks", 401, id="for-somebody-else"),
        pytest.param("score-sink", "broker", 403, id="of-somebody-else"),
        pytest.param(WITHIN, "broker", 403, id="of-a-row-that-does-not-make-changes"),
    ],
)
def test_broker_takes_changes_of_nobody_but_the_shim(
    secured: Authenticated, account: str, audience: str, status: int
) -> None:
    """Knative itself refuses, by the component's EventPolicies."""
    namespace = secured.overlay.namespace
    known = {"broker": f"eventing.knative.dev/broker/{namespace}/default"}
    headers, body = binary(talk_page_edited(WIKI, 2000001), source="/mediawiki/hywiki")
    if account:
        token = secured.token(account, known.get(audience, audience))
        headers |= {"Authorization": f"Bearer {token}"}

    answer = requests.post(secured.overlay.broker_url, body, headers=headers, timeout=30)

    assert answer.status_code == status


def test_change_with_the_right_token_is_published(
    secured: Authenticated, counterparts: Counterparts
) -> None:
    """Shim, Broker, score-sink, the reply, egress-sink: each hop has shown a token of its own."""
    change = talk_page_edited(WIKI, 2000002)
    to_shim(secured, change)

    assert published_id(change, ROW) in published(counterparts)


def test_refused_change_is_a_letter_that_can_be_replayed(secured: Authenticated) -> None:
    """Its sender shows a token too, and so does the replay, which the predictor refuses again."""
    change = talk_page_edited(WIKI, UNSCORABLE)
    letters = Letters(secured.overlay)
    to_shim(secured, change)

    letter = letters.of(change["meta"]["id"])
    assert letter is not None
    (replayed,) = letters.replayed("--number", str(letter["number"]))

    assert (letter["status"], letter["reason"]) == (422, "unscorable_revision")
    assert replayed["outcome"] == "rejected"
    assert "answered 422" in replayed["detail"]


def to_shim(secured: Authenticated, change: dict[str, object]) -> None:
    """Hand a change over as the KafkaSource does."""
    audience = secured.settings("http-shim")["OIDC_AUDIENCE"]
    headers = {"Authorization": f"Bearer {secured.token(SOURCE, audience)}"}
    url = f"{secured.overlay.url('http-shim')}/events"
    send(lambda: requests.post(url, json=change, headers=headers, timeout=60))
