"""Triggers whose filters change while events flow, and what our own router says of the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import requests
import yaml

from sinks import triggers
from sinks.cloudevent import Message, decode
from tests.e2e.api import named
from tests.e2e.eventing import EVENTING
from tests.e2e.scripted import ScriptedBroker
from tests.e2e.waiting import until

Json = dict[str, Any]
Matches = set[tuple[str, int]]
_CANARY: Final = "canary"
_SECONDS: Final = 30.0


def trigger(name: str, namespace: str, spec: Mapping[str, Any]) -> Json:
    """A Trigger of these filters and a subscriber that nobody has to serve."""
    whole = {"broker": "default", "subscriber": {"uri": "http://one.example/"}, **spec}
    return named(EVENTING, "Trigger", name, namespace, spec=whole)


def ours(specs: Mapping[str, Mapping[str, Any]], events: Sequence[Message]) -> Matches:
    """Return which Triggers, by name, our router lets which events through, by position.

    raises: InvalidTrigger.
    """
    with TemporaryDirectory() as directory:
        objects = [trigger(name, "default", spec) for name, spec in specs.items()]
        Path(directory, "triggers.yaml").write_text(yaml.safe_dump_all(objects), encoding="utf-8")
        loaded = triggers.load([Path(directory)], {})
    decoded = [decode(*event) for event in events]
    return {
        (each.name, position)
        for each in loaded
        for position, event in enumerate(decoded)
        if each.filter.passes(event)
    }


@dataclass(frozen=True, slots=True)
class FiltersInForce:
    """Changes the filters of a Broker's Triggers; a new Trigger would take the controllers long."""

    broker: ScriptedBroker
    _rounds: Iterator[int] = field(default_factory=count)
    _session: requests.Session = field(default_factory=requests.Session)

    def use(self, specs: Mapping[str, Mapping[str, Any]]) -> None:
        """Give Triggers these filters, and return when Knative's filter goes by them.

        It learns of changes in their order, so by the last, the canary's, it has learned of all.
        raises: ApiError if the webhook refuses one.
        """
        kind = f"round.{next(self._rounds)}"
        self.change({**specs, _CANARY: {"filters": [{"exact": {"type": kind}}]}})
        known = len(self.broker.subscribers.received(_CANARY))

        def comes_through() -> bool:
            self.broker.post(kind, "canary")
            return len(self.broker.subscribers.received(_CANARY)) > known

        until(comes_through, _SECONDS, "Knative's filter to know the Triggers' new filters")

    def change(self, specs: Mapping[str, Mapping[str, Any]]) -> None:
        """Give Triggers these filters, which are not in force yet."""
        api, namespace = self.broker.cluster.api, self.broker.namespace
        for name, spec in specs.items():
            known = api.get(EVENTING, "Trigger", name, namespace)["spec"]
            kept = {field: known[field] for field in ("subscriber", "delivery")}
            api.apply(trigger(name, namespace, {**kept, **spec}))

    def knatives(self, names: Sequence[str], events: Sequence[Message]) -> Matches:
        """Send events, and return which Triggers have let which events through, by position.

        The in-memory channel answers when all has been delivered.
        """
        found: Matches = set()
        for position, event in enumerate(events):
            known = {name: len(self.broker.subscribers.received(name)) for name in names}
            answer = self._session.post(
                self.broker.url, event.body, headers=event.headers, timeout=_SECONDS
            )
            assert answer.status_code == 202, f"{event} is refused: {answer.text}"
            found |= {
                (name, position)
                for name in names
                if len(self.broker.subscribers.received(name)) > known[name]
            }
        return found
