"""One thing that is wrong with a sink or a payload, in the words that lead to its repair."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Severity = Literal["error", "warning"]
MAX_PROBLEM_CHARS = 400


@dataclass(frozen=True, slots=True)
class Finding:
    """One breach of one rule.

    rule:      a slug, stable over versions: tests and other programs compare it.
    place:     where: a header's name, `status`, `body`, or a JSON pointer such as `/data/meta/id`.
    problem:   one line: what is there, and what would be right.
    clause:    who demands it, and where that is written.
    fix:       one line: what to do.
    severity:  `warning` for what works with the parties named in the clause, but not with all.
    """

    rule: str
    place: str
    problem: str
    clause: str
    fix: str
    severity: Severity = "error"

    def __post_init__(self) -> None:
        for name in ("place", "problem", "fix"):
            object.__setattr__(self, name, one_line(getattr(self, name)))

    def as_dict(self) -> dict[str, str]:
        """Return the finding as JSON members."""
        return asdict(self)


def one_line(text: str, limit: int = MAX_PROBLEM_CHARS) -> str:
    """Return `text` on one line of printable characters, cut off where it is too long.

    What a payload or a sink says must not reach the terminal as control codes.
    """
    printable = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text[: limit + 1])
    return printable if len(printable) <= limit else f"{printable[:limit]}..."
