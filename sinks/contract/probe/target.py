"""Where a sink is: its URL, checked, and whether it may be probed without asking."""

from __future__ import annotations

import ipaddress
import math
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

ANSWER_SECONDS: Final = 10.0


class InvalidTarget(ValueError):
    """No URL that can be probed; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Target:
    """A sink's address.

    authority:  value of the Host header.
    tls:        None for plain HTTP.
    seconds:    how long one answer may take.
    """

    host: str
    port: int
    authority: str
    path: str = "/"
    query: str = ""
    tls: ssl.SSLContext | None = None
    seconds: float = ANSWER_SECONDS


def target_of(
    url: str,
    seconds: float = ANSWER_SECONDS,
    ca_file: Path | None = None,
    elsewhere: bool = False,
) -> Target:
    """Return the target of a URL.

    ca_file:    PEM file of certificate authorities; None: the system's.
    elsewhere:  whether a sink that is not on this machine may be probed.
    raises:     InvalidTarget.
    """
    try:
        parts = urlsplit(url)
        port = (443 if parts.scheme == "https" else 80) if parts.port is None else parts.port
    except ValueError as error:
        raise InvalidTarget(f"{url} is no URL: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isascii():
        raise InvalidTarget(f"{url} is no http or https URL, such as http://127.0.0.1:8081")
    if parts.username is not None or any(c <= " " for c in url):
        raise InvalidTarget("a URL has no spaces; credentials belong into --token-file")
    if not 0 < seconds < math.inf:
        raise InvalidTarget("a time-out is a number of seconds above 0")
    if not elsewhere and not _is_here(parts.hostname, port):
        raise InvalidTarget(
            f"{parts.hostname} is not this machine: a probe sends hundreds of requests, many"
            " of them broken; say --yes (to pytest: --sink-yes) if it is a sink of yours"
        )
    tls = None
    if parts.scheme == "https":
        try:
            tls = ssl.create_default_context(cafile=ca_file)
        except OSError as error:
            raise InvalidTarget(f"{ca_file}: {error}: has to be a PEM file") from None
    path = parts.path or "/"
    return Target(parts.hostname, port, parts.netloc, path, parts.query, tls, seconds)


def _is_here(host: str, port: int) -> bool:
    """True if all addresses of the host are loopback. raises: InvalidTarget if it has none."""
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, port)}
    except (OSError, UnicodeError) as error:
        raise InvalidTarget(f"{host} has no address ({error}): correct the URL") from None
    return all(ipaddress.ip_address(address).is_loopback for address in found)
