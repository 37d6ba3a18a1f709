"""`python -m sinks`: the command line without installing it."""

from __future__ import annotations

from sinks.cli import main

main(prog_name="sinks")
