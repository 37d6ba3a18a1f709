"""One TCP or TLS connection, each step of which ends by a deadline.

A time-out per read is not enough: a server that drips one byte a second would never run into it.
"""

from __future__ import annotations

import contextlib
import io
import select
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final, TypeVar

from sinks.deadline import Deadline
from sinks.name_resolution import AddressInfo, GetAddrInfo, resolve

T = TypeVar("T")
_NODELAY: Final = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Connection:
    """An open connection; has what http.client.HTTPResponse needs of a socket (`makefile`).

    received:  bytes read since `use`; 0 means that the peer has not begun to answer.
    ended:     whether the peer has closed its side.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._deadline: Deadline | None = None
        self.ended = False
        # One buffer for all answers, so that bytes beyond an answer's end cannot go unnoticed.
        self._reader = _Reader(_Raw(self))
        self.received = 0
        self.idle_since = 0.0

    def use(self, deadline: Deadline) -> None:
        """Begin an exchange that ends by this deadline."""
        self._deadline = deadline
        self.received = 0

    def is_quiet(self) -> bool:
        """True if the peer has neither hung up nor sent anything that nobody asked for."""
        self._deadline = None
        with contextlib.suppress(OSError):
            return not self._reader.peek(1) and not self.ended
        return False

    def send(self, data: bytes) -> None:
        """Send all of it. raises: OSError; TimeoutError when the deadline is used up."""
        self._sock.settimeout(_left(self._deadline))
        self._sock.sendall(data)  # its time-out is for all of the data, not for each part

    def read_into(self, buffer: memoryview) -> int | None:
        """Read what there is; None if there is nothing and, outside an exchange, no waiting.

        raises: OSError; TimeoutError when the deadline is used up.
        """
        sock = self._sock
        try:
            if isinstance(sock, ssl.SSLSocket):
                count = _patiently(sock, self._deadline, lambda: sock.recv_into(buffer))
            else:
                sock.settimeout(_left(self._deadline))
                count = sock.recv_into(buffer)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None
        self.received += count
        self.ended = self.ended or not count
        return count

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return the buffered reader; closing it leaves the connection open."""
        return self._reader

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.close()


class _Reader(io.BufferedReader):
    def close(self) -> None:
        """Every answer closes it; the connection outlives them."""


class _Raw(io.RawIOBase):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        return self._connection.read_into(buffer)


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
    addresses = resolve(host, port, deadline, getaddrinfo)
    failure: OSError = OSError(f"no address for {host}")
    for left, address in enumerate(addresses, -len(addresses)):
        try:
            return _open(address, host, deadline.within(_left(deadline) / -left), tls)
        except OSError as error:
            failure = error
    raise failure


def _open(
    info: AddressInfo, host: str, deadline: Deadline, tls: ssl.SSLContext | None
) -> Connection:
    family, kind, protocol, _, address = info
    sock = socket.socket(family, kind, protocol)
    try:
        sock.settimeout(_left(deadline))
        sock.connect(address)
        sock.setsockopt(*_NODELAY)
        return Connection(_shake_hands(sock, host, deadline, tls) if tls else sock)
    except OSError:
        sock.close()
        raise


def _left(deadline: Deadline | None) -> float:
    """Seconds left, 0 only without a deadline: that makes a socket non-blocking."""
    if deadline is None:
        return 0
    left = deadline.remaining()
    if left <= 0:
        raise TimeoutError("the deadline is used up")
    return left


def _shake_hands(
    sock: socket.socket, host: str, deadline: Deadline, tls: ssl.SSLContext
) -> ssl.SSLSocket:
    secure = tls.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    try:
        _patiently(secure, deadline, secure.do_handshake)
    except OSError:
        secure.close()
        raise
    return secure


def _patiently(secure: ssl.SSLSocket, deadline: Deadline | None, step: Callable[[], T]) -> T:
    """Return what the TLS step returns; it goes on until the deadline, however it drips.

    With a time-out the socket itself would wait, under gevent anew for every byte of a record.
    raises: OSError, TimeoutError; ssl.SSLWantReadError without a deadline.
    """
    secure.settimeout(0)
    poller = select.poll()
    while True:
        try:
            return step()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            if deadline is None:
                raise
            reads = isinstance(error, ssl.SSLWantReadError)
            poller.register(secure, select.POLLIN if reads else select.POLLOUT)
        poller.poll(_left(deadline) * 1000)
