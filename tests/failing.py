"""How an upstream can fail on a connection: it hangs, drips, resets, closes, or ends too early."""

from __future__ import annotations

import socket
import time

from tests.upstream import Received


def hang(_received: Received, sock: socket.socket) -> None:
    """Say nothing until the other side gives up."""
    sock.recv(1)


def drip(_received: Received, sock: socket.socket) -> None:
    """Answer byte by byte, for ever."""
    sock.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 99999\r\n\r\n")
    while True:
        sock.sendall(b" ")
        time.sleep(0.05)


def reset(_received: Received, sock: socket.socket) -> None:
    """End the connection with a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


def close(_received: Received, _sock: socket.socket) -> None:
    """End the connection without an answer."""


def cut_off(_received: Received, sock: socket.socket) -> None:
    """End the connection amid the head of an answer."""
    sock.sendall(b"HTTP/1.1 201 Created\r\nContent-Le")
