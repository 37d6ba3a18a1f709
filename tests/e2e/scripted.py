"""A Broker in a namespace of its own whose Triggers lead to scripted subscribers.

Each Trigger takes the events of one type, which is its name, to the subscriber of that name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import requests

from tests.e2e.api import Object, named
from tests.e2e.channel import wait_complete
from tests.e2e.cluster import Cluster
from tests.e2e.eventing import EVENTING
from tests.e2e.subscribers import Subscribers
from tests.e2e.waiting import until
from tests.factories import binary

SOURCE: Final = "/scripted"
_CANARY: Final = "canary"


@dataclass(frozen=True, slots=True)
class ScriptedBroker:
    """`default` in `namespace`; letters of a Trigger go to the subscriber `<name>-letters`."""

    cluster: Cluster
    namespace: str
    subscribers: Subscribers
    url: str

    @classmethod
    def made(cls, cluster: Cluster, namespace: str, subscribers: Subscribers) -> ScriptedBroker:
        """Make the namespace and the Broker, and return when that is Ready."""
        cluster.api.apply(named("v1", "Namespace", namespace))
        cluster.api.apply(named(EVENTING, "Broker", "default", namespace, spec={}))
        broker = cluster.ready(EVENTING, "Broker", "default", namespace)
        return cls(cluster, namespace, subscribers, broker["status"]["address"]["url"])

    def route(self, *names: str) -> None:
        """Make Triggers to these subscribers, and return when events get through them."""
        self.use(*map(self._trigger, names))

    def use(self, *triggers: Object) -> None:
        """Make these Triggers here, and return when events get through them.

        Ready is too early: the dispatcher may not know of a Trigger yet that is. It knows of all
        that are older than one that an event has come through.
        """
        made = [*triggers, self._trigger(_CANARY)]
        for each in made:
            here = {**each["metadata"], "namespace": self.namespace}
            self.cluster.api.apply({**each, "metadata": here})
        for each in made:
            self.cluster.ready(EVENTING, "Trigger", each["metadata"]["name"], self.namespace)
        wait_complete(self.cluster.api, self.namespace)
        self.settle()

    def settle(self) -> None:
        """Return when an event gets through the Trigger that was made last."""
        known = len(self.subscribers.received(_CANARY))

        def comes_through() -> bool:
            self.post(_CANARY, "canary")
            return len(self.subscribers.received(_CANARY)) > known

        until(comes_through, 30, f"events to get through the Triggers of {self.namespace}")

    def post(self, kind: str, event_id: str, seconds: float = 30) -> int:
        """Return the Broker's status for an event of a type, which comes after all that follows."""
        headers, body = binary({"n": 1}, type=kind, id=event_id, source=SOURCE)
        return requests.post(self.url, body, headers=headers, timeout=seconds).status_code

    def _trigger(self, name: str) -> Object:
        delivery = {
            "retry": 2,
            "backoffPolicy": "exponential",
            "backoffDelay": "PT0.2S",
            "deadLetterSink": {"uri": self.subscribers.at(f"{name}-letters")},
        }
        spec = {
            "broker": "default",
            "filters": [{"exact": {"type": name}}],
            "subscriber": {"uri": self.subscribers.at(name)},
            "delivery": delivery,
        }
        return named(EVENTING, "Trigger", name, self.namespace, spec=spec)
