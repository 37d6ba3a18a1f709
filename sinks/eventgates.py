"""All addresses of EventGate, in order of preference: what one cannot take goes to the next.

The same bytes go everywhere, so that what arrives twice has one `meta.id`; after two sends without
an answer an event is left to whoever repeats it, so that there is one duplicate of it at most.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from sinks import log
from sinks.avoidance import Avoidance
from sinks.deadline import Deadline
from sinks.errors import BadAnswer, DeadlineExceeded, Rejected, TemporaryError, Unavailable
from sinks.eventgate import EventGate, ThisEventOnly
from sinks.http_client import HttpClient
from sinks.http_transport import Sends
from sinks.reasons import DeferredReason

_MAX_DETAIL_CHARS: Final = 120  # of each try: an error's text has room for three


class EventGates:
    """Posts events to the first address that takes them.

    urls:            full URLs of the intakes, in order of preference.
    avoid_seconds:   how long one that failed stands behind the others.
    silent_seconds:  after how long without any answer one that owes some is taken for failed.
    avoided:         gets a host, and whether it stands behind the others.
    """

    def __init__(
        self,
        http: HttpClient,
        urls: Sequence[str],
        *,
        avoid_seconds: float,
        silent_seconds: float,
        avoided: Callable[[str, bool], None],
    ) -> None:
        self._eventgates = [EventGate(http, url) for url in urls]
        self._hosts = [urlsplit(url).netloc for url in urls]
        self._avoid_seconds = avoid_seconds
        self._avoided = avoided
        self._avoidance = Avoidance(
            self._hosts,
            avoid_seconds=avoid_seconds,
            silent_seconds=silent_seconds,
            changed=self._tell,
        )
        for host in self._hosts:
            avoided(host, False)

    def post(self, document: bytes, headers: Mapping[str, str], deadline: Deadline) -> None:
        """Return once one of them has produced the event.

        document:  JSON with its own `meta.id`.
        raises:    Rejected; Unavailable, BadAnswer, DeadlineExceeded.
        """
        sends, tries = Sends(), list[tuple[str, TemporaryError]]()
        ahead, behind = self._avoidance.order()
        reset: list[int] = []
        while (group := ahead or behind or reset) and not sends.spent:
            left, before = deadline.remaining(), sends.unanswered
            if left <= 0:
                break
            share = left / len(group)  # so that one that hangs leaves time for the next
            at = group.pop(0)
            sends.elsewhere = bool(ahead)
            error = self._try(at, document, headers, deadline, share, sends)
            if error is None:
                return
            tries.append((self._hosts[at], error))
            if sends.unanswered > before and error.reason == "upstream_unavailable":
                reset = [at]  # once more there if nobody else is left
        raise _failure(tries, deadline)

    def _try(
        self,
        at: int,
        document: bytes,
        headers: Mapping[str, str],
        deadline: Deadline,
        share_seconds: float,
        sends: Sends,
    ) -> TemporaryError | None:
        """Return None if the event has been produced, or why another address has to be tried.

        raises: Rejected, BadAnswer: no other address would know better.
        """
        begun = self._avoidance.begin(at, share_seconds)
        try:
            self._eventgates[at].post(document, headers, deadline, share_seconds, sends)
        except (Rejected, ThisEventOnly) as error:
            self._avoidance.answered(at, begun)
            if isinstance(error, Rejected):
                raise
            return error
        except (BadAnswer, Unavailable, DeadlineExceeded) as error:
            self._avoidance.failed(at, begun, error.detail)
            if isinstance(error, BadAnswer):
                raise
            return error
        finally:
            self._avoidance.end(at, begun)
        self._avoidance.answered(at, begun)
        return None

    def _tell(self, host: str, avoided: bool, why: str) -> None:
        """Once when it begins and once when it is over, never for each event."""
        self._avoided(host, avoided)
        if avoided:
            level, what = logging.WARNING, f"behind the others for {self._avoid_seconds:g} s"
        else:
            level, what = logging.INFO, "back in its place"
        fields = {"stage": "eventgate", "detail": f"{host}: {why}"}
        log.write(level, f"EventGate {what}", fields)


def _failure(tries: Sequence[tuple[str, TemporaryError]], deadline: Deadline) -> TemporaryError:
    """Return one error for all tries: the last one's own, if it is the only one."""
    if len(tries) == 1:
        return tries[0][1]
    detail = "; ".join(f"{host}: {error.detail[:_MAX_DETAIL_CHARS]}" for host, error in tries)
    error: TemporaryError
    if deadline.remaining() <= 0:
        detail = detail or "no time left to call EventGate: give it more"
        error = DeadlineExceeded("deadline", detail, stage="eventgate")
    else:
        reasons: set[DeferredReason] = {error.reason for _, error in tries}
        reason = reasons.pop() if len(reasons) == 1 else "eventgate_failed"
        error = Unavailable(reason, f"{detail}; repeat later", stage="eventgate")
    error.upstream_text = tries[-1][1].upstream_text if tries else ""
    error.retry_after = next((e.retry_after for _, e in reversed(tries) if e.retry_after), None)
    return error
