"""A sender like changeprop, and one of plain JSON events: `python -m tests.soak.changeprop DIR`.

changeprop calls one InferenceService's path for each rule, repeats 502 and 503 twice, and nothing
else: what is refused or breaks is gone. Who posts to /events repeats until it is done.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Final

from tests.soak import changes
from tests.soak.changes import Change
from tests.soak.driving import Driver, main
from tests.soak.wire import Message

_REPEATED: Final = (502, 503)
_REPEATS: Final = 2
_DELAYS: Final = (1.0, 3.0)  # a minute and more in production
_TIMEOUT: Final = 20.0  # 7 minutes in production, more than the shim's deadline
_LONGEST_DELAY: Final = 2.0
_DEFERRED: Final = re.compile(r"Triggers deferred: ([^;]*)")
_ROWS: Final = tuple(changes.STREAMS.values())


class Callers(Driver):
    name = "changeprop"
    ways = frozenset(("changeprop", "events"))
    at_once = 40

    async def take(self, change: Change) -> None:
        if change.way == "events":
            await self._publish(change)
        else:
            body = json.dumps({"event": change.document()}).encode()
            await asyncio.gather(
                *(self._call(change, isvc, row, body) for isvc, row in _rules(change))
            )

    async def _call(self, change: Change, isvc: str, row: str, body: bytes) -> None:
        rows = [row, *(each for each, cause in changes.FOLLOWS.items() if cause == row)]
        for attempt in range(_REPEATS + 1):
            if attempt:
                await asyncio.sleep(_DELAYS[attempt - 1])
            answer = await self._post(f"/v1/models/{isvc}:predict", body)
            if not isinstance(answer, Message):
                self.counts[f"given up: {answer}"] += 1
                break
            if answer.status < 300:
                self.settled(change, rows, "delivered")
                return
            self.counts[f"again: {answer.status}"] += 1
            self.again(change, rows, f"called again: {answer.status}")
            if answer.status not in _REPEATED:
                self.broken(f"{isvc}: answered {answer.status} {answer.body[:200]!r}")
                break
        else:
            self.counts["given up: three 503"] += 1
        self.settled(change, rows, "given up")

    async def _publish(self, change: Change) -> None:
        body = json.dumps(change.document()).encode()
        query, rows, delay = "", _ROWS, 0.2
        while True:
            answer = await self._post(f"/events{query}", body)
            if isinstance(answer, Message) and answer.status < 300:
                break
            why = str(answer.status) if isinstance(answer, Message) else answer
            self.counts[f"again: {why}"] += 1
            self.again(change, rows, f"posted again: {why}")
            if isinstance(answer, Message) and 400 <= answer.status < 500:
                self.broken(f"/events: answered {answer.status} {answer.body[:200]!r}")
                self.settled(change, _ROWS, "refused")
                return
            if isinstance(answer, Message) and (names := _deferred(answer)):
                query = "?" + "&".join(f"trigger={name}" for name in names)
                followed = [row for row, cause in changes.FOLLOWS.items() if cause in names]
                rows = (*names, *followed)
            await asyncio.sleep(delay)
            delay = min(2 * delay, _LONGEST_DELAY)
        self.settled(change, _ROWS, "delivered")

    async def _post(self, path: str, body: bytes) -> Message | str:
        """The answer, or what came instead of one."""
        self.counts["deliveries"] += 1
        token = self.scene.path("token").read_text()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        try:
            answer = await self.clients["http-shim"].post(path, headers, body, _TIMEOUT)
        except TimeoutError:
            return "time-out"
        except (OSError, EOFError, ValueError):
            return "no answer"
        self.judge(answer, f"http-shim{path}")
        return answer


def _rules(change: Change) -> Iterator[tuple[str, str]]:
    """InferenceService and row of each of changeprop's rules that match, wider than they are."""
    wiki, article = change.kind.wiki, change.kind.namespace == 0 and not change.kind.redirect
    if wiki == "enwiki":
        yield "enwiki-drafttopic", changes.DRAFTTOPIC
    if wiki == "wikidatawiki":
        yield changes.WIKIDATA, changes.WIKIDATA
    elif article:
        for row in (changes.OUTLINK, changes.COUNTRY, changes.AGNOSTIC, changes.MULTILINGUAL):
            yield row, row


def _deferred(answer: Message) -> list[str]:
    """The Triggers to repeat, as the shim's answer names them; none: all."""
    try:
        found = _DEFERRED.search(json.loads(answer.body)["detail"])
    except (ValueError, KeyError, TypeError):
        return []
    return [part.partition(" ")[0] for part in found[1].split(", ")] if found else []


if __name__ == "__main__":
    main(Callers)
