"""When what fails, and how: made from the seed alone, so that a seed replays a soak's faults."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

SLOT_SECONDS: Final = 2.0
WELL: Final = "well"
DOWN: Final = "down"
# Every second slot at most is a bad one, and none is bad twice as long: retries outlive it.
PREDICTOR: Final = (
    DOWN,
    "slow",
    "garbage",
    "truncated",
    "no_route",
    "too_many",
    "redirect",
    "drip",
    "failed",
    "stray",
)
EVENTGATE: Final = (
    DOWN,
    "failed",
    "hangs_accepted",
    "reset_early",
    "reset_accepted",
    "idle_close",
    "failed_accepted",
    "unavailable",
    "slow",
)


@dataclass(frozen=True, slots=True)
class Slot:
    """How an upstream behaves for two seconds; `share` of the requests see it, the others not."""

    behaviour: str
    share: float


def slot(seed: int, upstream: str, kinds: Sequence[str], number: int) -> Slot:
    """Return how `upstream` behaves in a slot."""
    if number % 2 == 0:
        return Slot(WELL, 0)
    # All kinds in turn, in another order each round: a short soak sees each of them.
    turn, place = divmod(number // 2, len(kinds))
    order = list(kinds)
    _random(seed, upstream, turn).shuffle(order)
    share = _random(seed, upstream, "share", number).choice((0.2, 0.5, 1.0))
    return Slot(order[place], share)


def behaviour(seed: int, upstream: str, kinds: Sequence[str], seconds: float, request: int) -> str:
    """Return what the upstream does to its n-th request, so many seconds after the start."""
    now = slot(seed, upstream, kinds, int(seconds / SLOT_SECONDS))
    if now.behaviour == DOWN:
        return DOWN
    return now.behaviour if _random(seed, upstream, "hit", request).random() < now.share else WELL


@dataclass(frozen=True, slots=True)
class Strike:
    """What the supervisor does next: wait, then act on one of the sinks, or on all."""

    after: float
    what: str
    target: str


JUMPS: Final = ("+3600", "-3600", "+86400", "+0")


def strikes(seed: int, sinks: Sequence[str]) -> Iterator[Strike]:
    """Yield without end what happens to our own processes: kills, and in between the others."""
    chance = _random(seed, "strikes")
    order: list[str] = []
    for number in itertools.count():
        if not order:
            order = list(sinks)
            chance.shuffle(order)
        # The worker alone, as when it runs out of memory, or all of it, as when a node is lost.
        what = chance.choice(("kill", "kill", "kill_worker"))
        yield Strike(round(chance.uniform(0.5, 2.5), 2), what, order.pop())
        if number % 3 == 0:
            yield Strike(0.3, "clock", JUMPS[number // 3 % len(JUMPS)])
        if number % 4 == 1:
            yield Strike(0.3, "tokens", "")
        if number % 5 == 2:
            yield Strike(0.3, "disk", "")


def _random(*parts: object) -> random.Random:
    return random.Random("/".join(map(str, parts)))  # noqa: S311  # repeatable, not secret
