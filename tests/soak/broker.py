"""A sender like Knative's MT broker, with its events on disk: `python -m tests.soak.broker DIR`.

It routes by the Triggers, repeats what its retry set says, delivers replies, and dead-letters. All
its times are those of production, made shorter.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sinks.local.processes import ROOT
from tests.soak import triggers
from tests.soak.changes import Change
from tests.soak.driving import Driver, main
from tests.soak.scene import SINKS, Scene
from tests.soak.triggers import Trigger
from tests.soak.wire import Message

_AGAIN: Final = (404, 408, 409, 429)
_NONE: Final = 0
_RETRIES: Final = 12
_FIRST_DELAY: Final = 0.2
_LONGEST_DELAY: Final = 2.0
# Now and then shorter than a sink needs: then it works on the same event twice.
_TIMEOUTS: Final = (6.0, 6.0, 6.0, 0.4)
_LETTER_TIMEOUT: Final = 5.0


@dataclass(frozen=True, slots=True)
class Event:
    attributes: Mapping[str, str]
    data: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """The last answer; status 0 and no body where there was none."""

    status: int
    body: bytes = b""
    why: str = ""
    final: bool = False


class Broker(Driver):
    name = "broker"
    ways = frozenset(("broker",))
    at_once = 80

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._chance = random.Random(scene.seed)  # noqa: S311  # repeatable, not secret

    async def take(self, change: Change) -> None:
        event = Event(change.attributes(), json.dumps(change.document()).encode())
        if not await self._route(change, event):
            self.settled(change, (), "no trigger")

    async def _route(self, change: Change, event: Event) -> bool:
        matching = [each for each in TRIGGERS if each.passes(event.attributes)]
        await asyncio.gather(*(self._deliver(change, each, event) for each in matching))
        return bool(matching)

    async def _deliver(self, change: Change, trigger: Trigger, event: Event) -> None:
        """One Trigger's whole delivery: attempts, then the reply's or the dead letter's."""
        at_egress = trigger.service == "egress-sink"
        row = event.attributes["model"] if at_egress else trigger.path.rpartition("/")[2]
        for attempt in range(_RETRIES + 1):
            if attempt:
                await asyncio.sleep(min(_FIRST_DELAY * 2 ** (attempt - 1), _LONGEST_DELAY))
            found = await self._attempt(trigger, event)
            if not isinstance(found, Failure):
                break
            self.counts[f"again: {found.why}"] += 1
            if at_egress and found.status == _NONE:  # a status would say that it is not published
                self.again(change, (row,), f"redelivered: {found.why}")
            if found.final:
                break
        if isinstance(found, Failure):
            await self._bury(change, trigger, event, row, found)
        elif found is None:
            self.settled(change, (row,), "delivered" if at_egress else "ignored")
        elif not await self._route(change, found):
            self.broken(f"{trigger.name}: no Trigger takes the reply {found.attributes}")

    async def _attempt(self, trigger: Trigger, event: Event) -> Event | Failure | None:
        """Return the reply, None if there is none, or the failure."""
        self.counts["deliveries"] += 1
        headers, body = _sent(event)
        seconds = self._chance.choice(_TIMEOUTS)
        try:
            answer = await self.clients[trigger.service].post(trigger.path, headers, body, seconds)
        except TimeoutError:
            return Failure(_NONE, why="time-out")
        except (OSError, EOFError, ValueError):
            return Failure(_NONE, why="no answer")
        where, status = f"{trigger.service}{trigger.path}", answer.status
        self.judge(answer, where)
        if not 200 <= status < 300:
            again = status >= 500 or status in _AGAIN
            return Failure(status, answer.body, str(status), final=not again)
        try:
            return _reply(answer)
        except (ValueError, KeyError) as error:
            self.broken(f"{where}: {status} with a reply that is none: {error!r}")
            return Failure(502, why="no event")

    async def _bury(
        self, change: Change, trigger: Trigger, event: Event, row: str, failure: Failure
    ) -> None:
        """Dead-letter the event; the Broker's own disk is patient, so this goes on until kept."""
        destination = f"http://{trigger.service}.default.svc.cluster.local{trigger.path}"
        told = {"knativeerrordest": destination, "knativeerrorcode": str(failure.status or 500)}
        if failure.body:
            told["knativeerrordata"] = base64.b64encode(failure.body[:768]).decode()
        headers, body = _sent(Event({**event.attributes, **told}, event.data))
        delay = _FIRST_DELAY
        while True:
            self.counts["letters"] += 1
            try:
                answer = await self.clients["deadletter-sink"].post(
                    "/", headers, body, _LETTER_TIMEOUT
                )
                self.judge(answer, "deadletter-sink")
                if 200 <= answer.status < 300:
                    break
                self.counts[f"letter again: {answer.status}"] += 1
            except (OSError, EOFError, ValueError):
                self.counts["letter again: no answer"] += 1
            await asyncio.sleep(delay)
            delay = min(2 * delay, 1.0)
        source, id_ = event.attributes["source"], event.attributes["id"]
        self.letter(change, f"{source} {id_} {row}", row)
        self.settled(change, (row,), "dead letter")


def _sent(event: Event) -> tuple[dict[str, str], bytes]:
    """The request: binary as a rule, every fourth one as with `format: json`."""
    broker = {"Prefer": "reply", "Kn-Namespace": "default"}
    if int(event.attributes["id"][:8], 16) % 4 == 0:
        envelope = {**event.attributes, "data": json.loads(event.data)}
        return {**broker, "Content-Type": "application/cloudevents+json"}, json.dumps(
            envelope
        ).encode()
    named = {f"ce-{name}": value for name, value in event.attributes.items()}
    named.pop("ce-datacontenttype", None)
    return {**broker, **named, "Content-Type": "application/json"}, event.data


def _reply(answer: Message) -> Event | None:
    """The reply as the filter and the ingress judge it. raises: ValueError, KeyError."""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/cloudevents+json":
        envelope = json.loads(answer.body)
        data = json.dumps(envelope.pop("data")).encode()
        attributes = {name: str(value) for name, value in envelope.items()}
    elif answer.headers.get("ce-specversion") == "1.0":
        attributes = {
            name[3:]: value for name, value in answer.headers.items() if name[:3] == "ce-"
        }
        data = answer.body
        json.loads(data)
    elif answer.body:
        raise ValueError("neither an event nor empty")
    else:
        return None
    if attributes["specversion"] != "1.0" or not all(
        attributes[name] for name in ("id", "source", "type")
    ):
        raise ValueError("a required attribute is missing")
    return Event(attributes, data)


TRIGGERS: Final = triggers.load(ROOT / "triggers")
assert {each.service for each in TRIGGERS} <= set(SINKS)

if __name__ == "__main__":
    main(Broker)
