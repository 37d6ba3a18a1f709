"""`sinks feed`: page changes from a stream or a file to the shim."""

from __future__ import annotations

import sys
import threading
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from sinks.contract.stopping import Stopping, stoppable
from sinks.contract.terminal import FINDINGS, OK, ended, quiet_ends
from sinks.deadletters.options import Value
from sinks.feed.account import Account
from sinks.feed.delivering import Undelivered, WrongShim
from sinks.feed.parts import (
    Options,
    client_of,
    deliverings_of,
    events_url,
    feeds_of,
    positions_of,
    source_of,
    unknown_wikis,
)
from sinks.feed.position import InvalidState
from sinks.feed.report import Report
from sinks.feed.run import Saving, run
from sinks.feed.stream_source import GaveUp, Refused
from sinks.letter_selection import moment

_STATE: Final = Path("var/feed.json")
_HELP: Final = """Feed page changes from SOURCE to the /events of the http-shim at SHIM.

SOURCE is the URL of a stream of EventStreams, a file with one JSON document a line, or - for
standard input. The state file keeps where each feed goes on, so another run does: nothing is
passed over before the shim has answered for it, and after a crash some events come twice. What
the shim defers is sent again, until it takes it; what it rejects for good is told and passed over.

With --trigger each Trigger is fed for itself, from a position of its own.

Ctrl-C waits a few seconds for the events on their way; once more, it does not. Exit code: 0 the
source has ended and all is acknowledged; 1 something was rejected, or --give-up-after is over; 2
it cannot be done; 130 or 143 stopped.

\b
Example, edits of one wiki, slowly, to the shim of `make up`:
  stream=https://stream.wikimedia.org/v2/stream/mediawiki.page_change.v1
  sinks feed $stream http://127.0.0.1:8080 --wiki enwiki --rate 1 --user-agent me@example.org
"""


@click.command("feed", help=_HELP)
@click.argument("source")
@click.argument("shim")
@click.option("--trigger", "triggers", multiple=True, help="Feed this Trigger; can be repeated.")
@click.option("--wiki", "wikis", multiple=True, help="Only of this wiki; can be repeated.")
@click.option(
    "--since",
    type=Value("time", lambda text: moment(text, datetime.now(UTC))),
    help="Where a stream without a position begins: a time, or an age such as 2h. Without it: now.",
)
@click.option("--reset", is_flag=True, help="Forget the positions of these feeds first.")
@click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    default=_STATE,
    show_default=True,
    help="Keeps the positions.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 256),
    default=8,
    show_default=True,
    help="Events on their way at a time, of each feed.",
)
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Events a second, at most.")
@click.option("--limit", type=click.IntRange(1), help="End after so many events.")
@click.option(
    "--give-up-after",
    "give_up_seconds",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="End when the stream is gone, or one event deferred, for so long. Without it: never.",
)
@click.option(
    "--silence",
    "silence_seconds",
    type=click.FloatRange(0.1),
    default=60.0,
    show_default=True,
    help="Seconds without a byte after which a stream is connected to anew.",
)
@click.option("--token-file", metavar="FILE", help="Holds the bearer token for the shim.")
@click.option("--ca-file", type=click.Path(path_type=Path), help="The shim's authorities, PEM.")
@click.option("--user-agent", default="", help="Told to the stream: who you are; Wikimedia asks.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for each event.")
def feed_command(
    source: str, shim: str, triggers: tuple[str, ...], as_json: bool, **options: Any
) -> None:
    asked = Options(**options)
    names = tuple(dict.fromkeys(triggers)) or (None,)
    stopped = threading.Event()
    accounts = {trigger: Account(time.monotonic) for trigger in names}
    with quiet_ends(), stoppable("events on their way get 5 s") as stopping:
        http, address = client_of(asked.token_file, asked.ca_file), events_url(shim)
        report = Report(accounts, as_json)
        for line in unknown_wikis(asked.wikis):
            report.tell(line)
        sources = {each: source_of(source, asked, stopped, report) for each in names}
        first = sources[names[0]]
        if first.key is None and len(names) > 1:
            raise ended(f"{source} can be read only once: name one --trigger, or none")
        try:
            with positions_of(first, asked.state) as positions:
                feeds = feeds_of(sources, accounts, positions, asked, stopped, report)
                patience = asked.give_up_seconds
                how = deliverings_of(feeds, http, address, patience, stopped, report)
                saving = Saving(feeds, positions)
                saving.now()  # a file that cannot be written is told before the first event
                try:
                    tick = partial(_tick, saving, report, stopping)
                    failure = run(feeds, how, asked.concurrency, stopped, tick)
                finally:
                    stopped.set()
                    saving.now()
                    report.sum()
        except InvalidState as error:
            raise ended(str(error)) from None
        _end(failure, stopping)
    sys.exit(FINDINGS if any(each.rejected for each in accounts.values()) else OK)


def _tick(saving: Saving, report: Report, stopping: Stopping) -> bool:
    """Save and show how far the feeds are; false: they have to stop."""
    saving.tick()
    report.tick()
    return not stopping.is_asked()


def _end(failure: Exception | None, stopping: Stopping) -> None:
    """Return if the source has come to its end, and nothing else has ended the feed."""
    if isinstance(failure, Refused | WrongShim):
        raise ended(str(failure))
    if isinstance(failure, OSError):
        raise ended(f"SOURCE cannot be read: {failure.strerror}")
    if isinstance(failure, GaveUp | Undelivered):
        click.echo(f"given up: {failure}", err=True)
        sys.exit(FINDINGS)
    if failure is not None:
        raise failure
    if stopping.is_asked():
        sys.exit(stopping.exit_code)
