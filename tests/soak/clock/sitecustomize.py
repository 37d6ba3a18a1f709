"""Python's sleep by another system call, for the sinks of the soak only: libfaketime 0.9 answers an
absolute one with EINVAL as soon as it is told to leave the monotonic clock alone.
"""

import select
import time


def _sleep(seconds: float) -> None:
    select.select([], [], [], seconds)


time.sleep = _sleep
