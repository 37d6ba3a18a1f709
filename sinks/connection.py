"""One TCP or TLS connection, each step of which ends by a deadline.

A time-out per read is not enough: a server that drips one byte a second would never run into it.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from gevent import monkey

from sinks.deadline import Deadline
from sinks.name_resolution import AddressInfo, GetAddrInfo, resolve

T = TypeVar("T")
# The real one, which is not to wait: to try a read, and fail, would take a twentieth of an event.
_POLL: Final = monkey.get_original("select", "poll")
_RECEIVE_BYTES: Final = 16384
_NODELAY: Final = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Connection:
    """An open connection.

    received:  bytes read since `send`; 0 means that the peer has not begun to answer.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.received = 0
        self.idle_since = 0.0
        self._arrived = _POLL()
        self._arrived.register(sock, select.POLLIN)

    def is_quiet(self) -> bool:
        """True if the peer has neither hung up nor sent anything that nobody asked for."""
        if isinstance(self._sock, ssl.SSLSocket):  # where records may come that are no answer
            return _has_no_data(self._sock)
        return not self._arrived.poll(0)

    def send(self, data: bytes, deadline: Deadline) -> None:
        """Begin an exchange. raises: OSError; TimeoutError when the deadline is used up."""
        self.received = 0
        sock, rest = self._sock, memoryview(data)
        # Mostly one turn; sendall would take twice as long under gevent, and with TLS there its
        # time-out is for each part.
        while rest:
            if isinstance(sock, ssl.SSLSocket):
                rest = rest[_patiently(sock, deadline, partial(sock.write, rest)) :]
            else:
                sock.settimeout(_left(deadline))
                rest = rest[sock.send(rest) :]

    def receive(self, deadline: Deadline) -> bytes:
        """Return what the peer has sent next; nothing if it has closed its side.

        raises: OSError; TimeoutError when the deadline is used up.
        """
        sock = self._sock
        if isinstance(sock, ssl.SSLSocket):
            data = _patiently(sock, deadline, lambda: sock.recv(_RECEIVE_BYTES))
        else:
            sock.settimeout(_left(deadline))
            data = sock.recv(_RECEIVE_BYTES)
        self.received += len(data)
        return data

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.close()


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
    try:
        raise failure
    finally:
        del failure  # it knows this frame, and all that led here


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


def _left(deadline: Deadline) -> float:
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


def _patiently(secure: ssl.SSLSocket, deadline: Deadline, step: Callable[[], T]) -> T:
    """Return what the TLS step returns; it goes on until the deadline, however it drips.

    With a time-out the socket itself would wait, under gevent anew for every byte of a record.
    raises: OSError, TimeoutError.
    """
    secure.settimeout(0)
    poller = select.poll()
    while True:
        try:
            return step()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            reads = isinstance(error, ssl.SSLWantReadError)
            poller.register(secure, select.POLLIN if reads else select.POLLOUT)
        poller.poll(_left(deadline) * 1000)


def _has_no_data(secure: ssl.SSLSocket) -> bool:
    secure.settimeout(0)
    try:
        secure.recv(1)
    except ssl.SSLWantReadError:
        return True
    except OSError:
        pass
    return False
