"""The whole pipeline on loopback: predictor, EventGate, and the sinks between them."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sinks.local.processes import Server, gunicorn, listen

PORTS: Final[Mapping[str, int]] = {
    "http-shim": 8080,
    "score-sink": 8081,
    "egress-sink": 8082,
    "deadletter-sink": 8083,
    "predictor": 8084,
    "eventgate": 8192,
}
TRIGGERS_DIR: Final = "triggers:triggers/optional"


class PortTaken(OSError):
    """A pinned port is in use by something else; the text names it."""


def pinned_sockets() -> dict[str, socket.socket]:
    """Return a socket on each pinned port. raises: PortTaken."""
    sockets: dict[str, socket.socket] = {}
    for name, port in PORTS.items():
        try:
            sockets[name] = listen(port)
        except OSError as error:
            for sock in sockets.values():
                sock.close()
            raise PortTaken(f"port {port} for {name} is taken by another process") from error
    return sockets


def free_sockets() -> dict[str, socket.socket]:
    """Return a socket on any free port for each part."""
    return {name: listen() for name in PORTS}


def services(url: Mapping[str, str]) -> str:
    """Return SERVICE_URLS: where the subscribers of the Triggers are.

    url: of each part.
    """
    return f"score-sink={url['score-sink']},egress-sink={url['egress-sink']}"


def servers(sockets: Mapping[str, socket.socket], events: Path) -> list[Server]:
    """Return all parts, wired to each other's ports.

    events: directory that the local EventGate writes its topics to; dead letters lie beside it.
    """
    url = {name: f"http://127.0.0.1:{sock.getsockname()[1]}" for name, sock in sockets.items()}
    eventgate = gunicorn(f"sinks.local.eventgate:create_app({str(events)!r})", "--keep-alive", "5")
    routing = {
        "ALLOW_ANONYMOUS": "true",
        "TRIGGERS_DIR": TRIGGERS_DIR,
        "SERVICE_URLS": services(url),
    }
    letters = (events.parent / "deadletters.sqlite").absolute()
    return [
        Server(
            "predictor",
            [sys.executable, "-m", "sinks.local.predictor", "--fd", "{fd}"],
            {},
            "/v1/models/enwiki-drafttopic",
        ),
        Server("eventgate", eventgate, {}, "/_info"),
        Server(
            "score-sink",
            gunicorn("sinks.score_sink:create_app()"),
            {"PREDICTOR_URL": url["predictor"]},
        ),
        Server(
            "egress-sink",
            gunicorn("sinks.egress_sink:create_app()"),
            {"EVENTGATE_URLS": f"{url['eventgate']}/v1/events"},
        ),
        Server(
            "deadletter-sink",
            gunicorn("sinks.deadletter_sink:create_app()"),
            {**routing, "DATABASE_URL": f"sqlite:///{letters}"},
        ),
        Server(
            "http-shim",
            gunicorn("sinks.http_shim:create_app()"),
            {**routing, "DEADLETTER_URL": f"{url['deadletter-sink']}/"},
        ),
    ]
