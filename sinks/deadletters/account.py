"""What a replay came to: a line for each letter that did not go well, progress, and the sum."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Generator
from contextlib import closing
from dataclasses import asdict
from typing import Final

import click

from sinks.contract.finding import one_line
from sinks.contract.terminal import Terminal
from sinks.replaying import Replayed

_OUTCOMES: Final = ("relayed", "ignored", "rejected", "deferred", "would be sent")
_MOST_CHARS: Final = 240


class Account:
    """What became of letters so far, and how it is shown."""

    def __init__(self, as_json: bool, total: int) -> None:
        self._as_json = as_json
        self._total = total
        self._terminal = Terminal()
        self._outcomes: Counter[str] = Counter()
        self.last = 0

    @property
    def bad(self) -> int:
        """How many are deferred or rejected."""
        return self._outcomes["deferred"] + self._outcomes["rejected"]

    @property
    def done(self) -> int:
        """How many letters have come to an end."""
        return self._outcomes.total()

    def show(self, replayed: Generator[Replayed, None, None]) -> None:
        """Write a line for each letter, but for those that went well, and show progress."""
        hidden = not sys.stderr.isatty()
        bar = click.progressbar(length=self._total, file=sys.stderr, hidden=hidden, label="replay")
        with bar, closing(replayed):
            for each in replayed:
                self._outcomes[each.outcome or "would be sent"] += 1
                self.last = max(self.last, each.number)
                if self._as_json or each.outcome != "relayed":
                    self._terminal.progress("")
                    self._terminal.line(self._line(each))
                bar.update(1)

    def sum(self) -> None:
        """Write the last line."""
        told = [f"{self._outcomes[name]} {name}" for name in _OUTCOMES if self._outcomes[name]]
        done = f"{self.done} of {self._total} letters"
        click.echo(": ".join([done, ", ".join(told)]) if told else done, err=self._as_json)

    def _line(self, each: Replayed) -> str:
        if self._as_json:
            return json.dumps(asdict(each))
        outcome = each.outcome or "to send"
        return one_line(
            f"{each.number:>7}  {outcome:<8}  {each.reason:<20}  {each.detail}", _MOST_CHARS
        )
