"""The overlays as they are: accepted without a warning, Ready, and one change through the whole.

`test_deploy.py` makes the namespace of staging-a, which no controller here could take away, and so
comes before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
import requests

from tests.e2e.counterparts import Counterparts
from tests.e2e.fixtures_sinks import Apply
from tests.e2e.overlay import Applied
from tests.factories import DATA, merged
from tests.manifests import MANIFESTS, of_kind, overlay

SECONDS: Final = 120.0
EVENTING: Final = ("Broker", "Trigger", "SinkBinding", "EventType")
CHANGE: Final = DATA / "events" / "page_change_edit.json"
# Of a predictor, its Host; on the test streams four models share one.
HOSTS: Final = {
    "enwiki-drafttopic.revscoring-drafttopic.wikimedia.org",
    "outlink-topic-model.articletopic-outlink.wikimedia.org",
    "article-country.article-models.wikimedia.org",
    "revertrisk-language-agnostic.revertrisk.wikimedia.org",
    "revertrisk-multilingual.revertrisk.wikimedia.org",
}
ABOUT: Final = (b"1352207418", b"Lake_Marnow_Lighthouse")  # the change's revision and page
STREAMS: Final = {
    "staging-a": [
        *(["mediawiki.page_prediction_change.rc0"] * 4),
        "mediawiki.page_weighted_tags_change.rc0",
        "mediawiki.revision-score-test",
    ],
    "staging-b": [
        "mediawiki.article_country_prediction_change.v1",
        "mediawiki.cirrussearch.page_weighted_tags_change.v1",
        "mediawiki.page_outlink_topic_prediction_change.v1",
        "mediawiki.page_revert_risk_multilingual_prediction_change.v1",
        "mediawiki.page_revert_risk_prediction_change.v1",
        "mediawiki.revision_score_drafttopic",
    ],
}
MODEL: Final = "/v1/models/enwiki-drafttopic:predict"
GATEWAY: Final = f"https://inference-staging.svc.codfw.wmnet:30443{MODEL}"
LOST: Final = "staging.svc.eqiad.wmnet:34192: connecting to"
FOUND: Final = "staging.svc.codfw.wmnet:34192"
each_overlay = pytest.mark.parametrize("running", ["dev", *STREAMS], indirect=True)


@dataclass(frozen=True, slots=True)
class Running:
    """An overlay that runs, and its name."""

    name: str
    it: Applied


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest, applied: Apply) -> Iterator[Running]:
    """An overlay by its name; dev runs all the time."""
    name: str = request.param
    if name == "dev":
        yield Running(name, request.getfixturevalue("dev"))
        return
    with applied(name) as it:
        yield Running(name, it)


@each_overlay
def test_overlay_is_accepted_without_a_warning(running: Running) -> None:
    """Applied on the server's side with strict validation, Pod Security's warnings included."""
    path = str(MANIFESTS / "overlays" / running.name)
    namespace = running.it.cluster.api.get("v1", "Namespace", running.it.namespace)

    again = running.it.cluster.kubectl(
        "apply", "--server-side", "--force-conflicts", "--validate=strict", "-k", path
    )

    assert running.it.said == ""
    assert again.stderr == ""
    assert len(again.stdout.splitlines()) == len(overlay(running.name))
    for mode in ("enforce", "warn", "audit"):
        label = f"pod-security.kubernetes.io/{mode}"
        assert namespace["metadata"]["labels"][label] == "restricted"


@each_overlay
@pytest.mark.parametrize("kind", EVENTING)
def test_objects_of_knative_become_ready(running: Running, kind: str) -> None:
    """All that the overlay has of a kind, and nothing was left out."""
    names = [f"{kind}/{name}" for name in of_kind(overlay(running.name), kind)]

    done = running.it.cluster.kubectl(
        "wait", "-n", running.it.namespace, *names, "--for=condition=Ready", f"--timeout={SECONDS}s"
    )

    assert done.stdout.count("condition met") == len(names) > 0


def sent(running: Running, token: str, change_id: str) -> list[dict[str, Any]]:
    """Hand a change to the shim as a client that it knows; return the outcomes that it tells."""
    change = json.loads(CHANGE.read_text(encoding="utf-8"))
    answer = requests.post(
        f"{running.it.url('http-shim')}/events",
        json=merged(change, {"meta": {"id": change_id}}),
        headers={"Authorization": f"Bearer {token}"},
        timeout=SECONDS,
    )
    assert answer.status_code == 200, answer.text
    outcomes: list[dict[str, Any]] = answer.json()["outcomes"]
    return outcomes


@pytest.mark.parametrize("running", STREAMS, indirect=True)
def test_change_goes_through_the_whole_to_the_streams_of_the_overlay(
    running: Running, counterparts: Counterparts, token: str
) -> None:
    """With a client's token, through the Broker, over TLS where the overlay says so, to predictors
    that are told apart by Host. For dev `test_same_result.py` does it, with all changes."""
    published, asked = len(counterparts.posted()), len(counterparts.asked())

    outcomes = sent(running, token, f"through-{running.name}")

    documents = [json.loads(body) for body in counterparts.posted()[published:]]
    # dev runs beside, and its Broker may still be repeating what an earlier test made fail: but
    # only this test sends this change now.
    requests_for_it = [
        each for each in counterparts.asked()[asked:] if any(text in each.body for text in ABOUT)
    ]
    hosts = {each.host.partition(":")[0] for each in requests_for_it}
    assert [each["outcome"] for each in outcomes] == ["relayed"]
    assert sorted(each["meta"]["stream"] for each in documents) == STREAMS[running.name]
    assert hosts == HOSTS


@pytest.mark.parametrize("running", ["staging-b"], indirect=True)
def test_data_centre_that_does_not_answer_is_left_for_the_other(
    running: Running, counterparts: Counterparts, token: str
) -> None:
    """Packets to the first of the two EventGates are lost; nothing else is."""
    asked = counterparts.eventgate.record.asked
    before = len(asked)

    sent(running, token, "past-a-data-centre")

    pods = running.it.kubelet.pods(running.it.namespace, "egress-sink")
    assert [each.host for each in asked[before:]] == [FOUND] * len(STREAMS["staging-b"])
    assert any(LOST in pod.log for pod in pods)


def test_gateway_knows_predictors_by_host_alone(counterparts: Counterparts) -> None:
    """As on the platform: nothing is behind a Host that is wrong, or another InferenceService's."""

    def status(host: str) -> int:
        return requests.post(
            GATEWAY,
            json={"rev_id": 1},
            headers={"Host": host},
            verify=str(counterparts.ca),
            timeout=SECONDS,
        ).status_code

    assert status("enwiki-drafttopic.revscoring-drafttopic.wikimedia.org") == 200
    assert status("enwiki-drafttopic.wikimedia.org") == 404
    assert status("article-country.article-models.wikimedia.org") == 404
