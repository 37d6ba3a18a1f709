"""The console behind Knative's own Broker: it sees everything, and costs nobody anything."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import requests
import yaml

from sinks.local.processes import ROOT
from tests.e2e import overlay
from tests.e2e.changes import published, published_id, talk_page_edited
from tests.e2e.cluster import Cluster
from tests.e2e.counterparts import EVENTGATE, PREDICTOR, Counterparts
from tests.e2e.kubelet import Kubelet
from tests.e2e.letters import Letters
from tests.e2e.overlay import Applied, Overlay
from tests.e2e.sender import send
from tests.e2e.test_failures import predictions
from tests.e2e.waiting import NotYet, until
from tests.image.build import image_name

NAMESPACE: Final = "e2e-console"
# The one row that scores talk pages of this wiki.
ROW, WIKI = "reverted", "iswiki"
SECONDS: Final = 60.0


@pytest.fixture(scope="module")
def watched(
    cluster: Cluster,
    kubelet: Kubelet,
    counterparts: Counterparts,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Applied]:
    """The overlay dev in a namespace of its own, with the console and its Trigger."""
    directory = tmp_path_factory.mktemp("console").resolve()
    manifests = Path(os.path.relpath(ROOT / "manifests", directory))
    urls = f"*=http://{{name}}.{NAMESPACE}.svc.cluster.local"
    moved = yaml.safe_dump([{"op": "replace", "path": "/data/SERVICE_URLS", "value": urls}])
    text = {
        "namespace": NAMESPACE,
        "resources": [str(manifests / "overlays" / "dev")],
        "components": [
            str(manifests / "components" / each) for each in ("console", "console-trigger")
        ],
        "patches": [
            {"target": {"kind": "ConfigMap", "name": "(http-shim|deadletter-sink)"}, "patch": moved}
        ],
    }
    Path(directory, "kustomization.yaml").write_text(yaml.safe_dump(text), encoding="utf-8")
    wanted = Overlay(str(directory), {"predictor": PREDICTOR, "eventgate": EVENTGATE})
    with overlay.applied(cluster, kubelet, wanted, image_name()) as running:
        yield running


def send_to_shim(watched: Applied, change: dict[str, Any]) -> None:
    url = f"{watched.url('http-shim')}/events"
    send(partial(requests.post, url, json=change, timeout=60))


def discarded(watched: Applied) -> float:
    """How many events deadletter-sink has been given to keep nothing of."""
    metrics = requests.get(f"{watched.url('deadletter-sink')}/metrics", timeout=10).text
    name = r'^sinks_letters_dropped_total\{cause="discarded",sink="deadletter-sink"\} (\S+)'
    counted = re.findall(name, metrics, re.MULTILINE)
    return float(counted[0]) if counted else 0.0


def test_console_shows_page_change_and_reply_that_the_broker_delivers(watched: Applied) -> None:
    """One line: the change, and what its row replied to it."""
    change = talk_page_edited(WIKI, 1000411)
    change["page"]["page_title"] = "Seen_through_the_Broker"

    send_to_shim(watched, change)

    def shown() -> bool:
        page = requests.get(f"{watched.url('console')}/?wiki={WIKI}", timeout=10).text
        return "Seen through the Broker" in page and f"{ROW}: replied" in page

    until(shown, SECONDS, "the console to show the change with its reply")


def is_away(watched: Applied) -> bool:
    """Whether its Pod has ended: told to go, it serves for 10 s on what connections there are."""
    pods = watched.cluster.api.list("v1", "Pod", watched.namespace)
    return not [pod for pod in pods if pod["metadata"]["name"].startswith("console-")]


def test_console_that_is_away_costs_neither_a_repetition_nor_a_letter(
    watched: Applied, counterparts: Counterparts
) -> None:
    """What it has missed is discarded: the row is asked once, and what it replied is published."""
    change = talk_page_edited(WIKI, 1000412)
    deployment = ("deployment/console", "--namespace", watched.namespace)
    watched.cluster.kubectl("scale", *deployment, "--replicas=0")
    until(lambda: is_away(watched), SECONDS, "the console to be gone, not only going")

    send_to_shim(watched, change)

    def both_discarded() -> bool:
        if (count := discarded(watched)) < 2:
            raise NotYet(f"{count} discarded, {Letters(watched).listed()} kept")
        return True

    until(both_discarded, SECONDS, "change and reply to be discarded")
    until(lambda: published(counterparts, 1000412), SECONDS, "the reply to be published")
    assert published(counterparts, 1000412) == [published_id(change, ROW)]
    assert predictions(counterparts, 1000412) == 1
    assert Letters(watched).listed() == []
