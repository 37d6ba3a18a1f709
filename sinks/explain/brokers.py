"""Triggers as they were read, apart by Broker, each with its explanation and its lint."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sinks.cloudevent import Event
from sinks.explaining.explanation import Step, Verdict, explain, trigger_of
from sinks.explaining.subscribers import Surroundings
from sinks.trigger_lint.finding import Finding
from sinks.trigger_lint.known import Known
from sinks.trigger_lint.lint import lint
from sinks.trigger_lint.reading import Resources
from sinks.trigger_lint.resource import namespace_of, object_of
from sinks.triggers import InvalidTrigger, Trigger

# Places of a finding that can be why a Trigger does not take the event.
_CONDITIONS: Final = ("spec.filter.", "spec.filters[")


@dataclass(frozen=True, slots=True)
class Explained:
    """One event at the Triggers of one Broker.

    broker:    its name, and its namespace if the Triggers say one; empty for those of the shim.
    refused:   pairs of a Trigger's name, and why the shim does not take it.
    unready:   pairs of a Trigger's name, and what its cluster says is missing.
    findings:  of `sinks triggers lint`, about the Triggers that matter here.
    """

    broker: str
    verdicts: Sequence[Verdict]
    refused: Sequence[tuple[str, str]]
    unready: Sequence[tuple[str, str]]
    findings: Sequence[Finding]

    def steps(self) -> Iterator[Step]:
        """Yield all that follows from the event."""
        for verdict in self.verdicts:
            if verdict.step is not None:
                yield from verdict.step.all()

    @property
    def scored(self) -> bool:
        """Whether one of our sinks does something with it."""
        return any(
            step.outcome in ("replied", "relayed") and not step.foreign for step in self.steps()
        )

    @property
    def wrong(self) -> bool:
        """Whether something is, whatever else goes well."""
        errors = any(finding.severity == "error" for finding in self.findings)
        lost = any(failed(step) or unpublished(step) for step in self.steps())
        return errors or lost or bool(self.refused or self.unready)


def failed(step: Step) -> bool:
    """Return whether the event is lost, or its reply, or is to be repeated for no good."""
    return step.outcome in ("rejected", "deferred") or step.reason == "no_trigger"


def unpublished(step: Step) -> bool:
    """Return whether it is a reply that nobody takes on: neither egress nor who is none of ours."""
    return step.outcome == "replied" and all(each.outcome != "relayed" for each in step.all())


def apart(resources: Resources) -> Iterator[tuple[str, Resources]]:
    """Yield the Triggers of each Broker, with all Brokers and Services."""
    by_broker: defaultdict[str, list[tuple[str, Any]]] = defaultdict(list)
    for source, resource in resources.triggers:
        broker = object_of(resource, "spec").get("broker") or "of no name"
        namespace = namespace_of(resource)
        within = f" of namespace {namespace}" if namespace else ""
        by_broker[f"Broker {broker}{within}"].append((source, resource))
    for broker, triggers in by_broker.items():
        yield broker, Resources(triggers, resources.brokers, resources.services, ())


def explained(
    broker: str,
    resources: Resources,
    event: Event | None,
    here: Surroundings,
    known: Known,
    only: str | None,
) -> Explained:
    """Return what becomes of the event; of None nothing does, and the Triggers do not matter.

    only: the one Trigger that may get it, and is of interest.
    """
    if event is None:
        return Explained(broker, (), (), (), ())
    triggers, refused = _triggers(resources)
    verdicts = explain(event, triggers, here, None if only is None else [only])
    if only is not None:
        verdicts = tuple(each for each in verdicts if each.trigger.name == only)
        refused = [each for each in refused if each[0] == only]
    names = {only, *(name for name, _ in refused), *_reached(verdicts)}
    unready = [each for each in _unready(resources) if each[0] in names]
    findings = [
        each
        for each in lint(resources.triggers, known, resources.brokers, resources.services)
        if each.trigger in names or (only is None and each.place.startswith(_CONDITIONS))
    ]
    return Explained(broker, verdicts, refused, unready, findings)


def names_of(resources: Resources) -> Collection[str]:
    """Return the names of all Triggers that were read."""
    return {_name(resource) for _, resource in resources.triggers}


def _triggers(resources: Resources) -> tuple[list[Trigger], list[tuple[str, str]]]:
    triggers: dict[str, Trigger] = {}
    refused = []
    for _, resource in resources.triggers:
        try:
            trigger = trigger_of(resource)
        except InvalidTrigger as error:
            refused.append((_name(resource), "; ".join(str(error).splitlines())))
            continue
        if trigger.name in triggers:
            refused.append((trigger.name, "a second Trigger with this name"))
        else:
            triggers[trigger.name] = trigger
    return [triggers[name] for name in sorted(triggers)], refused


def _unready(resources: Resources) -> Iterator[tuple[str, str]]:
    """Yield the Triggers that Knative does not deliver to; files have no status."""
    for _, resource in resources.triggers:
        conditions = object_of(resource, "status").get("conditions")
        for each in conditions if isinstance(conditions, list) else ():
            ready = isinstance(each, dict) and each.get("type") == "Ready"
            if ready and each.get("status") != "True":
                yield _name(resource), f"{each.get('reason')}: {each.get('message')}"


def _name(resource: Any) -> str:
    return str(object_of(resource, "metadata").get("name") or "without a name")


def _reached(verdicts: Sequence[Verdict]) -> set[str | None]:
    steps = (step for verdict in verdicts if verdict.step for step in verdict.step.all())
    return {step.trigger for step in steps}
