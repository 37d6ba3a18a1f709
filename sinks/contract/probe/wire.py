"""Performing a script against a server: raw bytes out, answers read by h11, which forgives nothing.

The only module of the kit that opens connections. Never raises for what a server does: that is an
answer, or a `Silence` that says what came instead.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import Final

import h11

from sinks.contract.probe.heard import Heard, HttpAnswer, Silence
from sinks.contract.probe.target import Target
from sinks.contract.rows.script import AwaitInterim, EndSending, Hear, Pause, Script, Send

MAX_ANSWER_BYTES: Final = 8 * 2**20
_HEAD_BYTES: Final = 65536
# For servers that do not close at our end of the connection.
_STRAY_SECONDS: Final = 0.05


@dataclass(slots=True)
class _Connection:
    """One connection: what has been read, but not yet understood, and whether answers are over."""

    sock: socket.socket
    rest: bytes = b""
    ended: bool = False


def perform(script: Script, target: Target) -> list[Heard]:
    """Return one answer for each `Hear`, in their order.

    A connection that the server has ended, saying so, is opened anew for what is sent next.
    """
    begun = time.monotonic()
    heard: list[Heard] = []
    connections: dict[int, _Connection] = {}
    with ExitStack() as stack:
        for act in script:
            if isinstance(act, Pause):
                time.sleep(act.seconds)
                continue
            try:
                connection = connections.get(act.connection)
                if connection is None or (connection.ended and isinstance(act, Send)):
                    connection = _Connection(stack.enter_context(_connect(target)))
                    connections[act.connection] = connection
            except (OSError, UnicodeError) as error:  # a host that no name can be
                return heard + _unheard(script, heard, f"no connection: {error}", begun)
            if isinstance(act, Hear):
                heard.append(_hear(connection, target.seconds, begun))
            else:
                _say(act, connection, target.seconds)
        return _with_strays(script, heard, connections)


def _connect(target: Target) -> socket.socket:
    sock = socket.create_connection((target.host, target.port), timeout=target.seconds)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return target.tls.wrap_socket(sock, server_hostname=target.host) if target.tls else sock


def _unheard(script: Script, heard: Sequence[Heard], why: str, begun: float) -> list[Heard]:
    missing = sum(isinstance(act, Hear) for act in script) - len(heard)
    return [Silence(why, connected=False, seconds=time.monotonic() - begun)] * missing


def _say(act: Send | AwaitInterim | EndSending, connection: _Connection, seconds: float) -> None:
    # A server that has refused already need not read on; what it said can still be heard.
    with suppress(OSError):
        if isinstance(act, Send):
            connection.sock.settimeout(seconds)
            connection.sock.sendall(act.data)
        elif isinstance(act, EndSending):
            _end_sending(connection.sock)
        else:
            _read_until(connection, b"\r\n\r\n", _HEAD_BYTES, act.seconds)


def _end_sending(sock: socket.socket) -> None:
    # The shutdown of a TLS socket would end its reading, too.
    socket.socket.shutdown(sock, socket.SHUT_WR)


def _read_until(connection: _Connection, end: bytes | None, most: int, seconds: float) -> None:
    """Read on until `end` has come, or the peer's end, or so many bytes, or TimeoutError."""
    limit = time.monotonic() + seconds
    while (end is None or end not in connection.rest) and len(connection.rest) < most:
        connection.sock.settimeout(_left(limit))
        more = connection.sock.recv(most)
        if not more:
            return
        connection.rest += more


def _left(limit: float) -> float:
    left = limit - time.monotonic()
    if left <= 0:  # a peer that never pauses would not let any time-out happen
        raise TimeoutError
    return left


def _hear(connection: _Connection, seconds: float, begun: float) -> Heard:
    if connection.ended:
        why = "the answer before was the connection's last"
        return Silence(why, seconds=time.monotonic() - begun, announced=True)
    limit = time.monotonic() + seconds
    reader = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_BYTES)
    reader.send(h11.Request(method="POST", target="/", headers=[("Host", "sink")]))
    reader.send(h11.EndOfMessage())
    try:
        return _answer(connection, reader, limit, begun)
    except TimeoutError:
        why = f"nothing within {seconds:g} s"
    except h11.RemoteProtocolError as error:
        why = f"unreadable: {error}"
    except OSError as error:
        why = f"the connection broke: {error.strerror or error}"
    return Silence(why, seconds=time.monotonic() - begun)


def _answer(connection: _Connection, reader: h11.Connection, limit: float, begun: float) -> Heard:
    final: h11.Response | None = None
    interim: list[int] = []
    body = bytearray()
    if connection.rest:
        reader.receive_data(connection.rest)
    while True:
        event = reader.next_event()
        if event is h11.NEED_DATA:
            connection.sock.settimeout(_left(limit))
            more = connection.sock.recv(65536)
            if not more and final is None:
                return Silence("the connection was closed without an answer")
            reader.receive_data(more)
        elif isinstance(event, h11.InformationalResponse):
            interim.append(event.status_code)
        elif isinstance(event, h11.Response):
            final = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > MAX_ANSWER_BYTES:
                return Silence(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
        elif isinstance(event, h11.EndOfMessage) and final is not None:
            connection.rest = reader.trailing_data[0]
            connection.ended = reader.their_state is not h11.DONE
            headers = tuple(
                (name.decode("latin-1"), value.decode("latin-1")) for name, value in final.headers
            )
            seconds = time.monotonic() - begun
            fields = (final.status_code, headers, bytes(body), tuple(interim))
            return HttpAnswer(*fields, seconds=seconds, last=connection.ended)
        else:
            return Silence(f"unreadable: {type(event).__name__} instead of an answer")


def _with_strays(
    script: Script, heard: list[Heard], connections: dict[int, _Connection]
) -> list[Heard]:
    """The last answer on each connection, with what came after it and was never asked for."""
    hears = [act.connection for act in script if isinstance(act, Hear)]
    last = {number: index for index, number in enumerate(hears)}
    result = list(heard)
    for number, index in last.items():
        answer, connection = result[index], connections[number]
        if isinstance(answer, HttpAnswer):
            # Our end makes a server close, so that nothing which is still on its way is missed.
            with suppress(OSError):
                _end_sending(connection.sock)
                _read_until(connection, None, 4096, _STRAY_SECONDS)
            if connection.rest:
                result[index] = replace(answer, stray=connection.rest)
    return result
