"""The rules that a payload is checked by: slug, what it means, who demands it, and what to do.

A slug is stable over versions. How a rule is judged stands in the module that finds breaches of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sinks.contract.check.rule import Rule
from sinks.contract.check.rules_of_documents import DOCUMENT_RULES
from sinks.contract.check.rules_of_envelopes import ENVELOPE_RULES
from sinks.contract.check.rules_of_neighbours import NEIGHBOUR_RULES
from sinks.contract.finding import Finding, Severity

RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {**ENVELOPE_RULES, **NEIGHBOUR_RULES, **DOCUMENT_RULES}
)
_MAX_SHOWN_CHARS = 80


def found(slug: str, place: str, problem: str, severity: Severity | None = None) -> Finding:
    """Return a breach of the rule; `severity` where this breach is not as grave as its rule says,
    or graver."""
    rule = RULES[slug]
    return Finding(slug, place, problem, rule.clause, rule.fix, severity or rule.severity)


def shown(value: object) -> str:
    """Return a value for a problem line, text in quotes, cut if it is long."""
    text = str(value)
    cut = text if len(text) <= _MAX_SHOWN_CHARS else f"{text[:_MAX_SHOWN_CHARS]}..."
    return ascii(cut) if isinstance(value, str) else cut
