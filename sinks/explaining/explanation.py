"""The explanation of one event and a set of Triggers: who takes it, and what follows.

Routing is the shim's own `Router`, with subscribers that decide instead of being called.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sinks.cloudevent import Event
from sinks.decision import Asked
from sinks.delivery import Delivery
from sinks.explaining.subscribers import Received, Surroundings, receive
from sinks.filters import Judged
from sinks.reasons import Outcome, Reason
from sinks.routing import Router
from sinks.triggers import InvalidTrigger, Trigger, parse

_SERVICES: Final = {"*": "http://{name}.{namespace}"}


@dataclass(frozen=True, slots=True)
class Step:
    """One event at one Trigger, and what follows from it.

    trigger:   None: no Trigger takes the event.
    detail:    why, in words; may be empty.
    asked:     whom the row asks before it replies; None: nobody.
    foreign:   the subscriber is none of our sinks: nothing is known from here on.
    followed:  where the reply goes.
    """

    trigger: str | None
    event: Event
    outcome: Outcome
    reason: Reason | None
    detail: str
    asked: Asked | None = None
    reply: Event | None = None
    foreign: bool = False
    followed: tuple[Step, ...] = ()

    def all(self) -> Iterator[Step]:
        """Yield this step and all that follow, the nearest first."""
        steps = [self]
        for step in steps:
            yield step
            steps += step.followed


class Verdict(NamedTuple):
    """What one Trigger does with the event; step: None if it does not take it."""

    trigger: Trigger
    judged: Judged
    step: Step | None


def trigger_of(resource: Any) -> Trigger:
    """Return the Trigger of a resource, as a cluster or a file has it.

    Knative delivers to more kinds of subscribers than the shim: each is taken for a Service.
    raises: InvalidTrigger.
    """
    try:
        return parse(resource, _SERVICES)
    except InvalidTrigger:
        spec = _object(resource, "spec")
        subscriber = _object(spec, "subscriber")
        ref = _object(subscriber, "ref")
        if not ref:
            raise
        service = {**subscriber, "ref": {**ref, "apiVersion": "v1", "kind": "Service"}}
        return parse({**resource, "spec": {**spec, "subscriber": service}}, _SERVICES)


def _object(parent: Any, name: str) -> Mapping[str, Any]:
    value = parent.get(name) if isinstance(parent, dict) else None
    return value if isinstance(value, dict) else {}


def explain(
    event: Event,
    triggers: Sequence[Trigger],
    here: Surroundings,
    only: Collection[str] | None = None,
) -> tuple[Verdict, ...]:
    """Return what each Trigger does with the event, in their order.

    triggers:  of one Broker, each with a name of its own.
    only:      names of the Triggers that may get the event, None: all; replies go to all.
    """
    subscribers = {each.name: each.subscriber for each in triggers}

    def deliver(trigger: Trigger, each: Event) -> Delivery:
        seen = receive(trigger.subscriber, each, here)
        return Delivery(trigger.name, each, seen.outcome, seen.reason, seen.reply, seen.detail)

    def received(delivery: Delivery) -> Received:
        if delivery.trigger is None or delivery.reason == "too_many_hops":
            return Received(delivery.outcome, delivery.reason, delivery.detail)
        return receive(subscribers[delivery.trigger], delivery.event, here)

    routes = Router(triggers, deliver).route(event, only)
    steps = {
        route.trigger: _step(route.deliveries[0], route.deliveries, received, ())
        for route in routes
    }
    return tuple(
        Verdict(each, each.filter.judged(event), steps.get(each.name)) for each in triggers
    )


def _step(
    delivery: Delivery,
    deliveries: Sequence[Delivery],
    received: Callable[[Delivery], Received],
    way: tuple[str, ...],
) -> Step:
    """Return the tree of what followed.

    deliveries: all that came of the event that came in, this one too.
    way:        names of the Triggers that led here.
    """
    name, event, reply = delivery.trigger, delivery.event, delivery.reply
    endless = any(each.reason == "too_many_hops" for each in deliveries)
    if endless and name in way:
        circle = " -> ".join([*way[way.index(name) :], name])
        detail = f"replies come back without end: {circle}"
        return Step(name, event, "rejected", "too_many_hops", detail)
    seen = received(delivery)
    on = (*way, name) if name is not None else way
    followed = tuple(
        _step(each, deliveries, received, on)
        for each in deliveries
        if reply is not None and each.event is reply
    )
    return Step(
        name,
        event,
        seen.outcome,
        seen.reason,
        seen.detail,
        seen.asked,
        reply,
        seen.foreign,
        followed,
    )
