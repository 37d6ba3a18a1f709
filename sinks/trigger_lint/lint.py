"""All that is wrong with some Triggers, told at once. Pure: resources in, findings out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from sinks.model_row import ModelRow
from sinks.trigger_lint import conditions, delivery, destinations, refusals, times
from sinks.trigger_lint.circles import Routed, circles, feeds_of
from sinks.trigger_lint.environment import Environment, environment_of, stores_replies
from sinks.trigger_lint.finding import Finding, Problem
from sinks.trigger_lint.known import Known
from sinks.trigger_lint.resource import namespace_of, object_of


def lint(
    triggers: Sequence[tuple[str, Any]],
    known: Known,
    brokers: Sequence[Any] = (),
    services: Sequence[Any] = (),
) -> list[Finding]:
    """Return what is wrong, in order of the Triggers.

    triggers: pairs of where each was read, and what; each as a cluster or a file has it.
    brokers:  Brokers that were read too, in the same form.
    services: Services, likewise.
    """
    findings: list[Finding] = []
    environment = environment_of(brokers, services)
    routed: defaultdict[tuple[str, str], list[tuple[str, Routed | None]]] = defaultdict(list)
    names: set[tuple[str, str]] = set()
    for number, (source, resource) in enumerate(triggers, 1):
        spec = object_of(resource, "spec")
        name = str(object_of(resource, "metadata").get("name") or f"resource {number}")
        namespace = namespace_of(resource)
        problems = [*_problems(resource, spec, known, environment)]
        if (namespace, name) in names:
            problems.append(Problem("metadata.name", "a second Trigger has it", "rename one"))
        names.add((namespace, name))
        findings += [_finding(source, name, each) for each in problems]
        routed[namespace, str(spec.get("broker"))].append((source, _routed(resource, spec, known)))
    for (namespace, name), steps in routed.items():
        broker = environment.brokers_of(namespace).get(name)
        whole = broker is not None and namespace_of(broker) == namespace
        findings += _together(steps, known, stores_replies(broker), whole)
    return findings


def _finding(source: str, name: str, problem: Problem) -> Finding:
    return Finding(source, name, problem.place, problem.what, problem.advice, problem.severity)


def _problems(
    resource: Any, spec: Mapping[str, Any], known: Known, environment: Environment
) -> Iterator[Problem]:
    filters = [*conditions.problems(spec, known)]
    yield from refusals.problems(resource, {each.what for each in filters})
    if not spec:
        return
    yield from filters
    yield from delivery.problems(spec)
    yield from destinations.problems(spec, namespace_of(resource), known, environment)


def _routed(resource: Any, spec: Mapping[str, Any], known: Known) -> Routed | None:
    trigger = refusals.trigger_of(resource)
    if trigger is None:
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
    sources_and_steps: Sequence[tuple[str, Routed | None]], known: Known, stored: bool, whole: bool
) -> Iterator[Finding]:
    """Yield what is wrong between the Triggers of one Broker.

    sources_and_steps: None for a Trigger that is refused.
    stored:            whether this Broker stores a reply, and nobody waits for its delivery.
    whole:             whether the Broker was read too, so that these are all its Triggers.
    """
    steps = [step for _, step in sources_and_steps if step is not None]
    sources = {step.trigger.name: source for source, step in sources_and_steps if step is not None}
    feeds = feeds_of(steps, known)
    ways = [*circles(feeds)]
    found = [(way[0], _endless(way)) for way in ways]
    waited_for = {} if ways or stored else feeds
    found += times.problems(steps, waited_for, known.deadlines)
    if whole and len(steps) == len(sources_and_steps):
        found += _unpublished(steps, feeds)
    for name, problem in found:
        yield _finding(sources[name], name, problem)


def _endless(way: Sequence[str]) -> Problem:
    if len(way) == 2:
        what = "what its row replies passes its own filters, and comes back without end"
    else:
        what = f"replies run in a circle: {' -> '.join(way)}"
    advice = "select the type of the input, which differs from that of the reply"
    return Problem("spec.filters", what, advice)


def _unpublished(
    steps: Sequence[Routed], feeds: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, Problem]]:
    for name in (each.trigger.name for each in steps if each.row is not None):
        if not feeds[name]:
            what = "nobody takes what it replies: nothing is published"
            advice = "add triggers/egress.yaml"
            yield name, Problem("spec.subscriber.uri", what, advice, "warning")
