"""A `requests` transport adapter on http.client: one deadline, a bounded answer, no redirects.

Connections are kept for 4 s at most, because EventGate closes idle ones after 5 s. A request goes
out a second time only when a pooled connection turns out dead before the first byte of an answer,
or when the caller says so: he hands the same `Sends` in again.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import requests
from requests.adapters import BaseAdapter

from sinks.connection import Connection, connect
from sinks.connection_pool import Pool
from sinks.deadline import Deadline
from sinks.http_message import (
    AnswerTooLarge,
    UnreadableAnswer,
    final_answer,
    request_bytes,
    response_of,
)
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


class DeadlineAdapter(BaseAdapter):
    """Sends requests.PreparedRequest; `timeout` is a Deadline for everything from DNS to decoding.

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
        super().__init__()
        self._connect_timeout_seconds = connect_timeout_seconds
        self._max_answer_bytes = max_answer_bytes
        self._tls = tls
        self._getaddrinfo = getaddrinfo
        self._resent = resent
        self._pool = Pool(IDLE_SECONDS)

    def send(  # type: ignore[override]  # requests passes what it likes as timeout
        self,
        request: requests.PreparedRequest,
        *,
        timeout: Deadline,
        sends: Sends | None = None,
        **_: object,
    ) -> requests.Response:
        """Return the whole answer.

        sends:  what became of the same request before; counts this one's too.
        raises: requests.ConnectTimeout, requests.ReadTimeout, requests.ConnectionError,
                AnswerTooLarge, UnreadableAnswer.
        """
        scheme, host, port, message = request_bytes(request)
        origin = (scheme, host, port)
        sends = sends or Sends()
        # Where one connection has died the pooled ones may be dead as well.
        pooled = None if sends.unanswered else self._pool.take(origin)
        if pooled is not None:
            try:
                return self._exchange(origin, pooled, message, request, timeout, sends)
            except requests.ConnectionError:
                if pooled.received or sends.elsewhere:
                    raise
        fresh = self._connect(scheme, host, port, timeout)
        if sends.unanswered:
            self._resent()
        return self._exchange(origin, fresh, message, request, timeout, sends)

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
            raise requests.ConnectTimeout(f"connecting to {host}:{port}") from error
        except OSError as error:
            raise requests.ConnectionError(f"connecting to {host}:{port}: {error}") from error

    def _exchange(
        self,
        origin: tuple[str, str, int],
        connection: Connection,
        message: bytes,
        request: requests.PreparedRequest,
        deadline: Deadline,
        sends: Sends,
    ) -> requests.Response:
        connection.use(deadline)
        keep = False
        sends.unanswered += 1
        try:
            connection.send(message)
            answer = final_answer(connection, request.method)
            response = response_of(answer, request, self._max_answer_bytes)
            sends.unanswered -= 1
            keep = answer.isclosed() and not answer.will_close
            return response
        except AnswerTooLarge:
            raise  # an OSError as well, like all of requests' own
        except TimeoutError as error:
            raise requests.ReadTimeout(f"waiting for {origin[1]}:{origin[2]}") from error
        except (OSError, http.client.RemoteDisconnected) as error:
            raise requests.ConnectionError(f"{origin[1]}:{origin[2]}: {error}") from error
        except (http.client.HTTPException, ValueError, zlib.error) as error:
            raise UnreadableAnswer(type(error).__name__) from error
        finally:
            if keep:
                self._pool.give(origin, connection)
            else:
                connection.close()
