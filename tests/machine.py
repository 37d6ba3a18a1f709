"""What a machine has to have for tests that need more than Python: Debian's packages, and room."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

# What takes long to make, and serves all clones of a user.
CACHE: Final = (
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "knative-event-sinks"
)


class Failed(RuntimeError):
    """What could not be done, in one line; `output` is what the command said about it."""

    def __init__(self, what: str, output: str = "") -> None:
        super().__init__(what)
        self.output = output
        self.add_note(output)


def install(packages: Sequence[str], say: Callable[[str], None]) -> None:
    """Install those of the packages that are missing. raises: Failed, also without apt or root."""
    missing = _missing(packages)
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise Failed("needs Debian's apt, for " + " ".join(missing))
    say("installing " + " ".join(missing))
    for step in (["update"], ["install", "-y", "--no-install-recommends", *missing]):
        done = subprocess.run(  # noqa: S603
            ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120", *step],  # noqa: S607
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Failed(f"apt-get {step[0]} ended with {done.returncode}", done.stderr)


def _missing(packages: Sequence[str]) -> list[str]:
    if not shutil.which("dpkg-query"):
        return list(packages)
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n", *packages]
    listed = subprocess.run(query, capture_output=True, text=True, check=False)  # noqa: S603
    present = listed.stdout.splitlines()
    return [name for name in packages if f"installed {name}" not in present]
