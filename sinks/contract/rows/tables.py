"""All rows of the contracts, in the order in which they are put to a sink."""

from __future__ import annotations

from typing import Final

from sinks.contract.rows import (
    attributes,
    bodies,
    connections,
    documents,
    envelopes,
    media_types,
    paths,
    replies,
    shim,
)
from sinks.contract.rows.row import Role, Row

ROWS: Final[tuple[Row, ...]] = (
    *replies.ROWS,
    *paths.ROWS,
    *envelopes.ROWS,
    *media_types.ROWS,
    *attributes.ROWS,
    *documents.ROWS,
    *shim.ROWS,
    *bodies.ROWS,
    *connections.ROWS,
)


def rows_for(role: Role) -> tuple[Row, ...]:
    """Return the rows that a sink of this role has to satisfy."""
    return tuple(row for row in ROWS if role in row.roles)
