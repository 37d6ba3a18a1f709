"""Watching a sink stop: until when, whether it still lets anybody in, and what that looks like."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Final

# How a connection fails that came when the sink had gone: nothing of it was acknowledged.
NOT_TAKEN: Final = frozenset(
    ("BrokenPipeError", "ConnectionRefusedError", "ConnectionResetError", "RemoteDisconnected")
)


def wait_until(condition: Callable[[], bool], what: str, seconds: float) -> None:
    """Return once the condition holds; fail if it does not within so many seconds."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, f"waited in vain until {what}"
        time.sleep(0.01)


def is_refused(port: int) -> bool:
    """Whether a new connection is refused; one that meets the end of the listener is only reset."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except ConnectionError as error:
        return isinstance(error, ConnectionRefusedError)
    return False
