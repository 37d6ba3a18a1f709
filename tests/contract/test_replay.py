"""Replaying a dead letter through real sinks, and what it is marked with."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sinks.broker import Broker
from sinks.deadletter_settings import DeadletterSettings
from sinks.deadline import Deadline
from sinks.http_client import HttpClient
from sinks.http_transport import Transport
from sinks.letter import letter_of
from sinks.letters import Letters
from sinks.replay_parts import replaying_of
from sinks.replay_run import pending
from sinks.replaying import Replayed, Replaying
from sinks.telemetry import Telemetry
from tests.factories import SCORE_TYPE, binary, revision_score
from tests.letters import ALL, opened
from tests.processes import gunicorn
from tests.replays import (
    FAILING,
    REFUSING,
    REPLYING,
    TAKEN,
    Wired,
    change,
    client,
    keep,
    run,
)
from tests.upstream import Behave, Received, Upstream, answer, call, predictor

KNATIVE_DATA = json.dumps({"reason": "predictor_failed", "detail": "x" * 700, "ce_id": None})


@pytest.fixture
def letters(tmp_path: Path) -> Iterator[Letters]:
    with opened(f"sqlite:///{tmp_path}/letters.sqlite") as made:
        yield made


# --- through real sinks


@dataclass(frozen=True)
class Pipeline:
    """score-sink and egress-sink as they run, between a predictor and an EventGate."""

    score: str
    egress: str
    score_port: int
    predictor: Upstream
    eventgate: Upstream

    def replaying(self, letters: Letters) -> Replaying:
        """What the commands and the API make of production's settings and Triggers."""
        services = f"score-sink={self.score},egress-sink={self.egress}"
        settings = DeadletterSettings.for_commands({"SERVICE_URLS": services})
        return replaying_of(settings, letters, Telemetry("test", lambda: 0.0))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    logs = tmp_path_factory.mktemp("sinks")
    with Upstream(predictor) as asked, Upstream(answer(201)) as eventgate:
        environment = {"EVENTGATE_URLS": f"{eventgate.url}/v1/events"}
        with (
            gunicorn("sinks.score_sink:create_app()", {"PREDICTOR_URL": asked.url}, logs) as score,
            gunicorn("sinks.egress_sink:create_app()", environment, logs) as egress,
        ):
            yield Pipeline(score.url, egress.url, score.port, asked, eventgate)


@pytest.fixture
def pipeline(running: Pipeline) -> Pipeline:
    running.predictor.received.clear()
    running.eventgate.received.clear()
    return running


def by_channels(destination: str) -> dict[str, str]:
    """What Knative's broker of channels adds to a letter."""
    return {
        "ce-knativearrivaltime": "2026-09-23T10:00:00.123456789Z",
        "ce-knativeerrordest": destination,
        "ce-knativeerrorcode": "503",
        "ce-knativeerrordata": base64.b64encode(KNATIVE_DATA.encode()[:768]).decode(),
    }


def by_kafka(destination: str) -> dict[str, str]:
    """What Kafka's data plane adds, with an extension that it makes of an answer's header."""
    return {
        "ce-knativeerrordest": destination,
        "ce-knativeerrorcode": "503",
        "ce-knativeerrordata": base64.b64encode(KNATIVE_DATA.encode()[:1024]).decode(),
        "ce-hint": "slow",
    }


@pytest.mark.parametrize("written_by", [by_channels, by_kafka])
def test_replay_publishes_once_what_the_first_delivery_would_have(
    pipeline: Pipeline, letters: Letters, written_by: Callable[[str], dict[str, str]]
) -> None:
    """Same event, same Trigger: the same `meta.id`, so nobody sees it twice."""
    number = 11 if written_by is by_channels else 12
    headers, body = change(number)
    delivered = call(pipeline.score_port, "/models/drafttopic", headers, body)
    failed = headers | written_by(f"{pipeline.score}/models/drafttopic")
    letters.keep(letter_of(failed, body), datetime.now(UTC))

    replayed = run(pipeline.replaying(letters))

    (published,) = pipeline.eventgate.received
    assert replayed == [Replayed(1, "relayed", "", "drafttopic -> egress")]
    assert published.json() == delivered.json()
    assert letters.find(ALL)[0].outcome == "relayed"
    assert run(pipeline.replaying(letters), pending(ALL)) == []


def test_replay_of_what_egress_could_not_publish_goes_to_egress_alone(
    pipeline: Pipeline, letters: Letters
) -> None:
    """The prediction is in the letter: no predictor is asked again."""
    headers, body = binary(revision_score(), type=SCORE_TYPE)
    lowered = {name.lower(): value for name, value in headers.items()}
    letters.keep(letter_of(lowered | by_channels(pipeline.egress), body), datetime.now(UTC))

    replayed = run(pipeline.replaying(letters))

    assert replayed == [Replayed(1, "relayed", "", "egress")]
    assert [each.json() for each in pipeline.eventgate.received] == [revision_score()]
    assert pipeline.predictor.received == []


def test_replay_by_name_heals_a_letter_that_says_nothing_of_its_failure(
    pipeline: Pipeline, letters: Letters
) -> None:
    """After a malformed reply the broker of channels writes no `knativeerror` at all."""
    letters.keep(letter_of(*change(13)), datetime.now(UTC))

    refused = run(pipeline.replaying(letters))
    named = run(pipeline.replaying(letters), trigger="drafttopic")

    assert [each.reason for each in refused] == ["unknown_destination"]
    assert [each.outcome for each in named] == ["relayed"]
    assert len(pipeline.eventgate.received) == 1


def test_replay_of_a_destination_no_trigger_has_calls_nobody(
    pipeline: Pipeline, letters: Letters
) -> None:
    """`knativeerrordest` is text of whoever wrote the letter."""
    calls: list[float] = []
    watched = HttpClient("subscriber", Transport(2.0, 2**20), calls.append)
    row = f"{pipeline.score}/models/drafttopic".removeprefix("http://")
    with Upstream(TAKEN) as other:
        hostile = [
            "http://169.254.169.254/latest/meta-data/",
            "file:///etc/passwd",
            f"{other.url}/models/drafttopic",
            f"http://admin:secret@{row}",
            f"http://{row}@127.0.0.1:{other.port}/",
            f"http://{row}/../../v1/models",
            f"http://{row}?to={other.url}",
            f"{pipeline.score}/healthz",
            f"https://{row}",
            "",
        ]
        for number, destination in enumerate(hostile):
            keep(letters, destination, number)

        replayed = run(replace(pipeline.replaying(letters), subscribers=watched))

    assert [each.reason for each in replayed] == ["unknown_destination"] * len(hostile)
    assert {each.outcome for each in letters.find(ALL)} == {"deferred"}
    assert (calls, other.connections, pipeline.predictor.received) == ([], 0, [])


# --- what becomes of a letter


@pytest.mark.parametrize(
    ("script", "outcome", "reason", "detail"),
    [
        ({}, "relayed", "", "score"),
        ({"/score": FAILING}, "deferred", "predictor_failed", "down"),
        ({"/score": REFUSING}, "rejected", "unscorable_revision", "deleted"),
        (
            {
                "/score": answer(
                    202, headers={"Sinks-Outcome": "ignored", "Sinks-Reason": "redirect"}
                )
            },
            "ignored",
            "redirect",
            "score",
        ),
        ({"/score": REPLYING}, "relayed", "", "score -> egress"),
        ({"/score": REPLYING, "/egress": FAILING}, "deferred", "predictor_failed", "egress: "),
        ({"/score": REPLYING, "/egress": REFUSING}, "rejected", "unscorable_revision", "egress: "),
        ({"/score": answer(200, "<h1>\x1b[31m")}, "deferred", "upstream_bad_answer", "score: "),
    ],
    ids=["taken", "failed", "refused", "ignored", "reply", "reply-failed", "reply-refused", "html"],
)
def test_replay_marks_the_worst_that_became_of_it(
    wired: Wired, script: dict[str, Behave], outcome: str, reason: str, detail: str
) -> None:
    """A letter stays kept, counted once, and is pending only if it was deferred."""
    wired.script |= script
    keep(wired.letters, f"{wired.server.url}/score")

    (replayed,) = run(wired.replaying)

    (kept,) = wired.letters.find(ALL)
    assert (replayed.outcome, replayed.reason) == (outcome, reason)
    assert detail in replayed.detail
    assert replayed.detail.isprintable()
    assert (kept.outcome, kept.outcome_reason, kept.outcome_detail) == (
        outcome,
        reason,
        replayed.detail,
    )
    assert (kept.count, wired.letters.count(pending(ALL))) == (1, int(outcome == "deferred"))


def test_replay_of_what_its_trigger_takes_no_more_is_ignored(wired: Wired) -> None:
    """The filters rule, even where the destination is right."""
    keep(wired.letters, f"{wired.server.url}/egress")

    (replayed,) = run(wired.replaying)

    assert (replayed.outcome, replayed.reason) == ("ignored", "no_trigger")
    assert wired.asked == []


def test_replay_of_a_letter_that_arrives_again_meanwhile_leaves_it_pending(wired: Wired) -> None:
    """What has arrived since has not been replayed."""

    def arrive(received: Received, sock: Any) -> bool | None:
        keep(wired.letters, f"{wired.server.url}/score")
        return TAKEN(received, sock)

    wired.script["/score"] = arrive
    keep(wired.letters, f"{wired.server.url}/score")

    (replayed,) = run(wired.replaying)

    (kept,) = wired.letters.find(pending(ALL))
    assert (kept.count, kept.outcome) == (2, None)
    assert "not marked" in replayed.detail


def test_replay_with_a_broker_hands_it_the_reply_and_routes_nothing(wired: Wired) -> None:
    """The subscriber is called here, as the broker's filter would; the rest is the Broker's."""
    wired.script["/score"] = REPLYING
    keep(wired.letters, f"{wired.server.url}/score")
    with Upstream(TAKEN) as ingress:
        broker = Broker(client(), ingress.url, {"origin": "replay"})
        replayed = run(replace(wired.replaying, broker=broker))

    (posted,) = ingress.received
    assert replayed == [Replayed(1, "relayed", "", "score -> the Broker")]
    assert (posted.headers["ce-type"], posted.headers["ce-origin"]) == (SCORE_TYPE, "replay")
    assert posted.json() == revision_score()
    assert wired.asked == ["/score event-1"]


@pytest.mark.parametrize(("status", "outcome"), [(503, "deferred"), (400, "rejected")])
def test_replay_with_a_broker_that_does_not_take_the_reply_says_so(
    wired: Wired, status: int, outcome: str
) -> None:
    """The letter is only as good as what became of its reply."""
    wired.script["/score"] = REPLYING
    keep(wired.letters, f"{wired.server.url}/score")
    with Upstream(answer(status)) as ingress:
        broker = Broker(client(), ingress.url, {})
        (replayed,) = run(replace(wired.replaying, broker=broker))

    assert replayed.outcome == outcome
    assert replayed.detail.startswith("the Broker: ")


def test_replay_of_a_subscriber_that_hangs_ends_with_its_deadline(wired: Wired) -> None:
    """One that never answers must not hold up the rest for ever."""

    def hang(_received: Received, _sock: Any) -> bool:
        wired.server.wait(10)
        return False

    wired.script["/score"] = hang
    keep(wired.letters, f"{wired.server.url}/score")

    (replayed,) = run(wired.replaying, deadline=lambda: Deadline.after(0.3))

    assert (replayed.outcome, replayed.reason) == ("deferred", "deadline")
