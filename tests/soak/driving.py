"""What both drivers do: take their changes side by side, and keep a journal of what they learn."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable
from typing import ClassVar

from tests.soak import changes
from tests.soak.changes import Change
from tests.soak.scene import Journal, Scene
from tests.soak.wire import Client, Message

_LONGEST_ERROR = 768  # what a longer one does to Knative's dispatcher, it does to all of its events
# Changes a second so that a short soak lasts long enough for every fault.
_SPREAD_SECONDS = 100.0


class Driver(ABC):
    """One of the two senders. `ways` are those of the changes that it takes."""

    name: ClassVar[str]
    ways: ClassVar[frozenset[str]]
    at_once: ClassVar[int]

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.clients = {name: Client(port) for name, port in scene.ports.items()}
        self.counts: Counter[str] = Counter()
        self._journal = Journal(scene.path(f"{self.name}.ndjson"))

    @abstractmethod
    async def take(self, change: Change) -> None:
        """Return when the change is settled, or given up."""

    async def run(self) -> None:
        """Take all changes, a bounded number at a time."""
        places = asyncio.Semaphore(self.at_once)
        reporting = asyncio.create_task(self._report())
        pace = max(self.scene.events / spread_seconds(self.scene.events), 1.0)

        async def taken(change: Change) -> None:
            try:
                await self.take(change)
            finally:
                places.release()

        async with asyncio.TaskGroup() as group:
            for index in range(self.scene.events):
                change = changes.change(self.scene.seed, index)
                if change.way not in self.ways:
                    continue
                await places.acquire()
                if (early := self.scene.begun + index / pace - time.time()) > 0:
                    await asyncio.sleep(early)
                group.create_task(taken(change))
        reporting.cancel()
        self._write_progress()
        for client in self.clients.values():
            client.close()

    def settled(self, change: Change, rows: Collection[str], state: str) -> None:
        self.counts[state] += len(rows)
        self._write({"k": "settled", "i": change.index, "rows": list(rows), "s": state})

    def again(self, change: Change, rows: Iterable[str], why: str) -> None:
        """An attempt that may have published these has not been acknowledged."""
        self._write({"k": "again", "i": change.index, "rows": list(rows), "why": why})

    def letter(self, change: Change, key: str, row: str) -> None:
        self._write({"k": "letter", "i": change.index, "key": key, "row": row})

    def broken(self, text: str) -> None:
        """A sink has answered what it never may."""
        self.counts["broken"] += 1
        self._write({"k": "broken", "text": text})

    def judge(self, answer: Message, where: str) -> None:
        """Note what no answer of ours may be, whatever else goes on."""
        if answer.status >= 300 and len(answer.body) > _LONGEST_ERROR:
            self.broken(f"{where}: an error of {len(answer.body)} bytes")
        if answer.status in (401, 403, 404, 405, 500) or 300 <= answer.status < 400:
            self.broken(f"{where}: answered {answer.status} {answer.body[:200]!r}")

    async def _report(self) -> None:
        while True:
            self._write_progress()
            await asyncio.sleep(1)

    def _write_progress(self) -> None:
        path = self.scene.path(f"{self.name}.progress")
        path.with_suffix(".new").write_text(json.dumps(self.counts))
        path.with_suffix(".new").replace(path)

    def _write(self, line: object) -> None:
        self._journal.write(line)


def spread_seconds(events: int) -> float:
    """Return over how many seconds the changes are spread at least: few are a short soak."""
    return min(_SPREAD_SECONDS, events / 25)


def main(driver: type[Driver]) -> None:
    asyncio.run(driver(Scene.load(sys.argv[1])).run())
