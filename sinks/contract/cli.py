"""`sinks contract`: its two commands."""

from __future__ import annotations

import click

from sinks.contract.check.command import check
from sinks.contract.probe.command import probe


@click.group()
def contract() -> None:
    """Prove a running sink (probe) or a payload (check) against the contracts of its neighbours."""


contract.add_command(probe)
contract.add_command(check)
