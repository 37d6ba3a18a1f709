"""The command line, `sinks`: one module for each group of commands."""

from __future__ import annotations

import click

from sinks import __version__
from sinks.catalogue.command import streams
from sinks.catalogue.wikis_command import wikis_command
from sinks.compare.command import compare_command
from sinks.contract.cli import contract
from sinks.contract.terminal import fill_closed_ends
from sinks.deadletters.command import deadletters
from sinks.explain.command import explain_command
from sinks.feed.command import feed_command
from sinks.send.command import send_command
from sinks.trigger_lint.command import triggers


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sinks")
def main() -> None:
    """Event sinks between MediaWiki, KServe and EventGate."""
    fill_closed_ends()


main.add_command(compare_command)
main.add_command(contract)
main.add_command(deadletters)
main.add_command(explain_command)
main.add_command(feed_command)
main.add_command(send_command)
main.add_command(streams)
main.add_command(triggers)
main.add_command(wikis_command)
