"""Whom a Trigger names: its Broker, its subscriber and its dead-letter sink.

All of them may be somebody else's. So a name is judged only if it is one of ours, or nearly, or if
it was read which Brokers and Services there are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final
from urllib.parse import urlsplit

from sinks.trigger_lint.environment import Environment
from sinks.trigger_lint.finding import Problem, nearest
from sinks.trigger_lint.known import Known
from sinks.trigger_lint.resource import object_of

ROWS: Final = "/models/"
_BROKER: Final = "default"
_KEEPS_LETTERS: Final = "deadletter-sink"
# Of difflib's ratio: two letters that have changed places in a short name.
_NEAR: Final = 0.85


def problems(
    spec: Mapping[str, Any], namespace: str, known: Known, environment: Environment
) -> Iterator[Problem]:
    """Yield what is wrong with the Broker, the subscriber and the dead-letter sink of a spec.

    namespace: the Trigger's; empty: that is left to who applies it.
    """
    yield from _of_broker(spec, namespace, environment)
    subscriber = object_of(spec, "subscriber")
    yield from _of_ref(
        "spec.subscriber.ref", object_of(subscriber, "ref"), namespace, known, environment
    )
    yield from _of_uri(subscriber, known)
    letters = object_of(object_of(object_of(spec, "delivery"), "deadLetterSink"), "ref")
    place = "spec.delivery.deadLetterSink.ref"
    yield from _of_ref(place, letters, namespace, known, environment)
    name = letters.get("name")
    if isinstance(name, str) and name in known.deadlines and name != _KEEPS_LETTERS:
        yield Problem(f"{place}.name", f"{name} keeps no dead letters", _KEEPS_LETTERS)


def _of_broker(
    spec: Mapping[str, Any], namespace: str, environment: Environment
) -> Iterator[Problem]:
    name, place = spec.get("broker"), "spec.broker"
    if not name and not spec.get("brokerRef"):
        yield Problem(place, "it names no Broker", f"broker: {_BROKER}")
    if not isinstance(name, str) or not name:
        return
    unseen = "and without one nobody looks at the Trigger"
    brokers = environment.brokers_of(namespace)
    if not environment.brokers:
        if name != _BROKER and (near := _near(name, {_BROKER})):
            what = f"no Broker {name} is known here, {unseen}"
            yield Problem(place, what, f"is {near} meant?", "warning")
    elif name not in brokers:
        what = f"{_place(namespace)} has no Broker {name}, {unseen}"
        elsewhere = f"use a namespace that has one, as {', '.join(sorted(environment.brokers))}"
        yield Problem(place, what, nearest(name, brokers) if brokers else elsewhere)


def _of_ref(
    place: str, ref: Mapping[str, Any], namespace: str, known: Known, environment: Environment
) -> Iterator[Problem]:
    name, elsewhere = ref.get("name"), ref.get("namespace")
    if not isinstance(name, str):
        return
    if name in known.deadlines and namespace and elsewhere and elsewhere != namespace:
        what = f"{name} is that of {elsewhere}, but the Trigger is in {namespace}"
        yield Problem(f"{place}.namespace", what, "leave namespace out: it is the Trigger's then")
        return
    there = str(elsewhere or namespace)
    services = environment.services_of(there) if ref.get("kind") == "Service" else {}
    if services and name not in services:
        what = f"{_place(there)} has no Service {name}"
        yield Problem(f"{place}.name", what, nearest(name, services))
    elif not services and name not in known.deadlines and (near := _near(name, known.deadlines)):
        what = f"{name} is none of our sinks, and nearly {near}"
        yield Problem(f"{place}.name", what, f"is {near} meant?", "warning")


def _place(namespace: str) -> str:
    return f"namespace {namespace}" if namespace else "what was read"


def _near(name: str, names: Collection[str]) -> str:
    """Return the one that is probably meant; empty if none is, or another is meant on purpose."""
    near = get_close_matches(name, names, 1, _NEAR)
    if not near or name.startswith(f"{near[0]}-") or name.endswith(f"-{near[0]}"):
        return ""
    return near[0]


def _of_uri(subscriber: Mapping[str, Any], known: Known) -> Iterator[Problem]:
    uri, service = subscriber.get("uri"), object_of(subscriber, "ref").get("name")
    place = "spec.subscriber.uri"
    if not isinstance(uri, str):
        if service == "score-sink":
            yield Problem(place, "it names no row", f"{ROWS} and the row's name")
        return
    try:
        parts = urlsplit(uri)
    except ValueError:  # which is told of the whole Trigger
        return
    if parts.scheme or parts.netloc:
        what = f"{uri} is absolute: it holds in one namespace only, and nobody sees who is meant"
        yield Problem(place, what, "name the Service with ref, and the path alone with uri")
    elif not uri.startswith("/"):
        yield Problem(place, f"{uri} does not begin with a slash", f"/{uri}")
    elif service == "score-sink" and uri.removeprefix(ROWS) not in known.rows:
        rows = ", ".join(sorted(known.rows))
        yield Problem(place, f"{uri} names no row", f"{ROWS} and one of {rows}")
