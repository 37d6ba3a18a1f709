"""The main job, shown: sample page changes through the whole pipeline, one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import fill, indent
from typing import Any, Final, get_args

import orjson
import requests

from sinks.model_row import ModelRow
from sinks.models import ROWS
from sinks.prediction import Prediction
from sinks.reasons import Outcome
from sinks.weighted_tags import OUTPUT as WEIGHTED_TAGS

ANSWER_SECONDS: Final = 60.0
WIDTH: Final = 100
_OUTCOMES: Final = get_args(Outcome)


def _prefix(row: ModelRow) -> str:
    """The group of a row's tags: what tells whose they are."""
    cleared = row.from_prediction(Prediction(row.name, None, (), {}))
    return str(cleared["weighted_tags"]["clear"][0])


_TAGGERS: Final = {_prefix(row): row.name for row in ROWS if row.output is WEIGHTED_TAGS}


@dataclass
class Account:
    """What became of all events so far.

    outcomes:   of deliveries.
    published:  (row, stream) of events that were found in the stream's file.
    """

    sent: int = 0
    accounted: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    published: Counter[tuple[str, str]] = field(default_factory=Counter)

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

    def find(self, stream: str, event_id: str) -> tuple[dict[str, Any], int] | None:
        """Return the event and its line in the stream's file, or None unless it is there once."""
        path = self._directory / f"dev.{stream}.ndjson"
        old = len(self._old.get(path, ()))
        events = [(orjson.loads(line), n) for n, line in enumerate(_lines(path)[old:], old + 1)]
        found = [(event, n) for event, n in events if event["meta"]["id"] == event_id]
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
        account.accounted += yield from _shown(answer["outcomes"], topics, account.published)
    yield "published, by row and stream:"
    for row in ROWS:
        yield f"  {row.name:28} {account.published[row.name, row.stream]:4}  {row.stream}"
    yield "the first two numbers count page changes, the others what became of them at Triggers:"
    yield account


def _described(document: dict[str, Any]) -> str:
    page, revision = document.get("page", {}), document.get("revision", {})
    kind = document.get("page_change_kind", "revision-create")
    wiki = document.get("wiki_id", document.get("database"))
    title = page.get("page_title", document.get("page_title"))
    return f"{kind} on {wiki}, revision {revision.get('rev_id', document.get('rev_id'))}, {title}"


def _shown(
    outcomes: Sequence[dict[str, Any]], topics: Topics, published: Counter[tuple[str, str]]
) -> Generator[str, None, bool]:
    """Yield lines for one event's deliveries; return whether each relayed event was found.

    published: counts them.
    """
    complete = True
    others: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome["outcome"] in ("ignored", "rejected"):
            kept = ", kept as dead letter" if outcome["outcome"] == "rejected" else ""
            words = f"{outcome['outcome']} ({outcome['reason']}){kept}"
            others.setdefault(words, []).append(outcome["trigger"] or "all")
        if outcome["outcome"] != "relayed":
            continue
        found = topics.find(outcome["stream"], outcome["ce_id"])
        if found:
            row, labels = _said(found[0])
            published[row, outcome["stream"]] += 1
            yield _fitted(f"           {row:28} ", labels, f"  line {found[1]}")
        else:
            complete = False
            yield f"           NOT PUBLISHED ONCE: {outcome['ce_id']}"
    for words, triggers in others.items():
        text = f"{words}: {', '.join(triggers)}"
        yield indent(fill(text, WIDTH - 11, break_on_hyphens=False), " " * 11)
    return complete


def _fitted(before: str, text: str, after: str) -> str:
    """One line of at most 100 columns."""
    room = WIDTH - len(before) - len(after)
    return before + (text if len(text) <= room else text[: room - 3] + "...") + after


def _said(event: dict[str, Any]) -> tuple[str, str]:
    """The row that an event is of, and its labels."""
    if tags := event.get("weighted_tags"):
        (prefix,) = tags.get("set", tags.get("clear"))
        set_tags = ", ".join(tag["tag"] for tag in tags.get("set", {}).get(prefix, ()))
        return _TAGGERS[prefix], f"set {set_tags}" if set_tags else "clear"
    if predicted := event.get("predicted_classification"):
        return predicted["model_name"], ", ".join(predicted["predictions"]) or "no label"
    (score,) = event["scores"].values()
    return score["model_name"], ", ".join(score["prediction"]) or "no label"
