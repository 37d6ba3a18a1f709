"""A point in time by which work has to be done, handed down instead of time-outs."""

from __future__ import annotations

import time
from typing import NamedTuple


class Deadline(NamedTuple):
    """`at` is a reading of `time.monotonic()`, in seconds."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The deadline that many seconds from now."""
        return cls(time.monotonic() + seconds)

    def remaining(self) -> float:
        """Seconds left; zero or negative when used up."""
        return self.at - time.monotonic()

    def within(self, seconds: float) -> Deadline:
        """The earlier of this deadline and that many seconds from now."""
        at = time.monotonic() + seconds
        return self if self.at <= at else Deadline(at)
