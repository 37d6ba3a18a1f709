"""`sinks deadletters list`, `show` and `drop`."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

import click

from sinks.contract.terminal import OK, Terminal, ended, quiet_ends
from sinks.deadletters.options import (
    NUMBER,
    POSITION,
    on_database,
    opened,
    selected,
    selecting,
)
from sinks.deadletters.replay_command import replay_command
from sinks.deadletters.shown import details, table
from sinks.letter_document import whole
from sinks.letter_selection import Selection
from sinks.letters import Letters, listing
from sinks.replay_run import pending, until_at_most

_LETTERS: Final = 100
_LIST_HELP = """List letters, the oldest first.

\b
Example, what has failed since yesterday and waits for a replay:
  sinks deadletters list --since 24h --pending
"""
_SHOW_HELP = """Show one letter: where and why it failed, its attributes and its body.

\b
Example:
  sinks deadletters show 12
  sinks deadletters show 12 --body >event.json
"""
_DROP_HELP = """Drop letters for good. They cannot be brought back.

Without a terminal to ask at, it wants --yes.

\b
Example:
  sinks deadletters drop --row revertrisk-wikidata --until 7d
"""


@click.group()
def deadletters() -> None:
    """List, show, replay and drop what failed for good (docs/dead-letters.md).

    Exit code: 0 done; 1 something was deferred or rejected; 2 it cannot be done.
    """


@deadletters.command("list", help=_LIST_HELP)
@selecting
@click.option("--after", type=POSITION, default=0, help="Greater numbers only.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    help=f"Letters at most; without it {_LETTERS}, and with --json all.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, without bodies.")
def list_command(
    database: str | None, after: int, limit: int | None, as_json: bool, **asked: Any
) -> None:
    with quiet_ends(), opened(database) as (_, letters):
        selection = selected(asked)
        found = listing(letters, selection, after)
        terminal = Terminal()
        if as_json:
            for letter in islice(found, limit):
                terminal.line(json.dumps(letter))
            return
        shown = list(islice(found, limit or _LETTERS))
        if shown:
            for line in table(shown):
                terminal.line(line)
        last = shown[-1]["number"] if shown else after
        left = letters.count(selection, after=last)
        more = f", {left} more: --after {last}" if left else ""
        terminal.line(f"{_letters(len(shown))}{more}")


@deadletters.command("show", help=_SHOW_HELP)
@click.argument("number", type=NUMBER, metavar="NUMBER")
@on_database
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--body", "as_body", is_flag=True, help="The body alone, byte for byte.")
def show_command(number: int, database: str | None, as_json: bool, as_body: bool) -> None:
    if as_body and sys.stdout.isatty():
        raise ended("a body may hold anything, control codes too: write it to a file")
    with quiet_ends(), opened(database) as (_, letters):
        found = letters.find(Selection(numbers=frozenset({number})))
        if not found:
            raise ended(
                f"there is no letter {number}: sinks deadletters list shows which there are"
            )
        terminal = Terminal()
        if as_body:
            sys.stdout.buffer.write(found[0].letter.body)
        elif as_json:
            terminal.line(json.dumps(whole(found[0])))
        else:
            for line in details(found[0]):
                terminal.line(line)


@deadletters.command("drop", help=_DROP_HELP)
@selecting
@click.option("--all", "everything", is_flag=True, help="Every letter that there is.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def drop_command(database: str | None, everything: bool, yes: bool, **asked: Any) -> None:
    selection = selected(asked)
    if (selection == Selection()) != everything:
        raise click.UsageError("say which letters, or --all: one of them")
    with quiet_ends(), opened(database) as (_, letters):
        selection = until_at_most(selection, datetime.now(UTC))
        count = letters.count(selection)
        if count and not yes:
            _ask(letters, selection, count)
        click.echo(f"{_letters(letters.drop(selection) if count else 0)} dropped")
    sys.exit(OK)


def _ask(letters: Letters, selection: Selection, count: int) -> None:
    """Return only if somebody agrees."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ended(f"{_letters(count)} would be dropped: say --yes")
    waiting = letters.count(pending(selection))
    if not click.confirm(f"Drop {_letters(count)}, {waiting} of them pending?", err=True):
        raise ended("nothing is dropped")


def _letters(count: int) -> str:
    return "1 letter" if count == 1 else f"{count} letters"


deadletters.add_command(replay_command)
