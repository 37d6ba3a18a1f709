"""From the journals of one soak to the ledger's sentence."""

from __future__ import annotations

import bisect
import json
from array import array
from typing import Any, Final
from urllib.parse import urlsplit

from sinks.letter import Letter
from sinks.letter_selection import Selection
from sinks.letters import Letters
from tests.soak import changes
from tests.soak.ledger import Ledger, Sentence
from tests.soak.scene import EVENTGATES, Scene, lines

NEAR_A_KILL: Final = "the egress was killed before it could answer"
# The shim repeats by itself what a dead worker had got and not answered, and the next one gets it.
_WINDOW_SECONDS: Final = 1.0
_RETRIED_4XX: Final = (404, 408, 409, 429)
_PAGE: Final = 1000


def judged(scene: Scene, database_url: str) -> Sentence:
    """Return what the ledger says of this soak, whose processes have ended."""
    return _Accounts(scene).judged(database_url)


class _Accounts:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._kinds = array("b")
        self._brokers = array("b")
        for index in range(scene.events):
            each = changes.change(scene.seed, index)
            self._kinds.append(changes.KINDS.index(each.kind))
            self._brokers.append(each.way == "broker")
        self._kills = [
            line["t"]
            for line in lines(scene.path("supervisor.ndjson"))
            if line.get("target") == "egress-sink"
        ]
        self._ledger = Ledger(
            wanted=lambda index: self._kind(index).rows if index < scene.events else (),
            doomed=lambda index: bool(self._kind(index).fails_at),
            follows=changes.FOLLOWS,
            weak=(NEAR_A_KILL,),
        )

    def _kind(self, index: int) -> changes.Kind:
        return changes.KINDS[self._kinds[index]]

    def judged(self, database_url: str) -> Sentence:
        for name in EVENTGATES:
            for line in lines(self._scene.path(f"{name}.ndjson")):
                self._publish(line)
        for name in ("broker", "changeprop", "supervisor"):
            for line in lines(self._scene.path(f"{name}.ndjson")):
                self._enter(line)
        letters = Letters(database_url, max_age_seconds=1e9, max_bytes=2**40)
        try:
            after = 0
            while found := letters.find(Selection(), after=after, limit=_PAGE):
                for kept in found:
                    self._keep(kept.letter)
                after = found[-1].number
        finally:
            letters.close()
        indexes = range(self._scene.events)
        return self._ledger.sentence(indexes, lambda index: bool(self._brokers[index]))

    def _enter(self, line: Any) -> None:
        kind = line.get("k")
        if kind == "settled":
            for row in line["rows"]:
                self._ledger.settled(line["i"], row, line["s"])
        elif kind == "again":
            for row in line["rows"]:
                self._ledger.again(line["i"], row, line["why"])
        elif kind == "letter":
            self._ledger.owed(line["key"], f"change {line['i']}, {line['row']}")
        elif kind == "broken":
            self._ledger.broken(line["text"])

    def _publish(self, line: Any) -> None:
        event = line["event"]
        row = changes.STREAMS.get(event["meta"]["stream"])
        index = changes.index_of_id(event)
        if row is None or index is None or not 0 <= index < self._scene.events:
            self._ledger.published_unknown(json.dumps(event)[:300])
            return
        change = changes.change(self._scene.seed, index)
        wrong = changes.wrong_in(change, row, event)
        self._ledger.published(index, row, event["meta"]["id"], wrong)
        if line["why"]:
            self._ledger.again(index, row, f"EventGate: {line['why']}")
        near = bisect.bisect_left(self._kills, line["t"] - 0.1)
        killed = near < len(self._kills) and self._kills[near] < line["t"] + _WINDOW_SECONDS
        if killed and not self._brokers[index]:
            self._ledger.again(index, row, NEAR_A_KILL)

    def _keep(self, letter: Letter) -> None:
        """Enter a letter by what it says itself, not by what our sink has read in it."""
        attributes, data = _read(letter)
        path = urlsplit(attributes["knativeerrordest"]).path
        made = not path.startswith("/models/")
        row = attributes["model"] if made else path.rpartition("/")[2]
        index = changes.index_of_id(data)
        key = f"{attributes['source']} {attributes['id']} {row}"
        if index is None:
            self._ledger.broken(f"letter of no change: {key}")
        else:
            code = int(attributes["knativeerrorcode"])
            refused = 400 <= code < 500 and code not in _RETRIED_4XX
            self._ledger.kept(key, index, row, made=made, refused=refused)


def _read(letter: Letter) -> tuple[dict[str, str], Any]:
    body = json.loads(letter.body)
    if letter.headers.get("content-type", "").startswith("application/cloudevents+json"):
        return body, body["data"]
    named = {name[3:]: value for name, value in letter.headers.items() if name[:3] == "ce-"}
    return named, body
