"""All rows of the contracts, in the order in which they are put to a sink."""

from __future__ import annotations

from typing import Final

from sinks.contract.rows import (
    attributes,
    bodies,
    calls,
    connections,
    documents,
    envelopes,
    letters,
    media_types,
    outputs,
    paths,
    replies,
    shim,
    wanted,
)
from sinks.contract.rows.row import Role, Row
from sinks.contract.rows.sample import DEFAULT_MODEL

ROWS: Final[tuple[Row, ...]] = (
    *replies.ROWS,
    *wanted.ROWS,
    *paths.ROWS,
    *envelopes.ROWS,
    *media_types.ROWS,
    *attributes.ROWS,
    *documents.ROWS,
    *outputs.ROWS,
    *shim.ROWS,
    *calls.ROWS,
    *letters.ROWS,
    *bodies.ROWS,
    *connections.ROWS,
)


def rows_for(role: Role, model: str = DEFAULT_MODEL) -> tuple[Row, ...]:
    """Return the rows that a sink of this role has to satisfy.

    model:  whose predictions a score-sink replies: what it takes and ignores depends on it.
    """
    return tuple(row for row in ROWS if role in row.roles and model in row.models)
