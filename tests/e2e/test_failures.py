"""Failures within the cluster, and what becomes of the event then."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

import pytest
import requests

from tests.e2e.api import named
from tests.e2e.changes import published, published_id, talk_page_edited
from tests.e2e.channel import subscribers
from tests.e2e.cluster import Cluster
from tests.e2e.counterparts import Counterparts
from tests.e2e.eventing import EVENTING
from tests.e2e.letters import Letters
from tests.e2e.overlay import Applied
from tests.e2e.sender import Post, send
from tests.e2e.waiting import until

ROW: Final = "reverted"
WIKI: Final = "iswiki"
# The sample predictor takes 3 s for it.
SLOW: Final = 8060


@pytest.fixture(scope="module")
def impatient(cluster: Cluster, dev: Applied) -> Iterator[None]:
    """The row's Trigger as it is shipped, but with waits of 0.5, 1 and 2 seconds."""
    shipped = cluster.api.get(EVENTING, "Trigger", ROW, dev.namespace)
    delay = shipped["spec"]["delivery"]["backoffDelay"]
    set_delay(dev, "PT0.5S")
    yield
    set_delay(dev, delay)


def set_delay(dev: Applied, delay: str) -> None:
    """Change the Trigger's back-off, and return when the channel goes by it."""
    trigger = named(EVENTING, "Trigger", ROW, dev.namespace)
    dev.cluster.api.patch(trigger, {"spec": {"delivery": {"backoffDelay": delay}}})

    def is_in_force() -> bool:
        found = subscribers(dev.cluster.api, dev.namespace)
        return [delay] == [each["delivery"]["backoffDelay"] for name, each in found if name == ROW]

    until(is_in_force, 30, f"the channel to wait {delay}")


def to_shim(dev: Applied, change: dict[str, Any]) -> Post:
    """Return what posts a change to the shim."""
    return partial(requests.post, f"{dev.url('http-shim')}/events", json=change, timeout=60)


def predictions(counterparts: Counterparts, rev_id: int) -> int:
    """How often the predictor was asked about a revision."""
    asked = [each.body for each in counterparts.asked() if each.method == "POST"]
    return sum(json.loads(body).get("rev_id") == rev_id for body in asked)


def test_predictor_down_is_repeated_kept_replayed_and_published_under_the_same_id(
    dev: Applied, counterparts: Counterparts, impatient: None
) -> None:
    """Three repetitions, a letter that quotes our error, and one command when it is back."""
    rev_id = 1000001
    change = talk_page_edited(WIKI, rev_id)
    letters = Letters(dev)
    counterparts.predictor.stop()
    try:
        sent = send(to_shim(dev, change))
        listed = letters.of(change["meta"]["id"])
        assert listed is not None
        letter = letters.shown(listed["number"])
    finally:
        counterparts.predictor.start()

    (replayed,) = letters.replayed("--number", str(letter["number"]))

    host = f"score-sink.{dev.namespace}.svc.cluster.local"
    error = json.loads(letter["error"])
    assert sent.attempts == 1
    assert sent.seconds > 3.5
    assert letter["destination"] == f"http://{host}/models/{ROW}"
    assert (letter["status"], letter["count"], letter["replay"]) == (503, 1, None)
    assert (error["reason"], error["ce_id"]) == ("upstream_unavailable", change["meta"]["id"])
    assert (letter["row"], letter["wiki"], letter["reason"]) == (ROW, WIKI, error["reason"])
    assert replayed["outcome"] == "relayed"
    until(lambda: published(counterparts, rev_id), 10, "the replayed letter to be published")
    assert published(counterparts, rev_id) == [published_id(change, ROW)]
    assert letters.shown(letter["number"])["replay"]["outcome"] == "relayed"


def test_score_sink_killed_with_an_event_in_work_is_repeated_and_published_under_one_id(
    dev: Applied, counterparts: Counterparts, impatient: None
) -> None:
    """SIGKILL while the predictor works: the Broker sends it again to the next container."""
    change = talk_page_edited(WIKI, SLOW)
    (pod,) = dev.kubelet.pods(dev.namespace, "score-sink")
    killed = pod.container
    with ThreadPoolExecutor() as pool:
        sending = pool.submit(send, to_shim(dev, change))
        until(lambda: predictions(counterparts, SLOW), 10, "the predictor to be asked")

        pod.kill()

        sent = sending.result()
    assert pod.container is not killed
    assert sent.attempts == 1
    assert predictions(counterparts, SLOW) > 1
    assert set(published(counterparts, SLOW)) == {published_id(change, ROW)}
