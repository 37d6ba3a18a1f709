"""What makes a rule; the tables of them are beside it."""

from __future__ import annotations

from dataclasses import dataclass

from sinks.contract.finding import Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    meaning:   what a payload has to be.
    clause:    who demands it, and where that is written.
    fix:       one line: what to do.
    severity:  `warning` for what works today with some parties, but not with all.
    """

    meaning: str
    clause: str
    fix: str
    severity: Severity = "error"
