"""What all processes of one soak know: seed, ports, files; and the journals that they write."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

SINKS: Final = ("http-shim", "score-sink", "egress-sink", "deadletter-sink")
EVENTGATES: Final = ("eventgate-1", "eventgate-2")
PARTS: Final = (*SINKS, "predictor", *EVENTGATES)


@dataclass(frozen=True, slots=True)
class Scene:
    """One soak.

    directory:  of its journals, logs and files.
    events:     how many page changes.
    begun:      time.time() at which the schedules start.
    """

    directory: str
    seed: int
    events: int
    begun: float
    ports: dict[str, int]

    @classmethod
    def load(cls, directory: str) -> Self:
        return cls(**json.loads((Path(directory) / "scene.json").read_text()))

    def save(self) -> None:
        self.path("scene.json").write_text(json.dumps(asdict(self)))

    def path(self, name: str) -> Path:
        return Path(self.directory) / name

    @property
    def seconds(self) -> float:
        """Since the schedules have started; 0 before."""
        return max(0.0, time.time() - self.begun)

    @property
    def calm(self) -> bool:
        """Whether nothing may fail any more, so that the soak can end."""
        return self.path("calm").exists()


class Journal:
    """A file of JSON lines; a line is in the file when `write` returns."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, line: Any) -> None:
        os.write(self._fd, json.dumps(line, separators=(",", ":")).encode() + b"\n")

    def close(self) -> None:
        os.close(self._fd)


def lines(path: Path) -> Iterator[Any]:
    """Yield what a journal has so far; nothing if there is none."""
    if path.exists():
        with path.open("rb") as file:
            for line in file:
                yield json.loads(line)
