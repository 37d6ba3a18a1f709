"""HTTP/1.1 over kept connections: one deadline, a bounded answer, no redirects.

Connections are kept for 4 s at most, because EventGate closes idle ones after 5 s. A request goes
out a second time only when a pooled connection turns out dead before the first byte of an answer,
or when the caller says so: he hands the same `Sends` in again.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sinks.connection import Connection, connect
from sinks.connection_pool import Pool
from sinks.deadline import Deadline
from sinks.http_answer import answer_on
from sinks.http_message import HttpRequest, HttpResponse, request_bytes
from sinks.name_resolution import GetAddrInfo

IDLE_SECONDS: Final = 4.0
# One that had its effect and one more: so that nothing happens more than twice.
_MOST_UNANSWERED: Final = 2


@dataclass(slots=True)
class Sends:
    """How often one request went out, wherever to, without a whole answer: nobody knows whether it
    had its effect, and whoever sends it again may double that.

    elsewhere:  the one repeat is for another address, not for a fresh connection to the same.
    """

    unanswered: int = 0
    elsewhere: bool = False

    @property
    def spent(self) -> bool:
        """True if it must not go out again."""
        return self.unanswered >= _MOST_UNANSWERED


class Transport:
    """Sends requests and reads their answers, everything from DNS to decoding within a deadline.

    connect_timeout_seconds:  for DNS, TCP and TLS together.
    max_answer_bytes:         after decoding.
    tls:                      trust for https; made at the first https request if None.
    getaddrinfo:              socket.getaddrinfo, or something that behaves like it.
    resent:                   called for each request that goes out although it may have arrived.
    """

    def __init__(
        self,
        connect_timeout_seconds: float,
        max_answer_bytes: int,
        tls: ssl.SSLContext | None = None,
        getaddrinfo: GetAddrInfo = socket.getaddrinfo,
        resent: Callable[[], None] = lambda: None,
    ) -> None:
        self._connect_timeout_seconds = connect_timeout_seconds
        self._max_answer_bytes = max_answer_bytes
        self._tls = tls
        self._getaddrinfo = getaddrinfo
        self._resent = resent
        self._pool = Pool(IDLE_SECONDS)

    def send(
        self, request: HttpRequest, deadline: Deadline, sends: Sends | None = None
    ) -> HttpResponse:
        """Return the whole answer.

        sends:  what became of the same request before; counts this one's too.
        raises: TimeoutError, ConnectionError, AnswerTooLarge, UnreadableAnswer; ValueError for a
                request that cannot be sent.
        """
        scheme, host, port, message = request_bytes(request)
        origin = (scheme, host, port)
        sends = sends or Sends()
        # Where one connection has died the pooled ones may be dead as well.
        pooled = None if sends.unanswered else self._pool.take(origin)
        if pooled is not None:
            try:
                return self._exchange(origin, pooled, message, deadline, sends)
            except ConnectionError:
                if pooled.received or sends.elsewhere:
                    raise
        fresh = self._connect(scheme, host, port, deadline)
        if sends.unanswered:
            self._resent()
        return self._exchange(origin, fresh, message, deadline, sends)

    def close(self) -> None:
        """Close all idle connections."""
        self._pool.close()

    def _connect(self, scheme: str, host: str, port: int, deadline: Deadline) -> Connection:
        if scheme == "https" and self._tls is None:
            self._tls = ssl.create_default_context()
        opening = deadline.within(self._connect_timeout_seconds)
        tls = self._tls if scheme == "https" else None
        try:
            return connect(host, port, opening, tls, self._getaddrinfo)
        except TimeoutError as error:
            raise TimeoutError(f"connecting to {host}:{port}") from error
        except OSError as error:
            raise ConnectionError(f"connecting to {host}:{port}: {error}") from error

    def _exchange(
        self,
        origin: tuple[str, str, int],
        connection: Connection,
        message: bytes,
        deadline: Deadline,
        sends: Sends,
    ) -> HttpResponse:
        lasting = False
        sends.unanswered += 1
        try:
            connection.send(message, deadline)
            response, lasting = answer_on(connection, deadline, self._max_answer_bytes)
            sends.unanswered -= 1
            return response
        except TimeoutError as error:
            raise TimeoutError(f"waiting for {origin[1]}:{origin[2]}") from error
        except OSError as error:
            raise ConnectionError(f"{origin[1]}:{origin[2]}: {error}") from error
        finally:
            if lasting:
                self._pool.give(origin, connection)
            else:
                connection.close()
