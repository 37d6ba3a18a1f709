"""All that is wrong with some Triggers, told at once. Pure: resources in, findings out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from sinks.model_row import ModelRow
from sinks.trigger_lint import conditions, delivery, destinations, times
from sinks.trigger_lint.circles import Routed, circles, feeds_of
from sinks.trigger_lint.finding import Finding, Problem
from sinks.trigger_lint.known import Known
from sinks.trigger_lint.resource import namespace_of, object_of
from sinks.triggers import InvalidTrigger, parse

# Whatever the Services are, only the paths of subscribers count here.
_ANYWHERE: Final = {"*": "http://{name}"}
_DEFAULT: Final = "default"  # where kubectl puts what names no namespace
_CLASS: Final = "eventing.knative.dev/broker.class"


def lint(
    triggers: Sequence[tuple[str, Any]], known: Known, brokers: Sequence[Any] = ()
) -> list[Finding]:
    """Return what is wrong, in order of the Triggers.

    triggers: pairs of where each was read, and what; each as a cluster or a file has it.
    brokers:  Brokers that were read too, in the same form.
    """
    findings: list[Finding] = []
    classes = _classes(brokers)
    routed: defaultdict[tuple[str, str], list[tuple[str, Routed]]] = defaultdict(list)
    names: set[tuple[str, str]] = set()
    for number, (source, resource) in enumerate(triggers, 1):
        spec = object_of(resource, "spec")
        name = str(object_of(resource, "metadata").get("name") or f"resource {number}")
        namespace = namespace_of(resource) or _DEFAULT
        beside = [broker for where, broker in classes if where == namespace]
        problems = [*_problems(resource, spec, known, beside)]
        if (namespace, name) in names:
            problems.append(Problem("metadata.name", "a second Trigger has it", "rename one"))
        names.add((namespace, name))
        findings += [_finding(source, name, each) for each in problems]
        if (step := _routed(resource, spec, known)) is not None:
            routed[namespace, str(spec.get("broker"))].append((source, step))
    for broker, steps in routed.items():
        findings += _together(steps, known, classes.get(broker) == "Kafka")
    return findings


def _classes(brokers: Sequence[Any]) -> dict[tuple[str, str], str]:
    """Return namespace and name of each Broker, with its class."""
    return {
        (namespace_of(each) or _DEFAULT, str(metadata.get("name"))): str(
            object_of(metadata, "annotations").get(_CLASS)
        )
        for each in brokers
        if (metadata := object_of(each, "metadata"))
    }


def _finding(source: str, name: str, problem: Problem) -> Finding:
    return Finding(source, name, problem.place, problem.what, problem.advice, problem.severity)


def _problems(
    resource: Any, spec: Mapping[str, Any], known: Known, brokers: Collection[str]
) -> Iterator[Problem]:
    filters = [*conditions.problems(spec, known)]
    told = {each.what for each in filters}
    for line in _refusal(resource):
        if line not in told:
            what = "neither Knative nor the shim takes it like this"
            yield Problem(_refused_place(resource), line, what)
    if not spec:
        return
    yield from filters
    yield from delivery.problems(spec)
    yield from destinations.problems(spec, namespace_of(resource), known, brokers)


def _refusal(resource: Any) -> list[str]:
    try:
        parse(resource, _ANYWHERE)
    except InvalidTrigger as error:
        return str(error).splitlines()
    return []


def _refused_place(resource: Any) -> str:
    """Return where that is which `parse` refuses first."""
    if not isinstance(resource, dict) or resource.get("kind") != "Trigger":
        return "kind"
    if resource.get("apiVersion") != "eventing.knative.dev/v1":
        return "apiVersion"
    if not object_of(resource, "metadata").get("name"):
        return "metadata.name"
    return "spec"


def _routed(resource: Any, spec: Mapping[str, Any], known: Known) -> Routed | None:
    try:
        trigger = parse(resource, _ANYWHERE)
    except InvalidTrigger:
        return None
    service = object_of(object_of(spec, "subscriber"), "ref").get("name", "")
    return Routed(
        trigger,
        _row(trigger.subscriber, known),
        [*conditions.conditions(spec)],
        service,
        delivery.policy_of(spec),
    )


def _row(subscriber: str, known: Known) -> ModelRow | None:
    return known.rows.get(urlsplit(subscriber).path.removeprefix(destinations.ROWS))


def _together(
    sources_and_steps: Sequence[tuple[str, Routed]], known: Known, stored: bool
) -> Iterator[Finding]:
    """Yield what is wrong between the Triggers of one Broker.

    stored: whether this Broker stores a reply, and nobody waits for its delivery.
    """
    sources = {step.trigger.name: source for source, step in sources_and_steps}
    steps = [step for _, step in sources_and_steps]
    feeds = feeds_of(steps, known)
    ways = [*circles(feeds)]
    for way in ways:
        if len(way) == 2:
            what = "what its row replies passes its own filters, and comes back without end"
        else:
            what = f"replies run in a circle: {' -> '.join(way)}"
        advice = "select the type of the input, which differs from that of the reply"
        yield _finding(sources[way[0]], way[0], Problem("spec.filters", what, advice))
    waited_for = {} if ways or stored else feeds
    for name, problem in times.problems(steps, waited_for, known.deadlines):
        yield _finding(sources[name], name, problem)
