"""The standalone deployment: real shim, score- and egress-sink between scripted counterparts."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sinks.local.processes import Server, all_serving, gunicorn, listen
from tests.processes import Running
from tests.upstream import Behave, Received, Upstream, answer

ACCEPTED = answer(201, reason="All 1 out of 1 events were accepted.")


@dataclass
class Standalone:
    """What runs; `predict` and `accept` are how predictors and EventGate behave now."""

    shim: Running
    score: Running
    egress: Running
    predictor: Upstream
    eventgate: Upstream
    _behaviours: dict[str, Behave] = field(default_factory=dict)

    def script(self, predict: Behave | None = None, accept: Behave = ACCEPTED) -> None:
        """Let the counterparts behave like this, and forget what they have got."""
        self._behaviours |= {"accept": accept}
        if predict is not None:
            self._behaviours |= {"predict": predict}
        self.predictor.received.clear()
        self.eventgate.received.clear()

    @property
    def published(self) -> list[dict[str, Any]]:
        """All documents that EventGate was asked to take."""
        return [each.json() for each in self.eventgate.received]

    @property
    def asked(self) -> list[str]:
        """The InferenceServices that were asked."""
        targets = [each.target for each in self.predictor.received]
        return [each.removeprefix("/v1/models/").removesuffix(":predict") for each in targets]


@contextmanager
def standalone(
    directory: Path,
    triggers: str = "triggers:triggers/optional",
    score: Mapping[str, str] = {},
    **environment: str,
) -> Iterator[Standalone]:
    """Run all of it until the block ends.

    score:        variables of the score-sink alone. environment: of all three.
    """
    behaviours: dict[str, Behave] = {"predict": answer(500), "accept": ACCEPTED}

    def predict(received: Received, sock: socket.socket) -> bool | None:
        return behaviours["predict"](received, sock)

    def accept(received: Received, sock: socket.socket) -> bool | None:
        return behaviours["accept"](received, sock)

    with ExitStack() as stack:
        predictor = stack.enter_context(Upstream(predict))
        eventgate = stack.enter_context(Upstream(accept))
        sockets = {name: listen() for name in ("http_shim", "score_sink", "egress_sink")}
        urls = {name: f"http://127.0.0.1:{each.getsockname()[1]}" for name, each in sockets.items()}
        services = f"score-sink={urls['score_sink']},egress-sink={urls['egress_sink']}"
        own: dict[str, dict[str, str]] = {
            "http_shim": {
                "ALLOW_ANONYMOUS": "true",
                "TRIGGERS_DIR": triggers,
                "SERVICE_URLS": services,
            },
            "score_sink": {"PREDICTOR_URL": predictor.url, **score},
            "egress_sink": {
                "EVENTGATE_URLS": f"{eventgate.url}/v1/events",
                "RELAYED_MEMORY_EVENTS": "0",  # several tests send the same event
            },
        }
        servers = [
            Server(name, gunicorn(f"sinks.{name}:create_app()"), {**environment, **own[name]})
            for name in sockets
        ]
        running = stack.enter_context(all_serving(servers, sockets, directory))
        yield Standalone(
            running["http_shim"],
            running["score_sink"],
            running["egress_sink"],
            predictor,
            eventgate,
            behaviours,
        )


def predicting(answers: Mapping[str, Any]) -> Behave:
    """Answer as the InferenceServices of these names; any other one is not deployed."""

    def behave(received: Received, sock: socket.socket) -> bool | None:
        isvc = received.target.removeprefix("/v1/models/").removesuffix(":predict")
        if isvc not in answers:
            return answer(404, {"error": f"Model with name {isvc} does not exist."})(received, sock)
        return answer(200, json.dumps(answers[isvc]), {"Content-Type": "application/json"})(
            received, sock
        )

    return behave
