"""EGRESS_STREAMS of an environment: the streams of the rows that it routes, and no others."""

from __future__ import annotations

from collections.abc import Iterable


def render(streams: Iterable[str]) -> str:
    """Return the setting's value, a stream on each line; ends with a newline."""
    return ",\n".join(sorted(set(streams))) + "\n"
