"""What the soak needs of the machine: a small disk of its own, and libfaketime."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.soak.processes import Broken

_LOCK = ("-o", "DPkg::Lock::Timeout=120")  # another installation may be under way


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
    if not (found := _libraries()):
        _command("apt-get", "-q", *_LOCK, "update")
        _command("apt-get", "-q", *_LOCK, "install", "-y", "libfaketime")
        found = _libraries()
    if not found:
        raise Broken("libfaketime is not there: install it, on Debian the package libfaketime")
    return found[0]


def _libraries() -> list[Path]:
    return sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))


def _command(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise Broken(f"{' '.join(command)}: {done.stderr.strip()}: the soak needs Debian and root")
