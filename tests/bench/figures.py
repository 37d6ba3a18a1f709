"""What the measured windows come to: ratios, spreads, slopes and tables. Plain values only."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self


class NotMeasured(RuntimeError):
    """The benchmark itself cannot be carried out; the text is one line that says why."""


@dataclass(frozen=True, slots=True)
class Account:
    """What the load program says of one window.

    answered:       good answers within `seconds`. The others count the warm-up too.
    lost:           acknowledged, but never seen by an upstream.
    duplicates:     seen by an upstream more than once.
    failures:       how often each kind of error.
    """

    answered: int
    seconds: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    sent: int
    errors: int
    lost: int
    duplicates: int
    in_flight_max: int
    failures: Mapping[str, int]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the account in a line of JSON. raises: NotMeasured."""
        try:
            members: dict[str, Any] = json.loads(text)
            return cls(**{field.name: members[field.name] for field in fields(cls)})
        except (ValueError, KeyError, TypeError) as error:
            raise NotMeasured(f"the load program wrote {text[:200]!r}") from error


@dataclass(frozen=True, slots=True)
class Window:
    """One measured window of one contender.

    cpu_seconds:  of all the servers' processes.
    """

    account: Account
    cpu_seconds: float
    peak_rss_mib: float

    @property
    def per_cpu_second(self) -> float:
        return self.account.answered / self.cpu_seconds if self.cpu_seconds else 0.0

    @property
    def per_second(self) -> float:
        return self.account.answered / self.account.seconds

    @property
    def cpu_us(self) -> float:
        """CPU microseconds per event; infinite if none was answered."""
        return self.cpu_seconds / self.account.answered * 1e6 if self.account.answered else math.inf


Rounds = Mapping[str, Sequence[Window]]


def ratio(own: Sequence[float], base: Sequence[float]) -> float:
    """Return the median of own / base within each round; a machine's drift hits both alike."""
    ratios = [one / other for one, other in zip(own, base, strict=True) if other]
    return statistics.median(ratios) if ratios else 0.0


def faults(what: str, windows: Iterable[Window]) -> list[str]:
    """Return a line for what was wrong; none if nothing was."""
    found = []
    for account in (window.account for window in windows):
        if account.errors or account.lost or account.duplicates or not account.answered:
            named = ", ".join(f"{count} x {name}" for name, count in account.failures.items())
            found.append(
                f"{what}: {account.answered} answered, {account.errors} errors,"
                f" {account.lost} lost, {account.duplicates} duplicates"
                + (f" ({named})" if named else "")
            )
    return found


def verdict(measured: float, recorded: float, share: float) -> tuple[bool, str]:
    """Return whether the measured ratio is not below this share of the recorded one, and why."""
    least = share * recorded
    said = f"scoring is {measured:.2f} x bare; recorded is {recorded:.2f}"
    if measured >= least:
        return True, f"{said}, so at least {least:.2f} is asked for: passed"
    return False, (
        f"{said}, so at least {least:.2f} is asked for: FAILED. Run `make bench` on an idle"
        " machine; if it says the same, look for what became slower in the table of steps"
    )


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return by how much y grows with one more x, by least squares; 0 for fewer than two x."""
    if len({x for x, _ in points}) < 2:
        return 0.0
    return statistics.linear_regression(*zip(*points, strict=True)).slope


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; all but the first column are figures."""
    rule = ["---"] + ["---:"] * (len(header) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, rule, *rows])
