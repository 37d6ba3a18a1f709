"""What a feed says while it runs: troubles, progress, and at the end the sum."""

from __future__ import annotations

import json
import queue
import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import click

from sinks.contract.finding import one_line
from sinks.contract.terminal import Terminal
from sinks.feed.account import Account, Ended
from sinks.feed.file_source import UNFINISHED

# Lines that wait to be written; who has more to say waits too, and so does the feed.
_WAITING: Final = 1000
_SAME_AGAIN_SECONDS: Final = 60.0
_KINDS: Final = 40
_MANY: Final = "many other troubles"
_SUM_SECONDS: Final = 60.0
_PROGRESS_SECONDS: Final = 0.5
_VARIES: Final = re.compile(r"[0-9.]+")


class Troubles:
    """Lets one line of each kind through a minute: a fault comes with every event."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}
        self.hidden: Counter[str] = Counter()

    def is_told(self, text: str, now: float) -> bool:
        """Return whether the line is to be written. Two that differ in numbers are of one kind."""
        kind = _VARIES.sub("0", text)
        if kind not in self._told and len(self._told) >= _KINDS:
            kind = _MANY
        last = self._told.get(kind)
        if last is not None and now - last < _SAME_AGAIN_SECONDS:
            self.hidden[kind] += 1
            return False
        self._told[kind] = now
        return True


class Report:
    """Threads say things at any time; only `tick` and `sum` write."""

    def __init__(self, accounts: Mapping[str | None, Account], as_json: bool) -> None:
        self._accounts = accounts
        self._as_json = as_json
        self._terminal = Terminal()
        self._lines: queue.Queue[Ended | str] = queue.Queue(_WAITING)
        self._troubles = Troubles()
        self._shown_at = self._summed_at = time.monotonic()

    def tell(self, text: str) -> None:
        """Say a line for people."""
        self._lines.put(text)

    def ended(self, ended: Ended) -> None:
        """Say what became of an event, if that is of interest."""
        if self._as_json or not ended.is_kept:
            self._lines.put(ended)

    def tick(self) -> None:
        """Write what has been said, and how far the feeds are. raises: OSError."""
        self._write()
        now = time.monotonic()
        if sys.stderr.isatty():
            if now - self._shown_at >= _PROGRESS_SECONDS:
                self._shown_at = now
                self._terminal.progress(self._now()[: shutil.get_terminal_size().columns - 1])
        elif now - self._summed_at >= _SUM_SECONDS:
            self._summed_at = now
            click.echo(self._now(), err=True)

    def sum(self) -> None:
        """Write the rest, and one last line for each feed."""
        self._write()
        self._terminal.progress("")
        if more := self._troubles.hidden.total():
            click.echo(f"{more} lines like these were left out", err=True)
        for name, account in self._accounts.items():
            click.echo(f"{_name(name)}: {account.counts()}", err=self._as_json)

    def _now(self) -> str:
        now = datetime.now(UTC)
        told = (f"{_name(name)}: {each.line(now)}" for name, each in self._accounts.items())
        return " | ".join(told)

    def _write(self) -> None:
        for _ in range(_WAITING):
            try:
                said = self._lines.get_nowait()
            except queue.Empty:
                break
            if isinstance(said, str):
                self._trouble(": ".join(said.split(": ")[:2]), said)
                continue
            if self._as_json:
                self._terminal.line(json.dumps(_document(said)))
            if not said.is_kept:
                why = one_line(f"{said.reason}: {said.detail}")
                over = "" if said.detail == UNFINISHED else ", and passed over"
                self._trouble(why, f"rejected{over}: {said.where}: {why}")
        sys.stdout.flush()

    def _trouble(self, kind: str, text: str) -> None:
        if self._troubles.is_told(kind, time.monotonic()):
            self._terminal.progress("")
            click.echo(text, err=True)


def _name(trigger: str | None) -> str:
    return trigger or "all Triggers"


def _document(ended: Ended) -> dict[str, Any]:
    delivered = ended.delivered
    return {
        "trigger": ended.feed,
        "event": ended.where,
        "id": ended.change.id,
        "wiki_id": ended.change.wiki_id,
        "dt": ended.change.dt,
        "outcome": ended.outcome,
        "reason": ended.reason,
        "detail": ended.detail,
        "kept": ended.is_kept,
        "attempts": delivered.attempts if delivered else 0,
        "seconds": round(delivered.seconds, 3) if delivered else 0,
    }
