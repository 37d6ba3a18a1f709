"""What was read beside Triggers: the Brokers and the Services that there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sinks.trigger_lint.resource import namespace_of, object_of

_CLASS: Final = "eventing.knative.dev/broker.class"
_Named = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Environment:
    """brokers:  namespace -> name -> the Broker; none at all: nothing is known of them.
    services:    namespace -> name -> the Service; likewise, for each namespace.
    """

    brokers: _Named
    services: _Named

    def brokers_of(self, namespace: str) -> Mapping[str, Any]:
        """Return the Brokers, by name, that a Trigger of this namespace can mean."""
        return _seen_from(namespace, self.brokers)

    def services_of(self, namespace: str) -> Mapping[str, Any]:
        """Return the Services, by name, that a Trigger can mean in this namespace."""
        return _seen_from(namespace, self.services)


def environment_of(brokers: Sequence[Any], services: Sequence[Any]) -> Environment:
    """Return these Brokers and Services, each as a cluster or a file has it."""
    return Environment(_named(brokers), _named(services))


def stores_replies(broker: Any) -> bool:
    """Return whether it stores a reply, so that nobody waits for its delivery."""
    return object_of(object_of(broker, "metadata"), "annotations").get(_CLASS) == "Kafka"


def _named(resources: Sequence[Any]) -> _Named:
    named: dict[str, dict[str, Any]] = {}
    for each in resources:
        name = str(object_of(each, "metadata").get("name"))
        named.setdefault(namespace_of(each), {})[name] = each
    return named


def _seen_from(namespace: str, named: _Named) -> Mapping[str, Any]:
    """Where a namespace is left to whoever applies it, it can be any."""
    if namespace:
        return {**named.get("", {}), **named.get(namespace, {})}
    return {name: each for those in named.values() for name, each in those.items()}
