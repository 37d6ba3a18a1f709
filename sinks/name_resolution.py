"""Host names to addresses, by a deadline."""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
from collections.abc import Callable
from typing import Any

from sinks.deadline import Deadline

AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]
GetAddrInfo = Callable[..., list[Any]]


def resolve(
    host: str, port: int, deadline: Deadline, getaddrinfo: GetAddrInfo
) -> list[AddressInfo]:
    """Return what `getaddrinfo` does, without it for addresses.

    raises: OSError; TimeoutError when the deadline is used up: getaddrinfo knows no time-out, so
            names are resolved aside and waited for.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 0, "", (host, port))]
    answers: queue.SimpleQueue[list[AddressInfo] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answers.put(error if isinstance(error, OSError) else OSError("not a host name"))

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=max(0, deadline.remaining()))
    except queue.Empty:
        raise TimeoutError(f"resolving {host} took too long") from None
    if isinstance(answer, OSError):
        raise answer
    return answer
