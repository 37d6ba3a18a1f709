"""Putting all rows of a role to one sink, one after another."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sinks.contract.finding import Finding
from sinks.contract.probe.good_event import good_event, model_of
from sinks.contract.probe.heard import Silence
from sinks.contract.probe.judge import judged
from sinks.contract.probe.target import Target
from sinks.contract.probe.wire import perform
from sinks.contract.rows.row import Role, Row
from sinks.contract.rows.sample import Sample, post
from sinks.contract.rows.tables import rows_for

_PATHS: Final[Mapping[Role, str]] = {"score-sink": "/models/{model}", "http-shim": "/events"}
_LOST_IN_A_ROW: Final = 3


class InvalidSample(ValueError):
    """No event that the rows of this role can start from; the text says what it lacks."""


class Unreachable(Exception):
    """Nobody answers, or it is not HTTP; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one row."""

    row: Row
    findings: tuple[Finding, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Probe:
    """A sink and what it is to be asked.

    sample:  the good event; where it has no row, 202 is as good as a reply.
    model:   of a score-sink: the model whose conditions hold.
    """

    target: Target
    role: Role
    sample: Sample
    model: str

    @property
    def rows(self) -> tuple[Row, ...]:
        return rows_for(self.role, self.model)

    @property
    def requests(self) -> int:
        """How many requests all rows make together, `greet`'s included."""
        return 1 + sum(row.requests(self.sample) for row in self.rows)

    def greet(self) -> None:
        """Return if the sink answers its good event with anything at all. raises: Unreachable."""
        (heard,) = perform(post("binary")(self.sample), self.target)
        if isinstance(heard, Silence):
            raise Unreachable(advice(self.target, heard))

    def run(self, row: Row) -> Result:
        """Put one row to the sink."""
        begun = time.monotonic()
        heard = perform(row.make(self.sample), self.target)
        findings = judged(row, self.role, self.sample, heard)
        return Result(row, tuple(findings), time.monotonic() - begun)

    def run_all(self) -> Iterator[Result]:
        """Put all rows to the sink, but only the first if that, the good event, is refused.

        raises: Unreachable when it goes away in between.
        """
        lost = 0
        rows = self.rows
        for row in rows:
            result = self.run(row)
            if row is rows[0] and is_refused(result):
                yield result
                return
            unanswered = any(finding.rule == "no_answer" for finding in result.findings)
            lost = lost + 1 if unanswered else 0
            if lost == _LOST_IN_A_ROW:
                self.greet()
                lost = 0
            yield result
        if lost:
            self.greet()


def is_refused(result: Result) -> bool:
    """True if the sink has refused an event that it should take, for whatever reason."""
    rules = {finding.rule for finding in result.findings}
    return bool(rules & {"good_event_refused", "redirect"})


def probe(
    target: Target,
    role: Role,
    row: str | None = None,
    headers: Mapping[str, str] | None = None,
    event: Mapping[str, Any] | None = None,
) -> Probe:
    """Return the probe of the sink at `target`.

    row:      the row whose prediction has to come back; None: whatever the sink answers.
    headers:  of every request, such as Authorization.
    event:    the good event as a structured CloudEvent; None: one that comes with the kit.
    raises:   InvalidSample.
    """
    model = model_of(role, target.path, row)
    attributes, data = good_event(role, model) if event is None else _own_event(event)
    path = target.path
    if path == "/":
        path = _PATHS.get(role, "/").format(model=model)
    # A sink may reply to those alone that say so, as Knative's brokers always do.
    sent = {"Prefer": "reply", **(headers or {})}
    sample = Sample(
        path + (f"?{target.query}" if target.query else ""),
        attributes,
        data,
        row if role in ("score-sink", "any-processor") else None,
        target.authority,
        tuple((name, value.encode("latin-1")) for name, value in sent.items()),
    )
    made = Probe(target, role, sample, model)
    if event is not None:
        _check(made)
    return made


def _own_event(event: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    kept = {name: value for name, value in event.items() if name not in ("specversion", "data")}
    return {name: str(value) for name, value in kept.items()}, event["data"]


def _check(made: Probe) -> None:
    for row in made.rows:
        try:
            row.make(made.sample)
        except (KeyError, TypeError) as error:
            raise InvalidSample(
                f"row {row.name} cannot be made of the event ({error}): its data has to be a"
                " document of the kind that the sink takes"
            ) from None


def advice(target: Target, silence: Silence) -> str:
    """Return what to do where nobody has answered."""
    where = f"{target.host}:{target.port}"
    if not silence.connected:
        return f"cannot connect to {where} ({silence.why}): start the sink, or correct the URL"
    return f"{where} takes connections, but does not answer ({silence.why}): is it a sink?"
