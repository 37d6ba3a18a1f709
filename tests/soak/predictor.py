"""The soak's predictor, which misbehaves by the schedule: `python -m tests.soak.predictor DIR`."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from typing import Any

from tests.soak import changes, schedule, wire
from tests.soak.scene import Scene


class Predictor:
    """Scores are a function of model and revision, or of the title where that is all it is told."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._requests = itertools.count()

    async def behave(self, request: wire.Message, writer: asyncio.StreamWriter) -> bool:
        kind = self._behaviour()
        good = _answer(request)
        if kind == "slow":
            await asyncio.sleep(0.3 + (next(self._requests) % 20) / 10)
        elif kind == "truncated":
            writer.write(good[: len(good) * 2 // 3])
            return False
        elif kind == "drip":
            return await _drip(good, writer)
        elif kind == "stray":
            good += wire.answer(200, {"error": "of nobody"})
        elif kind in _ERRORS:
            good = _ERRORS[kind]
        writer.write(good)
        return True

    def _behaviour(self) -> str:
        scene = self._scene
        if scene.calm:
            return schedule.WELL
        number = next(self._requests)
        return schedule.behaviour(
            scene.seed, "predictor", schedule.PREDICTOR, scene.seconds, number
        )


_ERRORS = {
    "garbage": wire.answer(200, b"<html>It works!</html>", {"Content-Type": "text/html"}),
    "no_route": wire.answer(404, b""),
    "too_many": wire.answer(429, b"slow down", {"Retry-After": "1"}),
    "redirect": wire.answer(301, b"", {"Location": "http://127.0.0.1:9/"}),
    "failed": wire.answer(500, {"error": "LookupError : soak"}),
}


def _answer(request: wire.Message) -> bytes:
    isvc = request.path.rpartition("/")[2].removesuffix(":predict")
    asked = json.loads(request.body)
    wiki, _, model = isvc.rpartition("-") if isvc.endswith("-drafttopic") else ("", "", isvc)
    rev_id = asked.get("rev_id", asked.get("revision_id"))
    if rev_id is None:
        rev_id = int(asked["title"].removeprefix("Soak_"))
    if changes.kind_of(rev_id).fails_at == "predictor":
        return wire.answer(400, {"error": "the soak says that nobody can score it"})
    about = asked["title"] if model == changes.COUNTRY else rev_id
    return wire.answer(200, _prediction(model, wiki, rev_id, changes.score(model, about)))


def _prediction(model: str, wiki: str, rev_id: int, score: float) -> Any:
    if model == changes.DRAFTTOPIC:
        said = {"prediction": ["STEM.STEM*"], "probability": {"STEM.STEM*": score}}
        scores = {str(rev_id): {model: {"score": said}}}
        return {wiki: {"models": {model: {"version": "1"}}, "scores": scores}}
    if model == changes.OUTLINK:
        return {"prediction": {"results": [{"topic": "STEM.STEM*", "score": score}]}}
    named = {"model_name": model, "model_version": "1"}
    if model == changes.COUNTRY:
        result = {"country": "Kenya", "score": score, "source": {}}
        return {**named, "prediction": {"results": [result]}}
    both = {"true": score, "false": round(1 - score, 6)}
    return {**named, "revision_id": rev_id, "output": {"prediction": True, "probabilities": both}}


async def _drip(good: bytes, writer: asyncio.StreamWriter) -> bool:
    for byte in good[:60]:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.15)
    return False


async def serve(scene: Scene, server: wire.Server, kinds: tuple[str, ...], name: str) -> None:
    """Serve for good, but for the slots in which the upstream is down."""
    while True:
        now = schedule.slot(scene.seed, name, kinds, int(scene.seconds / schedule.SLOT_SECONDS))
        if now.behaviour == schedule.DOWN and not scene.calm:
            server.close()
        else:
            await server.open()
        await asyncio.sleep(0.1)


def main() -> None:
    scene = Scene.load(sys.argv[1])
    server = wire.Server(scene.ports["predictor"], Predictor(scene).behave)
    asyncio.run(serve(scene, server, schedule.PREDICTOR, "predictor"))


if __name__ == "__main__":
    main()
