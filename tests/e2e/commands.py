"""The machine's own commands: mount, ip, nft."""

from __future__ import annotations

import subprocess
from typing import Final

from tests.machine import Failed

_SECONDS: Final = 60.0


def run(*command: str, input: str = "") -> None:
    """Run a command to its end. raises: Failed with what it has said, and with its input."""
    line = " ".join(command)
    try:
        done = subprocess.run(  # noqa: S603
            command, input=input, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"cannot run {line}: not done after {_SECONDS:g} s", input) from None
    if done.returncode:
        raise Failed(f"cannot run {line}: {done.stderr.strip()}", input)
