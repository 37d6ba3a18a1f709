"""`sinks deadletters replay`: letters once more to their Triggers, from a terminal or a job."""

from __future__ import annotations

import re
import shlex
import sys
from contextlib import closing
from datetime import datetime
from typing import Any

import click
from click.core import ParameterSource

from sinks.contract.stopping import stoppable
from sinks.contract.terminal import FINDINGS, INTERRUPTED, OK, ended, quiet_ends
from sinks.deadletter_settings import DeadletterSettings
from sinks.deadletters.account import Account
from sinks.deadletters.options import POSITION, Value, opened, selected, selecting
from sinks.deadline import Deadline
from sinks.letter_document import rfc3339
from sinks.letter_selection import words
from sinks.letters import Letters
from sinks.replay_parts import replaying_of
from sinks.replay_run import (
    CONCURRENCY,
    MAX_CONCURRENCY,
    Run,
    pending,
    replay,
    until_at_most,
)
from sinks.replaying import Replaying
from sinks.telemetry import Telemetry
from sinks.triggers import InvalidTrigger

_HELP = """Send letters once more to the Trigger at whose subscriber they failed, and mark each.

Those that are pending, the oldest first: what has been relayed, ignored or rejected before is sent
only with --again. TRIGGERS_DIR and SERVICE_URLS say which Triggers there are, K_SINK which Broker
gets the replies; without it these are routed here. EVENT_DEADLINE_SECONDS is for each letter.

Ctrl-C waits for the letters in work; once more, it does not. Exit code: 0 all are relayed or
ignored; 1 some are deferred or rejected; 2 it cannot be done; 130 stopped.

\b
Example:
  sinks deadletters replay --row drafttopic --since 6h --dry-run
  sinks deadletters replay --row drafttopic --since 6h
"""


@click.command("replay", help=_HELP)
@selecting
@click.option("--again", is_flag=True, help="Also letters that a replay has settled.")
@click.option("--after", type=POSITION, default=0, help="Greater numbers only.")
@click.option(
    "--trigger",
    type=Value("name", words),
    help="Send all of them to this Trigger, wherever they failed.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, MAX_CONCURRENCY),
    default=CONCURRENCY,
    show_default=True,
    help="Letters in work at a time.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0, min_open=True),
    help="Letters begun a second; without it, as fast as they end.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done; send and mark nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for each letter.")
@click.pass_context
def replay_command(
    ctx: click.Context, /, database: str | None, again: bool, as_json: bool, **asked: Any
) -> None:
    with (
        quiet_ends(),
        opened(database) as (settings, letters),
        closing(_replaying(settings, letters)) as replaying,
    ):
        everything = until_at_most(selected(asked), replaying.now())
        selection = everything if again else pending(everything)
        with stoppable("once the letters in work have ended") as stopping:
            run = Run(
                deadline=lambda: Deadline.after(settings.event_deadline_seconds),
                stop=stopping.is_asked,
                concurrency=asked["concurrency"],
                rate=asked["rate"] or 0.0,
                trigger=asked["trigger"],
                after=asked["after"],
                dry=asked["dry_run"],
            )
            total = letters.count(selection, after=run.after)
            if not total and (settled := letters.count(everything, after=run.after)):
                click.echo(f"{settled} settled by a replay before: --again sends them", err=True)
            account = Account(as_json, total)
            try:
                account.show(replay(selection, replaying, run))
            finally:
                account.sum()
            if stopping.is_asked() and account.done < total:
                click.echo(f"go on with:\n  {_rest(ctx, account.last if again else 0)}", err=True)
                sys.exit(INTERRUPTED)
    sys.exit(FINDINGS if account.bad else OK)


def _replaying(settings: DeadletterSettings, letters: Letters) -> Replaying:
    try:
        return replaying_of(settings, letters, Telemetry("deadletters", lambda: 0.0))
    except InvalidTrigger as error:
        raise ended(
            f"the Triggers cannot be loaded: see TRIGGERS_DIR, SERVICE_URLS\n{error}"
        ) from None


def _rest(ctx: click.Context, after: int) -> str:
    """The command that goes on: the same, but its ages are times now.

    after: the last letter that is done, which --again would send once more; 0: marks tell.
    """
    words = ctx.command_path.split()
    for parameter in ctx.command.params:
        name = parameter.name or ""
        given = ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if not given or (name == "after" and after):
            continue
        value = ctx.params[name]
        for each in value if isinstance(value, tuple) else (value,):
            words.append(parameter.opts[0])
            if not isinstance(each, bool):
                text = rfc3339(each) if isinstance(each, datetime) else str(each)
                words.append(_without_password(text) if name == "database" else text)
    return shlex.join([*words, *(["--after", str(after)] if after else [])])


def _without_password(url: str) -> str:
    """A job's log is read by many."""
    return re.sub(r"(?<=//).*(?=@)|(?<=password=)[^&]*", "***", url)
