"""Times that do not nest: a Trigger gives up while what it waits for is still at work.

A Broker in memory delivers a reply, with all attempts, while the delivery that it answers is open;
Kafka's only stores it. The sinks' own deadlines count as they are where nothing else is set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from math import ceil
from typing import Final

from sinks.trigger_lint.circles import Routed
from sinks.trigger_lint.finding import Problem

_PLACE: Final = "spec.delivery.timeout"
# Seconds, for the way to a sink and back.
_ON_THE_WAY: Final = 10.0
# Seconds that a row needs that asks no predictor.
_OWN_WORK: Final = 1.0


def problems(
    triggers: Sequence[Routed], feeds: Mapping[str, Sequence[str]], deadlines: Mapping[str, float]
) -> Iterator[tuple[str, Problem]]:
    """Yield names of Triggers of one Broker, each with what is wrong with its time-out.

    feeds:      Trigger -> those whose deliveries it waits for; without circles.
    deadlines:  seconds that each of our sinks may take for an event, by its Service. What others
                may take is not known, and does not count.
    """
    named = {each.trigger.name: each for each in triggers}

    @cache
    def followed(name: str) -> float:
        """The longest that it takes to deliver a reply, with all that follows from it."""
        takers = feeds.get(name, ())
        return max(
            (_delivered(named[each], deadlines) + followed(each) for each in takers), default=0
        )

    for each in triggers:
        attempt, then = _attempt(each, deadlines), followed(each.trigger.name)
        if each.policy is None or attempt is None:
            continue
        needed = attempt + max(then, _ON_THE_WAY)
        if each.policy.timeout < needed:
            yield each.trigger.name, _problem(each, each.policy.timeout, attempt, then)


def _problem(step: Routed, timeout: float, attempt: float, then: float) -> Problem:
    after = (
        f"{then:g} s pass until its reply is delivered, which a Broker in memory waits for"
        if then > _ON_THE_WAY
        else f"its answer {_ON_THE_WAY:g} s to arrive"
    )
    what = f"{timeout:g} s are too few: {step.service} may take {attempt:g} s, and {after}"
    least = ceil(attempt + max(then, _ON_THE_WAY))
    return Problem(_PLACE, what, f"PT{least}S or more")


def _attempt(step: Routed, deadlines: Mapping[str, float]) -> float | None:
    """Seconds that one attempt lasts by itself at most; None: it is not a sink of ours."""
    asks_nobody = step.row is not None and step.row.question is None
    return _OWN_WORK if asks_nobody else deadlines.get(step.service)


def _delivered(step: Routed, deadlines: Mapping[str, float]) -> float:
    """Seconds that all attempts last by themselves at most, as far as that is known."""
    attempt = _attempt(step, deadlines)
    if step.policy is None or attempt is None:
        return 0.0
    return attempt * step.policy.attempts + step.policy.waits
