"""Keeping an issuer's keys: asked for when one is wanted, and again when they are old."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, Generic, Protocol, TypeVar

from sinks import log
from sinks.errors import Unavailable
from sinks.issuer import issuer_unavailable

# Between two looks, so that nobody can make us hammer the issuer with key ids of his own.
LEAST_SECONDS: Final = 10.0
# The same while there are no keys yet, and every caller has to wait.
FIRST_SECONDS: Final = 1.0
# A key that the issuer has withdrawn counts no longer than this.
OLD_SECONDS: Final = 300.0


class Identified(Protocol):
    """A key; `kid` is None if the issuer gives it no id."""

    @property
    def kid(self) -> str | None: ...


Key = TypeVar("Key", bound=Identified)


class IssuerKeys(Generic[Key]):
    """Keys by their ids.

    ask:    returns what the issuer shows now, at least one key, or raises Unavailable.
    clock:  seconds, as time.monotonic.
    """

    def __init__(
        self, ask: Callable[[], Sequence[Key]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: Sequence[Key] = ()
        self._looked = self._read = -math.inf  # when the last look, or good look, ended
        self._problem = ""  # of the last look
        self._complained = ""

    def key(self, kid: str | None) -> Key | None:
        """Return the key of this id, the only one for None; None if the issuer shows no such key.

        raises: Unavailable(issuer_unavailable) if the issuer could not be asked.
        """
        if self._keys and self._clock() - self._read >= OLD_SECONDS:
            # One caller looks; the others go on with the old keys meanwhile.
            if self._lock.acquire(blocking=False):
                try:
                    self._look()
                finally:
                    self._lock.release()
        found = self._known(kid)
        if found is None and not (kid is None and self._keys):
            with self._lock:  # who has waited here finds what the one before has read
                found = self._known(kid)
                if found is None:
                    self._look()
                    found = self._known(kid)
                if found is None and (self._problem or not self._keys):
                    raise issuer_unavailable(self._problem)
        return found

    def _known(self, kid: str | None) -> Key | None:
        if kid is None:
            return self._keys[0] if len(self._keys) == 1 else None
        return next((key for key in self._keys if key.kid == kid), None)

    def _look(self) -> None:
        pause = LEAST_SECONDS if self._keys else FIRST_SECONDS
        if self._clock() - self._looked < pause:
            return
        self._problem = "the last look at the issuer did not end"
        try:
            self._keys = self._ask()
            self._read = self._clock()
            self._problem = self._complained = ""
        except Unavailable as error:
            self._problem = error.upstream_text
            if self._keys and self._problem != self._complained:
                self._complained = self._problem
                detail = f"{self._problem}; the keys read before stay in force"
                log.write(logging.ERROR, "OIDC_ISSUER cannot be read again", {"detail": detail})
        finally:
            self._looked = self._clock()
