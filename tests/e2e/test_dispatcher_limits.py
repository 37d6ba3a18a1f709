"""What Knative 1.20's filter and dispatcher make of errors, replies and loops that are not ours.

The answers come from scripted subscribers; why our own sinks answer as they do is seen here.
Source: knative/eventing v0.47.0, pkg/kncloudevents/event_dispatcher.go, pkg/broker/filter.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, get_args

import pytest
import requests
import yaml

from sinks.errors import MAX_ERROR_BODY_BYTES, Rejected, error_document
from sinks.reasons import Reason
from tests.e2e.api import named
from tests.e2e.cluster import Cluster
from tests.e2e.eventing import EVENTING, NAMESPACE
from tests.e2e.places import NODE
from tests.e2e.scripted import SOURCE, ScriptedBroker
from tests.e2e.subscribers import Answer, Behave, Delivery, serving
from tests.e2e.waiting import until
from tests.factories import PAGE_CHANGE_TYPE, page_change
from tests.processes import gunicorn

DISPATCHER: Final = "imc-dispatcher"
# The longest reason, detail and id, of characters that JSON has to escape.
OUR_LONGEST: Final = error_document(
    Rejected(max(get_args(Reason), key=len), "d" * 1000), "\\" * 128
)


def refusal(body: bytes) -> Behave:
    """Refuse for good, in so many bytes."""
    return lambda _: (422, {"Content-Type": "application/json"}, body)


def looping(delivery: Delivery) -> Answer:
    """Reply what this subscriber's own Trigger takes again, with a number one higher."""
    number = int(delivery.attributes["id"]) + 1
    headers = {f"ce-{name}": text for name, text in delivery.attributes.items()}
    return 200, {**headers, "ce-id": str(number), "Content-Type": "application/json"}, delivery.body


@pytest.fixture(scope="module")
def broker(cluster: Cluster) -> Iterator[ScriptedBroker]:
    """One Trigger for each of the subscribers below."""
    held = threading.Event()
    with serving(NODE) as subscribers:
        subscribers.behave |= {
            "longest": refusal(OUR_LONGEST),
            "limit": refusal(b"x" * MAX_ERROR_BODY_BYTES),
            "over": refusal(b"x" * (MAX_ERROR_BODY_BYTES + 1)),
            "text": lambda _: (200, {"Content-Type": "text/plain"}, b"OK"),
            "loop": looping,
            "ring": looping,
            "slow": lambda _: (202, {}, b"" if held.wait(30) else b""),
        }
        made = ScriptedBroker.made(cluster, "e2e-limits", subscribers)
        made.route("longest", "limit", "over", "text", "loop", "slow")
        yield made
        held.set()


def letter(broker: ScriptedBroker, name: str) -> Delivery:
    """The one dead letter of a Trigger."""
    (only,) = broker.subscribers.received(f"{name}-letters")
    return only


def start_again(broker: ScriptedBroker) -> None:
    """Start the dispatcher that has ended, and return when it delivers.

    Its lease would keep the new one from saying for a minute that Triggers are Ready.
    """
    api = broker.cluster.api
    for lease in api.list("coordination.k8s.io/v1", "Lease", NAMESPACE):
        if lease["metadata"]["name"].startswith("inmemorychannel-dispatcher."):
            api.delete(lease["apiVersion"], "Lease", lease["metadata"]["name"], NAMESPACE)
    broker.cluster.restart(DISPATCHER)
    broker.settle()


@pytest.mark.parametrize(
    ("name", "body"),
    [
        pytest.param("longest", OUR_LONGEST, id="our-longest"),
        pytest.param("limit", b"x" * MAX_ERROR_BODY_BYTES, id="768-bytes"),
    ],
)
def test_error_of_at_most_768_bytes_is_a_letter_that_quotes_all_of_it(
    broker: ScriptedBroker, name: str, body: bytes
) -> None:
    """Refused for good: one attempt, and a letter that says where and why."""
    status = broker.post(name, "refused")

    said = letter(broker, name).attributes
    assert status == 202
    assert len(broker.subscribers.received(name)) == 1
    assert (said["id"], said["source"]) == ("refused", SOURCE)
    assert said["knativeerrordest"] == broker.subscribers.at(name)
    assert said["knativeerrorcode"] == "422"
    assert base64.b64decode(said["knativeerrordata"], validate=True) == body


def test_our_longest_error_comes_near_the_limit() -> None:
    """The proof above is about our limit only if nothing longer is left."""
    assert MAX_ERROR_BODY_BYTES - 64 < len(OUR_LONGEST) <= MAX_ERROR_BODY_BYTES


def test_reply_that_is_no_event_is_repeated_and_its_letter_says_nothing(
    broker: ScriptedBroker,
) -> None:
    """The filter answers 502 without the JSON that the dispatcher takes an error from."""
    status = broker.post("text", "polite")

    attempts = [each.at for each in broker.subscribers.received("text")]
    said = letter(broker, "text").attributes
    assert status == 202
    assert len(attempts) == 3
    assert attempts[1] - attempts[0] > 0.2
    assert attempts[2] - attempts[1] > 0.4
    assert (said["id"], said["source"]) == ("polite", SOURCE)
    assert not [name for name in said if name.startswith("knativeerror")]


def test_reply_that_feeds_its_own_trigger_ends_after_255_deliveries(
    broker: ScriptedBroker,
) -> None:
    """The ingress refuses the 256th pass with 400, which makes a letter of the last event.

    The dead-letter sink is what ends it: without one the refusal is an error of the whole delivery,
    which the hop before repeats, and so on back to the first, with all hops after it each time.
    """
    status = broker.post("loop", "1")

    hops = [each.attributes["id"] for each in broker.subscribers.received("loop")]
    said = letter(broker, "loop").attributes
    assert status == 202
    assert hops == [str(number) for number in range(1, 256)]
    assert said["id"] == "255"
    assert (said["knativeerrorcode"], said["knativeerrordest"]) == ("400", broker.url)


def test_shim_without_a_broker_ends_such_a_loop_after_as_many_deliveries(
    broker: ScriptedBroker, tmp_path: Path
) -> None:
    """What it routes itself goes no further than what Knative routes, and ends for good as well."""
    spec = {
        "filters": [{"exact": {"type": PAGE_CHANGE_TYPE}}],
        "subscriber": {"uri": broker.subscribers.at("ring")},
    }
    trigger = named(EVENTING, "Trigger", "ring", spec=spec)
    (tmp_path / "ring.yaml").write_text(yaml.safe_dump(trigger))
    env = {"ALLOW_ANONYMOUS": "true", "TRIGGERS_DIR": str(tmp_path)}

    with gunicorn("sinks.http_shim:create_app()", env, tmp_path) as shim:
        answer = requests.post(f"{shim.url}/events", json=page_change(meta={"id": "1"}), timeout=30)

    hops = [each.attributes["id"] for each in broker.subscribers.received("ring")]
    assert answer.status_code == 422
    assert hops == [str(number) for number in range(1, 256)]
    assert "too_many_hops" in answer.text


def test_error_of_769_bytes_ends_the_dispatcher_and_all_that_it_has_in_work(
    broker: ScriptedBroker,
) -> None:
    """One longer answer of one subscriber: no letter, and every event of every Broker fails.

    What is in work is in that process's memory only; its senders can repeat it, because the
    in-memory channel answers last. 1.20 is as 1.22 here.
    """
    with ThreadPoolExecutor() as pool:
        in_work = pool.submit(broker.post, "slow", "innocent")
        until(lambda: broker.subscribers.received("slow"), 10, "an event in work")

        statuses = [broker.post("over", "long"), in_work.result()]

    start_again(broker)
    said = broker.cluster.processes.log(DISPATCHER).read_text()
    assert statuses == [500, 500]
    assert "panic: runtime error: index out of range" in said
    assert "dispatchExecutionInfoTransformers" in said
    assert broker.subscribers.received("over-letters") == []

    broker.subscribers.behave["over"] = refusal(b"x" * MAX_ERROR_BODY_BYTES)

    assert broker.post("over", "long") == 202
    assert letter(broker, "over").attributes["id"] == "long"
