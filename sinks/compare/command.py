"""`sinks compare`: two files of published events in, what differs between them out."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import click

from sinks.compare import report
from sinks.compare.comparison import compare
from sinks.compare.published import Reading, Unreadable, read
from sinks.contract.terminal import FINDINGS, OK, Terminal, ended, opened, quiet_ends
from sinks.models import MODELS

_HELP = """Compare what today's model servers published with what our sinks did.

TODAY and OURS, or - for standard input, hold published events, one JSON document a line, or what
EventStreams sends: revision scores, predictions and search tags, of the same minutes. Events about
the same row, wiki, page and revision (of tags: time) are compared. What differs because of a known
defect of today's servers, or by a decision, is expected and named; all else is a finding. Scores
may differ by 1e-9.

Exit code: 0 nothing unexpected, 1 findings, 2 a file cannot be read or holds no such event.

\b
Example, an hour of a shadow run beside production, FROM and TO in milliseconds:
  hour="-o s@$FROM -o e@$TO"
  kafkacat -C -b kafka -t eqiad.mediawiki.revision_score_drafttopic $hour >today.ndjson
  kafkacat -C -b kafka -t eqiad.mediawiki.revision-score-test $hour >ours.ndjson
  sinks compare today.ndjson ours.ndjson --row drafttopic
"""


@click.command("compare", help=_HELP)
@click.argument("today", metavar="TODAY.ndjson")
@click.argument("ours", metavar="OURS.ndjson")
@click.option(
    "--row",
    "rows",
    multiple=True,
    type=click.Choice(tuple(MODELS)),
    metavar="ROW",
    help="Only events of this row; can be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines.")
def compare_command(today: str, ours: str, rows: Sequence[str], as_json: bool) -> None:
    if today == ours == "-":
        raise click.UsageError("standard input can be read only once: name - once")
    with quiet_ends():
        one, other = _read(today, rows), _read(ours, rows)
        if not one.events and not other.events:
            raise ended("neither file holds an event of these rows: there is nothing to compare")
        comparison = compare(one, other)
        terminal = Terminal()
        if as_json:
            terminal.line(json.dumps(report.as_document(comparison, one, other), indent=2))
        else:
            for text, is_finding in report.lines(comparison, one, other):
                terminal.line(text, fg="red" if is_finding else None)
    sys.exit(FINDINGS if comparison.findings else OK)


def _read(name: str, rows: Sequence[str]) -> Reading:
    try:
        with opened(name) as lines:
            return read(lines, rows)
    except OSError as error:
        raise ended(f"{name}: {error.strerror or 'cannot be read'}") from None
    except Unreadable as error:
        raise ended(f"{name}: {error}") from None
