"""One of the soak's two EventGates: `python -m tests.soak.eventgate DIR NAME`.

What it accepts is in its file before it answers, or does not: that is what has been published.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from typing import Any

from tests.soak import changes, schedule, wire
from tests.soak.predictor import serve
from tests.soak.scene import Journal, Scene

_HANG_SECONDS = 6.0
_KAFKA = {"invalid": [], "error": [{"status": "error", "context": {"message": "Local: timed out"}}]}
_INVALID = {"invalid": [{"status": "invalid", "context": {"errorsText": "the soak's own"}}]}
_NOT_ALLOWED = {
    "invalid": [],
    "error": [{"context": {"message": "schema is not allowed in stream: the soak's own"}}],
}


class EventGate:
    """Takes one event for each request, as the egress sends them."""

    def __init__(self, scene: Scene, name: str) -> None:
        self._scene = scene
        self._name = name
        self._requests = itertools.count()
        self._accepted = Journal(scene.path(f"{name}.ndjson"))

    def idle(self) -> float:
        return 0.2 if self._slot() == "idle_close" else 5.0

    async def behave(self, request: wire.Message, writer: asyncio.StreamWriter) -> bool:
        event = json.loads(request.body)
        if refusal := _refusal(event):
            writer.write(refusal)
            return True
        kind = self._behaviour()
        if kind == "failed":
            writer.write(wire.answer(500, _KAFKA))
        elif kind == "unavailable":
            writer.write(wire.answer(503, b"no healthy upstream"))
        elif kind == "reset_early":
            wire.reset(writer)
            return False
        elif kind == "hangs_accepted":
            self._accept(event, kind)
            await asyncio.sleep(_HANG_SECONDS)
            return False
        elif kind == "reset_accepted":
            self._accept(event, kind)
            writer.write(b"HTTP/1.1 201 Cre")
            await writer.drain()
            wire.reset(writer)
            return False
        elif kind == "failed_accepted":
            self._accept(event, kind)
            writer.write(wire.answer(500, _KAFKA))
        elif kind == "slow":
            await asyncio.sleep(0.5)
            self._accept(event, kind)
            await asyncio.sleep(next(self._requests) % 30 / 10)
            writer.write(wire.answer(201))
        else:
            # Going down resets what is open, perhaps before this answer has been read.
            self._accept(event, kind if kind == schedule.DOWN else "")
            writer.write(wire.answer(201))
        return True

    def _accept(self, event: Any, unanswered: str) -> None:
        """Write down the event, and why its sender may not know that it has been accepted."""
        self._accepted.write({"t": time.time(), "why": unanswered, "event": event})

    def _behaviour(self) -> str:
        scene = self._scene
        if scene.calm:
            return schedule.WELL
        return schedule.behaviour(
            scene.seed, self._name, schedule.EVENTGATE, scene.seconds, next(self._requests)
        )

    def _slot(self) -> str:
        scene = self._scene
        number = int(scene.seconds / schedule.SLOT_SECONDS)
        return schedule.slot(scene.seed, self._name, schedule.EVENTGATE, number).behaviour


def _refusal(event: Any) -> bytes:
    """What is never taken, by the kind of the change that the event is about."""
    rev_id = event.get("rev_id", event.get("revision", {}).get("rev_id"))
    if rev_id is None:
        rev_id = int(event["page"]["page_title"].removeprefix("Soak_"))
    kind = changes.kind_of(rev_id)
    if kind.fails_at != "eventgate":
        return b""
    return wire.answer(400, _INVALID) if kind.name == "invalid" else wire.answer(500, _NOT_ALLOWED)


def main() -> None:
    scene, name = Scene.load(sys.argv[1]), sys.argv[2]
    gate = EventGate(scene, name)
    server = wire.Server(scene.ports[name], gate.behave, gate.idle)
    asyncio.run(serve(scene, server, schedule.EVENTGATE, name))


if __name__ == "__main__":
    main()
