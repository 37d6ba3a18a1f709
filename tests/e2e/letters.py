"""`sinks deadletters`, as somebody runs it in the container of the dead-letter sink."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.e2e.overlay import Applied


@dataclass(frozen=True, slots=True)
class Letters:
    """The dead letters of an overlay that is running."""

    overlay: Applied

    def listed(self, *options: str) -> list[dict[str, Any]]:
        """Return what `list` tells of letters."""
        return self._lines("list", *options)

    def of(self, event_id: str) -> dict[str, Any] | None:
        """Return what `list` tells of the letter of an event; None if there is none."""
        return next((each for each in self.listed() if each["id"] == event_id), None)

    def shown(self, number: int) -> dict[str, Any]:
        """Return all that `show` tells of a letter."""
        (letter,) = self._lines("show", str(number))
        return letter

    def replayed(self, *options: str) -> list[dict[str, Any]]:
        """Replay letters, and return what became of each."""
        return self._lines("replay", *options)

    def _lines(self, *command: str) -> list[dict[str, Any]]:
        (pod,) = self.overlay.kubelet.pods(self.overlay.namespace, "deadletter-sink")
        assert pod.container is not None
        done = pod.container.exec("python", "-m", "sinks", "deadletters", *command, "--json")
        # 1: some are deferred or rejected, which the lines tell.
        assert done.returncode in (0, 1), done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]
