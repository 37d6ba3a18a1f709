"""The in-memory channel behind a Broker: to whom it delivers."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from tests.e2e.api import Api
from tests.e2e.eventing import EVENTING, MESSAGING
from tests.e2e.waiting import until

_SECONDS: Final = 60.0


def subscribers(api: Api, namespace: str) -> list[tuple[str, dict[str, Any]]]:
    """Return what the channel of the Broker `default` delivers to: each with its Trigger's name."""
    channel = api.get(MESSAGING, "InMemoryChannel", "default-kne-trigger", namespace)
    found = channel["spec"].get("subscribers", [])
    return [(each["subscriberUri"].split("/")[-2], each) for each in found]


def wait_complete(api: Api, namespace: str) -> None:
    """Return once the channel delivers to each Trigger of a namespace, and once.

    Knative 1.20 writes the whole list for each Trigger, from what it has read before: of Triggers
    that come or change at the same time, one may be left out again although it is Ready, and an old
    one may stay. What is left out comes back; until then its events are lost.
    """

    def is_complete() -> bool:
        triggers = api.list(EVENTING, "Trigger", namespace)
        names = Counter(each["metadata"]["name"] for each in triggers)
        return names == Counter(name for name, _ in subscribers(api, namespace))

    until(is_complete, _SECONDS, f"the channel of {namespace} to know each Trigger, and once")
