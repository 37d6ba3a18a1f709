"""One TCP or TLS connection, each step of which ends by a deadline.

A time-out per read is not enough: a server that drips one byte a second would never run into it.
"""

from __future__ import annotations

import contextlib
import io
import ipaddress
import queue
import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from sinks.deadline import Deadline

AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]
GetAddrInfo = Callable[..., list[Any]]
_NODELAY: Final = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Connection:
    """An open connection; has what http.client.HTTPResponse needs of a socket (`makefile`).

    received:  bytes read since `use`; 0 means that the peer has not begun to answer.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._deadline = Deadline(0)
        self.received = 0
        self.idle_since = 0.0

    def use(self, deadline: Deadline) -> None:
        """Begin an exchange that ends by this deadline."""
        self._deadline = deadline
        self.received = 0

    def send(self, data: bytes) -> None:
        """Send all of it. raises: OSError; TimeoutError when the deadline is used up."""
        self._sock.settimeout(_left(self._deadline))
        self._sock.sendall(data)  # its time-out is for all of the data, not for each part

    def read_into(self, buffer: memoryview) -> int:
        """Read what there is. raises: OSError; TimeoutError when the deadline is used up."""
        self._sock.settimeout(_left(self._deadline))
        count = self._sock.recv_into(buffer)
        self.received += count
        return count

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return a fresh buffered reader; closing it leaves the connection open."""
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.close()


class _Reader(io.RawIOBase):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._connection.read_into(buffer)


class Pool:
    """Idle connections per origin, the latest first; none is handed out after `idle_seconds`."""

    def __init__(self, idle_seconds: float) -> None:
        self._idle_seconds = idle_seconds
        self._idle: dict[Any, deque[Connection]] = {}

    def take(self, origin: Any) -> Connection | None:
        """Return a connection that may have been closed by the peer meanwhile, or None."""
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if time.monotonic() - connection.idle_since < self._idle_seconds:
                return connection
            connection.close()
        return None

    def give(self, origin: Any, connection: Connection) -> None:
        """Keep a connection on which a whole answer has been read."""
        connection.idle_since = time.monotonic()
        idle = self._idle.setdefault(origin, deque())
        idle.append(connection)
        # After a burst the oldest would never be taken again, and their peers have hung up.
        while idle and connection.idle_since - idle[0].idle_since >= self._idle_seconds:
            idle.popleft().close()


def connect(
    host: str,
    port: int,
    deadline: Deadline,
    tls: ssl.SSLContext | None,
    getaddrinfo: GetAddrInfo,
) -> Connection:
    """Resolve, connect and, with `tls`, shake hands; every address gets its share of the time.

    raises: OSError; TimeoutError when the deadline is used up.
    """
    addresses = _resolve(host, port, deadline, getaddrinfo)
    failure: OSError = OSError(f"no address for {host}")
    for left, (family, kind, protocol, _, address) in enumerate(addresses, -len(addresses)):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(_left(deadline) / -left)
            sock.connect(address)
            sock.setsockopt(*_NODELAY)
            return Connection(_shake_hands(sock, host, deadline, tls) if tls else sock)
        except OSError as error:
            sock.close()
            failure = error
    raise failure


def _left(deadline: Deadline) -> float:
    """Seconds left, never 0: that would make a socket non-blocking."""
    left = deadline.remaining()
    if left <= 0:
        raise TimeoutError("the deadline is used up")
    return left


def _resolve(
    host: str, port: int, deadline: Deadline, getaddrinfo: GetAddrInfo
) -> list[AddressInfo]:
    """getaddrinfo knows no time-out, so names are resolved aside and waited for."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 0, "", (host, port))]
    answers: queue.SimpleQueue[list[AddressInfo] | OSError] = queue.SimpleQueue()

    def resolve() -> None:
        try:
            answers.put(getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answers.put(error if isinstance(error, OSError) else OSError("not a host name"))

    threading.Thread(target=resolve, daemon=True).start()
    try:
        answer = answers.get(timeout=_left(deadline))
    except queue.Empty:
        raise TimeoutError(f"resolving {host} took too long") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def _shake_hands(
    sock: socket.socket, host: str, deadline: Deadline, tls: ssl.SSLContext
) -> ssl.SSLSocket:
    """do_handshake() would give every read the whole time-out under gevent, so poll instead."""
    secure = tls.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    secure.settimeout(0)
    poller = select.poll()
    while True:
        try:
            secure.do_handshake()
            return secure
        except ssl.SSLWantReadError:
            poller.register(secure, select.POLLIN)
        except ssl.SSLWantWriteError:
            poller.register(secure, select.POLLOUT)
        except OSError:
            secure.close()
            raise
        try:
            poller.poll(_left(deadline) * 1000)
        except TimeoutError:
            secure.close()
            raise
