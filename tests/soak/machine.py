"""What the soak needs of the machine: a small disk of its own, and libfaketime."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.machine import Failed, install
from tests.soak.processes import Broken


@contextlib.contextmanager
def small_disk(path: Path, events: int) -> Iterator[Path]:
    """A file system of its own, which can be full without harm to others."""
    path.mkdir()
    size = 24 * 2**20 + events * 1536
    _command("mount", "-t", "tmpfs", "-o", f"size={size}", "soak", str(path))
    try:
        yield path
    finally:
        unmount(path)


def unmount(path: Path) -> None:
    _command("umount", "-l", str(path))


def faketime() -> Path:
    """Return the library that makes the clock jump; Debian's package is installed if need be."""
    try:
        install(["libfaketime"], print)
    except Failed as error:
        raise Broken(f"the soak {error}: {error.output.strip()}") from error
    if not (found := sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))):
        raise Broken("libfaketime is installed, and its library is not below /usr/lib")
    return found[0]


def _command(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise Broken(f"{' '.join(command)}: {done.stderr.strip()}: the soak needs Debian and root")
