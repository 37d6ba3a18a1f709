"""Routing by Triggers: fan-out, replies, hops and limits, with a plain function that delivers."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from sinks.cloudevent import Event
from sinks.delivery import Delivery
from sinks.filters import Filter
from sinks.routing import MAX_DELIVERIES, MAX_HOPS, Route, Router
from sinks.triggers import Trigger

WAIT_SECONDS = 10
Behaves = Callable[[Trigger, Event], Delivery]


def event(kind: str = "in", event_id: str = "event-1") -> Event:
    """An event of a type."""
    return Event({"id": event_id, "source": "/s", "type": kind}, {})


def trigger(name: str, kind: str = "in") -> Trigger:
    """A Trigger that takes one type."""
    return Trigger(name, "default", Filter("all", lambda each: each.type == kind), f"http://{name}")


def taken(at: Trigger, each: Event) -> Delivery:
    """Deliver without a reply."""
    return Delivery(at.name, each, "relayed")


def replying(replies: dict[str, Event]) -> Behaves:
    """Return a function that delivers, with a reply at the named Triggers."""

    def deliver(at: Trigger, each: Event) -> Delivery:
        reply = replies.get(at.name)
        if reply is None:
            return taken(at, each)
        return Delivery(at.name, each, "replied", None, reply)

    return deliver


def outcomes(routes: Sequence[Route]) -> list[tuple[str | None, list[tuple[Any, ...]]]]:
    """Name, outcome and reason of all deliveries by first Trigger."""
    return [
        (route.trigger, [(each.trigger, each.outcome, each.reason) for each in route.deliveries])
        for route in routes
    ]


def test_route_to_several_triggers_delivers_to_all_at_the_same_time() -> None:
    """All nine deliveries are open at once: each waits until all have begun."""
    barrier = threading.Barrier(9)

    def deliver(at: Trigger, each: Event) -> Delivery:
        barrier.wait(WAIT_SECONDS)
        return taken(at, each)

    routes = Router([trigger(f"t{n}") for n in range(9)], deliver).route(event())

    assert outcomes(routes) == [(f"t{n}", [(f"t{n}", "relayed", None)]) for n in range(9)]


def test_route_of_a_reply_to_several_triggers_delivers_to_all_at_the_same_time() -> None:
    """A reply fans out as concurrently as what came in."""
    barrier = threading.Barrier(3)

    def deliver(at: Trigger, each: Event) -> Delivery:
        if each.type == "in":
            return Delivery(at.name, each, "replied", None, event("out", "reply-1"))
        barrier.wait(WAIT_SECONDS)
        return taken(at, each)

    triggers = [trigger("first"), *(trigger(f"t{n}", "out") for n in range(3))]

    assert outcomes(Router(triggers, deliver).route(event())) == [
        (
            "first",
            [("first", "replied", None), *((f"t{n}", "relayed", None) for n in range(3))],
        )
    ]


def test_route_returns_only_when_the_slowest_has_ended() -> None:
    """Every outcome is known before the caller gets its answer, in the order of the Triggers."""

    def deliver(at: Trigger, each: Event) -> Delivery:
        time.sleep(0.2 if at.name == "slow" else 0)
        return Delivery(at.name, each, "deferred" if at.name == "slow" else "relayed")

    routes = Router([trigger("slow"), trigger("fast")], deliver).route(event())

    assert outcomes(routes) == [
        ("slow", [("slow", "deferred", None)]),
        ("fast", [("fast", "relayed", None)]),
    ]


def test_route_of_what_no_trigger_takes_is_ignored() -> None:
    """Nothing is delivered, and that is said."""
    event_in = event("other")

    routes = Router([trigger("one")], taken).route(event_in)

    assert routes == [Route(None, (Delivery(None, event_in, "ignored", "no_trigger"),))]


def test_route_without_triggers_is_ignored() -> None:
    """The same is true of a Router without Triggers."""
    assert outcomes(Router([], taken).route(event())) == [(None, [(None, "ignored", "no_trigger")])]


def test_route_hands_each_trigger_the_event_itself() -> None:
    """What came in is delivered unchanged, and a reply as it came back."""
    seen: list[tuple[str, Event]] = []
    reply = event("out", "reply-1")

    def deliver(at: Trigger, each: Event) -> Delivery:
        seen.append((at.name, each))
        return replying({"one": reply})(at, each)

    event_in = event()
    Router([trigger("one"), trigger("two", "out")], deliver).route(event_in)

    assert seen[0] == ("one", event_in)
    assert seen[1] == ("two", reply)
    assert seen[1][1] is reply


def test_route_of_a_reply_follows_it_through_the_triggers() -> None:
    """A reply is routed like an event that comes in, as often as there is one."""
    deliver = replying({"one": event("b"), "two": event("c")})
    triggers = [trigger("one"), trigger("two", "b"), trigger("three", "c")]

    assert outcomes(Router(triggers, deliver).route(event())) == [
        ("one", [("one", "replied", None), ("two", "replied", None), ("three", "relayed", None)])
    ]


def test_route_of_a_reply_that_no_trigger_takes_is_ignored() -> None:
    """The delivery stands, and the reply is shown to have gone nowhere."""
    reply = event("unknown", "reply-1")

    routes = Router([trigger("one")], replying({"one": reply})).route(event())

    assert outcomes(routes) == [
        ("one", [("one", "replied", None), (None, "ignored", "no_trigger")])
    ]
    assert routes[0].deliveries[1].event is reply


@pytest.mark.parametrize("outcome", ["ignored", "rejected", "deferred"])
def test_route_of_a_failing_trigger_leaves_the_others_alone(outcome: Any) -> None:
    """Each Trigger's outcome is its own."""

    def deliver(at: Trigger, each: Event) -> Delivery:
        if at.name == "t1":
            return Delivery(at.name, each, outcome, "bug")
        return taken(at, each)

    routes = Router([trigger(f"t{n}") for n in range(3)], deliver).route(event())

    assert outcomes(routes) == [
        ("t0", [("t0", "relayed", None)]),
        ("t1", [("t1", outcome, "bug")]),
        ("t2", [("t2", "relayed", None)]),
    ]


def test_route_of_a_failing_reply_is_told_under_the_first_trigger() -> None:
    """The caller repeats by the Trigger that it can name: the one that began it."""

    def deliver(at: Trigger, each: Event) -> Delivery:
        if at.name == "egress":
            return Delivery(at.name, each, "deferred", "eventgate_failed")
        return Delivery(at.name, each, "replied", None, event("out"))

    routes = Router([trigger("one"), trigger("egress", "out")], deliver).route(event())

    assert outcomes(routes) == [
        ("one", [("one", "replied", None), ("egress", "deferred", "eventgate_failed")])
    ]


def test_route_with_only_delivers_to_that_trigger_alone() -> None:
    """`only` restricts the first hop."""
    seen: list[str] = []

    def deliver(at: Trigger, each: Event) -> Delivery:
        seen.append(at.name)
        return taken(at, each)

    routes = Router([trigger(f"t{n}") for n in range(3)], deliver).route(event(), ["t1"])

    assert outcomes(routes) == [("t1", [("t1", "relayed", None)])]
    assert seen == ["t1"]


def test_route_with_only_lets_replies_go_to_all_triggers() -> None:
    """A reply of the one Trigger goes wherever it would go otherwise."""
    triggers = [
        trigger("one"),
        trigger("two"),
        trigger("egress", "out"),
        trigger("audit", "out"),
    ]

    routes = Router(triggers, replying({"one": event("out")})).route(event(), ["one"])

    assert outcomes(routes) == [
        (
            "one",
            [("one", "replied", None), ("egress", "relayed", None), ("audit", "relayed", None)],
        )
    ]


def test_route_with_only_does_not_pass_by_its_filter() -> None:
    """A Trigger that does not take the event does not get it by being named."""
    routes = Router([trigger("one"), trigger("two", "out")], taken).route(event(), ["two"])

    assert outcomes(routes) == [(None, [(None, "ignored", "no_trigger")])]


def test_route_of_an_endless_reply_is_rejected_after_255_hops() -> None:
    """Knative's Broker lets an event pass 255 times; then it is given up for good."""
    delivered: list[str] = []

    def deliver(at: Trigger, each: Event) -> Delivery:
        delivered.append(each.id)
        return Delivery(at.name, each, "replied", None, event("in", f"reply-{len(delivered)}"))

    routes = Router([trigger("echo")], deliver).route(event())

    assert MAX_HOPS == 255
    assert len(delivered) == 255
    assert [each.outcome for each in routes[0].deliveries] == ["replied"] * 255 + ["rejected"]
    last = routes[0].deliveries[-1]
    assert (last.trigger, last.reason, last.event.id) == ("echo", "too_many_hops", "reply-255")


def test_route_of_255_hops_that_end_is_not_rejected() -> None:
    """The limit is for loops: 255 passes are allowed."""
    left = iter(range(254))

    def deliver(at: Trigger, each: Event) -> Delivery:
        if next(left, None) is None:
            return taken(at, each)
        return Delivery(at.name, each, "replied", None, event())

    routes = Router([trigger("echo")], deliver).route(event())

    assert len(routes[0].deliveries) == 255
    assert routes[0].deliveries[-1].outcome == "relayed"


def test_route_of_a_loop_that_fans_out_ends_by_the_number_of_deliveries() -> None:
    """Replies that fan out again and again stop at 1000 deliveries, and within seconds."""
    lock = threading.Lock()
    delivered: Counter[str] = Counter()

    def deliver(at: Trigger, each: Event) -> Delivery:
        with lock:
            delivered[at.name] += 1
        return Delivery(at.name, each, "replied", None, event())

    begun = time.monotonic()
    routes = Router([trigger("a"), trigger("b")], deliver).route(event())
    lasted = time.monotonic() - begun

    counts = Counter(each.outcome for route in routes for each in route.deliveries)
    reasons = {each.reason for route in routes for each in route.deliveries if each.reason}
    assert delivered.total() == MAX_DELIVERIES == 1000
    assert counts["replied"] == 1000
    assert counts["rejected"] >= 1
    assert reasons == {"too_many_hops"}
    assert lasted < WAIT_SECONDS


def test_route_of_a_loop_ends_when_a_delivery_is_out_of_time() -> None:
    """A delivery that finds no time left has no reply, so the loop ends there."""
    deadline = time.monotonic() + 0.05  # long before the limit on deliveries

    def deliver(at: Trigger, each: Event) -> Delivery:
        time.sleep(0.01)
        if time.monotonic() > deadline:
            return Delivery(at.name, each, "deferred", "deadline")
        return Delivery(at.name, each, "replied", None, event())

    begun = time.monotonic()
    routes = Router([trigger("a"), trigger("b")], deliver).route(event())

    assert time.monotonic() - begun < WAIT_SECONDS / 2
    assert {route.deliveries[-1].outcome for route in routes} == {"deferred"}


def test_route_by_a_second_router_counts_from_the_beginning() -> None:
    """Limits are per event that comes in, not per process."""
    deliver = replying({"echo": event()})

    for _ in range(2):
        routes = Router([trigger("echo")], deliver).route(event())
        assert len(routes[0].deliveries) == MAX_HOPS + 1


def test_route_with_a_forward_hands_every_reply_on_and_routes_none() -> None:
    """With a Broker a replay calls one subscriber; what that replies is the Broker's."""
    forwarded: list[Event] = []

    def forward(reply: Event) -> Delivery:
        forwarded.append(reply)
        return Delivery("broker", reply, "deferred", "broker_failed")

    reply = event("out", "reply-1")
    triggers = [trigger("one"), trigger("two"), trigger("next", "out")]

    routes = Router(triggers, replying({"one": reply}), forward).route(event(), ["one"])

    assert outcomes(routes) == [
        ("one", [("one", "replied", None), ("broker", "deferred", "broker_failed")])
    ]
    assert forwarded == [reply]
