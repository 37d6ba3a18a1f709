"""Nothing that was acknowledged is lost, although a program of Knative's is killed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

import pytest
import requests
import yaml
from requests.adapters import HTTPAdapter

from sinks.local.processes import ROOT
from tests.e2e.changes import item_moved, published, published_id, typed
from tests.e2e.cluster import Cluster
from tests.e2e.counterparts import Counterparts
from tests.e2e.letters import Letters
from tests.e2e.overlay import Applied
from tests.e2e.places import NODE
from tests.e2e.scripted import ScriptedBroker
from tests.e2e.sender import send_all
from tests.e2e.subscribers import serving
from tests.e2e.waiting import until

ROW: Final = "revertrisk-wikidata"
TRIGGERS: Final = (ROW, "egress")
FILTER: Final = "mt-broker-filter"
# The shipped Triggers wait 6 and 12 s first; here as there, each wait is twice the last.
FIRST_WAIT_SECONDS: Final = 4
EVENTS: Final = 2000
FIRST: Final = 2_000_000
AT_ONCE: Final = 64


@pytest.fixture
def broker(cluster: Cluster, dev: Applied) -> Iterator[ScriptedBroker]:
    """A Broker with two Triggers as they are shipped but for shorter waits, to the overlay's sinks.

    With all of them each event would cost the filter sixteen calls that come to nothing.
    """
    shipped = [yaml.safe_load((ROOT / f"triggers/{name}.yaml").read_text()) for name in TRIGGERS]
    for each in shipped:
        for part in (each["spec"]["subscriber"], each["spec"]["delivery"]["deadLetterSink"]):
            part["ref"]["namespace"] = dev.namespace
        each["spec"]["delivery"]["backoffDelay"] = f"PT{FIRST_WAIT_SECONDS}S"
    with serving(NODE) as subscribers:
        made = ScriptedBroker.made(cluster, "e2e-loss", subscribers)
        made.use(*shipped)
        yield made


def test_filter_killed_twice_under_2000_events_loses_none(
    cluster: Cluster, dev: Applied, counterparts: Counterparts, broker: ScriptedBroker
) -> None:
    """What the filter had in work is delivered again, after the wait of its Trigger.

    From the Broker to EventGate nothing is stored: each sender waits until all of that is done.
    """
    changes = [item_moved(FIRST + number) for number in range(EVENTS)]
    wanted = {published_id(change, ROW) for change in changes}
    session = requests.Session()
    session.mount("http://", HTTPAdapter(pool_maxsize=AT_ONCE))
    posts = [
        partial(session.post, broker.url, each.body, headers=each.headers, timeout=60)
        for each in map(typed, changes)
    ]
    before = len(counterparts.posted())

    def is_published(share: float) -> bool:
        return len(counterparts.posted()) - before > share * EVENTS

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send_all, posts, AT_ONCE)
        for share in (0.3, 0.6):
            until(partial(is_published, share), 120, f"{share:.0%} of the events to be published")
            cluster.restart(FILTER)
        sent = sending.result()

    ids = published(counterparts)[before:]
    assert wanted - set(ids) == set()
    assert set(ids) <= wanted
    # The kills have met some in work.
    assert max(each.seconds for each in sent) > FIRST_WAIT_SECONDS
    assert Letters(dev).listed("--row", ROW, "--since", "5m") == []
