"""What a Broker does with an event, in one call: Triggers, subscribers, replies, all concurrently.

Nothing is queued or repeated: every outcome is known before the caller gets its answer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Final, NamedTuple

from sinks.cloudevent import Event
from sinks.delivery import Delivery, Failure
from sinks.triggers import Trigger

# Knative's Broker lets an event pass 255 times. Replies that fan out again and again would reach
# millions of deliveries long before that, so their number has a limit too.
MAX_HOPS: Final = 255
MAX_DELIVERIES: Final = 1000

Deliver = Callable[[Trigger, Event], Delivery]
# Hands a reply on to who routes it instead of this process.
Forward = Callable[[Event], Delivery]


class Route(NamedTuple):
    """All that followed from delivering the event that came in to one Trigger."""

    trigger: str | None
    deliveries: tuple[Delivery, ...]


class Router:
    """Routes events by Triggers; one per incoming event, because it counts its deliveries.

    forward: gets every reply; None: replies are routed here.
    """

    def __init__(
        self, triggers: Sequence[Trigger], deliver: Deliver, forward: Forward | None = None
    ) -> None:
        self._triggers = triggers
        self._deliver = deliver
        self._forward = forward
        self._deliveries = count(1)  # of all threads: next() is one step

    def route(self, event: Event, only: Collection[str] | None = None) -> list[Route]:
        """Return what became of the event at each matching Trigger.

        only: names of the Triggers that may get the event, None: all; replies go to all Triggers.
        """
        triggers = [each for each in self._triggers if only is None or each.name in only]
        matching = [trigger for trigger in triggers if trigger.filter.passes(event)]
        if not matching:
            return [Route(None, (Delivery(None, event, "ignored", "no_trigger"),))]
        followed = self._concurrently(matching, event, MAX_HOPS)
        return [
            Route(trigger.name, tuple(deliveries))
            for trigger, deliveries in zip(matching, followed, strict=True)
        ]

    def _concurrently(
        self, triggers: Sequence[Trigger], event: Event, hops: int
    ) -> list[list[Delivery]]:
        if len(triggers) == 1:
            return [self._follow(triggers[0], event, hops)]
        with ThreadPoolExecutor(len(triggers)) as pool:
            return list(pool.map(lambda trigger: self._follow(trigger, event, hops), triggers))

    def _follow(self, trigger: Trigger, event: Event, hops: int) -> list[Delivery]:
        """Deliver, then follow the reply as long as exactly one Trigger takes it."""
        done: list[Delivery] = []
        while True:
            if not hops or next(self._deliveries) > MAX_DELIVERIES:
                failure = Failure(trigger.subscriber, 400)  # as the Broker's ingress answers
                many = Delivery(trigger.name, event, "rejected", "too_many_hops", failure=failure)
                return [*done, many]
            done.append(self._deliver(trigger, event))
            reply = done[-1].reply
            if reply is None:
                return done
            if self._forward is not None:
                return [*done, self._forward(reply)]
            event, hops = reply, hops - 1
            matching = [trigger for trigger in self._triggers if trigger.filter.passes(reply)]
            if not matching:
                return [*done, Delivery(None, reply, "ignored", "no_trigger")]
            if len(matching) > 1:
                followed = self._concurrently(matching, reply, hops)
                return done + [delivery for part in followed for delivery in part]
            trigger = matching[0]
