"""Who gives up before whom: every time limit against those around it, from the files that set them.

A limit that ends before what it waits for makes duplicates and hides the cause, so each relation
is one sentence here, and the sentence is what fails.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import pytest
import yaml

from sinks.deadletter_settings import DeadletterSettings
from sinks.egress_settings import EgressSettings
from sinks.http_transport import IDLE_SECONDS
from sinks.local.processes import ROOT
from sinks.models import MODELS, ROWS
from sinks.score_settings import ScoreSettings
from sinks.shim_settings import ShimSettings
from sinks.upstreams import CONNECT_TIMEOUT_SECONDS
from sinks.wsgi_request import BODY_SECONDS
from tests.gunicorn_conf import served
from tests.manifests import OVERLAYS, overlay, seconds, settings_of

# Of other parties, in seconds.
# operations-deployment-charts, eventgate-main: MediaWiki's own time-out for it.
EVENTGATE_MAY_TAKE: Final = 62
# wikimedia/eventgate, its Node server: answers carry `Keep-Alive: timeout=5`.
EVENTGATE_KEEPS_IDLE: Final = 5
# wikimedia/mediawiki-services-change-propagation, lib/rule.js: 7 minutes for a whole request.
CHANGEPROP_WAITS: Final = 7 * 60
# Knative's Kafka Broker and sources, data plane: per attempt where no `timeout` is set.
KAFKA_WAITS: Final = 600
# For the way to a sink and back, beside what the sink itself takes.
KAFKA_SPARES: Final = 10
# knative/eventing, pkg/channel/fanout: all attempts of a delivery in the in-memory channel.
CHANNEL_WAITS: Final = 15 * 60
# Go, net/http, DefaultTransport.IdleConnTimeout: Knative's dispatchers and the queue-proxy.
GO_KEEPS_IDLE: Final = 90
# The slowest of the models that are routed today; the others answer within a second.
PREDICTOR_MAY_TAKE: Final = 4
# knative/eventing: ingress and filter of a Broker read a whole request for so long.
BROKER_READS: Final = 10
# knative/eventing: the server of ingress and filter closes connections that are idle for so long,
# its read time-out; a request that comes at that moment is lost.
BROKER_KEEPS_IDLE: Final = BROKER_READS
# An answer's way back, and everything that a sink does besides waiting.
OWN_WORK: Final = 1

SHIM = ShimSettings.from_env({"ALLOW_ANONYMOUS": "true"})
LETTERS = DeadletterSettings.from_env({"ALLOW_ANONYMOUS": "true"})
SCORE = ScoreSettings.from_env({"PREDICTOR_URL": "http://predictor"})
EGRESS = EgressSettings.from_env(
    {"EVENTGATE_URLS": "http://one/v1/events,http://two/v1/events"},
)
SHIM_SHARE = SHIM.event_deadline_seconds
SCORE_SHARE = SCORE.event_deadline_seconds
EGRESS_SHARE = EGRESS.event_deadline_seconds
ONE_HANGS = EGRESS.eventgate_connect_timeout_seconds + EGRESS.eventgate_read_timeout_seconds
SLOWEST_GOOD = EGRESS.eventgate_connect_timeout_seconds + EVENTGATE_MAY_TAKE


@dataclass(frozen=True)
class Policy:
    """`spec.delivery` of a Trigger, in seconds."""

    retry: int
    backoff: float
    timeout: float

    @property
    def each_wait(self) -> list[float]:
        """Between two attempts, growing by a factor of two."""
        return [self.backoff * 2.0**attempt for attempt in range(self.retry)]

    @property
    def waits(self) -> float:
        """Between all attempts."""
        return sum(self.each_wait)


def policies(resources: Iterable[Any]) -> dict[str, Policy]:
    """The delivery of every Trigger among some resources, by its name."""
    found = {}
    for each in resources:
        if each["kind"] == "Trigger":
            delivery = each["spec"]["delivery"]
            assert delivery["backoffPolicy"] == "exponential"
            found[each["metadata"]["name"]] = Policy(
                delivery["retry"], seconds(delivery["backoffDelay"]), seconds(delivery["timeout"])
            )
    return found


POLICIES = policies(
    yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted(ROOT.glob("triggers/**/*.yaml"))
)
EGRESS_POLICY = POLICIES["egress"]
SCORES = sorted(POLICIES.keys() - {"egress"})


def attempt(name: str) -> float:
    """The longest that one attempt at a row lasts by itself; without a predictor there is
    nothing to wait for."""
    return SCORE_SHARE if MODELS[name].question else OWN_WORK


def all_attempts(name: str) -> float:
    """The longest that all attempts at a row last by themselves."""
    policy = POLICIES[name]
    return attempt(name) * (policy.retry + 1) + policy.waits


def followed(name: str) -> float:
    """The longest that the delivery of a row's reply lasts, with all that follows from it."""
    egress = EGRESS_POLICY.timeout * (EGRESS_POLICY.retry + 1) + EGRESS_POLICY.waits
    fed = [row.name for row in ROWS if row.wanted.model_name == name]
    return max([egress, *(all_attempts(row) + followed(row) for row in fed)])


def shim_chain(name: str) -> float:
    """What the shim waits for when it routes a change to a row, which repeats nothing."""
    fed = [shim_chain(row.name) for row in ROWS if row.wanted.model_name == name]
    return SCORE_SHARE + max([EGRESS_SHARE, *fed])


RELATIONS: Final = [
    pytest.param(
        SCORE_SHARE + EGRESS_SHARE,
        SHIM_SHARE,
        "the shim waits for a score and its relay, one after the other",
        id="shim-above-score-and-egress",
    ),
    pytest.param(
        2 * SCORE_SHARE + EGRESS_SHARE,
        SHIM_SHARE,
        "the shim waits for article-country, the tags made of it, and their relay",
        id="shim-above-the-longest-chain-by-name",
    ),
    pytest.param(
        max(shim_chain(row.name) for row in ROWS),
        SHIM_SHARE,
        "the shim waits for whatever follows from a change in the table of models",
        id="shim-above-the-longest-chain",
    ),
    pytest.param(
        SHIM_SHARE + OWN_WORK,
        CHANGEPROP_WAITS,
        "changeprop gets the shim's answer before it gives up, which it would not repeat",
        id="shim-below-changeprop",
    ),
    pytest.param(
        SHIM_SHARE + OWN_WORK,
        KAFKA_WAITS,
        "a KafkaSource gets the shim's answer before it gives up and delivers anew",
        id="shim-below-kafka-source",
    ),
    pytest.param(
        LETTERS.event_deadline_seconds + OWN_WORK,
        KAFKA_WAITS,
        "a dead letter is kept before Knative gives up on the dead-letter sink",
        id="deadletter-below-kafka",
    ),
    pytest.param(
        EVENTGATE_MAY_TAKE,
        EGRESS.eventgate_read_timeout_seconds,
        "EventGate's slowest good answer is read, not cut off: the event would come twice",
        id="eventgate-read-above-62",
    ),
    pytest.param(
        EVENTGATE_MAY_TAKE + EGRESS.eventgate_connect_timeout_seconds,
        EGRESS_SHARE,
        "egress waits for the slowest good answer of the only EventGate",
        id="egress-above-one-eventgate",
    ),
    pytest.param(
        ONE_HANGS + SLOWEST_GOOD,
        EGRESS_SHARE,
        "when the first EventGate hangs, the slowest good answer of the second is still read",
        id="egress-above-a-hanging-and-a-slow-eventgate",
    ),
    pytest.param(
        2 * ONE_HANGS + OWN_WORK,
        EGRESS_SHARE,
        "when both EventGates hang, egress says which, and not that its own time is used up",
        id="egress-above-two-hanging-eventgates",
    ),
    pytest.param(
        CONNECT_TIMEOUT_SECONDS + PREDICTOR_MAY_TAKE,
        SCORE_SHARE,
        "score waits for a slow predictor on a slow network",
        id="score-above-the-predictor",
    ),
    pytest.param(
        BODY_SECONDS,
        SCORE_SHARE,
        "a body that does not come is given up before the event's own time is used up",
        id="body-below-the-shortest-deadline",
    ),
    pytest.param(
        BROKER_READS,
        BODY_SECONDS,
        "a sink reads a body for as long as a Broker has had to read it",
        id="body-above-the-broker",
    ),
    pytest.param(
        IDLE_SECONDS,
        EVENTGATE_KEEPS_IDLE,
        "we let an idle connection go before EventGate closes it under a request",
        id="client-idle-below-eventgate",
    ),
    pytest.param(
        EGRESS_SHARE + OWN_WORK,
        EGRESS_POLICY.timeout,
        "egress answers before its Trigger gives up, so that the answer names the cause",
        id="egress-below-its-trigger",
    ),
]


@pytest.mark.parametrize(("less", "more", "sentence"), RELATIONS)
def test_deadlines_nest(less: float, more: float, sentence: str) -> None:
    """What waits has more time than all that it waits for."""
    assert less < more, f"{sentence}: {less:g} s against {more:g} s"


@pytest.mark.parametrize("name", OVERLAYS)
def test_overlay_has_the_times_that_nest(name: str) -> None:
    """An environment changes no deadline and no Trigger's delivery: all that is said here holds."""
    wanted = {
        "http-shim": SHIM_SHARE,
        "score-sink": SCORE_SHARE,
        "egress-sink": EGRESS_SHARE,
        "deadletter-sink": LETTERS.event_deadline_seconds,
    }

    has = {sink: settings_of(overlay(name), sink).event_deadline_seconds for sink in wanted}

    assert has == wanted
    assert policies(overlay(name)).items() <= POLICIES.items()


@pytest.mark.parametrize("name", SCORES)
def test_trigger_timeout_contains_an_attempt_and_the_delivery_of_its_reply(name: str) -> None:
    """The in-memory channel delivers a reply, retries and all, while the delivery is open."""
    less, more = attempt(name) + followed(name), POLICIES[name].timeout

    assert less < more, (
        f"{name}: a reply is delivered before its Trigger gives up: {less:g} against {more:g} s"
    )


@pytest.mark.parametrize("name", SCORES)
def test_trigger_timeout_on_kafka_contains_an_attempt_and_10_s(name: str) -> None:
    """The Kafka Broker stores a reply and does not wait for egress: an attempt is the sink's own
    deadline, and its answer has 10 s to arrive."""
    less, more = SCORE_SHARE + KAFKA_SPARES, POLICIES[name].timeout

    assert less < more, f"{name}: an attempt ends before its Trigger gives up: {less:g}, {more:g} s"


@pytest.mark.parametrize("name", SCORES)
def test_trigger_attempts_and_the_reply_fit_the_channel(name: str) -> None:
    """After 15 minutes the channel answers 500 itself, and everything begins again."""
    less = all_attempts(name) + followed(name)

    assert less < CHANNEL_WAITS, (
        f"{name}: failing attempts and one reply end before the channel: {less:g} s"
    )


def test_trigger_of_the_egress_outlasts_an_eventgate_that_restarts() -> None:
    """Its waits are no pretence: another attempt comes after the avoided EventGate's turn."""
    each = 2 * ONE_HANGS
    spent = each * EGRESS_POLICY.retry + EGRESS_POLICY.waits

    assert spent > EGRESS.eventgate_avoid_seconds, (
        f"the last attempt tries the preferred EventGate again: {spent:g} s against "
        f"{EGRESS.eventgate_avoid_seconds:g} s"
    )


@pytest.mark.parametrize(
    ("environ", "longest"),
    [
        pytest.param({}, max(SHIM_SHARE, SCORE_SHARE, EGRESS_SHARE), id="no-setting"),
        pytest.param({}, LETTERS.event_deadline_seconds, id="no-setting-dead-letters"),
        *(
            pytest.param({"EVENT_DEADLINE_SECONDS": value}, float(value), id=value)
            for value in ("0.5", "60", "140", "299.999999", "300", "600.5", "3600")
        ),
        pytest.param({"EVENT_DEADLINE_SECONDS": "soon"}, SHIM_SHARE, id="wrong-setting"),
    ],
)
def test_server_stops_later_than_the_longest_event(environ: dict[str, str], longest: float) -> None:
    """On SIGTERM an event that has just begun still gets its answer, and time to be sent it."""
    grace = served(environ)["graceful_timeout"]

    assert grace > longest + OWN_WORK, (
        f"a stopping server waits for the event in work: {grace:g} s against {longest:g} s"
    )


@pytest.mark.parametrize("environ", [{}, {"EVENT_DEADLINE_SECONDS": "1"}], ids=["none", "short"])
def test_server_keeps_idle_connections_longer_than_go(environ: dict[str, str]) -> None:
    """The side that closes first must be the client, or a request meets a closed connection."""
    keepalive = served(environ)["keepalive"]

    assert keepalive > GO_KEEPS_IDLE, (
        f"Go closes an idle connection before the server does: {keepalive:g} s"
    )


@pytest.mark.parametrize("in_flight", ["1", "1000", "100000"])
def test_server_accepts_more_connections_than_events(in_flight: str) -> None:
    """What is over MAX_IN_FLIGHT has to be accepted to be told to come again."""
    connections = served({"MAX_IN_FLIGHT": in_flight})["worker_connections"]

    assert connections >= int(in_flight) + 16, (
        f"room for the answers to surplus events: {connections} against {in_flight}"
    )


@pytest.mark.parametrize("name", POLICIES)
def test_no_wait_ends_when_the_brokers_filter_closes_idle_connections(name: str) -> None:
    """The attempt would meet a connection that is just being closed, and be spent."""
    assert all(abs(wait - BROKER_KEEPS_IDLE) > 1 for wait in POLICIES[name].each_wait)
