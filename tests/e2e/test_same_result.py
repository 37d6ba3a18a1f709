"""Two ways of running, one result: through Knative's Broker, and routed by the shim itself."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import requests
import yaml

from sinks.envelope import made_id
from sinks.local.processes import ROOT
from sinks.models import MODELS
from tests.e2e import overlay, sample_inputs
from tests.e2e.cluster import Cluster
from tests.e2e.counterparts import EVENTGATE, PREDICTOR, Counterparts
from tests.e2e.kubelet import Kubelet
from tests.e2e.overlay import Applied, Overlay, rolled_out
from tests.e2e.sample_inputs import Input
from tests.e2e.waiting import until
from tests.image.build import image_name

AT_ONCE: Final = 8
SECONDS: Final = 300.0
SETTLED_SECONDS: Final = 30.0
NAMESPACE: Final = "e2e-standalone"


@pytest.fixture(scope="module")
def standalone(
    cluster: Cluster,
    kubelet: Kubelet,
    counterparts: Counterparts,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Applied]:
    """The overlay dev/standalone beside dev: the same in a namespace of its own."""
    directory = tmp_path_factory.mktemp("standalone")
    base = ROOT / "manifests" / "overlays" / "dev" / "standalone"
    urls = f"*=http://{{name}}.{NAMESPACE}.svc.cluster.local"
    moved = yaml.safe_dump([{"op": "replace", "path": "/data/SERVICE_URLS", "value": urls}])
    text = {
        "namespace": NAMESPACE,
        "resources": [os.path.relpath(base, directory.resolve())],
        "patches": [
            {"target": {"kind": "ConfigMap", "name": "(http-shim|deadletter-sink)"}, "patch": moved}
        ],
    }
    Path(directory, "kustomization.yaml").write_text(yaml.safe_dump(text), encoding="utf-8")
    services = {"predictor": PREDICTOR, "eventgate": EVENTGATE}
    wanted = Overlay(str(directory), services)
    with overlay.applied(cluster, kubelet, wanted, image_name()) as running:
        yield running


def sent(shim: str, messages: Sequence[Input]) -> list[requests.Response]:
    """Return the shim's answers; several are under way at a time."""
    local = threading.local()

    def open_session() -> None:
        local.session = requests.Session()

    def send(each: Input) -> requests.Response:
        message, url = each.message, f"{shim}/events"
        answer: requests.Response = local.session.post(
            url, message.body, headers=message.headers, timeout=SECONDS
        )
        return answer

    with ThreadPoolExecutor(AT_ONCE, initializer=open_session) as pool:
        return list(pool.map(send, messages))


def outcomes(answer: requests.Response) -> list[dict[str, Any]]:
    """Return what the shim says of each event, of those it has made of the input too."""
    found: list[dict[str, Any]] = answer.json().get("outcomes", [])
    return found


@dataclass(frozen=True, slots=True)
class Result:
    """What came of the same inputs in one way: the shim's answers, and how often each document
    came to EventGate."""

    answers: list[requests.Response]
    published: Counter[bytes]


@pytest.fixture(scope="module")
def messages() -> list[Input]:
    """Every input of tests/data in plain JSON, and each sample as a CloudEvent of each kind."""
    return [*sample_inputs.plain(), *sample_inputs.cloudevents()]


@pytest.fixture(scope="module")
def by_shim(standalone: Applied, counterparts: Counterparts, messages: Sequence[Input]) -> Result:
    """Without Knative: the answers come when all is done."""
    begin = len(counterparts.posted())
    answers = sent(standalone.url("http-shim"), messages)
    return Result(answers, Counter(counterparts.posted()[begin:]))


@pytest.fixture(scope="module")
def by_broker(
    dev: Applied, counterparts: Counterparts, messages: Sequence[Input], by_shim: Result
) -> Result:
    """The same through the Broker; its in-memory channel too answers when all is done."""
    # Its memory knows what earlier tests had published, which would not be published again.
    dev.cluster.kubectl("-n", dev.namespace, "rollout", "restart", "deployment/egress-sink")
    rolled_out(dev)
    begin, count = len(counterparts.posted()), by_shim.published.total()
    answers = sent(dev.url("http-shim"), messages)
    until(
        lambda: len(counterparts.posted()) >= begin + count,
        SETTLED_SECONDS,
        f"{count} documents by way of the Broker",
    )
    return Result(answers, Counter(counterparts.posted()[begin:]))


def ids(documents: Iterable[bytes]) -> set[str]:
    """Return `meta.id` of documents."""
    return {json.loads(each)["meta"]["id"] for each in documents}


def test_all_inputs_are_published_alike_in_both_ways(by_shim: Result, by_broker: Result) -> None:
    """The same documents with the same ids, byte for byte, and once each."""
    streams = {json.loads(each)["meta"]["stream"] for each in by_shim.published}

    assert ids(by_broker.published) == ids(by_shim.published)
    assert by_broker.published == by_shim.published
    assert set(by_shim.published.values()) == {1}
    assert by_shim.published.total() > 1000
    assert len(streams) == 13


def test_answers_to_all_inputs_are_alike_in_both_ways(
    messages: Sequence[Input], by_shim: Result, by_broker: Result
) -> None:
    """Accepted or refused for good, and nothing to be sent again.

    Refused are the predictions of article-country: only the row that made them publishes any.
    """
    both = zip(messages, by_shim.answers, by_broker.answers, strict=True)
    statuses = {
        (each.name, each.shape): (shim.status_code, broker.status_code)
        for each, shim, broker in both
    }
    refused = [name for (name, _), status in statuses.items() if status == (422, 422)]
    assert {*statuses.values()} == {(200, 200), (202, 202), (422, 422)}
    assert {name.split("/")[1] for name in refused} == {"article-country-tags"}


def test_input_that_publishes_nothing_publishes_nothing_in_both_ways(
    messages: Sequence[Input], by_shim: Result, by_broker: Result
) -> None:
    """Canaries, hidden pages and the like: no id that a row could make of them was published."""
    documents, quiet, answered = sample_inputs.documents(), set(), set()
    for each, answer in zip(messages, by_shim.answers, strict=True):
        if each.shape == "plain":
            found = {one["ce_id"] for one in outcomes(answer) if one["outcome"] == "relayed"}
            answered |= found
            quiet |= set() if found else {each.name}

    change = {name: documents[name] for name in quiet if "tags" not in name}
    possible = {
        made_id(f"/mediawiki/{each['wiki_id']}", each["meta"]["id"], row, MODELS[row].output_type)
        for each in change.values()
        for row in MODELS
    }
    assert {f"events/page_change_{name}.json" for name in ("canary", "delete")} <= quiet
    assert answered <= ids(by_shim.published)
    assert not possible & ids(by_broker.published)
