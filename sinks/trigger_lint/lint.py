"""All that is wrong with some Triggers, told at once. Pure: resources in, findings out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from sinks.model_row import ModelRow
from sinks.trigger_lint import conditions, delivery
from sinks.trigger_lint.circles import Routed, circles
from sinks.trigger_lint.finding import Finding, Problem
from sinks.trigger_lint.known import Known
from sinks.triggers import InvalidTrigger, parse

_ROWS: Final = "/models/"
# Whatever the Services are, only the paths of subscribers count here.
_ANYWHERE: Final = {"*": "http://{name}"}


def lint(resources: Sequence[tuple[str, Any]], known: Known) -> list[Finding]:
    """Return what is wrong, in order of the resources.

    resources: pairs of where each was read, and what; each as a cluster or a file has it.
    """
    findings: list[Finding] = []
    routed: defaultdict[tuple[str, str], list[tuple[str, Routed]]] = defaultdict(list)
    names: set[tuple[str, str]] = set()
    for number, (source, resource) in enumerate(resources, 1):
        metadata, spec = _object(resource, "metadata"), _object(resource, "spec")
        name = str(metadata.get("name") or f"resource {number}")
        namespace = str(metadata.get("namespace") or "default")
        problems = [*_problems(resource, spec, known)]
        if (namespace, name) in names:
            problems.append(Problem("metadata.name", "a second Trigger has it", "rename one"))
        names.add((namespace, name))
        findings += [_finding(source, name, each) for each in problems]
        if (step := _routed(resource, spec, known)) is not None:
            routed[namespace, str(spec.get("broker"))].append((source, step))
    for steps in routed.values():
        findings += _circles(steps, known)
    return findings


def _finding(source: str, name: str, problem: Problem) -> Finding:
    return Finding(source, name, problem.place, problem.what, problem.advice)


def _object(parent: Any, name: str) -> Mapping[str, Any]:
    value = parent.get(name) if isinstance(parent, dict) else None
    return value if isinstance(value, dict) else {}


def _problems(resource: Any, spec: Mapping[str, Any], known: Known) -> Iterator[Problem]:
    filters = [*conditions.problems(spec, known)]
    told = {each.what for each in filters}
    for line in _refusal(resource):
        if line not in told:
            yield Problem("spec", line, "neither Knative nor the shim takes it like this")
    if not spec:
        return
    yield from filters
    yield from delivery.problems(spec)
    if not spec.get("broker") and not spec.get("brokerRef"):
        yield Problem("spec.broker", "it names no Broker", "broker: default")
    yield from _of_subscriber(_object(spec, "subscriber"), known)


def _refusal(resource: Any) -> list[str]:
    try:
        parse(resource, _ANYWHERE)
    except InvalidTrigger as error:
        return str(error).splitlines()
    return []


def _of_subscriber(subscriber: Mapping[str, Any], known: Known) -> Iterator[Problem]:
    uri, service = subscriber.get("uri"), _object(subscriber, "ref").get("name")
    place = "spec.subscriber.uri"
    if not isinstance(uri, str):
        if service == "score-sink":
            yield Problem(place, "it names no row", f"{_ROWS} and the row's name")
        return
    if urlsplit(uri).scheme or urlsplit(uri).netloc:
        what = f"{uri} is absolute: it holds in one namespace only, and nobody sees who is meant"
        yield Problem(place, what, "name the Service with ref, and the path alone with uri")
    elif not uri.startswith("/"):
        yield Problem(place, f"{uri} does not begin with a slash", f"/{uri}")
    elif service == "score-sink" and uri.removeprefix(_ROWS) not in known.rows:
        rows = ", ".join(sorted(known.rows))
        yield Problem(place, f"{uri} names no row", f"{_ROWS} and one of {rows}")


def _routed(resource: Any, spec: Mapping[str, Any], known: Known) -> Routed | None:
    try:
        trigger = parse(resource, _ANYWHERE)
    except InvalidTrigger:
        return None
    return Routed(trigger, _row(trigger.subscriber, known), [*conditions.conditions(spec)])


def _row(subscriber: str, known: Known) -> ModelRow | None:
    return known.rows.get(urlsplit(subscriber).path.removeprefix(_ROWS))


def _circles(steps: Sequence[tuple[str, Routed]], known: Known) -> Iterator[Finding]:
    sources = {step.trigger.name: source for source, step in steps}
    for way in circles([step for _, step in steps], known):
        if len(way) == 2:
            what = "what its row replies passes its own filters, and comes back without end"
        else:
            what = f"replies run in a circle: {' -> '.join(way)}"
        advice = "select the type of the input, which differs from that of the reply"
        yield _finding(sources[way[0]], way[0], Problem("spec.filters", what, advice))
