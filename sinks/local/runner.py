"""The main job, shown: sample page changes through the whole pipeline, one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, get_args

import orjson
import requests

from sinks.errors import Outcome

ANSWER_SECONDS: Final = 60.0
WIDTH: Final = 100
_OUTCOMES: Final = get_args(Outcome)


@dataclass
class Account:
    """What became of all events so far; `outcomes` counts deliveries."""

    sent: int = 0
    accounted: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)

    @property
    def complete(self) -> bool:
        """True if there were events, each came to an end, and none of them only for now."""
        return 0 < self.sent == self.accounted and not self.outcomes["deferred"]

    def __str__(self) -> str:
        counts = ", ".join(f"{self.outcomes[outcome]} {outcome}" for outcome in _OUTCOMES)
        return f"{self.sent} in, {self.accounted} accounted: {counts}"


class Topics:
    """Finds events that have been published since now in the files of the local EventGate."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._old = {path: _lines(path) for path in directory.glob("*.ndjson")}

    def find(self, stream: str, event_id: str) -> tuple[dict[str, Any], str] | None:
        """Return the event and where it stands (`file:line`), or None unless it is there once."""
        path = self._directory / f"dev.{stream}.ndjson"
        old = len(self._old.get(path, ()))
        events = [(orjson.loads(line), n) for n, line in enumerate(_lines(path)[old:], old + 1)]
        found = [
            (event, f"{path.name}:{n}") for event, n in events if event["meta"]["id"] == event_id
        ]
        return found[0] if len(found) == 1 else None


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines() if path.is_file() else []


def run(samples: Sequence[Path], shim: str, topics: Topics) -> Iterable[str | Account]:
    """POST each sample to the shim and yield lines to show, at the end the account."""
    account = Account()
    session = requests.Session()
    session.trust_env = False  # no proxy to loopback
    for number, path in enumerate(samples, 1):
        document = orjson.loads(path.read_bytes())
        yield f"{number:3}/{len(samples)}  {path.stem}: {_described(document)}"[:WIDTH]
        account.sent += 1
        try:
            response = session.post(
                f"{shim}/events",
                data=path.read_bytes(),
                headers={"Content-Type": "application/json"},
                timeout=ANSWER_SECONDS,
            )
            answer = response.json()
        except requests.RequestException as error:
            yield f"           no answer from http-shim: {error}"
            continue
        if response.status_code != 200:
            outcome = "deferred" if response.status_code >= 500 else "rejected"
            account.outcomes[outcome] += 1
            account.accounted += outcome == "rejected"
            yield f"           {outcome}: {answer['reason']}: {answer['detail']}"
            continue
        account.outcomes.update(outcome["outcome"] for outcome in answer["outcomes"])
        lines, missing = _shown(answer["outcomes"], topics)
        account.accounted += not missing
        yield from lines
    yield "the first two numbers count page changes, the others what became of them at Triggers:"
    yield account


def _described(document: dict[str, Any]) -> str:
    page, revision = document.get("page", {}), document.get("revision", {})
    kind = document.get("page_change_kind", "revision-create")
    wiki = document.get("wiki_id", document.get("database"))
    title = page.get("page_title", document.get("page_title"))
    return f"{kind} on {wiki}, revision {revision.get('rev_id', document.get('rev_id'))}, {title}"


def _shown(outcomes: Sequence[dict[str, Any]], topics: Topics) -> tuple[list[str], bool]:
    """Lines for one event's deliveries, and whether a relayed event cannot be found."""
    lines, missing = [], False
    for outcome in outcomes:
        if outcome["outcome"] == "relayed":
            found = topics.find(outcome["stream"], outcome["ce_id"])
            missing = missing or found is None
            lines.append(
                _published(*found)
                if found
                else f"           NOT PUBLISHED ONCE: {outcome['ce_id']}"
            )
    ignored: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome["outcome"] == "ignored":
            ignored.setdefault(outcome["reason"], []).append(outcome["trigger"] or "all")
    lines += [
        f"           ignored ({reason}): {', '.join(triggers)}"[:WIDTH]
        for reason, triggers in ignored.items()
    ]
    return lines, missing


def _published(event: dict[str, Any], where: str) -> str:
    """One line of at most 100 columns."""
    (score,) = event["scores"].values()
    labels = ", ".join(score["prediction"]) or "no label"
    before, after = f"           {score['model_name']:14} ", f" -> {where}"
    room = WIDTH - len(before) - len(after)
    return before + (labels if len(labels) <= room else labels[: room - 3] + "...") + after
