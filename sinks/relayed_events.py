"""Which events have been relayed lately, so that a redelivery is not published again.

Only of this process: another replica, or this one started anew, knows nothing of them. An event
that is being relayed is not yet known either, so two deliveries at one time are both published.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from threading import Lock
from typing import Final, NamedTuple

_DIGEST_BYTES: Final = 16


class Relayed(NamedTuple):
    """One event: `key` says which, by source and id, `value` what was, or will be, published."""

    key: bytes
    value: bytes


def relayed_event(source: str, event_id: str, document: bytes) -> Relayed:
    """Return what is remembered of an event: 32 bytes, however long it is.

    document: the bytes that EventGate gets.
    """
    # The length keeps ("a", "bc") and ("ab", "c") apart.
    name = f"{len(source)} {source}{event_id}".encode("utf-8", "surrogatepass")
    return Relayed(_digest(name), _digest(document))


class RelayedEvents:
    """Remembers the last so many events; thread-safe.

    most:  how many events, some 200 bytes each; 0: none.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[bytes, bytes] = OrderedDict()  # the oldest first
        self._lock = Lock()

    def __contains__(self, event: Relayed) -> bool:
        """True if this event was relayed with this very document."""
        return self._values.get(event.key) == event.value

    def add(self, event: Relayed) -> None:
        """Remember an event that EventGate has taken; the oldest one is forgotten for it."""
        if not self._most:
            return
        with self._lock:
            self._values[event.key] = event.value  # the same id with other data replaces it
            self._values.move_to_end(event.key)
            if len(self._values) > self._most:
                self._values.popitem(last=False)


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=_DIGEST_BYTES).digest()
