"""Whom a Trigger names: its Broker, its subscriber and its dead-letter sink.

All of them may be somebody else's, of whom nothing is known. So a name is judged only if it is one
of ours, or nearly.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final
from urllib.parse import urlsplit

from sinks.trigger_lint.finding import Problem
from sinks.trigger_lint.known import Known
from sinks.trigger_lint.resource import object_of

ROWS: Final = "/models/"
_BROKER: Final = "default"
_KEEPS_LETTERS: Final = "deadletter-sink"
# Of difflib's ratio: two letters that have changed places in a short name.
_NEAR: Final = 0.85


def problems(
    spec: Mapping[str, Any], namespace: str, known: Known, brokers: Collection[str]
) -> Iterator[Problem]:
    """Yield what is wrong with the Broker, the subscriber and the dead-letter sink of a spec.

    namespace:  the Trigger's; empty: that is left to who applies it.
    brokers:    names of those in its namespace that were read too.
    """
    yield from _of_broker(spec, brokers)
    subscriber = object_of(spec, "subscriber")
    yield from _of_ref("spec.subscriber.ref", object_of(subscriber, "ref"), namespace, known)
    yield from _of_uri(subscriber, known)
    letters = object_of(object_of(object_of(spec, "delivery"), "deadLetterSink"), "ref")
    place = "spec.delivery.deadLetterSink.ref"
    yield from _of_ref(place, letters, namespace, known)
    name = letters.get("name")
    if isinstance(name, str) and name in known.deadlines and name != _KEEPS_LETTERS:
        yield Problem(f"{place}.name", f"{name} keeps no dead letters", _KEEPS_LETTERS)


def _of_broker(spec: Mapping[str, Any], brokers: Collection[str]) -> Iterator[Problem]:
    name, place = spec.get("broker"), "spec.broker"
    if not name and not spec.get("brokerRef"):
        yield Problem(place, "it names no Broker", f"broker: {_BROKER}")
    if not isinstance(name, str) or name in ("", _BROKER, *brokers):
        return
    near = _near(name, {_BROKER, *brokers})
    if near or brokers:
        advice = f"is {near} meant?" if near else f"one of {', '.join(sorted({_BROKER, *brokers}))}"
        what = f"no Broker {name} is known here, and without one nobody looks at the Trigger"
        yield Problem(place, what, advice, "warning")


def _of_ref(place: str, ref: Mapping[str, Any], namespace: str, known: Known) -> Iterator[Problem]:
    name, elsewhere = ref.get("name"), ref.get("namespace")
    if not isinstance(name, str):
        return
    if name in known.deadlines:
        if namespace and elsewhere and elsewhere != namespace:
            what = f"{name} is that of {elsewhere}, but the Trigger is in {namespace}"
            advice = "leave namespace out: it is the Trigger's then"
            yield Problem(f"{place}.namespace", what, advice)
    elif near := _near(name, known.deadlines):
        what = f"{name} is none of our sinks, and nearly {near}"
        yield Problem(f"{place}.name", what, f"is {near} meant?", "warning")


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
