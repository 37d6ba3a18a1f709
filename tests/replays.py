"""Dead letters, a scripted subscriber behind two Triggers, and replaying between them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from sinks.deadline import Deadline
from sinks.filters import Filter
from sinks.http_client import HttpClient
from sinks.http_transport import Transport
from sinks.letter import letter_of
from sinks.letter_selection import Selection
from sinks.letters import Letters
from sinks.replay_run import Run, replay
from sinks.replaying import Replayed, Replaying
from sinks.triggers import Trigger
from tests.factories import PAGE_CHANGE_TYPE, SCORE_TYPE, binary, page_change, revision_score
from tests.letters import ALL
from tests.upstream import Behave, Received, Upstream, answer

REPLY_HEADERS, REPLY_BODY = binary(revision_score(), type=SCORE_TYPE)
TAKEN = answer(202)
FAILING = answer(503, {"reason": "predictor_failed", "detail": "down", "ce_id": None})
REFUSING = answer(422, {"reason": "unscorable_revision", "detail": "deleted", "ce_id": None})
REPLYING = answer(200, REPLY_BODY, REPLY_HEADERS)


def change(number: int = 1, **attributes: str) -> tuple[dict[str, str], bytes]:
    """The event that the shim makes of a page change, as it is on the wire."""
    named = {"wikiid": "enwiki", "pagechangekind": "edit", "subject": "enwiki/123", **attributes}
    headers, body = binary(page_change(revision={"rev_id": 1300200300 + number}), **named)
    lowered = {name.lower(): value for name, value in headers.items()}
    return lowered | {"ce-id": f"event-{number}"}, body


def keep(letters: Letters, destination: str, number: int = 1, **attributes: str) -> None:
    """Have a letter arrive, as the broker of the channels writes it."""
    headers, body = change(number, **attributes)
    failure = {"ce-knativeerrordest": destination, "ce-knativeerrorcode": "503"}
    letters.keep(letter_of(headers | failure, body), datetime.now(UTC))


def run(replaying: Replaying, selection: Selection = ALL, **how: Any) -> list[Replayed]:
    """Replay to the end; 10 s for each letter."""
    how = {"deadline": lambda: Deadline.after(10), **how}
    with closing(replaying):
        return list(replay(selection, replaying, Run(**how)))


def write_trigger(directory: Path, subscriber: str) -> None:
    """Write the file of one Trigger: page changes go to the drafttopic row of this subscriber."""
    trigger = {
        "apiVersion": "eventing.knative.dev/v1",
        "kind": "Trigger",
        "metadata": {"name": "drafttopic"},
        "spec": {
            "filters": [{"exact": {"type": PAGE_CHANGE_TYPE}}],
            "subscriber": {"uri": f"{subscriber}/models/drafttopic"},
        },
    }
    directory.mkdir()
    (directory / "drafttopic.yaml").write_text(yaml.safe_dump(trigger))


def client() -> HttpClient:
    return HttpClient("subscriber", Transport(2.0, 2**20))


@dataclass
class Wired:
    """Letters, one scripted server for all subscribers, and what replays to it.

    script:  behaviour by path; others take everything.
    """

    letters: Letters
    replaying: Replaying
    server: Upstream
    script: dict[str, Behave]

    @property
    def asked(self) -> list[str]:
        """Path and event of each request, in their order."""
        return [f"{each.target} {each.headers['ce-id']}" for each in self.server.received]


@contextmanager
def wired_to(letters: Letters) -> Iterator[Wired]:
    """`score` takes page changes, `egress` what it replies."""
    script: dict[str, Behave] = {}

    def behave(received: Received, sock: Any) -> bool | None:
        return script.get(received.target, TAKEN)(received, sock)

    with Upstream(behave) as server:
        scores = Filter("all", lambda event: event.type == SCORE_TYPE)
        others = Filter("all", lambda event: event.type != SCORE_TYPE)

        triggers = (
            Trigger("egress", "default", scores, f"{server.url}/egress"),
            Trigger("score", "default", others, f"{server.url}/score"),
        )
        subscribers = client()
        yield Wired(
            letters,
            Replaying(letters=letters, triggers=triggers, subscribers=subscribers, broker=None),
            server,
            script,
        )
