"""A directory that looks like a clone of the project after its set-up."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# What the Makefile compares the set-up with.
_PINNED = ("requirements-dev.txt", "requirements-build.txt", "pyproject.toml")


def set_up(directory: Path) -> None:
    """Make `.venv` there: the programs are this process's own, on the code of that directory, and
    `make` finds nothing to install."""
    programs = directory / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, command in (("python", ""), ("sinks", " -m sinks")):
        script = f'#!/bin/sh\nexec {sys.executable}{command} "$@"\n'
        (programs / name).write_text(script, encoding="ascii")
        (programs / name).chmod(0o755)
    for at, name in enumerate((*_PINNED, ".venv/packages", ".venv/ready")):
        (directory / name).touch()
        os.utime(directory / name, (at, at))
