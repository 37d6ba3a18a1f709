"""Which Triggers take whose replies, and where these come back to the Trigger they began with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sinks.cloudevent import Event
from sinks.model_row import ModelRow
from sinks.trigger_lint.conditions import Condition
from sinks.trigger_lint.delivery import Policy
from sinks.trigger_lint.known import Known, replies_of
from sinks.triggers import Trigger
from sinks.wikis import Wiki


@dataclass(frozen=True, slots=True)
class Routed:
    """A Trigger as a step that events take.

    row:         which replies; None: its subscriber is none of ours, or never replies.
    conditions:  of its filters.
    service:     the Service that its subscriber is; empty: none.
    policy:      None: its delivery does not say, or not so that it can be read.
    """

    trigger: Trigger
    row: ModelRow | None
    conditions: Sequence[Condition]
    service: str
    policy: Policy | None


def circles(feeds: Mapping[str, Sequence[str]]) -> Iterator[list[str]]:
    """Yield the names of Triggers that feed one another, the first again at the end; each Trigger
    is in one circle at most."""
    told: set[str] = set()
    for name in sorted(feeds):
        if name not in told and (way := _back(name, feeds)):
            told |= set(way)
            yield way


def feeds_of(triggers: Sequence[Routed], known: Known) -> dict[str, list[str]]:
    """Return the Triggers of one Broker by name, with those that take what their subscribers
    reply."""
    wikis = _wikis(triggers, known)
    takers = {
        row.name: _takers(triggers, [*replies_of(row, wikis)])
        for row in {each.row.name: each.row for each in triggers if each.row}.values()
    }
    return {each.trigger.name: takers[each.row.name] if each.row else [] for each in triggers}


def _takers(triggers: Sequence[Routed], replies: Sequence[Event]) -> list[str]:
    found = (each.trigger for each in triggers)
    return sorted(each.name for each in found if any(map(each.filter.passes, replies)))


def _wikis(triggers: Sequence[Routed], known: Known) -> list[Wiki]:
    """One wiki for each condition on wikis, and one of each group."""
    asked = {
        (condition.dialect, condition.text): condition
        for each in triggers
        for condition in each.conditions
        if condition.attribute == "wikiid"
    }
    chosen = {wiki.group: wiki for wiki in known.wikis.values()}.values()
    meeting = (filter(condition.holds, known.wikis) for condition in asked.values())
    named = (next(wikis, None) for wikis in meeting)
    return [*chosen, *(known.wikis[name] for name in named if name is not None)]


def _back(start: str, feeds: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the shortest way from a Trigger back to itself; empty if there is none."""
    ways = [[start]]
    seen: set[str] = set()
    for way in ways:
        for name in feeds[way[-1]]:
            if name == start:
                return [*way, name]
            if name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return []
