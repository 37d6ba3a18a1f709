"""What is wrong with a text that should be JSON, and what is doubtful in one that is.

Says where, and never what the text says.
source: https://www.rfc-editor.org/rfc/rfc8259
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from sinks.contract.check.rules import found
from sinks.contract.finding import Finding, one_line

_MAX_SHOWN_NAMES = 5
_MAX_BYTES = 1024 * 1024  # larger ones are too large anyway, and would take seconds


def why_not_json(text: bytes, otherwise: str) -> str:
    """Return what is wrong with a text that is not JSON; `otherwise` is what the parser says."""
    if b"\0" in text[:4]:
        return "is UTF-16 or UTF-32; JSON is UTF-8"
    try:
        decoded = text.decode()
    except UnicodeDecodeError as error:
        return f"is not UTF-8 from byte {error.start} on"
    try:
        json.loads(decoded, parse_constant=_refuse)
    except _Constant as constant:
        return f"has the number {constant}, which JSON does not have"
    except (ValueError, RecursionError):
        pass
    return otherwise


class _Constant(Exception):
    """NaN, Infinity or -Infinity."""


def _refuse(name: str) -> NoReturn:
    raise _Constant(name)


def duplicates(text: bytes, place: str = "body") -> list[Finding]:
    """Return a finding for names that stand twice in one object of a text that is JSON.

    Not looked for in more than 1 MiB.
    """
    if len(text) > _MAX_BYTES:
        return []
    names: dict[str, None] = {}

    def members(pairs: list[tuple[str, Any]]) -> None:
        if len({name for name, _ in pairs}) == len(pairs):
            return
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                names[name] = None
            seen.add(name)

    try:
        json.loads(text, object_pairs_hook=members)
    except (ValueError, RecursionError):  # other limits than those of the parser that counts
        return []
    return [
        found("duplicate_member", place, f"an object has the member {one_line(name, 60)!r} twice")
        for name in list(names)[:_MAX_SHOWN_NAMES]
    ]
