"""One row of a contract: what is sent, what has to come back, who says so, and why it matters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from sinks.contract.finding import Finding
from sinks.contract.rows.sample import Make, Sample
from sinks.contract.rows.script import Hear
from sinks.models import MODELS

Role = Literal["score-sink", "egress-sink", "http-shim", "deadletter-sink", "any-processor"]

# Who a row is for. Only our own sinks promise exact statuses and the shape of their errors; of any
# other party a row asks no more than its clause does.
OURS: Final[frozenset[Role]] = frozenset(("score-sink", "egress-sink", "http-shim"))
SINKS: Final[frozenset[Role]] = frozenset(("score-sink", "egress-sink"))
EVERYBODY: Final[frozenset[Role]] = OURS | {"any-processor"}
PROCESSORS: Final[frozenset[Role]] = SINKS | {"any-processor"}
SCORE: Final[frozenset[Role]] = frozenset(("score-sink",))
EGRESS: Final[frozenset[Role]] = frozenset(("egress-sink",))
SHIM: Final[frozenset[Role]] = frozenset(("http-shim",))
DEADLETTER: Final[frozenset[Role]] = frozenset(("deadletter-sink",))
# All our own, and whoever else is POSTed to: for rows about HTTP, whatever it carries.
OWN: Final[frozenset[Role]] = OURS | DEADLETTER
ALL: Final[frozenset[Role]] = EVERYBODY | DEADLETTER
ALL_MODELS: Final = frozenset(MODELS)

# Why so many rows matter.
NOT_AN_EVENT: Final = "a 5xx is repeated ten times, a 2xx loses the event"
LOST: Final = "events that the specification allows would go to the dead letters"

Kind = Literal["good", "ignored", "document", "rejected", "repeated", "refused", "sane", "direct"]


@dataclass(frozen=True, slots=True)
class Expected:
    """What one answer has to be.

    kind:
        good       what this sink answers to its good event: one event, or 202 and empty
        ignored    2xx and empty
        document   200 and JSON, for a caller that does not speak CloudEvents
        rejected   a failure that no broker repeats: 4xx, but not 404, 408, 409, 429
        repeated   a failure that brokers repeat: 404, 408, 409, 429 or 5xx
        refused    any failure, permanent or not, but no 2xx and no 3xx
        sane       good, or rejected; never a 5xx; of our own sinks only good
        direct     anything but a redirect or a 5xx

    silent:     whether no answer at all is right too.
    never:      a word that may not stand in a reply: it was hidden.

    What only our own sinks promise:

    status:     exactly this one.
    reason:     in the error, or of an ignored event.
    names:      a word that the error's detail has to contain, so that people see what was wrong.
    within:     seconds in which the answer has to come.
    mode:       the content mode of the reply, which is the request's.
    continued:  whether `100 Continue` has to come before.
    kept:       whether the connection has to stay open.
    """

    kind: Kind
    status: int | None = None
    reason: str | None = None
    names: str | None = None
    silent: bool = False
    never: str | None = None
    within: float | None = None
    mode: str | None = None
    continued: bool = False
    kept: bool = False


Relation = Literal["same_event", "same_id", "other_event"]


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    name:      a slug, unique in all tables.
    roles:     the sinks that it is for.
    clause:    the party that demands it, and where it says so.
    why:       what goes wrong in production otherwise.
    fix:       what to do about it.
    relation:  of all good replies of the row: one and the same event; one id, though the data may
               repeat attributes that were sent in another way; or different events.
    models:    of a score-sink: the models that it is for.
    """

    name: str
    roles: frozenset[Role]
    make: Make
    expected: tuple[Expected, ...]
    clause: str
    why: str
    fix: str
    relation: Relation | None = None
    models: frozenset[str] = ALL_MODELS

    @property
    def leaves_no_trace(self) -> bool:
        """True if nothing that the row sends may reach anybody behind the sink."""
        return all(each.kind in ("rejected", "repeated", "refused") for each in self.expected)

    def broken(self, rule: str, place: str, problem: str) -> Finding:
        """Return the finding that a sink does not satisfy this row."""
        return Finding(rule, place, problem, self.clause, self.fix)

    def requests(self, sample: Sample) -> int:
        """Return how many answers the row asks for."""
        return sum(isinstance(act, Hear) for act in self.make(sample))


GOOD: Final = Expected("good")
SANE: Final = Expected("sane")
DOCUMENT: Final = Expected("document")


def rejected(status: int, reason: str | None = None, names: str | None = None) -> Expected:
    """A permanent failure; status, reason and the word are what our own sinks answer."""
    return Expected("rejected", status, reason, names)


def malformed(names: str | None = None, reason: str = "malformed_event") -> Expected:
    """400: what came is no CloudEvent."""
    return rejected(400, reason, names)


@dataclass(frozen=True, slots=True)
class Demand:
    """What several rows have in common: whom it is for, who demands it, why, and what to do."""

    roles: frozenset[Role]
    clause: str
    why: str
    fix: str
    models: frozenset[str] = ALL_MODELS

    def rows(
        self, cases: Mapping[str, Make], *expected: Expected, relation: Relation | None = None
    ) -> tuple[Row, ...]:
        """Return one row for each case, all with the same expectation."""
        why = (self.clause, self.why, self.fix)
        return tuple(
            Row(name, self.roles, make, expected, *why, relation, self.models)
            for name, make in cases.items()
        )


def in_both_modes(cases: Mapping[str, Callable[[str], Make]]) -> dict[str, Make]:
    """Return each case twice: in binary and in structured mode."""
    return {
        f"{name}_{mode}": make(mode)
        for name, make in cases.items()
        for mode in ("binary", "structured")
    }
