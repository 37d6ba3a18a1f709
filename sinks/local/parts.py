"""The whole pipeline on loopback: predictor, EventGate, and the sinks between them."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from sinks.local.processes import Server, gunicorn, listen

PORTS: Final[Mapping[str, int]] = {
    "http-shim": 8080,
    "score-sink": 8081,
    "egress-sink": 8082,
    "deadletter-sink": 8083,
    "predictor": 8084,
    "console": 8085,
    "eventgate": 8192,
}
# What events go through; the console only watches.
PIPELINE: Final = tuple(name for name in PORTS if name != "console")
TRIGGERS_DIR: Final = "triggers:triggers/optional"
_OF_THE_PREDICTOR: Final = ("PREDICTOR_URL", "PREDICTOR_HOST", "CA_FILE")


class PortTaken(OSError):
    """A pinned port is in use by something else; the text names it."""


def names(predictor: Mapping[str, str]) -> tuple[str, ...]:
    """Return the parts to start: all, but without the local predictor where there is another."""
    return tuple(name for name in PORTS if not (predictor and name == "predictor"))


def other_predictor(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what score-sink has to know of a predictor that is not ours; empty: there is none."""
    given = {name: environ[name] for name in _OF_THE_PREDICTOR if environ.get(name)}
    return given if "PREDICTOR_URL" in given else {}


def pinned_sockets(parts: Sequence[str] = tuple(PORTS)) -> dict[str, socket.socket]:
    """Return a socket on the pinned port of each part. raises: PortTaken."""
    sockets: dict[str, socket.socket] = {}
    for name in parts:
        port = PORTS[name]
        try:
            sockets[name] = listen(port)
        except OSError as error:
            for sock in sockets.values():
                sock.close()
            raise PortTaken(f"port {port} for {name} is taken by another process") from error
    return sockets


def free_sockets(parts: Sequence[str] = tuple(PORTS)) -> dict[str, socket.socket]:
    """Return a socket on any free port for each part."""
    return {name: listen() for name in parts}


def services(url: Mapping[str, str]) -> str:
    """Return SERVICE_URLS: where the subscribers of the Triggers are.

    url: of each part.
    """
    return f"score-sink={url['score-sink']},egress-sink={url['egress-sink']}"


def servers(
    sockets: Mapping[str, socket.socket],
    events: Path,
    predictor: Mapping[str, str] | None = None,
) -> list[Server]:
    """Return the parts that have a socket, wired to each other's ports.

    events:     directory that the local EventGate writes its topics to; dead letters lie beside it.
    predictor:  score-sink's variables for another predictor than the local one.
    """
    url = {name: f"http://127.0.0.1:{sock.getsockname()[1]}" for name, sock in sockets.items()}
    routing = {
        "ALLOW_ANONYMOUS": "true",
        "TRIGGERS_DIR": TRIGGERS_DIR,
        "SERVICE_URLS": services(url),
    }
    shown = {"CONSOLE_URL": f"{url['console']}/"} if "console" in url else {}
    letters = (events.parent / "deadletters.sqlite").absolute()
    parts = [
        *_counterparts(events),
        _sink("score-sink", **(predictor or {"PREDICTOR_URL": url["predictor"]})),
        _sink("egress-sink", EVENTGATE_URLS=f"{url['eventgate']}/v1/events"),
        _sink("deadletter-sink", **routing, DATABASE_URL=f"sqlite:///{letters}"),
        _sink("http-shim", **routing, DEADLETTER_URL=f"{url['deadletter-sink']}/", **shown),
        _sink("console", DEADLETTER_API_URL=url["deadletter-sink"], TRIGGERS_DIR=TRIGGERS_DIR),
    ]
    return [part for part in parts if part.name in sockets]


def _counterparts(events: Path) -> list[Server]:
    """The predictor and the EventGate."""
    eventgate = gunicorn(f"sinks.local.eventgate:create_app({str(events)!r})", "--keep-alive", "5")
    return [
        Server(
            "predictor",
            [sys.executable, "-m", "sinks.local.predictor", "--fd", "{fd}"],
            {},
            "/v1/models/enwiki-drafttopic",
        ),
        Server("eventgate", eventgate, {}, "/_info"),
    ]


def _sink(name: str, **env: str) -> Server:
    return Server(name, gunicorn(f"sinks.{name.replace('-', '_')}:create_app()"), env)
