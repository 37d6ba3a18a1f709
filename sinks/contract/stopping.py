"""Ctrl-C, or SIGTERM, as a wish to stop: what has begun is ended first."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Stopping:
    """signal: the number of what was asked with; None: nobody has asked.

    Asked by looking only: a handler that took a lock could wait for what it interrupts.
    """

    signal: int | None = None

    def is_asked(self) -> bool:
        """Return whether somebody has asked to stop."""
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """As a shell has it: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + (self.signal or 0)


@contextmanager
def stoppable(first: str) -> Iterator[Stopping]:
    """Whether somebody has asked to stop; who asks once more is not kept waiting.

    first: what is awaited, for people.
    """
    stopping = Stopping()

    def ask(signum: int, _: object) -> None:
        stopping.signal = signum
        signal.signal(signum, signal.SIG_DFL)
        # Not through sys.stderr, which may be in the middle of a write.
        os.write(2, f"\nstopping: {first}; again: at once\n".encode())

    before = {each: signal.signal(each, ask) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopping
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
