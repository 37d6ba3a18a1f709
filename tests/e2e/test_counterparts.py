"""The servers outside the cluster are found under the overlays' own names, and can fail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from sinks.local.processes import ROOT
from tests.e2e.counterparts import Counterparts
from tests.e2e.fixtures_sinks import Apply
from tests.e2e.overlay import Applied
from tests.e2e.waiting import until

CHANGE = (ROOT / "tests/data/events/page_change_edit.json").read_bytes()
MODEL = "/v1/models/enwiki-drafttopic:predict"
PREDICTOR = "http://predictor.outside.test:8084"
EVENTGATE = "http://eventgate.outside.test:8192"
GATEWAY = "https://inference-staging.svc.codfw.wmnet:30443"
SECONDS = 60.0

# Other tests read what has come to EventGate as documents.
HUNG = b'{"meta": {"id": "hung"}}'


@pytest.fixture
def staging_b(applied: Apply) -> Iterator[Applied]:
    """The overlay staging-b, with events on their way."""
    with applied("staging-b") as running:
        yield running


def test_staging_publishes_where_a_data_centre_answers(
    staging_b: Applied, counterparts: Counterparts, token: str
) -> None:
    """With its own values: predictors by Host and TLS, and of two EventGates the first is lost."""
    asked, published = len(counterparts.asked()), len(counterparts.posted())
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}

    url = f"{staging_b.url('http-shim')}/events"
    answer = requests.post(url, data=CHANGE, headers=headers, timeout=SECONDS)
    until(lambda: len(counterparts.posted()) > published, SECONDS, "an event to be published")

    hosts = {each.host for each in counterparts.asked()[asked:]}
    posted = counterparts.eventgate.record.asked[-1]
    assert answer.status_code == 200, answer.text
    assert staging_b.said == ""
    assert "enwiki-drafttopic.revscoring-drafttopic.wikimedia.org" in hosts
    assert posted.host == "staging.svc.codfw.wmnet:34192"


def test_gateway_knows_predictors_by_host_alone(counterparts: Counterparts) -> None:
    """As on the platform: nothing is behind a Host that is wrong, or another InferenceService's."""

    def status(host: str) -> int:
        headers, verify = {"Host": host}, str(counterparts.ca)
        body = {"rev_id": 1}
        return requests.post(
            GATEWAY + MODEL, json=body, headers=headers, verify=verify, timeout=SECONDS
        ).status_code

    assert status("enwiki-drafttopic.revscoring-drafttopic.wikimedia.org") == 200
    assert status("enwiki-drafttopic.wikimedia.org") == 404
    assert status("article-country.article-models.wikimedia.org") == 404


def test_counterpart_refuses_when_stopped_and_answers_when_started(
    counterparts: Counterparts,
) -> None:
    """Whoever calls it meanwhile gets no connection."""
    counterparts.predictor.stop()
    try:
        with pytest.raises(requests.ConnectionError, match="refused"):
            requests.post(PREDICTOR + MODEL, json={"rev_id": 1}, timeout=SECONDS)
    finally:
        counterparts.predictor.start()

    again = requests.post(PREDICTOR + MODEL, json={"rev_id": 1}, timeout=SECONDS)

    assert again.status_code == 200


def test_counterpart_that_hangs_takes_requests_and_never_answers(
    counterparts: Counterparts,
) -> None:
    """What came in meanwhile is on record, and has reached nobody."""
    counterparts.eventgate.hang()
    try:
        with pytest.raises(requests.ReadTimeout):
            requests.post(f"{EVENTGATE}/v1/events", data=HUNG, timeout=1)
    finally:
        counterparts.eventgate.start()

    again = requests.get(f"{EVENTGATE}/_info", timeout=SECONDS)

    assert counterparts.posted()[-1] == HUNG
    assert again.status_code == 200
