"""The revision ids that stand for a situation, the same ones in every family that knows it.

Owns the ranges and what all families do with them; each family's module has the table of its
answers. Everything is made from names and numbers alone: another process answers the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Final

from kserve.errors import ModelNotReady

Errors = Mapping[range, tuple[Callable[[str], Exception], str]]

UNKNOWN_REVISION: Final = range(1000, 2000)
HIDDEN: Final = range(2000, 3000)
MEDIAWIKI_FAILURE: Final = range(5000, 6000)
UNPLANNED_EXCEPTION: Final = range(6000, 7000)
UNSCORABLE: Final = range(7000, 8000)
SLOW: Final = range(8000, 9000)
WRONG_SHAPE: Final = range(9000, 10000)
NULL_NUMBERS: Final = range(10000, 11000)
NOT_READY: Final = range(11000, 12000)

COMMON_ERRORS: Final[Errors] = {
    UNPLANNED_EXCEPTION: (LookupError, "sample, revision {}"),
    NOT_READY: (ModelNotReady, "{isvc}"),
}


def raise_error(errors: Errors, isvc: str, rev_id: int) -> None:
    """Raise what `errors` has for the revision, if anything; `{}` in its text is the id."""
    for rev_ids, (error, text) in errors.items():
        if rev_id in rev_ids:
            raise error(text.format(rev_id, isvc=isvc))


def delay_seconds(rev_id: object) -> float:
    """Return how long the answer for this revision takes; 0.0 for all but the slow ones."""
    if type(rev_id) is int and rev_id in SLOW:
        return (rev_id - SLOW.start) / 10
    return 0.0


def share(*key: object) -> float:
    """Return a number in (0, 1] that follows from `key` alone, evenly spread over all keys."""
    digest = hashlib.sha256(" ".join(map(str, key)).encode()).digest()
    return (int.from_bytes(digest[:4]) + 1) / 2**32
