"""Wait for what happens elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from tests.e2e.api import ApiError

T = TypeVar("T")


class NotYet(Exception):
    """What is there instead of what is waited for."""


def until(check: Callable[[], T], seconds: float, what: str, every: float = 0.05) -> T:
    """Return what `check` returns as soon as that is true.

    Until then it may raise NotYet, ApiError or, while a server does not answer, OSError.
    raises: TimeoutError that says `what` was waited for, and what was seen last.
    """
    limit = time.monotonic() + seconds
    while True:
        seen: object
        try:
            result = check()
            if result:
                return result
            seen = result
        except (OSError, ApiError, NotYet) as error:
            seen = error
        if time.monotonic() > limit:
            raise TimeoutError(f"waited {seconds:g} s for {what}; the last seen: {seen!r}")
        time.sleep(every)
